"""The plan of a sweep: which recipes share a bank, and what training them takes, known before it starts."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from monolayer.data.dataset import Splits
from monolayer.data.scaler import BLOCK, Scaler, fit_scaler
from monolayer.engine.bank import SHARED_FIELDS, make_bank
from monolayer.engine.numpy import EVALUATION_ROWS
from monolayer.engine.select import open_engine
from monolayer.recipe.recipe import Recipe
from monolayer.recipe.shuffle import FULL
from monolayer.threads import count_cores
from monolayer.tuning.halving import Rung

# Rows of weights (classes times members) in a bank: on 3,072 dimensions and batches of 100, two banks at once compute
# 83 billion operations a second with 40 rows, 110 with 120, 134 with 320, 150 with 640 and 149 with 1,280, of sgemm's
# 185. So 640: 64 members of 10 classes, 8 MB of weights, of which one slab and its gradient fit a core's share of L3.
MAX_ROWS = 640
# A bank whose features come from the disk: every bank reads the file for itself, so fewer and larger ones.
MAX_ROWS_FROM_DISK = 6400
# Batches to time for an estimate, after as many that warm up.
TIMED_BATCHES = 6


def group_recipes(recipes: Sequence[Recipe], n_classes: int) -> list[tuple[Recipe, ...]]:
    """The recipes by what the members of a bank must share, in banks of MAX_ROWS rows of weights at most.

    Banks and members are in an order of their own, so that the bytes do not depend on that of the recipes; members of
    one loss stand side by side.
    """
    groups: dict[tuple[Any, ...], list[Recipe]] = {}
    for recipe in sorted(recipes, key=astuple):
        groups.setdefault(tuple(getattr(recipe, name) for name in SHARED_FIELDS), []).append(recipe)
    return [
        bank for _, group in sorted(groups.items()) for bank in _divide(group, count_max_members(group[0], n_classes))
    ]


def count_max_members(recipe: Recipe, n_classes: int) -> int:
    """How many members of this kind a bank holds at the most, at least 1."""
    max_rows = MAX_ROWS if recipe.shuffle == FULL else MAX_ROWS_FROM_DISK
    return max(1, max_rows // n_classes)


def _divide(group: list[Recipe], max_members: int) -> list[tuple[Recipe, ...]]:
    """Banks of about the same size: 65 members are 33 and 32, not 64 and 1."""
    n_banks = math.ceil(len(group) / max_members)
    return [tuple(group[a:b]) for a, b in pairwise(round(i * len(group) / n_banks) for i in range(n_banks + 1))]


def choose_train_every(epochs: int) -> int:
    """How often a sweep evaluates the training rows: four times at most, not each epoch."""
    # Of 40 epochs that is 4 % more arithmetic than evaluating them once, at the end; each epoch would be 49 %.
    return math.ceil(epochs / 4)


@dataclass(frozen=True)
class Stretch:
    """Epochs that a bank trains with the same members, as far as that is known beforehand.

    Args:
        recipe: one of the bank's.
        members: how many; of those that halving keeps it is the bank's share, which is no whole number.
        epochs: how many.
    """

    recipe: Recipe
    members: float
    epochs: int


@dataclass(frozen=True, eq=False)
class Plan:
    """What a sweep is going to do.

    Args:
        splits: the rows.
        banks: the recipes of each bank.
        rungs: of successive halving; none for every recipe to its end.
        train_every: evaluations of the training rows, as for :func:`monolayer.train`.
        val_every: of the validation rows.
    """

    splits: Splits
    banks: tuple[tuple[Recipe, ...], ...]
    rungs: tuple[Rung, ...] = ()
    train_every: int | None = None
    val_every: int = 1

    @property
    def n_recipes(self) -> int:
        """Recipes in all banks."""
        return sum(map(len, self.banks))

    @cached_property
    def stretches(self) -> tuple[Stretch, ...]:
        """What the banks train; which members halving keeps is not known, so each bank is taken to keep its share."""
        return tuple(stretch for bank in self.banks for stretch in self._cut(bank))

    def _cut(self, bank: tuple[Recipe, ...]) -> list[Stretch]:
        epochs, stretches, done, share = bank[0].epochs, [], 0, 1.0
        for rung in (*self.rungs, Rung(1.0, 0)):
            until = rung.count_epochs(epochs)
            stretches.append(Stretch(bank[0], len(bank) * share, until - done))
            done, share = until, rung.n_kept / self.n_recipes
        return stretches

    @property
    def member_epochs(self) -> int:
        """Epochs of all members together."""
        return round(sum(stretch.members * stretch.epochs for stretch in self.stretches))

    @property
    def operations(self) -> int:
        """Floating-point operations of the matrix products: scores and gradients, and scores for each evaluation."""
        met = sum(self._count_rows(stretch) * stretch.members for stretch in self.stretches)
        return round(4 * met * self._n_weights)

    def _count_rows(self, stretch: Stretch) -> int:
        """Rows that a member meets; a row that is evaluated is half a row that is trained on."""
        n, n_val, epochs = len(self.splits.train), len(self.splits.val or ()), stretch.recipe.epochs
        train_every = choose_train_every(epochs) if self.train_every is None else self.train_every
        evaluated = n / (train_every or epochs) + n_val / (self.val_every or epochs)
        return round(stretch.epochs * (n + evaluated / 2))

    @property
    def _n_weights(self) -> int:
        return self.splits.dataset.n_classes * int(self.splits.dataset.X.shape[1])

    @property
    def memory(self) -> int:
        """Bytes that training needs beside the data and the program: a bound, all banks at once.

        The weights of all members stand in their banks, and once more in the runs that are made of them; on every
        core one bank is at work, with a copy of its weights cut in slabs, their gradient, a batch and its scores.
        """
        sizes = [len(bank) * self._n_weights * np.dtype(bank[0].dtype).itemsize for bank in self.banks]
        at_work = sorted((self._measure_work(bank) for bank in self.banks), reverse=True)[: count_cores()]
        # Before that, the scaler goes through blocks of rows in float64, two of them at a time.
        scaling = 2 * (BLOCK + 4) * int(self.splits.dataset.X.shape[1]) * 8
        return max(2 * sum(sizes) + sum(at_work), scaling)

    def _measure_work(self, bank: tuple[Recipe, ...]) -> int:
        size = np.dtype(bank[0].dtype).itemsize
        rows = len(bank) * self.splits.dataset.n_classes
        batch = max(bank[0].batch_size, EVALUATION_ROWS) + 1
        n_features, n_train = int(self.splits.dataset.X.shape[1]), len(self.splits.train)
        # The part of a bank that trains on when others have left is a copy, and a checkpoint is two more. A batch is
        # there as it came and as floats; scores, their sum, residual and what a loss makes on the way are some eight
        # times the scores. Which rows a member has right is a byte each, held twice while blocks become one.
        weights, features, scores = rows * n_features * size, batch * n_features * (size + 8), batch * rows * size
        return 5 * weights + features + 8 * scores + 2 * len(bank) * n_train

    def estimate_seconds(self) -> float:
        """How long it will take, from a few batches of each kind of stretch timed here and now, one bank at a time."""
        scaler = fit_scaler(self.splits.train)
        rates: dict[tuple[Any, ...], float] = {}
        seconds = 0.0
        for stretch in self.stretches:
            kind = (
                math.ceil(stretch.members),
                stretch.recipe.batch_size,
                stretch.recipe.dtype,
                stretch.recipe.flip > 0,
            )
            if kind not in rates:
                rates[kind] = self._time_row(stretch, scaler)
            seconds += rates[kind] * self._count_rows(stretch)
        return seconds / min(count_cores(), len(self.banks))

    def _time_row(self, stretch: Stretch, scaler: Scaler) -> float:
        """Seconds that a bank of this kind takes for a row."""
        members = math.ceil(stretch.members)
        bank = make_bank([stretch.recipe] * members, scaler, self.splits.dataset.n_classes)
        rng = np.random.default_rng(0)
        n = min(TIMED_BATCHES * stretch.recipe.batch_size, len(self.splits.train))
        rates = np.full(members, stretch.recipe.learning_rate)
        n_threads = count_cores() // min(count_cores(), len(self.banks))
        with open_engine(bank, self.splits.dataset, n_threads) as engine:
            for _ in range(2):
                order = rng.permutation(len(self.splits.train))[:n]
                mirrored = rng.random(n) < stretch.recipe.flip if stretch.recipe.flip else None
                start = time.perf_counter()
                engine.run_epoch(self.splits.train, order, mirrored, rates)
                took = time.perf_counter() - start
        return took / n

    def to_dict(self) -> dict[str, Any]:
        """The plan as ``monolayer sweep --dry-run --json`` prints it, without the time."""
        return {
            "n_recipes": self.n_recipes,
            "banks": [
                {"members": len(bank), **{name: getattr(bank[0], name) for name in SHARED_FIELDS}}
                for bank in self.banks
            ],
            "rungs": [rung.to_dict() for rung in self.rungs],
            "epochs_of_members": self.member_epochs,
            "operations": self.operations,
            "memory_bytes": self.memory,
        }
