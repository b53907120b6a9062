"""TensorBoard: a folder per run with its event file; for a sweep a folder of such folders, with its hyperparameters."""

import os
import re
import socket
import time
from pathlib import Path
from typing import Any

from monolayer.errors import BadInput
from monolayer.files import explain_os_error
from monolayer.trackers.base import EpochMetrics, Summary, TrackedRun, Tracker, is_figure

EVENTS = "events.out.tfevents"
MAX_NAME = 120  # characters of a folder's name, before its id


class TensorBoardTracker(Tracker):
    """Logs to event files, with TensorBoard's own writer: it needs neither TensorFlow nor PyTorch.

    Args:
        folder: where the folders of the runs are created; ``tensorboard --logdir`` takes the same.

    Raises:
        BadInput: if no folder is named or it cannot be created, or TensorBoard is not installed.
    """

    name, key, usage, has_path = "TensorBoard", "tensorboard", "tensorboard:DIR", True

    def __init__(self, folder: str | Path = "") -> None:
        if not str(folder):
            raise BadInput("TensorBoard needs a folder to write to; accepted is tensorboard:DIR.")
        self.require("tensorboard")
        self.folder = Path(folder).resolve()
        with explain_os_error(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        self._paths: dict[str, Path] = {}

    @property
    def where(self) -> str:
        """How to view what was logged."""
        return f"TensorBoard: tensorboard --logdir {self.folder}"

    def start_run(self, run: TrackedRun) -> None:
        """Create the run's folder and write its params; event files of an earlier process are deleted."""
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.plugins.hparams import summary_v2

        folder = self.find_folder(run)
        folder.mkdir(parents=True, exist_ok=True)
        for earlier in folder.glob(f"{EVENTS}*"):
            earlier.unlink()  # its epochs are logged again
        self._paths[run.id] = folder / f"{EVENTS}.{time.time_ns()}.{socket.gethostname()}.{os.getpid()}"
        self._write(run, Event(file_version="brain.Event:2"))
        if run.is_sweep:
            axes = [summary_v2.HParam(name) for name in str(run.params.get("axes", "")).split(", ") if name]
            metrics = [summary_v2.Metric("val_accuracy"), summary_v2.Metric("val_loss")]
            summary = summary_v2.hparams_config_pb(axes, metrics)
        else:
            summary = summary_v2.hparams_pb(run.params, trial_id=run.id)
        self._write(run, Event(summary=summary))

    def log_metrics(self, run: TrackedRun, rows: list[EpochMetrics]) -> None:
        """Log each value as a scalar whose step is its epoch."""
        from tensorboard.plugins.scalar.metadata import create_summary_metadata

        metadata = create_summary_metadata(display_name="", description="")
        for epoch, values in rows:
            self._write_tensors(run, values, metadata, epoch)

    def log_summary(self, run: TrackedRun, summary: Summary) -> None:
        """Log final metrics as scalars and findings as text."""
        from tensorboard.plugins.text.metadata import create_summary_metadata

        self.log_metrics(run, [(summary.epochs_done, summary.metrics)])
        metadata = create_summary_metadata(display_name="", description="")
        self._write_tensors(run, {"findings": [summary.describe_findings().encode()]}, metadata, summary.epochs_done)

    def log_artifact(self, run: TrackedRun, path: Path, step: int) -> None:
        """Log a figure as an image; TensorBoard stores no other files."""
        if not is_figure(path):
            return
        from PIL import Image
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary as EventSummary

        with Image.open(path) as picture:
            width, height, channels = *picture.size, len(picture.getbands())
        image = EventSummary.Image(
            height=height, width=width, colorspace=channels, encoded_image_string=path.read_bytes()
        )
        value = EventSummary.Value(tag=f"figures/{path.stem}", image=image)
        self._write(run, Event(summary=EventSummary(value=[value]), step=step))

    def finish(self, run: TrackedRun, *, is_complete: bool) -> None:
        """Do nothing: TensorBoard does not store whether a run is complete."""

    def close(self) -> None:
        """Do nothing: no file is open."""

    def find_folder(self, run: TrackedRun) -> Path:
        """The run's folder; a recipe's is inside its sweep's."""
        parent = self.find_folder(run.parent) if run.parent else self.folder
        name = re.sub(r"[^\w.,=+-]+", "_", run.name)[:MAX_NAME]
        return parent / f"{name}-{run.id[:6]}"

    def _write_tensors(self, run: TrackedRun, values: dict[str, Any], metadata: Any, step: int) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary as EventSummary
        from tensorboard.util.tensor_util import make_tensor_proto

        content = [
            EventSummary.Value(tag=name, tensor=make_tensor_proto(value), metadata=metadata)
            for name, value in values.items()
        ]
        self._write(run, Event(summary=EventSummary(value=content), step=step))

    def _write(self, run: TrackedRun, event: Any) -> None:
        """Append to the run's file."""
        # Not with TensorBoard's EventFileWriter, which has an open file and a thread per run: a sweep may have more
        # runs than a process may have open files.
        from tensorboard.summary.writer.record_writer import RecordWriter

        event.wall_time = time.time()
        with self._paths[run.id].open("ab") as file:
            RecordWriter(file).write(event.SerializeToString())
