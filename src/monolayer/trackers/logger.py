"""RunLogger: logs a run or a sweep to trackers, each in a thread of its own.

Training does not wait for the trackers, and a tracker that fails ends only its own log.
"""

import hashlib
import math
import secrets
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from queue import SimpleQueue

from monolayer.data.dataset import Splits
from monolayer.evaluate.predictions import predict_rows
from monolayer.recipe.recipe import Recipe
from monolayer.runs.folder import CERTIFICATE, EVALUATION, FIGURES, NETWORK, REPORT, save_run, save_sweep
from monolayer.trackers.base import EpochMetrics, Summary, TrackedRun, Tracker
from monolayer.trackers.registry import open_tracker
from monolayer.training.checkpoints import Checkpoints
from monolayer.training.history import EpochRow
from monolayer.training.run import Run
from monolayer.tuning.sweep import Sweep

ARTIFACTS = (NETWORK, REPORT, EVALUATION, CERTIFICATE)
TIMEOUT_S = 120.0  # for trackers that are still writing when training has ended
SHORT_TIMEOUT_S = 10.0  # when it was interrupted

Trackers = str | Tracker | Sequence[str | Tracker]


class RunLogger:
    """Logs one run or sweep while it trains and when it ends; see :func:`open_logger`.

    Args:
        trackers: where to log.
        name: of the run or sweep.
        dataset: the dataset's name, if known.
        axes: of a sweep, the names of the fields that vary; None for a single run.
        token: the same for a run and for its resumption, and different for every other run; by default a random one.
        warn: called with a sentence when a tracker fails.

    Attributes:
        sweep_run: the run of the sweep as a whole; None for a single run.
    """

    def __init__(
        self,
        trackers: Sequence[Tracker] = (),
        *,
        name: str = "monolayer",
        dataset: str = "",
        axes: Sequence[str] | None = None,
        token: str = "",
        warn: Callable[[str], None] | None = None,
    ) -> None:
        self.token = token or secrets.token_hex(8)
        self._name, self._axes = name, axes
        self._params: dict[str, str | int | float] = {"dataset": dataset} if dataset else {}
        self.sweep_run: TrackedRun | None = None
        if axes is not None:
            params = {"axes": ", ".join(axes), **self._params}
            self.sweep_run = TrackedRun(_digest(self.token), name, params, is_sweep=True)
        self._warn = warn or (lambda text: warnings.warn(text, stacklevel=2))
        self._workers = [_Worker(tracker, self._warn) for tracker in trackers]
        self._lock = threading.Lock()  # banks that train at once call on_epoch from their own threads
        self._runs: dict[Recipe, TrackedRun] = {}
        self._logged: dict[str, dict[int, dict[str, float]]] = {}  # by run and epoch
        self._temporary = ExitStack()  # folders of files that the trackers have not stored yet

    def make_run(self, recipe: Recipe) -> TrackedRun:
        """The run of a recipe; in a sweep it is named by the fields that vary."""
        run_id, params = _digest(self.token, recipe.to_json()), {**recipe.to_dict(), **self._params}
        if self._axes is None:
            return TrackedRun(run_id, self._name, params)
        name = ",".join(f"{axis}={getattr(recipe, axis)}" for axis in self._axes)
        return TrackedRun(run_id, name or run_id, params, self.sweep_run)

    def on_epoch(self, recipes: Sequence[Recipe], rows: Sequence[EpochRow]) -> None:
        """Log an epoch of a bank: the ``on_epoch`` of :func:`monolayer.train` and the other functions that train."""
        self._log_histories(recipes, [[row] for row in rows])

    def restore_from(self, checkpoints: Checkpoints) -> Checkpoints:
        """Log the epochs that a resumed run loads from these checkpoints too; returns the checkpoints."""
        checkpoints.on_load = self._log_histories
        return checkpoints

    def log_result(self, result: Run | Sweep, *, splits: Splits | None = None, folder: Path | None = None) -> None:
        """Log final metrics with intervals, findings, figures, network and page.

        Args:
            result: the run, or the sweep with all its runs.
            splits: the rows that it was trained on; without them and without a folder there is no page.
            folder: where its results have been written; by default they are written to a temporary folder.
        """
        if not self._workers:
            return
        try:
            source = folder or write_results(result, splits, self._make_folder())
            figures = sorted((source / FIGURES).glob("*.png"))
            paths = [path for name in ARTIFACTS if (path := source / name).is_file()] + figures
            if isinstance(result, Sweep):
                self._log_sweep(result, paths)
            else:
                self._log_run(result, paths)
        except Exception as error:  # noqa: BLE001 - the results of training must not be lost because of a log
            self._warn(f"The results cannot be logged ({_describe(error)}); nothing else is lost.")

    def close(self, *, is_interrupted: bool = False) -> None:
        """Wait until every tracker has written everything, and close it."""
        deadline = time.monotonic() + (SHORT_TIMEOUT_S if is_interrupted else TIMEOUT_S)
        for worker in self._workers:
            worker.submit(worker.tracker.close)
            worker.submit(None)
        for worker in self._workers:
            worker.wait(deadline)
        self._temporary.close()

    def describe(self) -> list[str]:
        """How to view what was logged, in a line per tracker that has not failed."""
        return [worker.tracker.where for worker in self._workers if not worker.has_failed]

    def _log_sweep(self, sweep: Sweep, paths: Sequence[Path]) -> None:
        for run in sweep.runs:
            network = self._make_folder() / NETWORK
            run.network.save(network)
            self._log_run(run, [network])
        metrics = {f"best/{name.partition('/')[2]}": value for name, value in _collect_metrics(sweep.best).items()}
        metrics |= {"seconds": sweep.seconds, "n_recipes": float(sweep.n_recipes)}
        summary = Summary(len(sweep.best.history), metrics, sweep.findings, sweep.is_complete)
        if self.sweep_run is not None:
            self._finish(self.sweep_run, summary, paths)

    def _log_run(self, run: Run, paths: Sequence[Path]) -> None:
        tracked = self._find_run(run.recipe)
        with self._lock:
            self._log_history(tracked, run.history)
        summary = Summary(len(run.history), _collect_metrics(run), run.findings, run.is_complete)
        self._finish(tracked, summary, paths)

    def _finish(self, run: TrackedRun, summary: Summary, paths: Sequence[Path]) -> None:
        def finish(tracker: Tracker) -> None:
            tracker.log_summary(run, summary)
            for path in paths:
                tracker.log_artifact(run, path, summary.epochs_done)
            tracker.finish(run, is_complete=summary.is_complete)

        with self._lock:
            self._start(run)
            for worker in self._workers:
                worker.submit(partial(finish, worker.tracker))

    def _log_histories(self, recipes: Sequence[Recipe], histories: Sequence[Sequence[EpochRow]]) -> None:
        if self._workers:
            with self._lock:
                for recipe, history in zip(recipes, histories, strict=True):
                    self._log_history(self._find_run(recipe), history)

    def _log_history(self, run: TrackedRun, history: Sequence[EpochRow]) -> None:
        """Log what has not been logged yet; the last epoch may get further metrics when training ends."""
        self._start(run)
        logged, rows = self._logged[run.id], []
        for row in history:
            before = logged.setdefault(row.epoch, {})
            # A loss that is not finite is None, and left out: no tracker can draw it.
            values = {name: float(value) for name, value in row.to_dict().items() if value is not None}
            new = {name: value for name, value in values.items() if name != "epoch" and before.get(name) != value}
            before |= new
            if new:
                rows.append((row.epoch, new))
        for worker in self._workers:
            worker.log_metrics(run, rows)

    def _find_run(self, recipe: Recipe) -> TrackedRun:
        if recipe not in self._runs:
            self._runs[recipe] = self.make_run(recipe)
        return self._runs[recipe]

    def _start(self, run: TrackedRun) -> None:
        if run.parent is not None:
            self._start(run.parent)
        if run.id not in self._logged:
            self._logged[run.id] = {}
            for worker in self._workers:
                worker.submit(partial(worker.tracker.start_run, run))

    def _make_folder(self) -> Path:
        folder = tempfile.TemporaryDirectory(prefix="monolayer-log-", ignore_cleanup_errors=True)
        return Path(self._temporary.enter_context(folder))


class _Worker:
    """A tracker, and the thread that makes all calls to it."""

    def __init__(self, tracker: Tracker, warn: Callable[[str], None]) -> None:
        self.tracker, self.has_failed = tracker, False
        self._warn = warn
        self._tasks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._rows: dict[str, list[EpochMetrics]] = {}
        self._thread = threading.Thread(target=self._work, name=f"monolayer-log-{tracker.name}", daemon=True)
        self._thread.start()

    def submit(self, task: Callable[[], None] | None) -> None:
        """Queue a call; None is the last one."""
        self._tasks.put(task)

    def log_metrics(self, run: TrackedRun, rows: list[EpochMetrics]) -> None:
        """Queue metrics; those that a slow tracker has not logged yet are logged in one call."""
        if not rows:
            return
        with self._lock:
            is_queued = run.id in self._rows
            self._rows.setdefault(run.id, []).extend(rows)
        if not is_queued:
            self.submit(lambda: self.tracker.log_metrics(run, self._take_rows(run)))

    def wait(self, deadline: float) -> None:
        """Wait for the last call, until this time at most."""
        self._thread.join(max(0.0, deadline - time.monotonic()))
        if self._thread.is_alive():
            self.has_failed = True
            self._warn(f"{self.tracker.name} has not written everything in time, so its log is incomplete.")

    def _take_rows(self, run: TrackedRun) -> list[EpochMetrics]:
        with self._lock:
            return self._rows.pop(run.id)

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            if self.has_failed:
                continue
            try:
                task()
            except Exception as error:  # noqa: BLE001 - whatever goes wrong in a tracker, training continues
                self.has_failed = True
                self._warn(
                    f"{self.tracker.name} failed ({_describe(error)}) and logs nothing more; everything else continues."
                )


@contextmanager
def open_logger(
    to: Trackers,
    *,
    name: str = "monolayer",
    dataset: str = "",
    axes: Sequence[str] | None = None,
    token: str = "",
    warn: Callable[[str], None] | None = None,
) -> Iterator[RunLogger]:
    """A logger for one run or sweep; when the block ends, the trackers have written everything.

    Args:
        to: one or more trackers, as objects or as texts such as ``mlflow``.
        name: of the run or sweep.
        dataset: the dataset's name, if known.
        axes: of a sweep, the names of the fields that vary.
        token: the same for a run and for its resumption; by default a random one.
        warn: called once for each tracker that fails; by default :func:`warnings.warn`.

    Raises:
        BadInput: if a text names no tracker, or its package is not installed.
    """
    named = [to] if isinstance(to, str) or not isinstance(to, Sequence) else list(to)
    trackers = [open_tracker(one) if isinstance(one, str) else one for one in named]
    logger = RunLogger(trackers, name=name, dataset=dataset, axes=axes, token=token, warn=warn)
    try:
        yield logger
    except BaseException:
        logger.close(is_interrupted=True)
        raise
    logger.close()


def log_run(
    run: Run, to: Trackers, *, name: str = "", splits: Splits | None = None, folder: Path | None = None
) -> None:
    """Log a run after training: recipe, history, metrics with intervals, findings, figures, network, page.

    Args:
        run: the run.
        to: one or more trackers, as objects or as texts: ``mlflow[:PLACE]``, ``tensorboard:DIR``, ``wandb[:PROJECT]``.
        name: its name; by default the dataset's.
        splits: the rows that it was trained on, which its page needs.
        folder: where its results have been written, if they have.

    Raises:
        BadInput: if a text names no tracker, or its package is not installed.
    """
    dataset = run.network.metadata.get("dataset", "")
    with open_logger(to, name=name or dataset or "run", dataset=dataset) as logger:
        logger.log_result(run, splits=splits, folder=folder)


def log_sweep(
    sweep: Sweep, to: Trackers, *, name: str = "", splits: Splits | None = None, folder: Path | None = None
) -> None:
    """Log a sweep after training: a run for the whole, and one for each recipe; see :func:`log_run`.

    Raises:
        BadInput: if a text names no tracker, or its package is not installed.
    """
    dataset = sweep.best.network.metadata.get("dataset", "")
    name = name or f"{dataset or 'a'} sweep"
    with open_logger(to, name=name, dataset=dataset, axes=tuple(sweep.axes)) as logger:
        logger.log_result(sweep, splits=splits, folder=folder)


def write_results(result: Run | Sweep, splits: Splits | None, folder: Path) -> Path:
    """Write the results into an empty folder as ``train`` or ``sweep`` does, without a page if there are no splits.

    Returns the folder.
    """
    # Plotting takes half a second to import, which training need not wait for.
    from monolayer.figures.sweep_table import SweepTable
    from monolayer.reports.figures import save_figures
    from monolayer.reports.run import draw_run, save_run_with_report, save_sweep_with_report
    from monolayer.reports.sweep_figures import draw_sweep

    if isinstance(result, Sweep):
        if splits is not None:
            save_sweep_with_report(result, splits, folder)
            return folder
        save_sweep(result, folder)
        figures = draw_sweep(SweepTable.of(result))
    else:
        if splits is not None:
            predictions = {"val": predict_rows(result.network, splits.val)} if splits.val else {}
            save_run_with_report(result, splits, folder, predictions)
            return folder
        save_run(result, folder)
        figures = []
    save_figures([*figures, *draw_run(folder)], folder)
    return folder


def _digest(*texts: str) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:12]


def _describe(error: Exception) -> str:
    """An error in one line, however long the library's message is."""
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return first if len(first) <= 200 else f"{first[:199]}…"


def _collect_metrics(run: Run) -> dict[str, float]:
    """The final metrics of a run, as ``final/ROWS_NAME``; one that is not finite is left out."""
    found = {"final/seconds": run.seconds, "final/epochs_done": float(len(run.history))}
    for rows, metrics in run.evaluation.items():
        values = {"loss": metrics.loss, "cost": metrics.cost, "accuracy": metrics.accuracy, "n": float(metrics.n)}
        values["accuracy_low"], values["accuracy_high"] = metrics.interval
        found |= {f"final/{rows}_{name}": value for name, value in values.items() if math.isfinite(value)}
    return found
