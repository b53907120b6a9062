"""The batches of an epoch: the order of the rows, and the rows that each fold of a bank trains on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from monolayer._typing import Array
from monolayer.data.dataset import Rows
from monolayer.data.memmap import is_large
from monolayer.engine.bank import Bank
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

    def compute_steps(self, bank: Bank, rates: Array) -> Array:
        """Rate over the number of rows that each member has in each batch, (number of batches, M) float64.

        It is 0 where a member has no row in a batch: it takes no step on it.
        """
        counts = self.counts[:, bank.fold_of]
        return np.divide(rates, counts, out=np.zeros(counts.shape), where=counts > 0)


def plan_epoch(bank: Bank, order: Array, mirrored: Array | None) -> Iterator[EpochPlan]:
    """The batches of an epoch for this order of the training rows, in parts that are in memory at a time.

    With a block shuffle a part is a buffer of rows; batches do not reach from one into the next.
    """
    for part in parse_shuffle(bank.recipes[0].shuffle).cut(len(order)):
        yield _plan_part(bank, order[part], None if mirrored is None else mirrored[part])


def _plan_part(bank: Bank, order: Array, mirrored: Array | None) -> EpochPlan:
    """The batches of a part; a batch has batch_size rows, those of no fold included."""
    batch_size = bank.recipes[0].batch_size
    if not bank.folds:
        whole = cut_batches(len(order), batch_size)
        sizes = np.array([[batch.stop - batch.start] for batch in whole])
        return EpochPlan(order, mirrored, tuple(whole), None, sizes)
    factors = np.stack([fold.compute_factors() for fold in bank.distinct_folds])[:, order]
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


def cut_batches(n: int, size: int) -> list[slice]:
    """Slices of 0 to n of a given size; the last may be shorter."""
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def iterate_blocks(rows: Rows, size: int, read_size: int) -> Iterator[tuple[Array, Array | None, Array | None, Array]]:
    """(X, order in it, scales, y) of blocks of rows to evaluate: a block of a large file is a copy in memory.

    Args:
        rows: to evaluate.
        size: rows of a block.
        read_size: rows of a block of a large file.
    """
    X, positions = rows.locate()
    y, scales = rows.y, rows.scales
    if is_large(X):
        blocks = zip(rows.iterate_blocks(read_size), cut_batches(len(y), read_size), strict=True)
        yield from ((block, None, None, y[batch]) for block, batch in blocks)
        return
    for batch in cut_batches(len(y), size):
        block, order = (X[batch], None) if positions is None else (X, positions[batch])
        yield block, order, None if scales is None else scales[batch], y[batch]


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
