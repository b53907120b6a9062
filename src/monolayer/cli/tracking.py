"""``--track``: the trackers that a run or sweep is logged to while it trains."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from monolayer.errors import BadInput

WITH_PLACE = ("mlflow", "tensorboard")  # trackers whose names may be followed by a place on this machine


@dataclass(frozen=True)
class TrackingOptions:
    """The trackers to log to, their places absolute, so that a run that is resumed elsewhere has the same."""

    trackers: tuple[str, ...] = field(
        default=(),
        metadata={
            "help": "Log to mlflow[:PLACE], tensorboard:DIR or wandb[:PROJECT] while it trains; once a tracker.",
            "show_default": False,
            "option": "--track",
        },
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "trackers", tuple(map(_resolve_place, self.trackers)))

    def check(self) -> None:
        """Raise BadInput if a tracker is unknown, given twice, not installed, or its place cannot be used."""
        if not self.trackers:
            return
        from monolayer.trackers import open_tracker

        for spec in self.trackers:
            if self.trackers.count(spec) > 1:
                raise BadInput(f"--track {spec} is given twice; name each tracker once.")
            open_tracker(spec)


def _resolve_place(spec: str) -> str:
    name, _, place = spec.partition(":")
    is_path = name in WITH_PLACE and place and "://" not in place
    return f"{name}:{Path(place).resolve()}" if is_path else spec
