"""Searching: Optuna proposes recipes in batches, each batch is trained as a sweep, and its values are told.

A search is repeatable. What is proposed as trial k depends on the seed, on k and on the trials that are told or under
way, on nothing else; and a trial is written down in one line before it is trained. So a search that is killed and taken
up again proposes, trains and tells what it would have. Where others share its journal, theirs count too, and it can be
taken up again but not repeated.

Trials are proposed by TPE: Bergstra et al., *Algorithms for hyper-parameter optimization* (NeurIPS 2011), with joint
densities, and with the constant liar for the trials of a batch that are not told yet (Ginsbourger, Le Riche and
Carraro, *Kriging is well-suited to parallelize optimization*, 2010): they count as bad, so that a batch spreads.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack, cast

import filelock
import numpy as np

from monolayer.data.dataset import Splits
from monolayer.errors import BadData, BadInput
from monolayer.evaluate.metrics import format_accuracy
from monolayer.files import explain_os_error
from monolayer.progress import Progress
from monolayer.recipe.grid import WHOLE_FIELDS, Axis, Range, check_axes, collect_axes
from monolayer.recipe.recipe import Recipe
from monolayer.training.options import TrainKeywords, TrainOptions
from monolayer.training.run import Run, check_splits, fit_batch_size
from monolayer.training.scheduler import Runner
from monolayer.tuning.halving import Rung
from monolayer.tuning.sweep import Sweep, list_axes, plan_sweep, rank_run, train_recipes

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial


# How every line of such a file begins, in all versions of Optuna that have it.
START = b'{"op_code":'


def check_optuna() -> None:
    """Raise BadInput if Optuna is not installed."""
    try:
        import optuna  # noqa: F401
    except ImportError:
        advice = "get it with: pip install monolayer[optuna]"
        raise BadInput(f"Searching needs Optuna, which is not installed; {advice}") from None


@contextlib.contextmanager
def hush_optuna() -> Iterator[None]:
    """Optuna logs nothing, and does not warn that a part of it is new, while the block runs."""
    import optuna

    before = optuna.logging.get_verbosity()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        optuna.logging.set_verbosity(optuna.logging.CRITICAL)
        try:
            yield
        finally:
            optuna.logging.set_verbosity(before)


@contextlib.contextmanager
def open_journal(path: Path, name: str) -> Iterator[BaseStorage]:
    """The journal in this file, made where there is none.

    Args:
        path: the file.
        name: of the search that goes on in it; no other process may be at one of the same name.

    Raises:
        BadInput: if the file cannot be written, or another process is at this search.
        BadData: if it is a file of another kind; it is left as it is.
    """
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    path = path.resolve()
    with explain_os_error(path):
        _check_kind(path)
    # Optuna's own lock is a link beside the file: one that a killed process has left makes all others wait for half a
    # minute. Programs that use that lock may share the file all the same: a line is appended in one call.
    lock = filelock.FileLock(path.with_name(f".{path.name}.lock"), thread_local=False)
    with _hold(path, name):
        with explain_os_error(path):
            with lock:
                _cut_torn_end(path)
            try:
                storage = JournalStorage(JournalFileBackend(str(path), cast(Any, lock)))
            except (ValueError, KeyError, TypeError, AssertionError) as error:
                raise BadData(f"{path}: is a journal of Optuna that cannot be read ({error}).") from None
        try:
            yield storage
        finally:
            with contextlib.suppress(OSError):
                Path(lock.lock_file).unlink()


def _check_kind(path: Path) -> None:
    if path.is_dir():
        raise BadInput(f"{path} is a folder; a journal is a file.")
    if path.exists():
        with path.open("rb") as file:
            start = file.read(len(START))
        if not START.startswith(start):
            raise BadData(f"{path}: is no journal of Optuna; name another file, or one that is not there yet.")


def _cut_torn_end(path: Path) -> None:
    """Remove an incomplete last line, left by a full disk or a power cut; the file is created if there is none."""
    with path.open("a+b") as file:
        file.seek(0)
        content = file.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            file.truncate(whole)


@contextlib.contextmanager
def _hold(path: Path, name: str) -> Iterator[None]:
    """Keep other processes from running the search of this name in this journal.

    If two ever do, some work is done twice: of a trial that is there two times the first counts.
    """
    lock = filelock.FileLock(path.with_name(f".{path.name}.{name}.lock"), thread_local=False)
    try:
        with explain_os_error(path):
            lock.acquire(timeout=0)
    except filelock.Timeout:
        raise BadInput(
            f"Another process is running this very search in {path}; to share the journal, give this one another seed."
        ) from None
    try:
        yield
    finally:
        lock.release()
        with contextlib.suppress(OSError):
            Path(lock.lock_file).unlink()


# Trials proposed at once: a bank of 16 trains in a quarter of the time of 16 alone (turns.BASE_MEMBERS), a bank of 64
# in a fifth, and the fewer are proposed at once, the more each of them knows.
N_AT_ONCE = 16
KEPT = "; what was written before is kept"
# What a trial of ours is known by among all in the journal: the search's seed, and its number among its trials.
SEED, NUMBER, BATCH = "monolayer_seed", "monolayer_number", "monolayer_batch"


@dataclass(frozen=True)
class _Batches:
    """How many trials there are, and how many are proposed at once.

    Raises:
        BadInput: if a number is below 1.
    """

    n_trials: int
    n_at_once: int

    def __post_init__(self) -> None:
        for name, n in vars(self).items():
            if n < 1:
                raise BadInput(f"{name} is {n}; accepted is a whole number of 1 or above.")

    def __iter__(self) -> Iterator[range]:
        """The numbers of the trials of each batch, 0 first."""
        starts = range(0, self.n_trials, self.n_at_once)
        return iter([range(start, min(start + self.n_at_once, self.n_trials)) for start in starts])


def search(
    splits: Splits,
    recipe: Recipe | None = None,
    *,
    grid: Mapping[str, Any],
    n_trials: int,
    n_at_once: int = N_AT_ONCE,
    journal: str | Path | None = None,
    halving: int | None = None,
    runner: Runner | None = None,
    **options: Unpack[TrainKeywords],
) -> Sweep:
    """Train ``n_trials`` recipes that Optuna proposes, to find the highest validation accuracy; test stays sealed.

    Recipes that are proposed more than once are trained once, so there can be fewer runs than trials. Of the sweep,
    ``n_recipes`` counts the different recipes, and one for every trial that was not come to when it was stopped.

    Args:
        splits: the rows, from :meth:`monolayer.Dataset.split`.
        recipe: the fields that are not searched, and the search's seed; by default those of ``Recipe()``.
        grid: by field of the recipe, values to choose from or a :class:`Range` to choose in.
        n_trials: trials of this search; those of other searches in its journal do not count.
        n_at_once: trials that are proposed, and trained, together.
        journal: a file that keeps the trials. The same search with the same file continues where it was; searches with
            other seeds learn from each other through it. None keeps them in memory only.
        halving: as for :func:`monolayer.sweep`, within each batch of trials.
        runner: as for :func:`monolayer.sweep`.
        options: as for :func:`monolayer.train`. With a ``checkpointer``, banks that are finished are not trained again.

    Raises:
        BadInput: if Optuna is not installed, an axis is no recipe field or empty, a value of one is not accepted or
            does not fit the data, nothing is held out, or the journal cannot be used.
        BadData: if the journal is a file of another kind.
    """
    check_splits(splits)
    given, batches = TrainOptions.from_keywords(options, "sweep"), _Batches(n_trials, n_at_once)
    axes = list_axes(grid)
    space = Space(fit_batch_size(recipe or Recipe(), splits, is_asked="batch_size" in axes), axes, halving)
    space.check(splits, given)
    with _open_trials(space, splits, batches, Path(journal) if journal else None) as trials:
        given.progress.info(trials.describe())

        def train(recipes: Sequence[Recipe], progress: Progress) -> Sweep:
            keywords: TrainKeywords = {**options, "progress": progress}
            return train_recipes(
                splits, recipes, space.collect_axes(recipes), halving=halving, runner=runner, **keywords
            )

        found = _Found(space, batches, given, train)
        for numbers in batches:
            asked = trials.ask(numbers)
            recipes = [space.make_recipe(trial.params) for trial in asked]
            if not found.train(recipes, numbers):
                break
            trials.tell(asked, [found.runs[recipe] for recipe in recipes])
            # A wish that came with the last epoch of a batch.
            if numbers.stop < n_trials and given.should_stop():
                break
        return found.make_sweep()


@dataclass(frozen=True, eq=False)
class Space:
    """What a search goes through: a recipe, some of whose fields are free.

    Args:
        base: the other fields.
        axes: values or a range of each free field.
        halving: the factor of successive halving, if any.
    """

    base: Recipe
    axes: dict[str, Axis]
    halving: int | None = None

    def check(self, splits: Splits, options: TrainOptions) -> None:
        """Raise BadInput if Optuna is missing, or any recipe of the space could not be trained on these rows."""
        if not self.axes:
            raise BadInput("A search needs an axis to go along; give one, such as learning_rate.")
        check_axes(self.axes)
        check_optuna()
        # A recipe is checked field by field, so it takes no more than every end of every axis once.
        first = self.base.replace(**{name: values[0] for name, values in self._ends.items()})
        extremes = [first.replace(**{name: value}) for name, values in self._ends.items() for value in values]
        plan_sweep(splits, extremes, halving=self.halving, train_every=options.train_every, val_every=options.val_every)

    @cached_property
    def _ends(self) -> dict[str, tuple[Any, ...]]:
        """Values of each axis as a recipe has them; of a range, both ends."""
        return {name: _list_ends(self.base, name, axis) for name, axis in self.axes.items()}

    @cached_property
    def distributions(self) -> dict[str, BaseDistribution]:
        """The axes as Optuna has them; the order is the axes'."""
        return {name: _make_distribution(name, axis, self._ends[name]) for name, axis in self.axes.items()}

    def make_recipe(self, params: Mapping[str, Any]) -> Recipe:
        """The recipe of a trial."""
        return self.base.replace(**params)

    def collect_axes(self, recipes: Sequence[Recipe]) -> dict[str, tuple[Any, ...]]:
        """The values that these recipes have along the axes, in the order given, or sorted where there is a range."""
        found = collect_axes(list(recipes), self.axes)
        return {
            name: values if isinstance(self.axes[name], Range) else tuple(v for v in self._ends[name] if v in values)
            for name, values in found.items()
        }

    def tidy(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Numbers from a range written with 12 digits, as :meth:`Range.draw` has them, and still within its ends."""
        return {name: self._tidy(name, value) for name, value in params.items()}

    def _tidy(self, name: str, value: Any) -> Any:
        if not isinstance(self.axes[name], Range) or not isinstance(value, float):
            return value
        low, high = self._ends[name]
        return min(max(float(f"{value:.12g}"), low), high)

    def name_study(self, splits: Splits) -> str:
        """A name that all searches share whose values can be compared, and no others; their seeds may differ."""
        fields = {name: value for name, value in self.base.to_dict().items() if name not in {*self.axes, "seed"}}
        axes = {name: [str(type(axis) is Range and axis.kind), *self._ends[name]] for name, axis in self.axes.items()}
        return f"monolayer-{splits.dataset.name}-{_digest([splits.identity, fields, axes, self.halving])}"


def _list_ends(base: Recipe, name: str, axis: Axis) -> tuple[Any, ...]:
    if not isinstance(axis, Range):
        return tuple(dict.fromkeys(getattr(base.replace(**{name: value}), name) for value in axis))
    if name not in WHOLE_FIELDS:
        return tuple(getattr(base.replace(**{name: end}), name) for end in (axis.low, axis.high))
    low, high = math.ceil(axis.low), math.floor(axis.high)
    if low > high:
        raise BadInput(f"The range {axis} holds no whole number, which {name} must be.")
    return low, high


def _make_distribution(name: str, axis: Axis, ends: tuple[Any, ...]) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if not isinstance(axis, Range):
        return CategoricalDistribution(ends)
    low, high = ends
    kind = IntDistribution if name in WHOLE_FIELDS else FloatDistribution
    return kind(low, high, log=axis.kind == "log")


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


@contextmanager
def _open_trials(space: Space, splits: Splits, batches: _Batches, path: Path | None) -> Iterator[_Trials]:
    import optuna

    name = space.name_study(splits)
    opened: AbstractContextManager[BaseStorage] = nullcontext(optuna.storages.InMemoryStorage())
    with hush_optuna():
        if path is not None:
            opened = open_journal(path, _digest([name, space.base.seed]))
    with opened as storage:
        yield _Trials(storage, name, space, batches, path)


def _open_study(storage: BaseStorage, name: str) -> Study:
    import optuna

    try:
        return optuna.load_study(study_name=name, storage=storage)
    except KeyError:
        return optuna.create_study(storage=storage, study_name=name, direction="maximize", load_if_exists=True)


class _Trials:
    """The trials of a search, in a storage that may hold those of others."""

    def __init__(self, storage: BaseStorage, name: str, space: Space, batches: _Batches, path: Path | None) -> None:
        self._storage, self._space, self._batches, self._path = storage, space, batches, path
        with self._at_work():
            self._study = _open_study(storage, name)

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        with hush_optuna(), explain_os_error(self._path, KEPT) if self._path else nullcontext():
            yield

    def describe(self) -> str:
        """How many there are to be, and how many were told before."""
        with self._at_work():
            n_told = sum(trial.state.is_finished() for trial in self._list_ours().values())
        told = f"; {min(n_told, self._batches.n_trials)} were told before" if n_told else ""
        return f"{self._batches.n_trials} trials by Optuna, {self._batches.n_at_once} at once{told}."

    def ask(self, numbers: range) -> list[FrozenTrial]:
        """The trials of a batch: those that were asked before a process died as they were, the others proposed now."""
        with self._at_work():
            ours = self._list_ours()
            missing = [number for number in numbers if number not in ours]
            if missing:
                self._propose(missing, ours)
                ours = self._list_ours()
        return [ours[number] for number in numbers]

    def tell(self, trials: Sequence[FrozenTrial], runs: Sequence[Run]) -> None:
        """Tell what came of these trials; those that have been told already stay as they are."""
        with self._at_work():
            for trial, run in zip(trials, runs, strict=True):
                if not trial.state.is_finished():
                    self._tell(trial, run)

    def _list_ours(self) -> dict[int, FrozenTrial]:
        """By number; the first of each, should there ever be two."""
        found: dict[int, FrozenTrial] = {}
        for trial in self._study.get_trials(deepcopy=False):
            if self._is_ours(trial):
                found.setdefault(trial.user_attrs[NUMBER], trial)
        return found

    def _is_ours(self, trial: FrozenTrial) -> bool:
        return trial.user_attrs.get(SEED) == self._space.base.seed and NUMBER in trial.user_attrs

    def _propose(self, missing: list[int], ours: Mapping[int, FrozenTrial]) -> None:
        """Propose trials and write each down in one line, so that none is ever there by half."""
        from optuna.trial import TrialState, create_trial

        scratch = self._copy(ours)
        for number in missing:
            params = self._space.tidy(self._propose_one(scratch, number))
            batch = number // self._batches.n_at_once
            attributes = {SEED: self._space.base.seed, NUMBER: number, BATCH: batch}
            trial = create_trial(
                state=TrialState.RUNNING,
                params=params,
                distributions=self._space.distributions,
                user_attrs=attributes,
            )
            scratch.add_trial(trial)
            self._study.add_trial(trial)

    def _copy(self, ours: Mapping[int, FrozenTrial]) -> Study:
        """A study in memory with all trials that say something: Optuna's own asking would write five lines a trial."""
        import optuna
        from optuna.trial import TrialState

        scratch = optuna.create_study(direction="maximize")
        for trial in self._study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)):
            if not self._is_ours(trial) or ours[trial.user_attrs[NUMBER]].number == trial.number:
                scratch.add_trial(trial)
        return scratch

    def _propose_one(self, scratch: Study, number: int) -> dict[str, Any]:
        from optuna.samplers import TPESampler
        from optuna.trial import TrialState

        # A stream of its own for every trial: a batch that was cut off while it was proposed goes on from any trial.
        seed = int(np.random.SeedSequence([self._space.base.seed, 3, number]).generate_state(1)[0])
        scratch.sampler = TPESampler(seed=seed, multivariate=True, constant_liar=True)
        asked = scratch.ask(self._space.distributions)
        scratch.tell(asked, state=TrialState.FAIL)  # what is written down, with fewer digits, stands in for it
        return asked.params

    def _tell(self, trial: FrozenTrial, run: Run) -> None:
        """Tell validation accuracy; of a run that was let go, as a pruned trial.

        TPE does not look at failed trials, so nothing would keep it from asking next to one that diverged. Pruned ones
        it ranks behind all that are complete: the later they were let go the better, and last those that say nothing
        of how far they came. That is the order of :func:`rank_run`, and needs no value that was never measured.
        """
        from optuna.trial import TrialState

        val = run.evaluation["val"]
        if not run.has_diverged and not run.has_left:
            self._study.tell(trial.number, val.accuracy, skip_if_finished=True)
            return
        if not run.has_diverged:
            study_id = self._storage.get_study_id_from_name(self._study.study_name)
            trial_id = self._storage.get_trial_id_from_study_id_trial_number(study_id, trial.number)
            self._storage.set_trial_intermediate_value(trial_id, len(run.history), val.accuracy)
        self._study.tell(trial.number, state=TrialState.PRUNED, skip_if_finished=True)


class _Found:
    """The runs of a search, so far."""

    def __init__(
        self,
        space: Space,
        batches: _Batches,
        options: TrainOptions,
        train: Callable[[Sequence[Recipe], Progress], Sweep],
    ) -> None:
        self.runs: dict[Recipe, Run] = {}
        self._space, self._batches, self._options, self._train = space, batches, options, train
        self._progress = _SearchProgress(batches, options)
        self._recipes: dict[Recipe, None] = {}  # in the order in which they were proposed
        self._rungs: dict[float, int] = {}
        self._n_left = batches.n_trials
        self._seconds = 0.0

    def train(self, recipes: Sequence[Recipe], numbers: range) -> bool:
        """Train those of a batch's recipes that are new; whether all are trained to their end."""
        self._n_left = self._batches.n_trials - numbers.stop
        new = [recipe for recipe in dict.fromkeys(recipes) if recipe not in self.runs]
        if not new:
            return True
        self._recipes.update(dict.fromkeys(new))
        self._progress.begin(numbers, self._describe_best())
        start = time.perf_counter()
        result = self._train(new, self._progress)
        self.runs.update({run.recipe: run for run in result.runs})
        for rung in result.rungs:
            self._rungs[rung.share] = self._rungs.get(rung.share, 0) + rung.n_kept
        self._seconds += time.perf_counter() - start
        return result.is_complete

    def make_sweep(self) -> Sweep:
        """All runs, best first."""
        runs = tuple(sorted(self.runs.values(), key=rank_run))
        checkpointer = self._options.checkpointer
        seconds = self._seconds + (checkpointer.seconds_before if checkpointer else 0.0)
        axes = self._space.collect_axes(list(self._recipes))
        rungs = tuple(Rung(share, n_kept) for share, n_kept in sorted(self._rungs.items()))
        result = Sweep(runs, axes, seconds, len(runs) + self._n_left, rungs=rungs)
        if result.is_complete:
            self._progress.end()
        return result

    def _describe_best(self) -> str:
        if not self.runs:
            return ""
        best = min(self.runs.values(), key=rank_run).evaluation["val"]
        return f", best before {format_accuracy(best.accuracy, best.n)} %"


class _SearchProgress:
    """A Progress of all batches, made of what each tells of its own."""

    def __init__(self, batches: _Batches, options: TrainOptions) -> None:
        self._progress, self._task, self._batches = options.progress, options.task, batches
        self._numbers, self._best = range(0), ""
        self._before = self._done = 0.0
        self._unit = ""

    def begin(self, numbers: range, best: str) -> None:
        """Tell of this batch from now on."""
        self._numbers, self._best = numbers, best
        self._before, self._done = self._before + self._done, 0.0

    def end(self) -> None:
        """Tell that the search is over."""
        n = self._before + self._done
        self._progress.advance(self._task, n, n, self._unit)

    def info(self, text: str) -> None:
        """Pass on."""
        self._progress.info(text)

    def advance(self, task: str, done: float, total: float | None, unit: str = "", detail: str = "") -> None:
        """Pass on, with the batches to come taken for ones like this."""
        self._done, self._unit = done, unit
        n_left = self._batches.n_trials - self._numbers.start
        if total is not None:
            total = self._before + max(done, round(total * n_left / len(self._numbers)))
        self._progress.advance(task, self._before + done, total, unit, f"{self._describe_batch()}: {detail}")

    def _describe_batch(self) -> str:
        number = self._numbers.start // self._batches.n_at_once + 1
        return f"batch {number} of {len([*self._batches])}{self._best}"
