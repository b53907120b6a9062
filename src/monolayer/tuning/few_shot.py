"""Few-shot probes: the accuracy with a few training rows per class, over several random draws of them.

The drawn rows depend on a seed only, so that others can draw the same ones. The rows of a draw are all the training
rows that it uses, also to standardise features. All repeats of a number of shots train the same recipes, of which the
one with the highest mean validation accuracy is kept.
"""

from __future__ import annotations

import hashlib
import math
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import chain
from typing import Any

import numpy as np

from monolayer._typing import Array
from monolayer.data.dataset import MAX_SEED, Rows, Splits
from monolayer.data.memmap import read_rows
from monolayer.data.scaler import fit_scaler
from monolayer.errors import BadInput, MonolayerError, validate_whole
from monolayer.evaluate.metrics import ROW_NAMES, Metrics
from monolayer.evaluate.predictions import predict_all_rows
from monolayer.progress import Progress
from monolayer.recipe.grid import collect_axes, is_edge
from monolayer.recipe.recipe import Recipe
from monolayer.recipe.schedules import SCHEDULES, parse_schedule
from monolayer.recipe.shuffle import Shuffle
from monolayer.training.history import EpochRow
from monolayer.training.options import TrainOptions
from monolayer.training.run import Run, add_test_metrics, make_runs
from monolayer.training.scheduler import Job, evaluate_all, run_jobs
from monolayer.tuning.probe_grid import ALONE, ProbeGrid
from monolayer.tuning.sweep import UNIT, UPDATE_EVERY_S, open_banks

# The least number of gradient steps on few rows: 40 epochs of one batch of 10 rows would be 40 steps.
MIN_STEPS = 1000
STREAM = 3  # of random numbers: 1 is a recipe's flips, 2 a sweep's random recipes
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
# Bytes of the weights that train at the same time: with 10 classes a recipe on pixels needs 1.2 MB, with 1,000 classes
# one on a large network's features 16 MB.
AT_ONCE_BYTES = 2**28


def validate_shots(shots: Sequence[int], repeats: int, seed: int, rows: Rows) -> tuple[int, ...]:
    """The numbers of shots, each once and the smallest first.

    Args:
        shots: numbers of rows per class.
        repeats: draws of each number of rows.
        seed: of the draws.
        rows: the training rows from which they are drawn.

    Raises:
        BadInput: if a value is not a whole number, or below 1 (the seed: below 0); if a class has fewer rows than are
            to be drawn, or rows have several labels.
    """
    validate_whole("repeats", repeats, 1)
    validate_whole("the seed of the draws", seed, 0, MAX_SEED - 1)
    ordered = tuple(sorted({validate_whole("shots", n, 1) for n in shots}))
    if not ordered:
        return ()
    if rows.dataset.is_multi_label:
        raise BadInput("Shots are rows per class, but these rows have several labels each; leave the shots out.")
    names = rows.dataset.class_names
    counts = np.bincount(rows.y, minlength=len(names))
    smallest, n = int(counts.argmin()), int(counts.min())
    if n == 0:
        raise BadInput(f"Class {names[smallest]!r} has no training row to draw; leave the shots out.")
    if n < ordered[-1]:
        raise BadInput(
            f"{ordered[-1]} shots are more than the {n:,} training rows of class {names[smallest]!r}; "
            f"accepted are 1 to {n:,}."
        )
    return ordered


@dataclass(frozen=True, eq=False)
class Draw:
    """The rows of one repeat: ``index`` is their sorted positions in the dataset, (n,) int64."""

    shots: int
    repeat: int
    index: Array

    @property
    def sha256(self) -> str:
        """SHA-256 of the positions: see RULE."""
        return hashlib.sha256(self.index.astype("<i8").tobytes()).hexdigest()


@dataclass(frozen=True, eq=False)
class Repeat:
    """One draw, and the run of the chosen recipe on it, with test metrics once the test rows are open."""

    draw: Draw
    run: Run

    def to_dict(self) -> dict[str, Any]:
        """The repeat for JSON, with the hash of its rows."""
        evaluation = self.run.evaluation
        return {
            "repeat": self.draw.repeat,
            "rows_sha256": self.draw.sha256,
            **{rows: evaluation[rows].to_dict() if rows in evaluation else None for rows in ROW_NAMES},
        }


@dataclass(frozen=True, eq=False)
class FewShot:
    """The result of a few-shot probe.

    Args:
        shots: rows per class.
        recipe: the recipe with the highest mean validation accuracy over the repeats.
        repeats: one per draw.
        grid: the values that were tried, by field.
        n_recipes: the number of recipes that were tried.
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
        """The fields whose chosen value is the lowest or highest that was tried: a better value may be beyond it."""
        return tuple(name for name, tried in self.grid.items() if is_edge(name, getattr(self.recipe, name), tried))

    def summarise(self, rows: str) -> Spread | None:
        """Mean and spread of the accuracy on the ``train``, ``val`` or ``test`` rows; None while these are sealed."""
        if rows not in self.repeats[0].run.evaluation:
            return None
        accuracies = [repeat.run.evaluation[rows].accuracy for repeat in self.repeats]
        sd = float(np.std(accuracies, ddof=1)) if len(accuracies) > 1 else None
        return Spread(float(np.mean(accuracies)), sd, len(accuracies))

    def open_test(self, rows: Rows) -> FewShot:
        """The same with metrics on test rows that have been opened."""
        predictions = predict_all_rows([repeat.run.network for repeat in self.repeats], rows)
        repeats = [
            replace(repeat, run=add_test_metrics(repeat.run, one))
            for repeat, one in zip(self.repeats, predictions, strict=True)
        ]
        return replace(self, repeats=tuple(repeats))

    def to_dict(self) -> dict[str, Any]:
        """The result for JSON, with the hash of each draw's rows."""
        return {
            "shots": self.shots,
            "n_rows": self.n_rows,
            "n_recipes": self.n_recipes,
            "grid": self.grid,
            "recipe": self.recipe.to_dict(),
            "at_edge": list(self.at_edge),
            **{rows: asdict(spread) if (spread := self.summarise(rows)) else None for rows in ("val", "test")},
            "repeats": [repeat.to_dict() for repeat in self.repeats],
        }


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation (ddof 1; None for n = 1) of the accuracies of n repeats."""

    mean: float
    sd: float | None
    n: int

    def __str__(self) -> str:
        spread = "" if self.sd is None else f" ± {100 * self.sd:.2f}"
        return f"{100 * self.mean:.2f}{spread}"


def draw_rows(rows: Rows, shots: int, repeat: int, seed: int) -> Draw:
    """Draw the first ``shots`` rows of each class in a random order of all rows: see RULE."""
    order = np.random.default_rng([seed, STREAM, repeat]).permutation(len(rows))
    # By class, and within a class in the order drawn.
    by_class = order[np.argsort(rows.y[order], kind="stable")]
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows.y))[:-1]])
    chosen = by_class[(starts[:, None] + np.arange(shots)).ravel()]
    return Draw(shots, repeat, np.sort(rows.index[chosen]))


def divide(splits: Splits, draw: Draw) -> Splits:
    """The same splits with the drawn rows, copied to memory, as training rows."""
    dataset = splits.dataset
    # Otherwise a file on the disk would be read for a few rows in each of a thousand epochs.
    X, both = read_rows(dataset.X, draw.index), dataset.both_ways
    if both is not None:
        both = read_rows(both, np.concatenate([draw.index, len(dataset.X) + draw.index]))
    drawn = replace(dataset, X=X, both_ways=both, y=dataset.y[draw.index], **ALONE)
    return replace(splits, train=Rows(drawn, np.arange(len(draw.index))))


def adapt(recipe: Recipe, n_rows: int) -> Recipe:
    """The recipe for so few training rows: see STEPS_RULE.

    Raises:
        BadInput: if its schedule counts epochs.
    """
    if parse_schedule(recipe.schedule).counts_epochs:
        raise BadInput(
            f"The schedule {recipe.schedule} counts epochs, but few rows are trained for more epochs; with shots, "
            f"accepted are {' and '.join(name for name, kind in SCHEDULES.items() if not kind.counts_epochs)}."
        )
    batch_size = min(recipe.batch_size, n_rows)
    epochs = max(recipe.epochs, math.ceil(MIN_STEPS / math.ceil(n_rows / batch_size)))
    return recipe.replace(batch_size=batch_size, epochs=epochs, shuffle=str(Shuffle()))


def train_shots(splits: Splits, grid: ProbeGrid, shots: int, repeats: int, seed: int, options: TrainOptions) -> FewShot:
    """Train every recipe on every draw of this number of shots, and choose the best recipe.

    The chosen recipe is then trained alone on each draw: so its networks have the same bytes as those that
    :func:`monolayer.train` returns for these rows, and the networks of the other recipes need not be kept in memory.

    Raises:
        BadInput: if every recipe diverged on some draw.
        MonolayerError: if ``should_stop`` ended the training.
    """
    draws = [draw_rows(splits.train, shots, repeat, seed) for repeat in range(repeats)]
    divided = [divide(splits, draw) for draw in draws]
    n_rows = len(draws[0].index)
    adapted = list(dict.fromkeys(adapt(recipe, n_rows) for recipe in grid.list_recipes()))
    recipes = grid.set_rates(adapted, [one.train for one in divided])
    counter = _EpochCounter(f"{shots} shot{'s'[: shots != 1]}", recipes, repeats, options.progress)
    options = TrainOptions(train_every=0, val_every=0, on_epoch=counter.update, should_stop=options.should_stop)
    best = _choose(divided, recipes, options)
    runs = _train(divided, [best], options)
    tried = collect_axes(recipes, dict.fromkeys(grid.fields, ()))
    return FewShot(shots, best, tuple(map(Repeat, draws, runs)), tried, len(recipes))


def _choose(divided: Sequence[Splits], recipes: Sequence[Recipe], options: TrainOptions) -> Recipe:
    """The recipe with the highest mean validation accuracy over the draws; ties are broken by the lower loss."""
    dataset, first = divided[0].dataset, recipes[0]
    n_bytes = len(recipes) * dataset.n_classes * int(dataset.X.shape[1]) * np.dtype(first.dtype).itemsize
    at_once = max(1, AT_ONCE_BYTES // n_bytes)
    metrics: dict[Recipe, list[Metrics]] = {recipe: [] for recipe in recipes}
    diverged: set[Recipe] = set()
    for start in range(0, len(divided), at_once):
        for run in _train(divided[start : start + at_once], recipes, options):
            metrics[run.recipe].append(run.evaluation["val"])
            diverged |= {run.recipe} if run.has_diverged else set()
    candidates = [recipe for recipe in recipes if recipe not in diverged]
    if not candidates:
        raise BadInput(f"Each of {len(recipes)} recipes diverged on some few rows; give lower learning rates.")

    def rank(recipe: Recipe) -> tuple[float, float]:
        accuracy, loss = np.mean([(one.accuracy, one.loss) for one in metrics[recipe]], axis=0)
        return -float(accuracy), float(loss)

    return min(candidates, key=rank)


def _train(divided: Sequence[Splits], recipes: Sequence[Recipe], options: TrainOptions) -> list[Run]:
    """The runs of all recipes on all draws, draw after draw."""
    opened = [open_banks(splits, fit_scaler(splits.train), recipes, options) for splits in divided]
    trainings = list(chain.from_iterable(opened))
    run_jobs([Job(training, training.epochs) for training in trainings])
    if any(training.is_stopped for training in trainings):
        raise MonolayerError(STOPPED)
    evaluate_all(trainings)
    return [run for training in trainings for run in make_runs(training)]


class _EpochCounter:
    """Counts the epochs of all members and shows the progress; banks call it from their own threads."""

    def __init__(self, task: str, recipes: Sequence[Recipe], repeats: int, progress: Progress) -> None:
        self._task, self._progress = task, progress
        # The chosen recipe, which is trained again, is counted with the fewest epochs.
        self._total = repeats * (sum(recipe.epochs for recipe in recipes) + min(recipe.epochs for recipe in recipes))
        self._done, self._last_update, self._lock = 0, 0.0, threading.Lock()

    def update(self, recipes: Sequence[Recipe], rows: Sequence[EpochRow]) -> None:
        """Count these epochs, and show the progress at most ten times a second; an ``on_epoch``."""
        with self._lock:
            self._done += len(rows)
            if self._done >= self._total or time.monotonic() - self._last_update >= UPDATE_EVERY_S:
                self._last_update = time.monotonic()
                self._progress.advance(self._task, self._done, self._total, UNIT)
