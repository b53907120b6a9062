"""TensorBoard: a folder a run with its event file; for a sweep a folder of such folders, with its hyperparameters."""

from __future__ import annotations

import os
import re
import socket
import time
from pathlib import Path
from typing import Any

from monolayer.errors import BadInput
from monolayer.files import explain_os_error
from monolayer.trackers.base import Entry, Outcome, Row, need

EVENTS = "events.out.tfevents"
LONGEST_NAME = 120  # characters of a folder's name, before its key


class TensorBoardTracker:
    """Logs to event files.

    TensorBoard is what reads them, so its own writer is what this needs: neither TensorFlow nor PyTorch.

    Args:
        folder: where the folders of the runs go; TensorBoard is given the same.

    Raises:
        BadInput: if no folder is named or it cannot be made, or TensorBoard is not installed.
    """

    name = "TensorBoard"

    def __init__(self, folder: str | Path = "") -> None:
        if not str(folder):
            raise BadInput("TensorBoard needs a folder to write to; accepted is tensorboard:DIR.")
        need(self.name, "tensorboard", "tensorboard")
        self.folder = Path(folder).resolve()
        with explain_os_error(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        self._files: dict[str, _EventFile] = {}

    @property
    def where(self) -> str:
        """How to look at what was logged."""
        return f"TensorBoard: tensorboard --logdir {self.folder}"

    def open(self, entry: Entry) -> None:
        """Make the entry's folder and write its settings; what an earlier process wrote there goes."""
        from tensorboard.plugins.hparams import summary_v2

        folder = self.find_folder(entry)
        for earlier in folder.glob(f"{EVENTS}*"):
            earlier.unlink()  # its rows are told again
        file = self._files[entry.key] = _EventFile(folder)
        if entry.is_sweep:
            axes = [name for name in str(entry.settings.get("axes", "")).split(", ") if name]
            metrics = [summary_v2.Metric("val_accuracy"), summary_v2.Metric("val_loss")]
            file.write_summary(summary_v2.hparams_config_pb([summary_v2.HParam(name) for name in axes], metrics), 0)
        else:
            file.write_summary(summary_v2.hparams_pb(entry.settings, trial_id=entry.key), 0)

    def log(self, entry: Entry, rows: list[Row]) -> None:
        """Each value is a scalar whose step is its epoch."""
        for epoch, values in rows:
            self._files[entry.key].write_scalars(values, epoch)

    def finish(self, entry: Entry, outcome: Outcome) -> None:
        """Final measures as scalars, findings as text, figures as images; TensorBoard keeps no other files."""
        file, step = self._files[entry.key], outcome.epochs_done
        file.write_scalars(outcome.metrics, step)
        file.write_text("findings", outcome.describe_findings(), step)
        for name, path in outcome.figures.items():
            file.write_image(f"figures/{name}", path, step)

    def close(self) -> None:
        """Nothing is held open."""
        self._files.clear()

    def find_folder(self, entry: Entry) -> Path:
        """The entry's folder; a recipe's lies within its sweep's."""
        above = self.find_folder(entry.group) if entry.group else self.folder
        name = re.sub(r"[^\w.,=+-]+", "_", entry.name)[:LONGEST_NAME]
        return above / f"{name}-{entry.key[:6]}"


class _EventFile:
    """Appends to one event file, which is open only while it writes: a sweep may have more than can be open at once."""

    def __init__(self, folder: Path) -> None:
        from tensorboard.compat.proto import event_pb2

        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{EVENTS}.{time.time_ns()}.{socket.gethostname()}.{os.getpid()}"
        self.write([event_pb2.Event(file_version="brain.Event:2")])

    def write(self, events: list[Any]) -> None:
        from tensorboard.summary.writer.record_writer import RecordWriter

        with self._path.open("ab") as file:
            writer = RecordWriter(file)
            for event in events:
                event.wall_time = time.time()
                writer.write(event.SerializeToString())

    def write_summary(self, summary: Any, step: int) -> None:
        from tensorboard.compat.proto import event_pb2

        self.write([event_pb2.Event(summary=summary, step=step)])

    def write_scalars(self, values: dict[str, float], step: int) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.plugins.scalar.metadata import create_summary_metadata
        from tensorboard.util.tensor_util import make_tensor_proto

        metadata = create_summary_metadata(display_name="", description="")
        scalars = [
            Summary.Value(tag=name, tensor=make_tensor_proto(float(value)), metadata=metadata)
            for name, value in values.items()
        ]
        self.write_summary(Summary(value=scalars), step)

    def write_text(self, name: str, text: str, step: int) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.plugins.text.metadata import create_summary_metadata
        from tensorboard.util.tensor_util import make_tensor_proto

        metadata, tensor = create_summary_metadata(display_name="", description=""), make_tensor_proto([text.encode()])
        self.write_summary(Summary(value=[Summary.Value(tag=name, tensor=tensor, metadata=metadata)]), step)

    def write_image(self, name: str, path: Path, step: int) -> None:
        from PIL import Image
        from tensorboard.compat.proto.summary_pb2 import Summary

        with Image.open(path) as picture:
            width, height, channels = *picture.size, len(picture.getbands())
        image = Summary.Image(height=height, width=width, colorspace=channels, encoded_image_string=path.read_bytes())
        self.write_summary(Summary(value=[Summary.Value(tag=name, image=image)]), step)
