"""The interface of a tracker, and what is passed to it: runs, metrics by epoch, and summaries."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import ClassVar

from monolayer.errors import BadInput
from monolayer.findings import Finding

EpochMetrics = tuple[int, dict[str, float]]  # an epoch, and its metrics by the names of the history's columns


@dataclass(frozen=True)
class TrackedRun:
    """A run as a tracker stores it: of one recipe, or of a sweep as a whole.

    Args:
        id: twelve hexadecimal digits, the same when a run is resumed and different for every other run.
        name: the name that is shown.
        params: the fields of the recipe, and other settings.
        parent: the run of the sweep that the recipe belongs to, if any.
        is_sweep: whether it is the run of a sweep as a whole.
    """

    id: str
    name: str
    params: dict[str, str | int | float] = field(default_factory=dict)
    parent: TrackedRun | None = None
    is_sweep: bool = False


@dataclass(frozen=True)
class Summary:
    """The results of a run.

    Args:
        epochs_done: epochs trained.
        metrics: final metrics with their intervals, by names such as ``final/val_accuracy_low``.
        findings: the findings of the run or sweep.
        is_complete: whether all epochs were trained.
    """

    epochs_done: int
    metrics: dict[str, float]
    findings: tuple[Finding, ...] = ()
    is_complete: bool = True

    @property
    def news(self) -> tuple[Finding, ...]:
        """The issues and tips among the findings."""
        return tuple(finding for finding in self.findings if finding.is_news)

    def describe_findings(self) -> str:
        """The issues and tips as a Markdown list."""
        lines = [f"- **{f.code} {f.outcome}: {f.title}.** {f.evidence} {f.advice}" for f in self.news]
        return "\n".join(lines) or "No issues and no tips."


class Tracker(ABC):
    """Stores runs; a subclass per library, each in a file of its own.

    All calls to one tracker come from one thread, in order: ``start_run`` before anything else of a run, and a sweep's
    run before those of its recipes. An exception ends the log of this tracker only.

    Attributes:
        name: the library's name in messages.
        key: the name in a text such as ``mlflow:PLACE``, and of the extra that installs the library.
        usage: how such a text is written.
        has_path: whether the place is a path on this machine, which must be absolute to be found again on resuming.
    """

    name: ClassVar[str]
    key: ClassVar[str]
    usage: ClassVar[str]
    has_path: ClassVar[bool] = False

    @property
    @abstractmethod
    def where(self) -> str:
        """How to view what was logged, in one line."""

    @abstractmethod
    def start_run(self, run: TrackedRun) -> None:
        """Create a run, or resume the one that has its id; all its epochs are logged again, from the first."""

    @abstractmethod
    def log_metrics(self, run: TrackedRun, rows: list[EpochMetrics]) -> None:
        """Log the metrics of epochs; an epoch that was logged before gets further metrics."""

    @abstractmethod
    def log_summary(self, run: TrackedRun, summary: Summary) -> None:
        """Log the results."""

    @abstractmethod
    def log_artifact(self, run: TrackedRun, path: Path, step: int) -> None:
        """Log a file; a PNG file is a figure."""

    @abstractmethod
    def finish(self, run: TrackedRun, *, is_complete: bool) -> None:
        """End a run."""

    @abstractmethod
    def close(self) -> None:
        """End the runs that were not finished as interrupted, and release everything."""

    @classmethod
    def resolve_place(cls, place: str) -> str:
        """The place in a form that does not depend on the working folder."""
        return str(Path(place).resolve()) if cls.has_path and place and "://" not in place else place

    @classmethod
    def require(cls, *modules: str) -> None:
        """Raise BadInput if one of these modules cannot be imported."""
        for module in modules:
            try:
                import_module(module)
            except ImportError:
                raise BadInput(
                    f"Logging to {cls.name} needs {module}, which is not installed; install it with: "
                    f"pip install 'monolayer[{cls.key}]'"
                ) from None


def is_figure(path: Path) -> bool:
    """Whether a file is a figure."""
    return path.suffix == ".png"
