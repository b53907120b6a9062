"""How long work tells that it goes on: the two calls that a display answers. No display is imported here."""

from typing import Protocol


class Progress(Protocol):
    """What long work calls; the command line draws bars behind it, a library user gets silence."""

    def say(self, text: str) -> None:
        """Tell one line, such as which source is being tried."""

    def advance(self, task: str, done: float, total: float | None, unit: str = "", detail: str = "") -> None:
        """Tell that ``done`` of ``total`` units of ``task`` are finished (``total`` None: not known).

        ``detail`` is how things stand, in a few words, such as the best so far.
        """


class Silence:
    """A Progress that shows nothing."""

    def say(self, text: str) -> None:
        """Show nothing."""

    def advance(self, task: str, done: float, total: float | None, unit: str = "", detail: str = "") -> None:
        """Show nothing."""


SILENCE: Progress = Silence()
