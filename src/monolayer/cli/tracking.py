"""``--track``: the trackers of a run or sweep."""

from dataclasses import dataclass, field

from monolayer.errors import BadInput
from monolayer.trackers.registry import TRACKERS, open_tracker, resolve_spec


@dataclass(frozen=True)
class TrackingOptions:
    """The trackers to log to, with absolute paths, so that a run that is resumed in another folder uses the same."""

    trackers: tuple[str, ...] = field(
        default=(),
        metadata={
            "help": "A tracker to log to during training; repeatable",
            "choices": lambda: [tracker.usage for tracker in TRACKERS.values()],
            "show_default": False,
            "option": "--track",
        },
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "trackers", tuple(map(resolve_spec, self.trackers)))

    def check(self) -> None:
        """Raise BadInput if a tracker is given twice, is not installed, or cannot use its place."""
        for spec in self.trackers:
            if self.trackers.count(spec) > 1:
                raise BadInput(f"--track {spec} is given twice; name each tracker once.")
            open_tracker(spec)
