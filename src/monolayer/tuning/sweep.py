"""Sweep: many recipes, grouped into banks, to a table of runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from monolayer.data.dataset import Splits
from monolayer.data.scaler import fit_checked_scaler
from monolayer.engine.bank import make_bank
from monolayer.errors import BadInput
from monolayer.findings import Finding
from monolayer.progress import SILENCE
from monolayer.recipe.grid import make_grid
from monolayer.recipe.recipe import Recipe
from monolayer.training.history import EpochRow
from monolayer.training.loop import BankTraining, TrainOptions
from monolayer.training.run import Run, check_recipe, check_splits, fit_batch_size, make_runs
from monolayer.training.scheduler import Job, Runner, measure_all, run_jobs
from monolayer.tuning.halving import Rung, keep_best, plan_rungs
from monolayer.tuning.plan import Plan, choose_train_every, group_recipes
from monolayer.tuning.progress_line import ProgressLine
from monolayer.tuning.selection import Selection, analyse_selection


@dataclass(frozen=True, eq=False)
class Sweep:
    """The runs of a sweep, best validation accuracy first; ties go to the lower loss, diverged runs to the end.

    Args:
        runs: one a recipe; a run's ``seconds`` are its bank's.
        axes: the fields that vary, with their values in the order given.
        seconds: training of all banks by the clock, evaluation included.
        n_recipes: how many were asked for; only a search that was stopped has fewer runs.
        findings: on the sweep as a whole; those on single runs are the runs'.
        rungs: of successive halving; none where every recipe went to its end.
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
        """What the ranking is worth: which runs cannot be told from the best, and what picking it added."""
        return analyse_selection(self.runs)

    @property
    def is_complete(self) -> bool:
        """Whether every run went through all its epochs."""
        return len(self.runs) == self.n_recipes and all(run.is_complete for run in self.runs)

    def _describe_selection(self) -> dict[str, Any] | None:
        if self.selection is None:
            return None
        simplest = self.runs[self.selection.one_standard_error]
        described = {"recipe": simplest.recipe.to_dict(), "val": simplest.evaluation["val"].to_dict()}
        return {**self.selection.to_dict(), "one_standard_error": described}

    def describe_rank(self, place: int) -> dict[str, Any]:
        """Whether the run at this place cannot be told from the best, and by which corrected p-value."""
        selection = self.selection
        return {
            "is_indistinguishable": selection.is_indistinguishable[place] if selection else None,
            "p_value_adjusted": selection.p_values[place] if selection else None,
        }

    def to_dict(self, top: int | None = None) -> dict[str, Any]:
        """The sweep as ``monolayer sweep --json`` prints it; ``top`` limits the runs, best first."""
        runs = [
            {
                **{name: part for name, part in run.to_dict().items() if name not in ("seconds", "test", "findings")},
                "has_diverged": run.has_diverged,
                **self.describe_rank(place),
            }
            for place, run in enumerate(self.runs[:top])
        ]
        of_runs = [
            {**finding.to_dict(), "recipe": run.recipe.to_dict()} for run in self.runs for finding in run.findings
        ]
        findings = [*(finding.to_dict() for finding in self.findings), *of_runs]
        return {
            "runs": runs,
            "selection": self._describe_selection(),
            "seconds": self.seconds,
            "findings": findings,
            "n_recipes": self.n_recipes,
            "n_complete": sum(run.is_complete for run in self.runs),
            "is_complete": self.is_complete,
            "rungs": [rung.to_dict() for rung in self.rungs],
        }


def sweep(splits: Splits, base: Recipe | None = None, *, options: SweepOptions | None = None, **axes: Any) -> Sweep:
    """Train every combination of the axes' values; the test rows stay sealed.

    Recipes that can share their batches are trained as one bank. Training rows are evaluated four times, validation
    rows after every epoch, unless ``options`` says otherwise. A batch size that nobody chose, the default, is lowered
    to the number of training rows where they are fewer.

    Raises:
        BadInput: if the dataset was not split, an axis is no recipe field or empty, a recipe does not fit the data, or
            nothing is held out.
    """
    check_splits(splits)
    values = {name: list_values(axis) for name, axis in axes.items()}
    base = fit_batch_size(base or Recipe(), splits, is_asked="batch_size" in values)
    return train_recipes(splits, make_grid(base, values), values, options)


def list_values(axis: Any) -> tuple[Any, ...]:
    """An axis's values; a single value, text included, is an axis of one."""
    return tuple(axis) if isinstance(axis, Iterable) and not isinstance(axis, str) else (axis,)


@dataclass(frozen=True)
class SweepOptions:
    """How to sweep, as opposed to what.

    Args:
        training: how to train; ``train_every`` None evaluates the training rows four times.
        halving: one recipe in so many goes on at each rung of successive halving; None trains all to their end.
        run_jobs: what trains several banks; by default this machine's cores do.
    """

    training: TrainOptions = field(default_factory=TrainOptions)
    halving: int | None = None
    run_jobs: Runner = run_jobs


def plan_sweep(splits: Splits, recipes: Sequence[Recipe], options: SweepOptions | None = None) -> Plan:
    """What a sweep of these recipes is going to do: its banks, operations and memory.

    Raises:
        BadInput: if a recipe does not fit the data, or nothing is held out to choose by.
    """
    options = options or SweepOptions()
    if splits.val is None:
        raise BadInput("A sweep chooses by validation accuracy, but no rows are held out; give a val_size above 0.")
    if not recipes:
        raise BadInput("A sweep needs at least one recipe.")
    for recipe in recipes:
        check_recipe(recipe, splits)
    rungs: tuple[Rung, ...] = ()
    if options.halving is not None:
        if options.training.val_every != 1:
            raise BadInput("Successive halving compares validation accuracies of any epoch; val_every must be 1.")
        rungs = plan_rungs(len(recipes), min(recipe.epochs for recipe in recipes), options.halving)
    banks = group_recipes(recipes, splits.dataset.n_classes)
    return Plan(splits, tuple(banks), rungs, options.training.train_every, options.training.val_every)


def train_recipes(
    splits: Splits, recipes: Sequence[Recipe], axes: dict[str, tuple[Any, ...]], options: SweepOptions | None = None
) -> Sweep:
    """Train these recipes in as few banks as their shared fields allow; see :func:`monolayer.sweep`."""
    options = options or SweepOptions()
    plan, start = plan_sweep(splits, recipes, options), time.perf_counter()
    checkpointer, train_options = options.training.checkpointer, options.training
    progress_line = ProgressLine(plan, axes, train_options.progress, train_options.task)
    trainings = _open_banks(plan, replace(train_options, on_epoch=_chain(train_options.on_epoch, progress_line.note)))
    progress_line.begin(trainings)
    _train(trainings, plan.rungs, options.run_jobs)
    progress_line.end()
    measure_all(trainings)
    runs = [run for training in trainings for run in make_runs(training, splits)]
    seconds = time.perf_counter() - start + (checkpointer.seconds_before if checkpointer else 0.0)
    return Sweep(tuple(sorted(runs, key=rank_run)), axes, seconds, len(recipes), rungs=plan.rungs)


def _open_banks(plan: Plan, options: TrainOptions) -> list[BankTraining]:
    scaler, n_classes = fit_checked_scaler(plan.splits), plan.splits.dataset.n_classes
    trainings = []
    for recipes in plan.banks:
        every = choose_train_every(recipes[0].epochs) if options.train_every is None else options.train_every
        bank_options = replace(options, train_every=every, progress=SILENCE)
        trainings.append(BankTraining(make_bank(recipes, scaler, n_classes), plan.splits, bank_options))
    return trainings


def _train(trainings: Sequence[BankTraining], rungs: Sequence[Rung], runner: Runner) -> None:
    """Train all banks from rung to rung, or until the wish to stop comes."""
    for rung in (*rungs, Rung(1.0, 0)):
        runner([Job(training, rung.count_epochs(training.epochs)) for training in trainings])
        if any(training.is_stopped for training in trainings):
            for training in trainings:
                training.keep()
            return
        if rung.n_kept:
            keep_best(trainings, rung.n_kept)


def _chain(*calls: Callable[[list[EpochRow]], None] | None) -> Callable[[list[EpochRow]], None]:
    def call(rows: list[EpochRow]) -> None:
        for one in calls:
            if one is not None:
                one(rows)

    return call


def rank_run(run: Run) -> tuple[bool, float, float, float]:
    """Runs that diverged or never began stand last, and before them those that were let go, the later ones first."""
    val = run.evaluation["val"]
    share = len(run.history) / run.recipe.epochs if run.has_left else 1.0
    return run.has_diverged or not run.history, -share, -val.accuracy, val.loss
