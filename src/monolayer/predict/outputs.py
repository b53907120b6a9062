"""Files of predictions, written block by block, which appear whole or not at all.

A new format is a class like those below and a line in ``WRITERS``.
"""

import csv
import io
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from monolayer._typing import Array
from monolayer.errors import BadInput
from monolayer.files import explain_os_error, open_whole, validate_new_file
from monolayer.network import OneLayer
from monolayer.predict.predictions import describe_predictions, rank_classes
from monolayer.recipe.losses import get_loss

Places = Sequence[dict[str, Any]]


class Writer(ABC):
    """Writes predictions block by block.

    Args:
        file: opened for writing.
        network: the network.
        top: number of classes to write, best first; None: all.
    """

    def __init__(self, file: IO[bytes], network: OneLayer, top: int | None) -> None:
        self.file, self.network, self.top = file, network, top

    @abstractmethod
    def write(self, places: Places, probabilities: Array) -> None:
        """Write a block: the places of its rows, and probabilities (n, K)."""

    def finish(self) -> None:  # noqa: B027 - most formats need none
        """Write what depends on all blocks."""


class CsvWriter(Writer):
    """A line per row: file, row, class, probability, then the probability of every class, or the next best classes.

    If the loss of the network defines no probabilities, the columns hold scores.
    """

    def __init__(self, file: IO[bytes], network: OneLayer, top: int | None) -> None:
        super().__init__(file, network, top)
        output, _ = get_loss(network.loss).output
        rest = (
            [f"{what}_{place}" for place in range(2, top + 1) for what in ("class", output)]
            if top
            else [f"{output}_{name}" for name in network.class_names]
        )
        self._write_lines([["file", "row", "class", output, *rest]])

    def write(self, places: Places, probabilities: Array) -> None:
        """Write a block."""
        ranked = rank_classes(probabilities, self.top or 1)
        lines = []
        for place, row, order in zip(places, probabilities, ranked, strict=True):
            best = [cell for k in order for cell in (self.network.class_names[k], row[k])]
            lines.append([place.get("file", ""), place.get("row", ""), *best, *(() if self.top else row)])
        self._write_lines(lines)

    def _write_lines(self, lines: Sequence[Sequence[Any]]) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(lines)
        self.file.write(text.getvalue().encode(errors="backslashreplace"))


def write_json_line(file: IO[bytes], item: dict[str, Any]) -> None:
    """Write a JSON object on a line."""
    file.write(json.dumps(item, allow_nan=False).encode() + b"\n")


class JsonLinesWriter(Writer):
    """A JSON object per row, as in ``--json``."""

    def write(self, places: Places, probabilities: Array) -> None:
        """Write a block."""
        for item in describe_predictions(self.network, places, probabilities, self.top):
            write_json_line(self.file, item)


class NpyWriter(Writer):
    """The probabilities of all classes, (n, K), in the dtype of the network's weights."""

    def __init__(self, file: IO[bytes], network: OneLayer, top: int | None) -> None:
        if top:
            raise BadInput("--top goes with .csv, .jsonl and the terminal; .npy holds the probability of every class.")
        super().__init__(file, network, top)
        self._n = 0
        self._write_header()

    def write(self, places: Places, probabilities: Array) -> None:
        """Write a block."""
        self.file.write(np.ascontiguousarray(probabilities).tobytes())
        self._n += len(probabilities)

    def finish(self) -> None:
        """Write the number of rows into the header, where NumPy leaves space for more digits."""
        self.file.seek(0)
        self._write_header()

    def _write_header(self) -> None:
        descr = np.lib.format.dtype_to_descr(self.network.weights.dtype)
        shape = (self._n, len(self.network.class_names))
        np.lib.format.write_array_header_1_0(self.file, {"descr": descr, "fortran_order": False, "shape": shape})


WRITERS: dict[str, type[Writer]] = {
    ".csv": CsvWriter,
    ".jsonl": JsonLinesWriter,
    ".npy": NpyWriter,
}


@contextmanager
def open_predictions(path: Path, network: OneLayer, top: int | None = None) -> Iterator[Writer]:
    """A new file of predictions, opened before the work so that a path that cannot be written fails at once.

    Raises:
        BadInput: if the file exists or cannot be written, or its suffix is not in ``WRITERS``.
    """
    make = WRITERS.get(path.suffix.lower())
    if make is None:
        raise BadInput(f"{path}: has no format of predictions; accepted are names ending in {', '.join(WRITERS)}.")
    validate_new_file(path)
    with explain_os_error(path), open_whole(path) as file:
        writer = make(file, network, top)
        yield writer
        writer.finish()
