"""Few-shot: how well a probe does with a few training rows a class, over several draws of them.

Which rows are drawn follows from a seed alone, so that somebody else gets the same ones. Each draw is training rows of
its own: features are standardised by them, and nothing else of the training file is looked at. All repeats of a number
of shots are given the same recipes, of which the one with the highest mean validation accuracy is kept.
"""

from __future__ import annotations

import hashlib
import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from monolayer.data.dataset import MAX_SEED, Rows, Splits
from monolayer.data.memmap import read_rows
from monolayer.data.scaler import fit_scaler
from monolayer.engine.bank import make_bank
from monolayer.errors import BadInput, MonolayerError
from monolayer.evaluate.metrics import ROW_NAMES, Metrics
from monolayer.network import OneLayer
from monolayer.progress import Progress
from monolayer.recipe.grid import is_edge
from monolayer.recipe.recipe import Recipe
from monolayer.recipe.schedules import parse_schedule
from monolayer.recipe.shuffle import FULL
from monolayer.training.history import EpochRow
from monolayer.training.loop import BankTraining
from monolayer.training.options import TrainOptions
from monolayer.training.run import Run, make_runs, predict_all_rows
from monolayer.training.scheduler import Job, evaluate_all, run_jobs
from monolayer.tuning.plan import group_recipes
from monolayer.tuning.probe_grid import ALONE, ProbeGrid

Array = npt.NDArray[Any]
# Steps of gradient descent that few rows get at the least: 40 epochs of one batch of 10 rows would be 40 steps.
FEWEST_STEPS = 1000
# Schedules that mean the same in more epochs: by share of the training, not by epochs.
SCALABLE = ("constant", "cosine")
STREAM = 3  # of random numbers: 1 are a recipe's flips, 2 a sweep's draws
RULE = (
    "For repeat r = 0, 1, ...: numpy.random.default_rng([seed, 3, r]).permutation(n) puts the n training rows, which "
    "are numbered as the split lists them, into an order; the first rows of each class in it, as many as there are "
    "shots, are taken. So the draws of one repeat contain each other. The hash is the SHA-256 of their places in the "
    "dataset, rising, as 8-byte little-endian integers."
)
STEPS_RULE = (
    "A batch has no more rows than were drawn, and epochs are raised until there are {steps:,} steps; drawn rows are "
    "in memory, so the shuffle is full."
)
STOPPED = "The probe was stopped before all recipes were trained; its test rows are still sealed."
TELL_EVERY_S = 0.1
# Weights of the repeats that train at once: pixels of 10 classes are 1.2 MB a recipe, a large network's features of
# 1,000 classes 16 MB.
AT_ONCE_BYTES = 2**28


@dataclass(frozen=True)
class Shots:
    """What is asked for.

    Args:
        shots: rows a class, each number once.
        repeats: draws of each.
        seed: of the draws.

    Raises:
        BadInput: if a number is no whole number of 1 or above.
    """

    shots: tuple[int, ...] = ()
    repeats: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        for n in self.shots:
            _check_whole(n, 1, "shots")
        _check_whole(self.repeats, 1, "repeats")
        _check_whole(self.seed, 0, "the seed of the draws", MAX_SEED - 1)
        object.__setattr__(self, "shots", tuple(sorted({int(n) for n in self.shots})))

    def check(self, rows: Rows) -> None:
        """Raise BadInput if a class has fewer of these training rows than are to be drawn."""
        if not self.shots:
            return
        if rows.dataset.is_multi_label:
            raise BadInput("Shots are rows a class, and these rows have several labels each; leave the shots out.")
        names = rows.dataset.class_names
        counts = np.bincount(rows.y, minlength=len(names))
        least, most = int(counts.argmin()), self.shots[-1]
        if counts[least] < most:
            raise BadInput(
                f"{most} shots are more than the {counts[least]:,} training rows of class {names[least]!r}; accepted "
                f"are 1 to {counts[least]:,}."
                if counts[least]
                else f"Class {names[least]!r} has no training row to draw, so there are no shots; leave them out."
            )


@dataclass(frozen=True, eq=False)
class Draw:
    """The rows of one repeat: ``index`` (n,) int64 are their places in the dataset, rising."""

    shots: int
    repeat: int
    index: Array

    @property
    def sha256(self) -> str:
        """SHA-256 of the places, as the rule says."""
        return hashlib.sha256(self.index.astype("<i8").tobytes()).hexdigest()


@dataclass(frozen=True, eq=False)
class Repeat:
    """One draw, and what the chosen recipe made of it: measures on validation and, once they are open, test rows."""

    draw: Draw
    train: Metrics
    val: Metrics
    network: OneLayer
    test: Metrics | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it, the rows as their hash."""
        measured = {rows: getattr(self, rows) for rows in ROW_NAMES}
        return {
            "repeat": self.draw.repeat,
            "rows_sha256": self.draw.sha256,
            **{rows: metrics.to_dict() if metrics else None for rows, metrics in measured.items()},
        }


@dataclass(frozen=True, eq=False)
class FewShot:
    """What a number of shots gives.

    Args:
        shots: rows a class.
        recipe: chosen by the mean validation accuracy over the repeats.
        repeats: one a draw.
        grid: what was tried, values by field.
        n_recipes: how many recipes were tried.
    """

    shots: int
    recipe: Recipe
    repeats: tuple[Repeat, ...]
    grid: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    n_recipes: int = 0

    @property
    def n_rows(self) -> int:
        """Training rows of a draw."""
        return len(self.repeats[0].draw.index)

    @property
    def at_edge(self) -> tuple[str, ...]:
        """The fields whose chosen value is the lowest or highest tried, so that a better one may lie beyond."""
        return tuple(name for name, tried in self.grid.items() if is_edge(name, getattr(self.recipe, name), tried))

    def summarise(self, rows: str) -> Spread | None:
        """Mean and spread of the accuracy on the rows ``train``, ``val`` or ``test``; None while these are sealed."""
        measured = [getattr(repeat, rows) for repeat in self.repeats]
        if any(metrics is None for metrics in measured):
            return None
        accuracies = [metrics.accuracy for metrics in measured]
        sd = float(np.std(accuracies, ddof=1)) if len(accuracies) > 1 else None
        return Spread(float(np.mean(accuracies)), sd, len(accuracies))

    def open_test(self, rows: Rows) -> FewShot:
        """The same with its measures on test rows that have been opened."""
        networks = [repeat.network for repeat in self.repeats]
        found = [
            replace(repeat, test=predictions.compute_metrics(repeat.network, self.recipe.l2))
            for repeat, predictions in zip(self.repeats, predict_all_rows(networks, rows), strict=True)
        ]
        return replace(self, repeats=tuple(found))

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it, the draws with their hashes."""
        return {
            "shots": self.shots,
            "n_rows": self.n_rows,
            "n_recipes": self.n_recipes,
            "grid": self.grid,
            "recipe": self.recipe.to_dict(),
            "at_edge": list(self.at_edge),
            **{rows: spread.to_dict() if (spread := self.summarise(rows)) else None for rows in ("val", "test")},
            "repeats": [repeat.to_dict() for repeat in self.repeats],
        }


@dataclass(frozen=True)
class Spread:
    """Accuracies of n repeats: their mean and their standard deviation (ddof 1), None of a single one."""

    mean: float
    sd: float | None
    n: int

    def __str__(self) -> str:
        spread = "" if self.sd is None else f" ± {100 * self.sd:.2f}"
        return f"{100 * self.mean:.2f}{spread}"

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return vars(self)


def draw_rows(rows: Rows, shots: int, repeat: int, seed: int) -> Draw:
    """The first so many rows of each class in a random order of all: see RULE."""
    order = np.random.default_rng([seed, STREAM, repeat]).permutation(len(rows))
    # By class, and within a class in the order drawn.
    by_class = order[np.argsort(rows.y[order], kind="stable")]
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows.y))[:-1]])
    chosen = by_class[(starts[:, None] + np.arange(shots)).ravel()]
    return Draw(shots, repeat, np.sort(rows.index[chosen]))


def divide(splits: Splits, draw: Draw) -> Splits:
    """The same splits with the drawn rows for training, a copy in memory."""
    dataset = splits.dataset
    # A file on the disk would be gone through for a few rows in each of a thousand epochs.
    X, both = read_rows(dataset.X, draw.index), dataset.both_ways
    if both is not None:
        both = read_rows(both, np.concatenate([draw.index, len(dataset.X) + draw.index]))
    drawn = replace(dataset, X=X, both_ways=both, y=dataset.y[draw.index], **ALONE)
    return replace(splits, train=Rows(drawn, np.arange(len(draw.index))))


def adapt(recipe: Recipe, n_rows: int) -> Recipe:
    """The recipe for so few rows: see STEPS_RULE.

    Raises:
        BadInput: if its schedule counts epochs.
    """
    if parse_schedule(recipe.schedule).name not in SCALABLE:
        raise BadInput(
            f"The schedule {recipe.schedule} counts epochs, of which few rows get more; with shots, accepted are "
            f"{' and '.join(SCALABLE)}."
        )
    batch_size = min(recipe.batch_size, n_rows)
    epochs = max(recipe.epochs, math.ceil(FEWEST_STEPS / math.ceil(n_rows / batch_size)))
    return recipe.replace(batch_size=batch_size, epochs=epochs, shuffle=FULL)


def train_shots(splits: Splits, grid: ProbeGrid, shots: int, asked: Shots, options: TrainOptions) -> FewShot:
    """Train every recipe on every draw of so many shots, banks of several repeats at once, and keep the best recipe.

    What it is judged by is trained once more by itself: so it is, to the byte, what :func:`monolayer.train` makes of
    the same rows, and the networks of all other recipes need not be kept until the last repeat has been trained.

    Raises:
        BadInput: if every recipe diverged on some draw.
    """
    draws = [draw_rows(splits.train, shots, repeat, asked.seed) for repeat in range(asked.repeats)]
    divided = [divide(splits, draw) for draw in draws]
    n_rows = len(draws[0].index)
    adapted = list(dict.fromkeys(adapt(recipe, n_rows) for recipe in grid.list_recipes()))
    recipes = grid.give_rates(adapted, [one.train for one in divided])
    tracker = _Watch(f"{shots} shot{'s'[: shots != 1]}", recipes, asked.repeats, options.progress)
    options = TrainOptions(train_every=0, val_every=0, on_epoch=tracker.note, should_stop=options.should_stop)
    best = _choose(divided, recipes, options)
    chosen = [runs[0] for runs in _train(divided, [best], options)]
    repeats = tuple(
        Repeat(draw, run.evaluation["train"], run.evaluation["val"], run.network)
        for draw, run in zip(draws, chosen, strict=True)
    )
    tried = {name: tuple(dict.fromkeys(getattr(recipe, name) for recipe in recipes)) for name in grid.fields}
    return FewShot(shots, best, repeats, tried, len(recipes))


def _choose(divided: Sequence[Splits], recipes: Sequence[Recipe], options: TrainOptions) -> Recipe:
    """The recipe with the highest mean validation accuracy over the draws; of equals the one with the lower loss."""
    dataset, first = divided[0].dataset, recipes[0]
    n_bytes = len(recipes) * dataset.n_classes * int(dataset.X.shape[1]) * np.dtype(first.dtype).itemsize
    at_once = max(1, AT_ONCE_BYTES // n_bytes)
    measured: dict[Recipe, list[tuple[bool, Metrics]]] = {recipe: [] for recipe in recipes}
    for start in range(0, len(divided), at_once):
        for runs in _train(divided[start : start + at_once], recipes, options):
            for run in runs:
                measured[run.recipe].append((run.has_diverged, run.evaluation["val"]))
    best = min(recipes, key=lambda recipe: _rank(measured[recipe]))
    if any(is_lost for is_lost, _ in measured[best]):
        raise BadInput(f"Each of {len(recipes)} recipes diverged on some few rows; give lower learning rates.")
    return best


def _rank(measured: Sequence[tuple[bool, Metrics]]) -> tuple[bool, float, float]:
    """Of one recipe on all draws: a mean with a diverged run in it says nothing, then accuracy, then loss."""
    if any(is_lost for is_lost, _ in measured):
        return True, 0.0, 0.0
    accuracy, loss = np.mean([(metrics.accuracy, metrics.loss) for _, metrics in measured], axis=0)
    return False, -float(accuracy), float(loss)


def _train(divided: Sequence[Splits], recipes: Sequence[Recipe], options: TrainOptions) -> list[list[Run]]:
    """The runs of each draw; only the last epoch is evaluated."""
    by_draw = [_open_banks(splits, recipes, options) for splits in divided]
    trainings = [training for lot in by_draw for training in lot]
    run_jobs([Job(training, training.epochs) for training in trainings])
    if any(training.is_stopped for training in trainings):
        raise MonolayerError(STOPPED)
    evaluate_all(trainings)
    return [
        [run for training in lot for run in make_runs(training, splits)]
        for lot, splits in zip(by_draw, divided, strict=True)
    ]


def _open_banks(splits: Splits, recipes: Sequence[Recipe], options: TrainOptions) -> list[BankTraining]:
    scaler, n_classes = fit_scaler(splits.train), splits.dataset.n_classes
    banks = group_recipes(recipes, n_classes)
    return [BankTraining(make_bank(bank, scaler, n_classes), splits, options) for bank in banks]


class _Watch:
    """Counts the epochs of all members; banks call it from their own threads."""

    def __init__(self, task: str, recipes: Sequence[Recipe], repeats: int, progress: Progress) -> None:
        self._task, self._progress = task, progress
        # The chosen one, which is trained once more, is counted as if it had the fewest epochs.
        self._total = repeats * (sum(recipe.epochs for recipe in recipes) + min(recipe.epochs for recipe in recipes))
        self._done, self._told, self._lock = 0, 0.0, threading.Lock()

    def note(self, recipes: Sequence[Recipe], rows: Sequence[EpochRow]) -> None:
        """Count these, and tell if it is time to."""
        with self._lock:
            self._done += len(rows)
            if self._done >= self._total or time.monotonic() - self._told >= TELL_EVERY_S:
                self._told = time.monotonic()
                self._progress.advance(self._task, self._done, self._total, "epochs of members")


def _check_whole(value: Any, least: int, name: str, most: float = math.inf) -> None:
    is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not is_whole or not least <= value <= most:
        limit = "" if math.isinf(most) else f" to {most}"
        raise BadInput(f"{name} is {value!r}; accepted is a whole number of {least}{limit or ' or above'}.")
