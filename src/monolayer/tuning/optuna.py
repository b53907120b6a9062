"""Search for the best recipe with Optuna: it proposes recipes in batches, and each batch is trained as a sweep.

A search is repeatable: the proposal for trial k depends on the seed, on k and on the trials that are finished or
running, and on nothing else. Each trial is written to the journal in one line before it is trained. So a search that
was killed and is started again proposes and trains what it would have. If other searches share the journal, their
trials count too: such a search can be continued, but not repeated.

The sampler is TPE (Bergstra et al., *Algorithms for hyper-parameter optimization*, NeurIPS 2011) with joint densities.
Unfinished trials of a batch count as bad, the constant liar of Ginsbourger, Le Riche and Carraro (*Kriging is
well-suited to parallelize optimization*, 2010), so that a batch spreads out.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack, cast

import filelock
import numpy as np

from monolayer.data.dataset import Splits
from monolayer.errors import BadData, BadInput, validate_whole
from monolayer.evaluate.metrics import format_accuracy
from monolayer.files import explain_os_error
from monolayer.progress import Progress
from monolayer.recipe.grid import WHOLE_FIELDS, Axis, Range, check_axes, collect_axes
from monolayer.recipe.recipe import Recipe
from monolayer.training.options import TrainKeywords, TrainOptions
from monolayer.training.run import Run
from monolayer.training.scheduler import Runner
from monolayer.training.train import check_splits, fit_batch_size
from monolayer.tuning.halving import Rung
from monolayer.tuning.sweep import UNIT, Sweep, list_axes, plan_sweep, rank_run, train_recipes

if TYPE_CHECKING:
    import optuna  # at run time it is imported where it is used: only searches need it
    from optuna.trial import FrozenTrial

# Trials proposed at once: a bank of 16 trains in a quarter of the time of 16 banks of one (scheduler.BASE_MEMBERS), a
# bank of 64 in a fifth, and the fewer are proposed at once, the more finished trials each proposal is based on.
N_AT_ONCE = 16
KEPT = "; what was written before is kept"
# Attributes of our trials in the journal: the search's seed, the trial's number in the search, and its batch.
SEED, NUMBER, BATCH = "monolayer_seed", "monolayer_number", "monolayer_batch"
# The first bytes of a journal, in all versions of Optuna that have journals.
JOURNAL_START = b'{"op_code":'


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
    """Train ``n_trials`` recipes that Optuna proposes, to find the highest validation accuracy; test rows stay sealed.

    A recipe that is proposed more than once is trained once, so there can be fewer runs than trials. ``n_recipes`` of
    the sweep counts the different recipes, and the trials that were left when a search was stopped.

    Args:
        splits: the rows, from :meth:`monolayer.Dataset.split`.
        recipe: the fields that are not searched, and the seed of the search; by default those of ``Recipe()``.
        grid: by field of the recipe, values to choose from or a :class:`Range` to choose in.
        n_trials: trials of this search; those of other searches in its journal do not count.
        n_at_once: trials that are proposed, and trained, together.
        journal: a file for the trials. The same search with the same file continues where it was; searches with other
            seeds learn from each other through it. None keeps the trials in memory.
        halving: as for :func:`monolayer.sweep`, within each batch of trials.
        runner: as for :func:`monolayer.sweep`.
        options: as for :func:`monolayer.train`. With a ``checkpointer``, banks that are finished are not trained again.

    Raises:
        BadInput: if Optuna is not installed, a key of the grid is not a field of the recipe or has no values, a value
            is not accepted or does not fit the data, there are no validation rows, or the journal cannot be used.
        BadData: if the journal is a file of another kind.
    """
    check_splits(splits)
    given = TrainOptions.from_keywords(options, "sweep", search)
    validate_whole("n_trials", n_trials, 1)
    validate_whole("n_at_once", n_at_once, 1)
    axes = list_axes(grid)
    space = SearchSpace(fit_batch_size(recipe or Recipe(), splits, is_given="batch_size" in axes), axes, halving)
    space.check(splits, given)
    study_name, path = space.name_study(splits), Path(journal) if journal else None
    train = partial(train_recipes, splits, halving=halving, runner=runner, **options)
    with open_journal(path, _digest([study_name, space.base.seed])) if path else nullcontext() as storage:
        trials = _Trials(storage, study_name, space, n_trials, n_at_once, path)
        given.progress.info(trials.describe())
        return _train_batches(trials, space, given, train)


def _train_batches(trials: _Trials, space: SearchSpace, options: TrainOptions, train: Callable[..., Sweep]) -> Sweep:
    """Propose and train one batch of trials after another; returns all runs, best first."""
    runs: dict[Recipe, Run] = {}
    rungs: Counter[float] = Counter()
    seconds, n_left, is_stopped = 0.0, trials.n_trials, False
    progress = _BatchProgress(options.progress, trials.n_trials, trials.n_at_once)
    while n_left and not is_stopped:
        numbers = range(trials.n_trials - n_left, trials.n_trials)[: trials.n_at_once]
        n_left = trials.n_trials - numbers.stop
        asked = trials.ask(numbers)
        recipes = [space.base.replace(**trial.params) for trial in asked]
        new = [recipe for recipe in dict.fromkeys(recipes) if recipe not in runs]
        if new:
            progress.start_batch(numbers, runs.values())
            start = time.perf_counter()
            batch = train(new, space.collect_axes(new), progress=progress)
            seconds += time.perf_counter() - start
            runs |= {run.recipe: run for run in batch.runs}
            rungs.update({rung.share: rung.n_kept for rung in batch.rungs})
            is_stopped = not batch.is_complete
        if not is_stopped:
            trials.tell(asked, [runs[recipe] for recipe in recipes])
            # should_stop may have become True with the last epoch of the batch.
            is_stopped = n_left > 0 and options.should_stop()
    if options.checkpointer:
        seconds += options.checkpointer.seconds_before
    result = Sweep(
        tuple(sorted(runs.values(), key=rank_run)),
        space.collect_axes(list(runs)),
        seconds,
        len(runs) + n_left,
        rungs=tuple(Rung(share, n_kept) for share, n_kept in sorted(rungs.items())),
    )
    if result.is_complete:
        options.progress.advance(options.task, progress.done, progress.done, UNIT)
    return result


def check_optuna() -> None:
    """Raise BadInput if Optuna is not installed."""
    try:
        import optuna  # noqa: F401
    except ImportError:
        advice = "get it with: pip install monolayer[optuna]"
        raise BadInput(f"Searching needs Optuna, which is not installed; {advice}") from None


@contextmanager
def silence_optuna() -> Iterator[None]:
    """Within the block Optuna logs nothing and does not warn that a part of it is experimental."""
    import optuna

    before = optuna.logging.get_verbosity()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        optuna.logging.set_verbosity(optuna.logging.CRITICAL)
        try:
            yield
        finally:
            optuna.logging.set_verbosity(before)


@dataclass(frozen=True, eq=False)
class SearchSpace:
    """The recipes that a search chooses from.

    Args:
        base: the fields that are not searched.
        axes: values or a range of each field that is searched.
        halving: the factor of successive halving, if any.
    """

    base: Recipe
    axes: dict[str, Axis]
    halving: int | None = None

    def check(self, splits: Splits, options: TrainOptions) -> None:
        """Raise BadInput if Optuna is missing or a recipe of the space cannot be trained on these rows."""
        if not self.axes:
            raise BadInput("A search needs an axis to go along; give one, such as learning_rate.")
        check_axes(self.axes)
        check_optuna()
        # A recipe is checked field by field, so it is enough to check each end of each axis once.
        first = self.base.replace(**{name: values[0] for name, values in self._ends.items()})
        extremes = [first.replace(**{name: value}) for name, values in self._ends.items() for value in values]
        every = {"train_every": options.train_every, "val_every": options.val_every}
        plan_sweep(splits, extremes, halving=self.halving, **cast(Any, every))

    @cached_property
    def _ends(self) -> dict[str, tuple[Any, ...]]:
        """The values of each axis as a recipe has them; of a range, both ends."""
        return {name: self._list_ends(name, axis) for name, axis in self.axes.items()}

    def _list_ends(self, name: str, axis: Axis) -> tuple[Any, ...]:
        if isinstance(axis, Range) and name in WHOLE_FIELDS:
            low, high = math.ceil(axis.low), math.floor(axis.high)
            if low > high:
                raise BadInput(f"The range {axis} contains no whole number, which {name} must be.")
            return low, high
        values = (axis.low, axis.high) if isinstance(axis, Range) else axis
        return tuple(dict.fromkeys(getattr(self.base.replace(**{name: value}), name) for value in values))

    @cached_property
    def distributions(self) -> dict[str, optuna.distributions.BaseDistribution]:
        """The axes as distributions of Optuna, in the same order."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        def make(name: str, axis: Axis) -> optuna.distributions.BaseDistribution:
            if not isinstance(axis, Range):
                return CategoricalDistribution(self._ends[name])
            kind = IntDistribution if name in WHOLE_FIELDS else FloatDistribution
            low, high = self._ends[name]
            return kind(low, high, log=axis.kind == "log")

        return {name: make(name, axis) for name, axis in self.axes.items()}

    def collect_axes(self, recipes: Sequence[Recipe]) -> dict[str, tuple[Any, ...]]:
        """The values of these recipes along the axes: in the order given, or sorted where there is a range."""
        found = collect_axes(list(recipes), self.axes)
        return {
            name: values if isinstance(self.axes[name], Range) else tuple(v for v in self._ends[name] if v in values)
            for name, values in found.items()
        }

    def round_params(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Numbers from a range rounded to 12 digits, as :meth:`Range.draw` rounds them, and still within its ends."""
        return {
            name: min(max(float(f"{value:.12g}"), self._ends[name][0]), self._ends[name][1])
            if isinstance(self.axes[name], Range) and isinstance(value, float)
            else value
            for name, value in params.items()
        }

    def name_study(self, splits: Splits) -> str:
        """The name of the study, which all searches share whose values can be compared; their seeds may differ."""
        fields = {name: value for name, value in self.base.to_dict().items() if name not in {*self.axes, "seed"}}
        axes = {name: [str(type(axis) is Range and axis.kind), *self._ends[name]] for name, axis in self.axes.items()}
        return f"monolayer-{splits.dataset.name}-{_digest([splits.identity, fields, axes, self.halving])}"


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


class _Trials:
    """The trials of a search, in a storage that other searches may share."""

    def __init__(
        self,
        storage: optuna.storages.BaseStorage | None,
        name: str,
        space: SearchSpace,
        n_trials: int,
        n_at_once: int,
        path: Path | None,
    ) -> None:
        import optuna

        self.n_trials, self.n_at_once = n_trials, n_at_once
        self._storage, self._space, self._path = storage or optuna.storages.InMemoryStorage(), space, path
        with self._access():
            try:
                self._study = optuna.load_study(study_name=name, storage=self._storage)
            except KeyError:
                self._study = optuna.create_study(
                    storage=self._storage, study_name=name, direction="maximize", load_if_exists=True
                )

    @contextmanager
    def _access(self) -> Iterator[None]:
        with silence_optuna(), explain_os_error(self._path, KEPT) if self._path else nullcontext():
            yield

    def describe(self) -> str:
        """The number of trials, and how many are finished already."""
        with self._access():
            n_finished = sum(trial.state.is_finished() for trial in self._list_ours().values())
        finished = f"; {min(n_finished, self.n_trials)} were finished before" if n_finished else ""
        return f"{self.n_trials} trials by Optuna, {self.n_at_once} at once{finished}."

    def ask(self, numbers: range) -> list[FrozenTrial]:
        """The trials of a batch: those that the journal has already, and new proposals for the others."""
        with self._access():
            ours = self._list_ours()
            missing = [number for number in numbers if number not in ours]
            if missing:
                self._propose(missing, ours)
                ours = self._list_ours()
        return [ours[number] for number in numbers]

    def tell(self, trials: Sequence[FrozenTrial], runs: Sequence[Run]) -> None:
        """Write the validation accuracy of these trials; trials that are finished already stay unchanged.

        A run that diverged or was dropped by halving is a pruned trial. TPE ignores failed trials, so it would propose
        more recipes next to one that diverged. It ranks pruned trials behind all complete ones: those with the later
        last step first, and last those without a step. That is the order of :func:`rank_run`, and it needs no value
        that was not measured.
        """
        from optuna.trial import TrialState

        unfinished = [(trial, run) for trial, run in zip(trials, runs, strict=True) if not trial.state.is_finished()]
        with self._access():
            for trial, run in unfinished:
                accuracy = run.evaluation["val"].accuracy
                if not run.has_diverged and not run.ends_early:
                    self._study.tell(trial.number, accuracy, skip_if_finished=True)
                    continue
                if not run.has_diverged:
                    study_id = self._storage.get_study_id_from_name(self._study.study_name)
                    trial_id = self._storage.get_trial_id_from_study_id_trial_number(study_id, trial.number)
                    self._storage.set_trial_intermediate_value(trial_id, len(run.history), accuracy)
                self._study.tell(trial.number, state=TrialState.PRUNED, skip_if_finished=True)

    def _list_ours(self) -> dict[int, FrozenTrial]:
        """The trials of this search by number; the first one, if there should be two of a number."""
        found: dict[int, FrozenTrial] = {}
        for trial in self._study.get_trials(deepcopy=False):
            if self._is_ours(trial):
                found.setdefault(trial.user_attrs[NUMBER], trial)
        return found

    def _is_ours(self, trial: FrozenTrial) -> bool:
        return trial.user_attrs.get(SEED) == self._space.base.seed and NUMBER in trial.user_attrs

    def _propose(self, missing: list[int], ours: Mapping[int, FrozenTrial]) -> None:
        """Propose trials and write each in one line, so that a killed process leaves no incomplete trial."""
        import optuna
        from optuna.trial import TrialState

        seed = self._space.base.seed
        # The proposals are made in a copy of the study in memory: ``Study.ask`` would write five lines a trial.
        scratch = optuna.create_study(direction="maximize")
        for trial in self._study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)):
            if not self._is_ours(trial) or ours[trial.user_attrs[NUMBER]].number == trial.number:
                scratch.add_trial(trial)
        for number in missing:
            # A random stream for each trial: a batch whose proposals were interrupted can be continued at any trial.
            stream = int(np.random.SeedSequence([seed, 3, number]).generate_state(1)[0])
            scratch.sampler = optuna.samplers.TPESampler(seed=stream, multivariate=True, constant_liar=True)
            asked = scratch.ask(self._space.distributions)
            scratch.tell(asked, state=TrialState.FAIL)  # it is replaced by the trial with rounded numbers
            trial = optuna.trial.create_trial(
                state=TrialState.RUNNING,
                params=self._space.round_params(asked.params),
                distributions=self._space.distributions,
                user_attrs={SEED: seed, NUMBER: number, BATCH: number // self.n_at_once},
            )
            scratch.add_trial(trial)
            self._study.add_trial(trial)


class _BatchProgress:
    """A Progress that shows the sweeps of all batches as one task."""

    def __init__(self, progress: Progress, n_trials: int, n_at_once: int) -> None:
        self._progress, self._n_trials, self._n_at_once = progress, n_trials, n_at_once
        self._numbers, self._label = range(0), ""
        self._done_before = self.done = 0.0

    def start_batch(self, numbers: range, runs: Collection[Run]) -> None:
        """Show the batch of these trials from now on, and the best of the runs before."""
        batch, n_batches = numbers.start // self._n_at_once + 1, math.ceil(self._n_trials / self._n_at_once)
        self._numbers, self._done_before, self._label = numbers, self.done, f"batch {batch} of {n_batches}"
        if runs:
            best = min(runs, key=rank_run).evaluation["val"]
            self._label += f", best before {format_accuracy(best.accuracy, best.n)} %"

    def info(self, text: str) -> None:
        """Show the message."""
        self._progress.info(text)

    def advance(self, task: str, done: float, total: float | None, unit: str = "", detail: str = "") -> None:
        """Show the progress of the whole search; the batches to come are expected to take as long as this one."""
        self.done = self._done_before + done
        if total is not None:
            n_left = self._n_trials - self._numbers.start
            total = self._done_before + max(done, round(total * n_left / len(self._numbers)))
        self._progress.advance(task, self.done, total, unit, f"{self._label}: {detail}")


@contextmanager
def open_journal(path: Path, name: str) -> Iterator[optuna.storages.BaseStorage]:
    """The journal in this file, which is created if there is none.

    Args:
        path: the file.
        name: of the search; no other process may run a search of the same name in this journal.

    Raises:
        BadInput: if the file cannot be written, or another process runs this search.
        BadData: if it is a file of another kind, which is left as it is.
    """
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    path = path.resolve()
    with explain_os_error(path):
        if path.is_dir():
            raise BadInput(f"{path} is a folder; a journal is a file.")
        if path.exists():
            with path.open("rb") as file:
                start = file.read(len(JOURNAL_START))
            if not JOURNAL_START.startswith(start):
                raise BadData(f"{path}: is not a journal of Optuna; name another file, or one that does not exist yet.")
        path.parent.stat()  # a missing folder is an error here; a lock would make it
    # If two processes ever run the same search, some work is done twice: of trials with one number the first counts.
    search_lock = filelock.FileLock(path.with_name(f".{path.name}.{name}.lock"), thread_local=False)
    # Optuna's own lock is a link beside the file: one that a killed process has left makes all others wait for half a
    # minute. Programs that use that lock may share the file all the same: a line is appended in one call.
    file_lock = filelock.FileLock(path.with_name(f".{path.name}.lock"), thread_local=False)
    try:
        with explain_os_error(path):
            search_lock.acquire(timeout=0)
    except filelock.Timeout:
        raise BadInput(
            f"Another process is running the same search in {path}; to share the journal, give this search another "
            "seed."
        ) from None
    try:
        with explain_os_error(path):
            with file_lock:
                _remove_torn_end(path)
            try:
                storage = JournalStorage(JournalFileBackend(str(path), cast(Any, file_lock)))
            except (ValueError, KeyError, TypeError, AssertionError) as error:
                raise BadData(f"{path}: is a journal of Optuna that cannot be read ({error}).") from None
        yield storage
    finally:
        search_lock.release()
        for lock in (file_lock, search_lock):
            with suppress(OSError):
                Path(lock.lock_file).unlink()


def _remove_torn_end(path: Path) -> None:
    """Remove an incomplete last line, left by a full disk or a power cut; the file is created if there is none."""
    with path.open("a+b") as file:
        file.seek(0)
        content = file.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            file.truncate(whole)
