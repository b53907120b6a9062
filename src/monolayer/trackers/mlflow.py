"""MLflow: a run a recipe, with a parent run for a sweep; in a database file beside its artifacts."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monolayer.files import explain_os_error, name_draft
from monolayer.trackers.base import Entry, Outcome, Row, need

if TYPE_CHECKING:
    from mlflow import MlflowClient

DEFAULT_PLACE = "mlruns"
EXPERIMENT = "monolayer"
KEY = "monolayer.key"
PARENT, NOTE = "mlflow.parentRunId", "mlflow.note.content"
MOST_METRICS = 1000  # in one call, as its servers accept them
MOST_VALUE = 5000  # characters of a tag
# A server that is gone is given up after seconds and not, as MLflow would, after many minutes; and this library tells
# nobody what MLflow is used for. What the user has set stays.
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}


class MLflowTracker:
    """Logs to an MLflow store.

    Args:
        place: a folder, which will hold ``mlflow.db`` and ``artifacts/`` (MLflow's own store of plain files takes no
            new runs any more), the path of a ``.db`` file, or the URI of a tracking server. By default ``mlruns``.
        experiment: what the runs are filed under.

    Raises:
        BadInput: if MLflow is not installed, or the folder cannot be made.
    """

    name = "MLflow"

    def __init__(self, place: str | Path = "", experiment: str = EXPERIMENT) -> None:
        for variable, value in ENVIRONMENT.items():
            os.environ.setdefault(variable, value)
        need(self.name, "mlflow", "mlflow")
        self._database: Path | None = None
        self.uri = str(place)
        if "://" not in self.uri:
            need(self.name, "mlflow", "sqlalchemy", "alembic")
            self._database = _prepare(Path(place or DEFAULT_PLACE).resolve())
            self.uri = f"sqlite:///{self._database}"
        self._experiment_name, self._experiment = experiment, ""
        self._client: MlflowClient | None = None
        self._runs: dict[str, str] = {}
        self._told: dict[str, int] = {}

    @property
    def where(self) -> str:
        """How to look at what was logged; the page needs the whole of MLflow."""
        if self.uri.startswith("http"):
            return f"MLflow: {self.uri}"
        return f"MLflow: mlflow ui --backend-store-uri {self.uri}"

    def open(self, entry: Entry) -> None:
        """Make a run with the settings as its parameters, or take up the one that bears the entry's key."""
        client = self._connect()
        found = client.search_runs([self._experiment], filter_string=f"tags.`{KEY}` = '{entry.key}'", max_results=1)
        if found:
            run_id = found[0].info.run_id
            client.update_run(run_id, status="RUNNING")
            logged = client.get_metric_history(run_id, "learning_rate")
            self._told[entry.key] = max((int(metric.step) for metric in logged), default=0)
        else:
            tags = {KEY: entry.key} | ({PARENT: self._runs[entry.group.key]} if entry.group else {})
            run_id = client.create_run(self._experiment, tags=tags, run_name=entry.name).info.run_id
            self._log_settings(run_id, entry)
        self._runs[entry.key] = run_id

    def log(self, entry: Entry, rows: list[Row]) -> None:
        """Each value is a metric whose step is its epoch; epochs that the store has already are left as they are."""
        told = self._told.get(entry.key, 0)
        self._log_metrics(
            entry, [(name, value, epoch) for epoch, of in rows if epoch > told for name, value in of.items()]
        )

    def finish(self, entry: Entry, outcome: Outcome) -> None:
        """Final measures as metrics, findings as tags and as the run's note, figures and files as artifacts."""
        client, run_id = self._connect(), self._runs[entry.key]
        self._log_metrics(entry, [(name, value, outcome.epochs_done) for name, value in outcome.metrics.items()])
        for finding in outcome.findings:
            if finding.is_news:
                text = f"{finding.outcome}: {finding.title}. {finding.evidence}"
                client.set_tag(run_id, f"finding.{finding.code}", text[:MOST_VALUE])
        client.set_tag(run_id, NOTE, outcome.describe_findings()[:MOST_VALUE])
        for path in outcome.files:
            client.log_artifact(run_id, str(path))
        for path in outcome.figures.values():
            client.log_artifact(run_id, str(path), "figures")
        client.set_terminated(run_id, "FINISHED" if outcome.is_complete else "KILLED")
        del self._runs[entry.key]

    def close(self) -> None:
        """Say of runs that are still open that they were broken off."""
        for run_id in self._runs.values():
            self._connect().set_terminated(run_id, "KILLED")
        self._runs.clear()

    def _log_metrics(self, entry: Entry, values: list[tuple[str, float, int]]) -> None:
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        metrics = [Metric(name, value, now, step) for name, value, step in values]
        for start in range(0, len(metrics), MOST_METRICS):
            self._connect().log_batch(self._runs[entry.key], metrics=metrics[start : start + MOST_METRICS])

    def _log_settings(self, run_id: str, entry: Entry) -> None:
        from mlflow.entities import Param

        self._connect().log_batch(run_id, params=[Param(name, str(value)) for name, value in entry.settings.items()])

    def _connect(self) -> MlflowClient:
        """The client, made in the thread that uses it; with the first call the database is made too."""
        if self._client is None:
            from mlflow import MlflowClient

            artifacts = (self._database.parent / "artifacts").as_uri() if self._database else None
            with _hush():
                if self._database and artifacts and not self._database.exists():
                    _make_database(self._database, artifacts)
                client = MlflowClient(tracking_uri=self.uri)
                found: Any = client.get_experiment_by_name(self._experiment_name)
                self._experiment = (
                    found.experiment_id if found else client.create_experiment(self._experiment_name, artifacts)
                )
            self._client = client
        return self._client


def _prepare(path: Path) -> Path:
    """The database in a folder, or at the path of a file; the folder is made."""
    database = path if path.suffix == ".db" else path / "mlflow.db"
    with explain_os_error(path):
        database.parent.mkdir(parents=True, exist_ok=True)
    return database


def _make_database(path: Path, artifacts: str) -> None:
    """Make MLflow's tables in a file aside: half of them, after a kill, would be a store that MLflow cannot open."""
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
def _hush() -> Iterator[None]:
    """Making the database is told line by line otherwise."""
    loggers = [logging.getLogger(name) for name in ("mlflow", "alembic")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
