"""The plan of a sweep, made before training: which recipes share a bank, and the time and memory they need."""

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass
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
from monolayer.recipe.shuffle import parse_shuffle
from monolayer.threads import count_cores
from monolayer.tuning.halving import Rung

# Rows of weights (classes times members) in a bank: on 3,072 dimensions and batches of 100, two banks at once compute
# 83 billion operations a second with 40 rows, 110 with 120, 134 with 320, 150 with 640 and 149 with 1,280, of sgemm's
# 185. So 640: 64 members of 10 classes, 8 MB of weights, of which one slab and its gradient fit a core's share of L3.
MAX_ROWS = 640
# The same where features are read from the disk: every bank reads the file, so fewer and larger banks are faster.
MAX_ROWS_FROM_DISK = 6400
# Batches that are timed for an estimate, after as many for warm-up.
TIMED_BATCHES = 6


def group_recipes(recipes: Sequence[Recipe], n_classes: int) -> list[tuple[Recipe, ...]]:
    """Group recipes into banks: members share SHARED_FIELDS, and a bank has MAX_ROWS rows of weights at most.

    Banks and members are sorted, so that results do not depend on the order of the recipes; members with the same loss
    are neighbours.
    """
    groups: dict[tuple[Any, ...], list[Recipe]] = {}
    for recipe in sorted(recipes, key=astuple):
        groups.setdefault(tuple(getattr(recipe, name) for name in SHARED_FIELDS), []).append(recipe)
    banks: list[list[Recipe]] = []
    for _, group in sorted(groups.items()):
        banks += divide_evenly(group, count_max_members(group[0], n_classes))
    return [tuple(bank) for bank in banks]


def divide_evenly(members: list[Any], max_size: int) -> list[list[Any]]:
    """Parts of at most ``max_size`` members and of about the same size: 65 members are 33 and 32, not 64 and 1."""
    n_parts = math.ceil(len(members) / max_size)
    cuts = pairwise(round(i * len(members) / n_parts) for i in range(n_parts + 1))
    return [members[start:end] for start, end in cuts]


def count_max_members(recipe: Recipe, n_classes: int) -> int:
    """The largest number of members in a bank of such recipes, at least 1."""
    max_rows = MAX_ROWS_FROM_DISK if parse_shuffle(recipe.shuffle).buffer else MAX_ROWS
    return max(1, max_rows // n_classes)


def choose_train_every(epochs: int) -> int:
    """The default ``train_every`` of a sweep: the training rows are evaluated four times at most."""
    # Of 40 epochs this is 4 % more arithmetic than one evaluation at the end; each epoch would be 49 % more.
    return math.ceil(epochs / 4)


@dataclass(frozen=True)
class Segment:
    """Epochs that a bank is expected to train with the same members.

    Args:
        recipe: one of the bank's recipes.
        members: the number of members; with halving, the expected number, which need not be whole.
        epochs: the number of epochs.
    """

    recipe: Recipe
    members: float
    epochs: int


@dataclass(frozen=True, eq=False)
class Plan:
    """What a sweep will train.

    Args:
        splits: the rows.
        banks: the recipes of each bank.
        rungs: of successive halving; empty without.
        train_every: as for :func:`monolayer.train`; None for four evaluations.
        val_every: as for :func:`monolayer.train`.
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
    def segments(self) -> tuple[Segment, ...]:
        """The segments of all banks; halving is expected to keep the same share of each bank."""
        segments = []
        for bank in self.banks:
            done, share = 0, 1.0
            for rung in (*self.rungs, Rung(1.0, 0)):
                until = rung.count_epochs(bank[0].epochs)
                segments.append(Segment(bank[0], len(bank) * share, until - done))
                done, share = until, rung.n_kept / self.n_recipes
        return tuple(segments)

    @property
    def member_epochs(self) -> int:
        """The sum of the epochs of all members."""
        return round(sum(segment.members * segment.epochs for segment in self.segments))

    @property
    def operations(self) -> int:
        """Floating-point operations of the matrix products: scores and gradients, and scores for each evaluation."""
        n_rows = sum(self._count_rows(segment) * segment.members for segment in self.segments)
        return round(4 * n_rows * self._n_weights)

    def _count_rows(self, segment: Segment) -> int:
        """Rows that a member processes in a segment; a row that is evaluated counts half a row that is trained on."""
        n, n_val, epochs = len(self.splits.train), len(self.splits.val or ()), segment.recipe.epochs
        train_every = choose_train_every(epochs) if self.train_every is None else self.train_every
        evaluated = n / (train_every or epochs) + n_val / (self.val_every or epochs)
        return round(segment.epochs * (n + evaluated / 2))

    @property
    def _n_weights(self) -> int:
        return self.splits.dataset.n_classes * int(self.splits.dataset.X.shape[1])

    @property
    def memory(self) -> int:
        """Upper bound of the bytes that training needs besides the data and the program.

        The weights of all members are in their banks, and again in the runs that are made of them. Each core trains one
        bank, with a copy of its weights in slabs, their gradient, a batch and its scores.
        """
        sizes = [len(bank) * self._n_weights * np.dtype(bank[0].dtype).itemsize for bank in self.banks]
        in_training = sorted((self._estimate_training_bytes(bank) for bank in self.banks), reverse=True)
        # Before training, the scaler reads blocks of rows in float64, two of them at a time.
        scaling = 2 * (BLOCK + 4) * int(self.splits.dataset.X.shape[1]) * 8
        return max(2 * sum(sizes) + sum(in_training[: count_cores()]), scaling)

    def _estimate_training_bytes(self, bank: tuple[Recipe, ...]) -> int:
        size = np.dtype(bank[0].dtype).itemsize
        rows = len(bank) * self.splits.dataset.n_classes
        batch = max(bank[0].batch_size, EVALUATION_ROWS) + 1
        n_features, n_train = int(self.splits.dataset.X.shape[1]), len(self.splits.train)
        # When members have left, the others train in a copy, and a checkpoint needs two more. A batch is in memory as
        # stored and as floats; scores, their sum, the residual and a loss's intermediate arrays are some eight times
        # the scores. Whether a row is predicted correctly is a byte, held twice while blocks are concatenated.
        weights, features, scores = rows * n_features * size, batch * n_features * (size + 8), batch * rows * size
        return 5 * weights + features + 8 * scores + 2 * len(bank) * n_train

    def estimate_seconds(self) -> float:
        """Estimate the training time by timing a few batches of each kind of segment on this machine."""
        scaler = fit_scaler(self.splits.train)
        rates: dict[tuple[Any, ...], float] = {}
        seconds = 0.0
        for segment in self.segments:
            recipe = segment.recipe
            kind = (math.ceil(segment.members), recipe.batch_size, recipe.dtype, recipe.flip > 0)
            if kind not in rates:
                rates[kind] = self._time_row(segment, scaler)
            seconds += rates[kind] * self._count_rows(segment)
        return seconds / min(count_cores(), len(self.banks))

    def _time_row(self, segment: Segment, scaler: Scaler) -> float:
        """Seconds that a bank of this kind takes for a row."""
        members, recipe = math.ceil(segment.members), segment.recipe
        bank = make_bank([recipe] * members, scaler, self.splits.dataset.n_classes)
        rng = np.random.default_rng(0)
        n = min(TIMED_BATCHES * recipe.batch_size, len(self.splits.train))
        rates = np.full(members, recipe.learning_rate)
        n_threads = count_cores() // min(count_cores(), len(self.banks))
        with open_engine(bank, self.splits.dataset, n_threads) as engine:
            for _ in range(2):
                order = rng.permutation(len(self.splits.train))[:n]
                mirrored = rng.random(n) < recipe.flip if recipe.flip else None
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
            "rungs": [asdict(rung) for rung in self.rungs],
            "epochs_of_members": self.member_epochs,
            "operations": self.operations,
            "memory_bytes": self.memory,
        }
