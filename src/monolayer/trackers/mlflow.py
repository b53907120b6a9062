"""MLflow: a run per recipe, with a parent run for a sweep, in a database file with its artifacts beside it."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monolayer.files import explain_os_error, name_draft
from monolayer.trackers.base import EpochMetrics, Summary, TrackedRun, Tracker, is_figure

if TYPE_CHECKING:
    from mlflow import MlflowClient

DEFAULT_PLACE = "mlruns"
EXPERIMENT = "monolayer"
KEY = "monolayer.key"
PARENT, NOTE = "mlflow.parentRunId", "mlflow.note.content"
MAX_METRICS = 1000  # in one call, the limit of MLflow's servers
MAX_TAG = 5000  # characters of a tag
# Calls to a server that does not answer end after seconds and not, as by default, after many minutes; and no telemetry
# is sent. Values that the user has set are kept.
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}


class MLflowTracker(Tracker):
    """Logs to an MLflow store.

    Args:
        place: a folder, which will hold ``mlflow.db`` and ``artifacts/`` (MLflow's store of plain files accepts no new
            runs any more), the path of a ``.db`` file, or the URI of a tracking server. By default ``mlruns``.
        experiment: the experiment of the runs.

    Raises:
        BadInput: if MLflow is not installed, or the folder cannot be created.
    """

    name, key, usage, has_path = "MLflow", "mlflow", "mlflow[:PLACE]", True

    def __init__(self, place: str | Path = "", experiment: str = EXPERIMENT) -> None:
        for variable, value in ENVIRONMENT.items():
            os.environ.setdefault(variable, value)
        self.require("mlflow")
        self._database: Path | None = None
        self.uri = str(place)
        if "://" not in self.uri:
            self.require("sqlalchemy", "alembic")
            path = Path(place or DEFAULT_PLACE).resolve()
            self._database = path if path.suffix == ".db" else path / "mlflow.db"
            with explain_os_error(path):
                self._database.parent.mkdir(parents=True, exist_ok=True)
            self.uri = f"sqlite:///{self._database}"
        self._experiment_name, self._experiment = experiment, ""
        self._client: MlflowClient | None = None
        self._run_ids: dict[str, str] = {}
        self._last_epochs: dict[str, int] = {}

    @property
    def where(self) -> str:
        """How to view what was logged; this needs the full mlflow package."""
        if self.uri.startswith("http"):
            return f"MLflow: {self.uri}"
        return f"MLflow: mlflow ui --backend-store-uri {self.uri}"

    def start_run(self, run: TrackedRun) -> None:
        """Create a run with its params, or resume the one that is tagged with its id."""
        from mlflow.entities import Param

        client = self._connect()
        found = client.search_runs([self._experiment], filter_string=f"tags.`{KEY}` = '{run.id}'", max_results=1)
        if found:
            run_id = found[0].info.run_id
            client.update_run(run_id, status="RUNNING")
            logged = client.get_metric_history(run_id, "learning_rate")
            self._last_epochs[run.id] = max((int(metric.step) for metric in logged), default=0)
        else:
            tags = {KEY: run.id} | ({PARENT: self._run_ids[run.parent.id]} if run.parent else {})
            run_id = client.create_run(self._experiment, tags=tags, run_name=run.name).info.run_id
            client.log_batch(run_id, params=[Param(name, str(value)) for name, value in run.params.items()])
        self._run_ids[run.id] = run_id

    def log_metrics(self, run: TrackedRun, rows: list[EpochMetrics]) -> None:
        """Log each value as a metric whose step is its epoch, but for epochs that an earlier process logged."""
        last = self._last_epochs.get(run.id, 0)
        self._log(run, [(name, value, epoch) for epoch, row in rows if epoch > last for name, value in row.items()])

    def log_summary(self, run: TrackedRun, summary: Summary) -> None:
        """Log final metrics as metrics, and findings as tags and as the run's note."""
        client, run_id = self._connect(), self._run_ids[run.id]
        self._log(run, [(name, value, summary.epochs_done) for name, value in summary.metrics.items()])
        for finding in summary.news:
            text = f"{finding.outcome}: {finding.title}. {finding.evidence}"
            client.set_tag(run_id, f"finding.{finding.code}", text[:MAX_TAG])
        client.set_tag(run_id, NOTE, summary.describe_findings()[:MAX_TAG])

    def log_artifact(self, run: TrackedRun, path: Path, step: int) -> None:
        """Log a file as an artifact, a figure in the folder ``figures``."""
        self._connect().log_artifact(self._run_ids[run.id], str(path), "figures" if is_figure(path) else None)

    def finish(self, run: TrackedRun, *, is_complete: bool) -> None:
        """End a run as FINISHED if it is complete, else as KILLED."""
        self._connect().set_terminated(self._run_ids.pop(run.id), "FINISHED" if is_complete else "KILLED")

    def close(self) -> None:
        """End the runs that were not finished as KILLED."""
        while self._run_ids:
            self._connect().set_terminated(self._run_ids.popitem()[1], "KILLED")

    def _log(self, run: TrackedRun, values: list[tuple[str, float, int]]) -> None:
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        metrics = [Metric(name, value, now, step) for name, value, step in values]
        for start in range(0, len(metrics), MAX_METRICS):
            self._connect().log_batch(self._run_ids[run.id], metrics=metrics[start : start + MAX_METRICS])

    def _connect(self) -> MlflowClient:
        """The client, created in the thread that uses it; the first call creates the database too."""
        if self._client is None:
            from mlflow import MlflowClient

            artifacts = (self._database.parent / "artifacts").as_uri() if self._database else None
            with _limit_logging():
                if self._database and artifacts and not self._database.exists():
                    _create_database(self._database, artifacts)
                client = MlflowClient(tracking_uri=self.uri)
                found: Any = client.get_experiment_by_name(self._experiment_name)
                self._experiment = (
                    found.experiment_id if found else client.create_experiment(self._experiment_name, artifacts)
                )
            self._client = client
        return self._client


def _create_database(path: Path, artifacts: str) -> None:
    """Create MLflow's tables in a draft: after a kill, a file with half of them could not be opened by MLflow."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    draft = name_draft(path)
    try:
        make: Any = SqlAlchemyStore
        make(f"sqlite:///{draft}", artifacts).engine.dispose()
        try:
            path.hardlink_to(draft)  # and not renamed: another process may have made one meanwhile, and be using it
        except FileExistsError:
            pass
        except OSError:  # a file system without links
            draft.rename(path)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def _limit_logging() -> Iterator[None]:
    """Show warnings only: MLflow logs every step of creating the database."""
    loggers = [logging.getLogger(name) for name in ("mlflow", "alembic")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
