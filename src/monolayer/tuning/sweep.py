"""Train many recipes, grouped into banks, and rank their runs by validation accuracy."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Unpack

from monolayer.data.dataset import Splits
from monolayer.data.scaler import Scaler, fit_checked_scaler
from monolayer.engine.bank import make_bank
from monolayer.errors import BadInput
from monolayer.evaluate.metrics import format_accuracy
from monolayer.findings import Finding
from monolayer.progress import SILENCE, Progress
from monolayer.recipe.grid import Axis, Range, collect_axes, draw_recipes, format_value, make_grid
from monolayer.recipe.losses import compute_chance_loss
from monolayer.recipe.recipe import Recipe
from monolayer.training.history import EpochRow
from monolayer.training.loop import BankTraining
from monolayer.training.options import TrainKeywords, TrainOptions
from monolayer.training.run import DIVERGED_RATIO, Run, make_runs
from monolayer.training.scheduler import Job, Runner, evaluate_all, run_jobs
from monolayer.training.train import check_recipe, check_splits, fit_batch_size
from monolayer.tuning.halving import Rung, keep_best, plan_rungs
from monolayer.tuning.plan import Plan, choose_train_every, group_recipes
from monolayer.tuning.selection import Selection, analyse_selection

# On small data epochs are faster than any reader, and each update goes through the histories of all members.
UPDATE_EVERY_S = 0.1
UNIT = "epochs of members"


@dataclass(frozen=True, eq=False)
class Sweep:
    """The runs of a sweep, best validation accuracy first; ties are broken by the lower loss; diverged runs are last.

    Args:
        runs: one per recipe; the ``seconds`` of a run are those of its bank.
        axes: the fields that vary, with their values in the order given.
        seconds: training time of all banks by the clock, evaluation included.
        n_recipes: the number of recipes; only a search that was stopped has fewer runs.
        findings: findings on the sweep as a whole; each run has its own.
        rungs: of successive halving; empty without.
    """

    runs: tuple[Run, ...]
    axes: dict[str, tuple[Any, ...]]
    seconds: float
    n_recipes: int
    findings: tuple[Finding, ...] = ()
    rungs: tuple[Rung, ...] = ()

    def __repr__(self) -> str:
        """One line, without the arrays."""
        return f"<Sweep of {len(self.runs)} recipes along {', '.join(self.axes)}; best {self.best!r}>"

    @property
    def best(self) -> Run:
        """The run with the highest validation accuracy."""
        return self.runs[0]

    @cached_property
    def selection(self) -> Selection | None:
        """Which runs cannot be distinguished from the best, and the optimism of its accuracy; None if not known."""
        return analyse_selection(self.runs)

    @property
    def is_complete(self) -> bool:
        """Whether every run is complete: no training was stopped."""
        return len(self.runs) == self.n_recipes and all(run.is_complete for run in self.runs)

    def describe_rank(self, rank: int) -> dict[str, Any]:
        """Whether the run of this rank (0 is the best) cannot be distinguished from the best, and the p-value."""
        selection = self.selection
        return {
            "is_indistinguishable": selection.is_indistinguishable[rank] if selection else None,
            "p_value_adjusted": selection.p_values[rank] if selection else None,
        }

    def to_dict(self, top: int | None = None) -> dict[str, Any]:
        """The sweep as ``monolayer sweep --json`` prints it, with the ``top`` best runs or all."""
        runs = [
            {
                **{name: part for name, part in run.to_dict().items() if name not in ("seconds", "test", "findings")},
                "has_diverged": run.has_diverged,
                **self.describe_rank(rank),
            }
            for rank, run in enumerate(self.runs[:top])
        ]
        of_runs = [
            {**finding.to_dict(), "recipe": run.recipe.to_dict()} for run in self.runs for finding in run.findings
        ]
        findings = [*(finding.to_dict() for finding in self.findings), *of_runs]
        selection = None
        if self.selection is not None:
            simplest = self.runs[self.selection.one_standard_error]
            described = {"recipe": simplest.recipe.to_dict(), "val": simplest.evaluation["val"].to_dict()}
            selection = {**self.selection.to_dict(), "one_standard_error": described}
        return {
            "runs": runs,
            "selection": selection,
            "seconds": self.seconds,
            "findings": findings,
            "n_recipes": self.n_recipes,
            "n_complete": sum(run.is_complete for run in self.runs),
            "is_complete": self.is_complete,
            "rungs": [asdict(rung) for rung in self.rungs],
        }


def sweep(
    splits: Splits,
    recipe: Recipe | None = None,
    *,
    grid: Mapping[str, Any],
    n_random: int | None = None,
    halving: int | None = None,
    runner: Runner | None = None,
    **options: Unpack[TrainKeywords],
) -> Sweep:
    """Train every combination of the grid's values; the test rows stay sealed.

    Recipes that can share their batches are trained as one bank. The training rows are evaluated four times and the
    validation rows after every epoch, unless ``train_every`` and ``val_every`` are given. The default batch size is
    lowered to the number of training rows where they are fewer.

    Args:
        splits: the rows, from :meth:`monolayer.Dataset.split`.
        recipe: the fields that do not vary; by default those of ``Recipe()``.
        grid: values to try by field of the recipe, such as ``{"l2": [0, 0.1]}``; a single value is a list of one.
        n_random: number of different recipes to draw from the grid instead, which may then have a :class:`Range`.
        halving: factor of successive halving: one recipe in ``halving`` continues after each rung; None: no halving.
        runner: trains the banks; by default the cores of this machine do.
        options: ``train_every``, ``val_every``, ``on_epoch``, ``should_stop``, ``progress`` and ``checkpointer``, as
            for :func:`monolayer.train`.

    Raises:
        BadInput: if the dataset was not split, a key of the grid is not a field of the recipe or has no values, a
            recipe does not fit the data, there are no validation rows, or an option is not accepted.
    """
    check_splits(splits)
    TrainOptions.from_keywords(options, function=sweep)  # refuses what only train_recipes takes
    axes = list_axes(grid)
    base = fit_batch_size(recipe or Recipe(), splits, is_given="batch_size" in axes)
    recipes = make_grid(base, axes) if n_random is None else draw_recipes(base, axes, n_random)
    return train_recipes(splits, recipes, collect_axes(recipes, axes), halving=halving, runner=runner, **options)


def list_axes(grid: Mapping[str, Any]) -> dict[str, Axis]:
    """The values of each field as a tuple, a range as it is; a single value, text included, is an axis of one."""
    axes: dict[str, Axis] = {}
    for name, axis in grid.items():
        is_single = isinstance(axis, str) or not isinstance(axis, Iterable | Range)
        axes[name] = (axis,) if is_single else axis if isinstance(axis, Range) else tuple(axis)
    return axes


def plan_sweep(
    splits: Splits,
    recipes: Sequence[Recipe],
    *,
    halving: int | None = None,
    train_every: int | None = None,
    val_every: int = 1,
) -> Plan:
    """What a sweep of these recipes will do: its banks, operations and memory.

    Raises:
        BadInput: if a recipe does not fit the data, or there are no validation rows to choose by.
    """
    if splits.val is None:
        raise BadInput("A sweep chooses by validation accuracy, but no rows are held out; give a val_size above 0.")
    if not recipes:
        raise BadInput("A sweep needs at least one recipe.")
    for recipe in recipes:
        check_recipe(recipe, splits)
    rungs: tuple[Rung, ...] = ()
    if halving is not None:
        if val_every != 1:
            raise BadInput("Successive halving needs the validation accuracy of each epoch; val_every must be 1.")
        rungs = plan_rungs(len(recipes), min(recipe.epochs for recipe in recipes), halving)
    banks = group_recipes(recipes, splits.dataset.n_classes)
    return Plan(splits, tuple(banks), rungs, train_every, val_every)


def train_recipes(
    splits: Splits,
    recipes: Sequence[Recipe],
    axes: Mapping[str, tuple[Any, ...]],
    *,
    halving: int | None = None,
    runner: Runner | None = None,
    task: str = "sweep",
    **options: Unpack[TrainKeywords],
) -> Sweep:
    """Train these recipes in as few banks as their shared fields allow; see :func:`monolayer.sweep`."""
    given, start = TrainOptions.from_keywords(options, task), time.perf_counter()
    plan = plan_sweep(splits, recipes, halving=halving, train_every=given.train_every, val_every=given.val_every)
    progress_line = ProgressLine(plan, axes, given.progress, task)

    def on_epoch(recipes: Sequence[Recipe], rows: Sequence[EpochRow]) -> None:
        if given.on_epoch:
            given.on_epoch(recipes, rows)
        progress_line.update(recipes, rows)

    trainings = open_banks(splits, fit_checked_scaler(splits), recipes, replace(given, on_epoch=on_epoch))
    progress_line.start(trainings)
    _train(trainings, plan.rungs, runner or run_jobs)
    progress_line.finish()
    evaluate_all(trainings)
    runs = [run for training in trainings for run in make_runs(training)]
    seconds = time.perf_counter() - start + (given.checkpointer.seconds_before if given.checkpointer else 0.0)
    return Sweep(tuple(sorted(runs, key=rank_run)), dict(axes), seconds, len(recipes), rungs=plan.rungs)


def open_banks(splits: Splits, scaler: Scaler, recipes: Sequence[Recipe], options: TrainOptions) -> list[BankTraining]:
    """The trainings of these recipes, grouped into banks; by default the training rows are evaluated four times."""
    trainings, n_classes = [], splits.dataset.n_classes
    for bank in group_recipes(recipes, n_classes):
        every = choose_train_every(bank[0].epochs) if options.train_every is None else options.train_every
        bank_options = replace(options, train_every=every, progress=SILENCE)
        trainings.append(BankTraining(make_bank(bank, scaler, n_classes), splits, bank_options))
    return trainings


def _train(trainings: Sequence[BankTraining], rungs: Sequence[Rung], runner: Runner) -> None:
    """Train all banks from rung to rung, or until training is stopped."""
    for rung in (*rungs, Rung(1.0, 0)):
        runner([Job(training, rung.count_epochs(training.epochs)) for training in trainings])
        if any(training.is_stopped for training in trainings):
            for training in trainings:
                training.save_checkpoint()
            return
        if rung.n_kept:
            keep_best(trainings, rung.n_kept)


def rank_run(run: Run) -> tuple[bool, float, float, float]:
    """Sort key: complete runs by accuracy, then dropped ones, later ones first, then diverged and untrained ones."""
    val = run.evaluation["val"]
    share = len(run.history) / run.recipe.epochs if run.ends_early else 1.0
    return run.has_diverged or not run.history, -share, -val.accuracy, val.loss


class ProgressLine:
    """Shows the state of a sweep on a display; each bank calls :meth:`update` after each of its epochs."""

    def __init__(self, plan: Plan, axes: Mapping[str, Any], progress: Progress, task: str) -> None:
        self._plan = plan
        self._names = [name for name, values in axes.items() if len(values) > 1]
        self._progress, self._task = progress, task
        self._n_val = len(plan.splits.val or ())
        self._trainings: Sequence[BankTraining] = ()
        self._lock = threading.Lock()
        self._last_update = 0.0

    def start(self, trainings: Sequence[BankTraining]) -> None:
        """Show these banks."""
        self._trainings = trainings
        self._show(is_over=False)

    def update(self, recipes: Sequence[Recipe], rows: Sequence[EpochRow]) -> None:
        """Show the current state, at most ten times a second; an ``on_epoch``."""
        with self._lock:
            if time.monotonic() - self._last_update >= UPDATE_EVERY_S:
                self._show(is_over=False)
                self._last_update = time.monotonic()

    def finish(self) -> None:
        """Show the final state: all is done, unless training was stopped."""
        with self._lock:
            self._show(is_over=not any(training.is_stopped for training in self._trainings))

    def _show(self, *, is_over: bool) -> None:
        done = sum(len(rows) for training in self._trainings for rows in training.histories)
        total = done if is_over else max(done + 1, self._count_total())
        self._progress.advance(self._task, done, total, UNIT, self.describe())

    def _count_total(self) -> int:
        if self._plan.rungs:
            return self._plan.member_epochs
        # Counted by rows: during an epoch ``training.epoch`` includes it already, and its rows are still missing.
        return sum(
            training.epochs if member in alive else len(rows)
            for training in self._trainings
            for alive in [set(training.active)]
            for member, rows in enumerate(training.histories)
        )

    def describe(self) -> str:
        """Such as ``34 of 36 train; best 40.3 [37.3, 43.4] % at epoch 12: learning_rate 0.005, l2 0.0``."""
        n_alive = sum(len(training.active) for training in self._trainings)
        counts = f"{n_alive} of {self._plan.n_recipes} train"
        n_classes = self._plan.splits.dataset.n_classes
        candidates = [
            (row.val_accuracy, row.epoch, recipe)
            for training in self._trainings
            for recipe, rows in zip(training.bank.recipes, training.histories, strict=True)
            if rows
            and (row := rows[-1]).val_accuracy is not None
            and row.val_loss is not None
            # The accuracy of a member that has diverged so far has no meaning.
            and row.val_loss <= DIVERGED_RATIO * compute_chance_loss(recipe.loss, n_classes)
        ]
        if not candidates:
            return counts
        accuracy, epoch, recipe = max(candidates, key=lambda candidate: candidate[0])
        named = ", ".join(f"{name} {format_value(getattr(recipe, name))}" for name in self._names)
        return f"{counts}; best {format_accuracy(accuracy, self._n_val)} % at epoch {epoch}{named and f': {named}'}"
