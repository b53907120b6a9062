"""Fold: the training rows as some of a bank's members meet them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from monolayer.engine.bank import Bank, Fold
from monolayer.recipe.recipe import Recipe
from monolayer.recipe.shuffle import Shuffle, parse_shuffle

if TYPE_CHECKING:
    from monolayer.engine.bank import Bank

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class EpochPlan:
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


def plan_epoch(bank: Bank, order: Array, mirrored: Array | None) -> EpochPlan:
    """The epoch, or a part of it, that comes of this order of the training rows."""
    batch_size = bank.recipes[0].batch_size
    if bank.folds:
        return plan_fold_epoch(bank.distinct_folds, order, mirrored, batch_size)
    batches = cut_batches(len(order), batch_size)
    counts = np.array([[batch.stop - batch.start] for batch in batches])
    return EpochPlan(order, mirrored, tuple(batches), None, counts)


def cut_batches(n: int, size: int) -> list[slice]:
    """Places 0 to n in slices of a size, the last of which may be short."""
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def plan_fold_epoch(folds: Sequence[Fold], order: Array, mirrored: Array | None, batch_size: int) -> EpochPlan:
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
    return EpochPlan(
        order[met],
        None if mirrored is None else mirrored[met],
        batches,
        None if (factors == 1).all() else factors,
        counts[sizes > 0],
    )


@dataclass(eq=False)
class BatchOrder:
    """The order in which an epoch meets the training rows, and which of them are mirrored.

    Weights are the first draw of ``default_rng(seed)`` and the shuffles follow, one an epoch, so the generator is
    advanced past the weights first. Flips come from a stream of their own: turning them on changes no order.
    """

    _orders: np.random.Generator
    _flips: np.random.Generator
    flip: float
    shuffle: Shuffle

    def draw_epoch(self, n: int) -> tuple[Array, Array | None]:
        """(order, mirrored): (n,) int64 positions, and (n,) bool by place in that order, or None without flips."""
        order = self.shuffle.draw(self._orders, n)
        return order, (self._flips.random(n) < self.flip) if self.flip else None


def make_batch_order(recipe: Recipe, n_classes: int, n_features: int) -> BatchOrder:
    """The batch order of a recipe, before its first epoch."""
    orders = np.random.default_rng(recipe.seed)
    orders.standard_normal((n_classes, n_features))
    return BatchOrder(orders, np.random.default_rng([recipe.seed, 1]), recipe.flip, parse_shuffle(recipe.shuffle))
