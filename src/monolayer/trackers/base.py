"""What every tracker is told, and the few calls by which it is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Protocol

from monolayer.errors import BadInput
from monolayer.findings import Finding

Row = tuple[int, dict[str, float]]  # an epoch, and what it measured, by the names of the history's columns


@dataclass(frozen=True)
class Entry:
    """One line in a tracker: a run, a sweep, or a recipe of a sweep.

    Args:
        key: twelve hexadecimal digits, the same when a run is resumed and never those of another.
        name: what people are to read.
        settings: fields of the recipe and what else was settled before training.
        group: the sweep that it is a recipe of, if any.
        is_sweep: whether it stands for a sweep as a whole.
    """

    key: str
    name: str
    settings: dict[str, str | int | float] = field(default_factory=dict)
    group: Entry | None = None
    is_sweep: bool = False


@dataclass(frozen=True)
class Outcome:
    """What came of an entry.

    Args:
        epochs_done: how many epochs it has behind it.
        metrics: final measures with their intervals, by names such as ``final/val_accuracy_low``.
        findings: what was noticed.
        figures: PNG files by name.
        files: other files worth keeping, such as the network and the page.
        is_complete: whether nothing is left to train.
    """

    epochs_done: int
    metrics: dict[str, float]
    findings: tuple[Finding, ...] = ()
    figures: dict[str, Path] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    is_complete: bool = True

    def describe_findings(self) -> str:
        """The issues and tips as a Markdown list."""
        told = [finding for finding in self.findings if finding.is_news]
        lines = [f"- **{f.code} {f.outcome}: {f.title}.** {f.evidence} {f.advice}" for f in told]
        return "\n".join(lines) or "Nothing was noticed."

    @property
    def news(self) -> list[str]:
        """The codes of issues and tips, each once."""
        return sorted({finding.code for finding in self.findings if finding.is_news})


class Tracker(Protocol):
    """Where entries are logged.

    All calls to one tracker come from one thread, in order: an entry is opened once before anything is said of it, a
    group before its members. Whatever a call raises ends the log of this tracker, and nothing else.
    """

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def where(self) -> str:
        """One line that says how to look at what was logged."""

    def open(self, entry: Entry) -> None:
        """Begin an entry, or go on with the one that has its key, whose rows will be told again from the first."""

    def log(self, entry: Entry, rows: list[Row]) -> None:
        """Take in epochs; one that was told before adds to what it said then."""

    def finish(self, entry: Entry, outcome: Outcome) -> None:
        """Take in what came of an entry, and end it."""

    def close(self) -> None:
        """Let go of everything; an entry that was not finished was broken off."""


def need(tracker: str, extra: str, *modules: str) -> None:
    """See that a tracker's packages can be imported.

    Raises:
        BadInput: if one cannot.
    """
    for module in modules:
        try:
            import_module(module)
        except ImportError:
            raise BadInput(
                f"Logging to {tracker} needs {module}, which is not installed; get it with: "
                f"pip install 'monolayer[{extra}]'"
            ) from None
