"""What ``--track`` asks for: the trackers that a run or sweep is logged to while it goes on."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from monolayer.errors import BadInput

if TYPE_CHECKING:
    import typer

    from monolayer.cli.console import Console
    from monolayer.cli.session import DataRequest
    from monolayer.trackers import RunLogger


@dataclass(frozen=True)
class TrackRequest:
    """Trackers, all that going on with their logs needs.

    Args:
        trackers: as ``--track`` names them, their places absolute.
        name: of the run or sweep.
        token: what the trackers know the run by when it is resumed.
    """

    trackers: list[str] = field(default_factory=list)
    name: str = ""
    token: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: dict[str, Any] | None) -> TrackRequest:
        """What :meth:`to_dict` gave; nothing in folders of earlier versions."""
        return cls(**(content or {}))

    @contextmanager
    def open(self, console: Console, rows: DataRequest, axes: Iterable[str] | None = None) -> Iterator[RunLogger]:
        """The logger of a run, or of a sweep along these axes; prints at the end how to view what was logged."""
        from monolayer.trackers import open_logger

        settings = {"name": self.name, "dataset": rows.dataset, "token": self.token, "warn": console.warn}
        with open_logger(self.trackers, axes=None if axes is None else tuple(axes), **settings) as logger:
            yield logger
        for line in logger.describe():
            console.info(line)


def read_tracking(context: typer.Context) -> TrackRequest:
    """The trackers that a command's options ask for.

    Raises:
        BadInput: if one is none or given twice, its package is not installed, or its place cannot be used.
    """
    given = context.params
    if not given["track"] or given.get("dry_run"):  # which writes nothing
        return TrackRequest()
    from monolayer.trackers import open_tracker, resolve_spec

    trackers = [resolve_spec(spec) for spec in given["track"]]  # the same when the run is resumed from another folder
    for spec in trackers:
        if trackers.count(spec) > 1:
            raise BadInput(f"--track {spec} is given twice; name each tracker once.")
        open_tracker(spec)
    name = given["out"].resolve().name if given["out"] else f"{given['dataset']}-{context.info_name}"
    return TrackRequest(trackers, name, secrets.token_hex(8))
