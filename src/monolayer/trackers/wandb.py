"""Weights & Biases: a run per recipe, those of a sweep in one group; offline unless WANDB_MODE is set."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monolayer.files import explain_os_error
from monolayer.trackers.base import EpochMetrics, Summary, TrackedRun, Tracker, is_figure

if TYPE_CHECKING:
    from wandb import Run

PROJECT = "monolayer"
OFFLINE = "offline"


class WandbTracker(Tracker):
    """Logs to Weights & Biases: to files that ``wandb sync`` uploads, unless ``WANDB_MODE`` is set to something else.

    Args:
        project: the project of the runs, by default ``monolayer``.
        folder: where the folder ``wandb`` is created; by default ``WANDB_DIR``, or the working folder.

    Raises:
        BadInput: if wandb is not installed, or the folder cannot be created.
    """

    name, key, usage = "Weights & Biases", "wandb", "wandb[:PROJECT]"

    def __init__(self, project: str = "", folder: str | Path = "") -> None:
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        self.require("wandb")
        self._project = project or PROJECT
        self.folder = Path(folder or os.environ.get("WANDB_DIR") or ".").resolve()
        with explain_os_error(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        self._runs: dict[str, Run] = {}

    @property
    def where(self) -> str:
        """How to view what was logged."""
        if _choose_mode() == OFFLINE:
            return f"Weights & Biases, offline: wandb sync {self.folder / 'wandb'}/offline-run-* uploads it."
        return f"Weights & Biases: project {self._project}"

    def start_run(self, run: TrackedRun) -> None:
        """Start a run with the params as its configuration; offline, the files of an earlier process are deleted."""
        import wandb

        if _choose_mode() == OFFLINE:
            for earlier in (self.folder / "wandb").glob(f"offline-run-*-{run.id}"):
                shutil.rmtree(earlier, ignore_errors=True)  # its epochs are logged again, and would be uploaded twice
        sweep = run if run.is_sweep else run.parent
        self._runs[run.id] = wandb.init(
            project=self._project,
            group=f"{sweep.name}-{sweep.id[:6]}" if sweep else None,
            job_type="sweep" if run.is_sweep else "recipe" if run.parent else "run",
            name=run.name,
            id=run.id,
            config=dict(run.params),
            dir=str(self.folder),
            reinit="create_new",  # beside the user's own run, if there is one, and the other recipes of a sweep
            resume=None if _choose_mode() == OFFLINE else "allow",
            settings=_make_settings(),
        )

    def log_metrics(self, run: TrackedRun, rows: list[EpochMetrics]) -> None:
        """Log each epoch as a step."""
        for epoch, values in rows:
            self._runs[run.id].log({"epoch": epoch, **values}, step=epoch)

    def log_summary(self, run: TrackedRun, summary: Summary) -> None:
        """Set final metrics and findings in the run's summary, and the findings' codes as tags."""
        opened = self._runs[run.id]
        opened.summary.update({**summary.metrics, "findings": summary.describe_findings()})
        opened.tags = (*(opened.tags or ()), *sorted({finding.code for finding in summary.news}))

    def log_artifact(self, run: TrackedRun, path: Path, step: int) -> None:
        """Log a figure as an image, and save any other file."""
        import wandb

        opened = self._runs[run.id]
        if is_figure(path):
            opened.log({f"figures/{path.stem}": wandb.Image(str(path))}, step=step)
        elif not opened.disabled:
            # A copy: wandb only links to a file elsewhere, which may be deleted before it is uploaded.
            opened.save(shutil.copy(path, opened.dir), base_path=opened.dir, policy="now")

    def finish(self, run: TrackedRun, *, is_complete: bool) -> None:
        """End a run with exit code 0 if it is complete, else 1."""
        self._runs.pop(run.id).finish(exit_code=0 if is_complete else 1)

    def close(self) -> None:
        """End the runs that were not finished with exit code 1."""
        while self._runs:
            self._runs.popitem()[1].finish(exit_code=1)


def _choose_mode() -> str:
    return os.environ.get("WANDB_MODE") or OFFLINE


def _make_settings() -> Any:
    """Nothing is stored but what is logged here: no output, no measurements of the machine, no code, no packages."""
    import wandb

    mode: Any = _choose_mode()
    return wandb.Settings(
        mode=mode,
        silent=True,
        console="off",
        save_code=False,
        disable_git=True,
        x_disable_stats=True,
        x_disable_meta=True,
        x_disable_machine_info=True,
        x_save_requirements=False,
    )
