"""Fold: the training rows as some of a bank's members meet them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from monolayer.data.scaler import Scaler
from monolayer.errors import BadInput

if TYPE_CHECKING:
    from monolayer.engine.bank import Bank

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Fold:
    """Sample weights, and the scaler that goes with them.

    A row of weight 0 is not there: the batches are those of all rows with such rows left out, and what is left of a
    batch gives its mean gradient. The other weights multiply the gradients of their rows, divided by the mean of all
    weights above 0, so that a common factor changes nothing and no batch weighs more for the company it keeps.

    Args:
        sample_weight: (n,) of the training rows, 0 or above, float64.
        scaler: to standardise the features with for these members.

    Raises:
        BadInput: if a weight is negative or not finite, or none is above 0.
    """

    sample_weight: Array
    scaler: Scaler

    def __post_init__(self) -> None:
        weights = np.asarray(self.sample_weight, np.float64)
        object.__setattr__(self, "sample_weight", weights)
        if weights.ndim != 1 or not (np.isfinite(weights) & (weights >= 0)).all() or not weights.any():
            raise BadInput("Sample weights must be finite numbers of 0 or above, one a training row, and not all 0.")

    @property
    def is_mask(self) -> bool:
        """Whether rows are only there or not, each as heavy as the others."""
        present = self.sample_weight[self.sample_weight > 0]
        return bool((present == present[0]).all())

    def compute_factors(self) -> Array:
        """What the gradient of each row is multiplied by, (n,) float64: the weights divided by their mean above 0."""
        present = self.sample_weight > 0
        if self.is_mask:  # exactly 1, which a mean of many equal weights need not give
            return present.astype(np.float64)
        return np.asarray(self.sample_weight / self.sample_weight[present].mean())


@dataclass(frozen=True, eq=False)
class Meeting:
    """An epoch as a bank with folds meets it: rows that no member meets are left out of the order.

    Args:
        order: (n',) int64 positions among the training rows.
        mirrored: (n',) bool, or None without flips.
        batches: slices of the order; none is empty.
        factors: (F, n') in the order, what gradients are multiplied by; None where all are 1.
        counts: (number of batches, F), rows of the batch that the fold has.
    """

    order: Array
    mirrored: Array | None
    batches: tuple[slice, ...]
    factors: Array | None
    counts: Array


def plan_epoch(bank: Bank, order: Array, mirrored: Array | None) -> Meeting:
    """The epoch, or a part of it, that comes of this order of the training rows."""
    batch_size = bank.recipes[0].batch_size
    if bank.folds:
        return plan_meeting(bank.distinct_folds, order, mirrored, batch_size)
    batches = cut_batches(len(order), batch_size)
    counts = np.array([[batch.stop - batch.start] for batch in batches])
    return Meeting(order, mirrored, tuple(batches), None, counts)


def cut_batches(n: int, size: int) -> list[slice]:
    """Places 0 to n in slices of a size, the last of which may be short."""
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def plan_meeting(folds: Sequence[Fold], order: Array, mirrored: Array | None, batch_size: int) -> Meeting:
    """The epoch that comes of this order of all training rows, in batches of so many of all rows."""
    factors = np.stack([fold.compute_factors() for fold in folds])[:, order]
    met = (factors > 0).any(axis=0)
    # Batches are cut before rows are left out: a fold meets what is left of the batches that all rows would make.
    starts = np.arange(0, len(order), batch_size)
    sizes = np.add.reduceat(met, starts, dtype=np.int64)
    counts = np.add.reduceat(factors > 0, starts, axis=1, dtype=np.int64).T
    ends = np.cumsum(sizes)
    batches = tuple(slice(int(end - size), int(end)) for end, size in zip(ends, sizes, strict=True) if size)
    factors = factors[:, met]
    return Meeting(
        order[met],
        None if mirrored is None else mirrored[met],
        batches,
        None if (factors == 1).all() else factors,
        counts[sizes > 0],
    )
