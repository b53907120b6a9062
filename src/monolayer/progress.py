"""The protocol through which long work reports its progress; the displays are elsewhere."""

from typing import Protocol


class Progress(Protocol):
    """Shows messages and progress: the command line draws bars, the library by default shows nothing."""

    def info(self, text: str) -> None:
        """Show one line, such as the source that is being tried."""

    def advance(self, task: str, done: float, total: float | None, unit: str = "", detail: str = "") -> None:
        """Show that ``done`` of ``total`` units of ``task`` are done; a total of None is unknown.

        ``detail`` is the state in a few words, such as the best result so far.
        """


class Silence:
    """A Progress that shows nothing."""

    def info(self, text: str) -> None:
        """Show nothing."""

    def advance(self, task: str, done: float, total: float | None, unit: str = "", detail: str = "") -> None:
        """Show nothing."""


SILENCE: Progress = Silence()
