"""The logbook of a training: turns runs and sweeps into entries, and has each tracker write in a thread of its own.

Training never waits for a tracker, and a tracker that fails ends nothing but its own log.
"""

from __future__ import annotations

import hashlib
import math
import secrets
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import SimpleQueue

from monolayer.data.dataset import Splits
from monolayer.evaluate.metrics import Metrics
from monolayer.recipe.recipe import Recipe
from monolayer.runs.folder import CERTIFICATE, EVALUATION, FIGURES, NETWORK, REPORT, save_run, save_sweep
from monolayer.trackers.base import Entry, Outcome, Row, Tracker
from monolayer.trackers.known import open_tracker
from monolayer.training.history import EpochRow
from monolayer.training.loop import BankState, Checkpointer, TrainOptions
from monolayer.training.run import Run, predict_rows
from monolayer.tuning.sweep import Sweep

KEPT = (NETWORK, REPORT, EVALUATION, CERTIFICATE)


def write_results(result: Run | Sweep, splits: Splits | None, folder: Path) -> Path:
    """Write what ``train`` or ``sweep`` would into an empty folder; without splits there is no page. The folder."""
    # Here and below: what draws takes half a second to import, which training need not wait for.
    from monolayer.reports.run import save_run_with_report, save_sweep_with_report

    if splits is None:
        _write_without_page(result, folder)
    elif isinstance(result, Sweep):
        save_sweep_with_report(result, splits, folder)
    else:
        predictions = {"val": predict_rows(result.network, splits.val)} if splits.val else {}
        save_run_with_report(result, splits, folder, predictions)
    return folder


def collect_files(folder: Path) -> tuple[dict[str, Path], tuple[Path, ...]]:
    """The pictures of a run's folder by name, and its files that are worth keeping."""
    figures = {path.stem: path for path in sorted((folder / FIGURES).glob("*.png"))}
    return figures, tuple(folder / name for name in KEPT if (folder / name).is_file())


def _write_without_page(result: Run | Sweep, folder: Path) -> None:
    from monolayer.figures.sweep_table import SweepTable
    from monolayer.reports.figures import save_figures
    from monolayer.reports.run import draw_run
    from monolayer.reports.sweep_figures import draw_sweep

    figures = []
    if isinstance(result, Sweep):
        save_sweep(result, folder)
        figures = draw_sweep(SweepTable.of(result))
    else:
        save_run(result, folder)
    save_figures([*figures, *draw_run(folder)], folder)


Trackers = str | Tracker | Sequence[str | Tracker]

PATIENCE_S = 120.0  # for trackers that are still writing when the training is over
SHORT_PATIENCE_S = 10.0  # when it was broken off


@dataclass(frozen=True)
class Job:
    """What is being trained, as far as its entries must know before it is.

    Args:
        name: of the run or sweep.
        dataset: its name, if known.
        axes: of a sweep, the names of the fields that vary; None for a single run.
        token: the same for a run and for its resumption, and for no other run.
    """

    name: str = "monolayer"
    dataset: str = ""
    axes: tuple[str, ...] | None = None
    token: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def sweep(self) -> Entry | None:
        """The entry of the sweep as a whole; None for a single run."""
        if self.axes is None:
            return None
        settings: dict[str, str | int | float] = {"axes": ", ".join(self.axes), **self._data}
        return Entry(_digest(self.token), self.name, settings, is_sweep=True)

    def make_entry(self, recipe: Recipe) -> Entry:
        """The entry of a recipe, named by what varies."""
        key, settings = _digest(self.token, recipe.to_json()), {**recipe.to_dict(), **self._data}
        if self.axes is None:
            return Entry(key, self.name, settings)
        name = ",".join(f"{axis}={getattr(recipe, axis)}" for axis in self.axes)
        return Entry(key, name or key, settings, self.sweep)

    @property
    def _data(self) -> dict[str, str]:
        return {"dataset": self.dataset} if self.dataset else {}


def _digest(*texts: str) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:12]


class Logbook:
    """Tells trackers of one run or sweep, while it is trained and when it is done; see :func:`open_logbook`.

    Attributes:
        trackers: those that were asked for.
        job: what is being trained.
    """

    def __init__(self, trackers: Sequence[Tracker], job: Job, warn: Callable[[str], None]) -> None:
        self.trackers, self.job, self._warn = tuple(trackers), job, warn
        self._desks = [_Desk(tracker, warn) for tracker in trackers]
        self._lock = threading.Lock()  # banks that train at once tell of their epochs from their own threads
        self._entries: dict[Recipe, Entry] = {}
        self._told: dict[str, dict[int, dict[str, float]]] = {}
        self._temporary: tempfile.TemporaryDirectory[str] | None = None

    def follow(self, options: TrainOptions | None = None) -> TrainOptions:
        """Options for a training whose epochs are to be logged while it goes on, besides what they asked for already.

        ``on_epoch`` tells rows and not whose they are, so the logbook stands where the state of each bank is kept, and
        hands what comes there on to the keeper that was there before.
        """
        options = options or TrainOptions()
        return replace(options, checkpointer=_Follower(self, options.checkpointer)) if self._desks else options

    def note(self, recipe: Recipe, history: Sequence[EpochRow]) -> None:
        """Log what is new in a recipe's history; from any thread."""
        if self._desks and history:
            with self._lock:
                self._note(self._find_entry(recipe), history)

    def finish(self, result: Run | Sweep, *, splits: Splits | None = None, folder: Path | None = None) -> None:
        """Log what came of it: measures with intervals, findings, figures, network and page.

        Args:
            result: the run, or the sweep with every recipe in it.
            splits: what it was trained on; without them and without a folder there is no page.
            folder: where its results have been written; else they are written to a temporary one.
        """
        if not self._desks:
            return
        try:
            place = folder or write_results(result, splits, self._make_folder("results"))
            if isinstance(result, Sweep):
                self._finish_sweep(result, place)
            else:
                self._finish_run(result, place)
        except Exception as error:  # noqa: BLE001 - a training that is done must not be lost over its log
            self._warn(f"The results cannot be logged ({_describe(error)}); nothing else is lost.")

    def close(self, *, is_broken_off: bool = False) -> None:
        """Have every tracker write what it was told, and end."""
        deadline = time.monotonic() + (SHORT_PATIENCE_S if is_broken_off else PATIENCE_S)
        for desk in self._desks:
            desk.put(desk.tracker.close)
            desk.end()
        for desk in self._desks:
            desk.wait(deadline)
        if self._temporary is not None:
            self._temporary.cleanup()

    def describe(self) -> list[str]:
        """A line a tracker that has not failed: how to look at what it has."""
        return [desk.tracker.where for desk in self._desks if not desk.has_failed]

    def _finish_run(self, run: Run, folder: Path) -> None:
        self.note(run.recipe, run.history)
        figures, files = collect_files(folder)
        outcome = Outcome(len(run.history), _measure(run), run.findings, figures, files, run.is_complete)
        self._tell_outcome(self._find_entry(run.recipe), outcome)

    def _finish_sweep(self, sweep: Sweep, folder: Path) -> None:
        for run in sweep.runs:
            self.note(run.recipe, run.history)
            entry = self._find_entry(run.recipe)
            network = self._make_folder(entry.key) / "network.safetensors"
            run.network.save(network)
            done = len(run.history)
            outcome = Outcome(done, _measure(run), run.findings, files=(network,), is_complete=run.is_complete)
            self._tell_outcome(entry, outcome)
        figures, files = collect_files(folder)
        metrics = {f"best/{name.partition('/')[2]}": value for name, value in _measure(sweep.best).items()}
        metrics |= {"seconds": sweep.seconds, "n_recipes": float(sweep.n_recipes)}
        done = len(sweep.best.history)
        outcome = Outcome(done, metrics, sweep.findings, figures, files, sweep.is_complete)
        if (parent := self.job.sweep) is not None:
            self._tell_outcome(parent, outcome)

    def _tell_outcome(self, entry: Entry, outcome: Outcome) -> None:
        with self._lock:
            self._open(entry)
            for desk in self._desks:
                desk.finish(entry, outcome)

    def _note(self, entry: Entry, history: Sequence[EpochRow]) -> None:
        self._open(entry)
        told = self._told[entry.key]
        # The last row that was told may have been measured further since; those before it stay as they are.
        news = [
            (row.epoch, _subtract(_list_values(row), told.get(row.epoch, {})))
            for row in history[max(0, len(told) - 1) :]
        ]
        rows = [(epoch, values) for epoch, values in news if values]
        for epoch, values in rows:
            told[epoch] = told.get(epoch, {}) | values
        for desk in self._desks:
            desk.log(entry, rows)

    def _find_entry(self, recipe: Recipe) -> Entry:
        if recipe not in self._entries:
            self._entries[recipe] = self.job.make_entry(recipe)
        return self._entries[recipe]

    def _open(self, entry: Entry) -> None:
        if entry.group is not None:
            self._open(entry.group)
        if entry.key not in self._told:
            self._told[entry.key] = {}
            for desk in self._desks:
                desk.open(entry)

    def _make_folder(self, name: str) -> Path:
        if self._temporary is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="monolayer-log-", ignore_cleanup_errors=True)
        folder = Path(self._temporary.name) / name
        folder.mkdir()
        return folder


class _Desk:
    """One tracker, with the thread that does all its writing."""

    def __init__(self, tracker: Tracker, warn: Callable[[str], None]) -> None:
        self.tracker, self.has_failed = tracker, False
        self._warn = warn
        self._tasks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._rows: dict[str, list[Row]] = {}
        self._thread = threading.Thread(target=self._work, name=f"monolayer-log-{tracker.name}", daemon=True)
        self._thread.start()

    def open(self, entry: Entry) -> None:
        self.put(lambda: self.tracker.open(entry))

    def finish(self, entry: Entry, outcome: Outcome) -> None:
        self.put(lambda: self.tracker.finish(entry, outcome))

    def log(self, entry: Entry, rows: list[Row]) -> None:
        """Rows that a slow tracker has not come to yet are told together."""
        if not rows:
            return
        with self._lock:
            is_waiting = entry.key in self._rows
            self._rows.setdefault(entry.key, []).extend(rows)
        if not is_waiting:
            self.put(lambda: self.tracker.log(entry, self._take(entry)))

    def put(self, task: Callable[[], None]) -> None:
        self._tasks.put(task)

    def end(self) -> None:
        """No more tasks."""
        self._tasks.put(None)

    def wait(self, deadline: float) -> None:
        self._thread.join(max(0.0, deadline - time.monotonic()))
        if self._thread.is_alive():
            self.has_failed = True
            self._warn(f"{self.tracker.name} has not written everything in time, so its log is not whole.")

    def _take(self, entry: Entry) -> list[Row]:
        with self._lock:
            return self._rows.pop(entry.key)

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            if self.has_failed:
                continue
            try:
                task()
            except Exception as error:  # noqa: BLE001 - whatever goes wrong in a tracker, the training goes on
                self.has_failed = True
                self._warn(
                    f"{self.tracker.name} failed ({_describe(error)}); it logs no more of this, all else goes on."
                )


class _Follower:
    """A keeper that tells the logbook what it sees, and keeps through the one that it stands before, if any."""

    def __init__(self, book: Logbook, checkpointer: Checkpointer | None) -> None:
        self._book, self._checkpointer = book, checkpointer

    @property
    def seconds_before(self) -> float:
        return self._checkpointer.seconds_before if self._checkpointer else 0.0

    def load(self, recipes: Sequence[Recipe]) -> BankState | None:
        return self._checkpointer.load(recipes) if self._checkpointer else None

    def save_if_due(self, recipes: Sequence[Recipe], make_state: Callable[[], BankState], *, is_last: bool) -> None:
        if self._checkpointer:
            self._checkpointer.save_if_due(recipes, make_state, is_last=is_last)
        for recipe, history in zip(recipes, make_state().histories, strict=True):
            self._book.note(recipe, history)


@contextmanager
def open_logbook(to: Trackers, job: Job | None = None, warn: Callable[[str], None] | None = None) -> Iterator[Logbook]:
    """A logbook that is told while the block runs; when it ends, everything has been written.

    Args:
        to: one or more trackers, as objects or by texts such as ``mlflow``.
        job: what is being trained; of a sweep it must name the axes.
        warn: told, once each, of trackers that fail; by default Python's warnings are.

    Raises:
        BadInput: if a text names no tracker, or its package is not installed.
    """
    named = [to] if isinstance(to, str) or not isinstance(to, Sequence) else list(to)
    trackers = [open_tracker(one) if isinstance(one, str) else one for one in named]
    book = Logbook(trackers, job or Job(), warn or _warn)
    try:
        yield book
    except BaseException:
        book.close(is_broken_off=True)
        raise
    book.close()


def log_run(
    run: Run, to: Trackers, *, name: str = "", splits: Splits | None = None, folder: Path | None = None
) -> None:
    """Log a run that has been trained: recipe, history, measures with intervals, findings, figures, network, page.

    Args:
        run: the run.
        to: one or more trackers, as objects or by texts: ``mlflow[:PLACE]``, ``tensorboard:DIR``, ``wandb[:PROJECT]``.
        name: what to call it; by default the dataset's name.
        splits: what it was trained on; they are needed to make its page.
        folder: where its results have been written, if they have.

    Raises:
        BadInput: if a text names no tracker, or its package is not installed.
    """
    dataset = run.network.metadata.get("dataset", "")
    with open_logbook(to, Job(name or dataset or "run", dataset)) as book:
        book.finish(run, splits=splits, folder=folder)


def log_sweep(
    sweep: Sweep, to: Trackers, *, name: str = "", splits: Splits | None = None, folder: Path | None = None
) -> None:
    """Log a sweep that has been trained: an entry for the whole, and one for each recipe; see :func:`log_run`.

    Raises:
        BadInput: if a text names no tracker, or its package is not installed.
    """
    dataset = sweep.best.network.metadata.get("dataset", "")
    with open_logbook(to, Job(name or f"{dataset or 'a'} sweep", dataset, tuple(sweep.axes))) as book:
        book.finish(sweep, splits=splits, folder=folder)


def _warn(text: str) -> None:
    warnings.warn(text, stacklevel=2)


def _describe(error: Exception) -> str:
    """What went wrong in one line, however long the library's text is."""
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return first if len(first) <= 200 else f"{first[:199]}…"


def _list_values(row: EpochRow) -> dict[str, float]:
    """What an epoch measured; a loss that is no number any more is left out, as no tracker can draw it."""
    return {name: float(value) for name, value in row.to_dict().items() if name != "epoch" and value is not None}


def _subtract(values: dict[str, float], told: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in values.items() if told.get(name) != value}


def _measure(run: Run) -> dict[str, float]:
    found = {"final/seconds": run.seconds, "final/epochs_done": float(len(run.history))}
    for rows, metrics in run.evaluation.items():
        found |= {f"final/{rows}_{name}": value for name, value in _flatten(metrics).items()}
    return found


def _flatten(metrics: Metrics) -> dict[str, float]:
    low, high = metrics.interval
    values = {"loss": metrics.loss, "cost": metrics.cost, "accuracy": metrics.accuracy, "n": float(metrics.n)}
    return {name: value for name, value in values.items() if math.isfinite(value)} | {
        "accuracy_low": low,
        "accuracy_high": high,
    }
