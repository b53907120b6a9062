"""The batches of an epoch: the order of the rows, and the rows that each fold of a bank trains on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from monolayer._typing import Array
from monolayer.engine.bank import Bank, Fold
from monolayer.recipe.recipe import Recipe
from monolayer.recipe.shuffle import Shuffle, parse_shuffle


@dataclass(frozen=True, eq=False)
class EpochPlan:
    """The batches of an epoch of a bank; rows that no member trains on are left out of the order.

    Args:
        order: (n',) int64 positions among the training rows.
        mirrored: (n',) bool, or None without flips.
        batches: slices of the order; none is empty.
        factors: (F, n') in the order, multiplied into the gradients; None if all are 1.
        counts: (number of batches, F), number of rows of each batch in each fold.
    """

    order: Array
    mirrored: Array | None
    batches: tuple[slice, ...]
    factors: Array | None
    counts: Array


def plan_epoch(bank: Bank, order: Array, mirrored: Array | None) -> EpochPlan:
    """The batches of an epoch, or of a part of it, for this order of the training rows."""
    batch_size = bank.recipes[0].batch_size
    if bank.folds:
        return plan_fold_epoch(bank.distinct_folds, order, mirrored, batch_size)
    batches = cut_batches(len(order), batch_size)
    counts = np.array([[batch.stop - batch.start] for batch in batches])
    return EpochPlan(order, mirrored, tuple(batches), None, counts)


def cut_batches(n: int, size: int) -> list[slice]:
    """Slices of 0 to n of a given size; the last may be shorter."""
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def plan_fold_epoch(folds: Sequence[Fold], order: Array, mirrored: Array | None, batch_size: int) -> EpochPlan:
    """The batches for this order of all training rows; batch_size counts all rows, also those of no fold."""
    factors = np.stack([fold.compute_factors() for fold in folds])[:, order]
    met = (factors > 0).any(axis=0)
    # Batches are cut before rows are left out, so that a fold trains on its part of the batches of all rows.
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
    """The order of the training rows in each epoch, and which of them are mirrored.

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
