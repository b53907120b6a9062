"""Trackers: runs and sweeps logged to MLflow, TensorBoard and Weights & Biases, one file a tracker.

A tracker is named by a text, ``mlflow[:PLACE]``, ``tensorboard:DIR`` or ``wandb[:PROJECT]``, or made as an object of
its class. Nothing leaves this machine unless it is asked for: MLflow writes to a folder, TensorBoard too, and Weights &
Biases works offline unless ``WANDB_MODE`` says otherwise::

    ml.trackers.log_run(run, "mlflow", splits=splits)          # what has been trained
    ml.trackers.log_sweep(swept, ["mlflow", "wandb:digits"])

    job = ml.trackers.Job("digits", axes=("l2",))
    with ml.trackers.open_logbook("tensorboard:tb", job) as book:   # what is being trained, epoch by epoch
        swept = ml.sweep(splits, grid={"l2": [0, 0.1]}, on_epoch=book.on_epoch)
        book.finish(swept, splits=splits)

A tracker that fails costs its own log and no training: there is one warning, and everything else goes on.
"""

from monolayer.trackers.base import Entry, Outcome, Row, Tracker
from monolayer.trackers.known import TRACKERS, open_tracker
from monolayer.trackers.logbook import Job, Logbook, log_run, log_sweep, open_logbook
from monolayer.trackers.mlflow import MLflowTracker
from monolayer.trackers.tensorboard import TensorBoardTracker
from monolayer.trackers.wandb import WandbTracker

__all__ = [
    "TRACKERS",
    "Entry",
    "Job",
    "Logbook",
    "MLflowTracker",
    "Outcome",
    "Row",
    "TensorBoardTracker",
    "Tracker",
    "WandbTracker",
    "log_run",
    "log_sweep",
    "open_logbook",
    "open_tracker",
]
