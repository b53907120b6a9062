"""The trackers by name, and texts such as ``mlflow:runs/mlflow`` that name one."""

from monolayer.errors import BadInput
from monolayer.trackers.base import Tracker
from monolayer.trackers.mlflow import MLflowTracker
from monolayer.trackers.tensorboard import TensorBoardTracker
from monolayer.trackers.wandb import WandbTracker

TRACKERS = {tracker.key: tracker for tracker in (MLflowTracker, TensorBoardTracker, WandbTracker)}


def open_tracker(spec: str) -> Tracker:
    """The tracker that a text such as ``mlflow:runs/mlflow`` names.

    Raises:
        BadInput: if the name is unknown, the place is not accepted, or the tracker's package is not installed.
    """
    key, place = _split(spec)
    return TRACKERS[key](place)


def resolve_spec(spec: str) -> str:
    """The text with its place in a form that does not depend on the working folder; see :func:`open_tracker`."""
    key, place = _split(spec)
    place = TRACKERS[key].resolve_place(place)
    return f"{key}:{place}" if place else key


def _split(spec: str) -> tuple[str, str]:
    key, _, place = spec.partition(":")
    if key not in TRACKERS:
        *usages, last = (tracker.usage for tracker in TRACKERS.values())
        raise BadInput(f"{spec!r} is not a tracker; accepted is {', '.join(usages)} or {last}.")
    return key, place
