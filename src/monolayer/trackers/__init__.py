"""Trackers: runs and sweeps logged to MLflow, TensorBoard and Weights & Biases, one file per tracker.

A tracker is a text, ``mlflow[:PLACE]``, ``tensorboard:DIR`` or ``wandb[:PROJECT]``, or an object of its class. By
default nothing is sent over the network: MLflow and TensorBoard write to a folder, and Weights & Biases works offline
unless ``WANDB_MODE`` is set::

    ml.trackers.log_run(run, "mlflow", splits=splits)          # after training
    ml.trackers.log_sweep(sweep, ["mlflow", "wandb:digits"])

    with ml.trackers.open_logger("tensorboard:tb", name="digits", axes=["l2"]) as logger:   # during training
        sweep = ml.sweep(splits, grid={"l2": [0, 0.1]}, on_epoch=logger.on_epoch)
        logger.log_result(sweep, splits=splits)

A tracker that fails ends only its own log: there is one warning, and training continues.
"""

from monolayer.trackers.base import EpochMetrics, Summary, TrackedRun, Tracker
from monolayer.trackers.logger import RunLogger, log_run, log_sweep, open_logger
from monolayer.trackers.mlflow import MLflowTracker
from monolayer.trackers.registry import TRACKERS, open_tracker, resolve_spec
from monolayer.trackers.tensorboard import TensorBoardTracker
from monolayer.trackers.wandb import WandbTracker

__all__ = [
    "TRACKERS",
    "EpochMetrics",
    "MLflowTracker",
    "RunLogger",
    "Summary",
    "TensorBoardTracker",
    "TrackedRun",
    "Tracker",
    "WandbTracker",
    "log_run",
    "log_sweep",
    "open_logger",
    "open_tracker",
    "resolve_spec",
]
