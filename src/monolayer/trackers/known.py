"""The trackers that there are, by the names that the command line has for them."""

from __future__ import annotations

from collections.abc import Callable

from monolayer.errors import BadInput
from monolayer.trackers.base import Tracker
from monolayer.trackers.mlflow import MLflowTracker
from monolayer.trackers.tensorboard import TensorBoardTracker
from monolayer.trackers.wandb import WandbTracker

# What each makes of the text after its name and a colon, which may be empty.
TRACKERS: dict[str, Callable[[str], Tracker]] = {
    "mlflow": MLflowTracker,
    "tensorboard": TensorBoardTracker,
    "wandb": WandbTracker,
}
ACCEPTED = "mlflow[:PLACE], tensorboard:DIR or wandb[:PROJECT]"


def open_tracker(spec: str) -> Tracker:
    """The tracker that a text such as ``mlflow:runs/mlflow`` names.

    Raises:
        BadInput: if there is none of this name, its place is not accepted, or its package is not installed.
    """
    name, _, place = spec.partition(":")
    if name not in TRACKERS:
        raise BadInput(f"{spec!r} is no tracker; accepted is {ACCEPTED}.")
    return TRACKERS[name](place)
