"""Weights & Biases: a run a recipe, those of a sweep in one group; offline unless the user has chosen otherwise."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monolayer.files import explain_os_error
from monolayer.trackers.base import Entry, Outcome, Row, need

if TYPE_CHECKING:
    from wandb import Run

PROJECT = "monolayer"
OFFLINE = "offline"


class WandbTracker:
    """Logs to Weights & Biases: into files that ``wandb sync`` sends, unless ``WANDB_MODE`` is set to something else.

    Args:
        project: what the runs are filed under, by default ``monolayer``.
        folder: where the folder ``wandb`` is made; by default ``WANDB_DIR``, or the working folder.

    Raises:
        BadInput: if wandb is not installed, or the folder cannot be made.
    """

    name = "Weights & Biases"

    def __init__(self, project: str = "", folder: str | Path = "") -> None:
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        need(self.name, "wandb", "wandb")
        self._project = project or PROJECT
        self.folder = Path(folder or os.environ.get("WANDB_DIR") or ".").resolve()
        with explain_os_error(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        self._runs: dict[str, Run] = {}

    @property
    def where(self) -> str:
        """How to look at what was logged."""
        if _choose_mode() == OFFLINE:
            return f"Weights & Biases, offline: wandb sync {self.folder / 'wandb'}/offline-run-* sends it."
        return f"Weights & Biases: project {self._project}"

    def open(self, entry: Entry) -> None:
        """Begin a run whose configuration is the settings. Offline, one that goes on takes the place of its start."""
        import wandb

        if _choose_mode() == OFFLINE:
            for earlier in (self.folder / "wandb").glob(f"offline-run-*-{entry.key}"):
                shutil.rmtree(earlier, ignore_errors=True)  # its rows are told again, and would be sent twice
        kind = "sweep" if entry.is_sweep else "recipe" if entry.group else "run"
        self._runs[entry.key] = wandb.init(
            project=self._project,
            group=f"{entry.group.name}-{entry.group.key[:6]}" if entry.group else _name_group(entry),
            job_type=kind,
            name=entry.name,
            id=entry.key,
            config=dict(entry.settings),
            dir=str(self.folder),
            reinit="create_new",  # beside the user's own run, if there is one, and the other recipes of a sweep
            resume=None if _choose_mode() == OFFLINE else "allow",
            settings=_make_settings(),
        )

    def log(self, entry: Entry, rows: list[Row]) -> None:
        """Each epoch is a step."""
        for epoch, values in rows:
            self._runs[entry.key].log({"epoch": epoch, **values}, step=epoch)

    def finish(self, entry: Entry, outcome: Outcome) -> None:
        """Final measures and findings in the summary, the findings' codes as tags, figures as images, and the files."""
        import wandb

        run = self._runs.pop(entry.key)
        images = {f"figures/{name}": wandb.Image(str(path)) for name, path in outcome.figures.items()}
        if images:
            run.log(images, step=outcome.epochs_done)
        run.summary.update({**outcome.metrics, "findings": outcome.describe_findings()})
        run.tags = (*(run.tags or ()), *outcome.news)
        for path in () if run.disabled else outcome.files:
            # A copy of its own: wandb only links to a file elsewhere, which may be gone when it is sent.
            copy = shutil.copy(path, run.dir)
            run.save(copy, base_path=run.dir, policy="now")
        run.finish(exit_code=0 if outcome.is_complete else 1)

    def close(self) -> None:
        """End the runs that are still open as broken off."""
        while self._runs:
            self._runs.popitem()[1].finish(exit_code=1)


def _choose_mode() -> str:
    return os.environ.get("WANDB_MODE") or OFFLINE


def _name_group(entry: Entry) -> str | None:
    return f"{entry.name}-{entry.key[:6]}" if entry.is_sweep else None


def _make_settings() -> Any:
    """No copy of what is printed, no measurements of the machine, no code, no packages: only what is logged here."""
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
