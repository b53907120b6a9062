"""Files of answers, written block by block, which appear whole or not at all.

To add a kind of file: write a class like those below and put a line into ``WRITERS``.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
import numpy.typing as npt

from monolayer.errors import BadInput
from monolayer.files import explain_os_error, open_whole, validate_new_file
from monolayer.network import OneLayer
from monolayer.predict.predictions import describe_predictions, rank_classes

Array = npt.NDArray[Any]
Places = Sequence[dict[str, Any]]


class Writer(Protocol):
    """Takes answers block by block: ``places`` as rows are described, probabilities (n, K)."""

    def write(self, places: Places, probabilities: Array) -> None:
        """Take a block."""

    def finish(self) -> None:
        """Write what can only be written when all is known."""


class CsvWriter:
    """A line a row: file, row, class, probability, then the probability of every class, or the next best classes."""

    def __init__(self, file: IO[bytes], network: OneLayer, top: int | None) -> None:
        self._file, self._names, self._top = file, network.class_names, top
        rest = (
            [f"{what}_{place}" for place in range(2, top + 1) for what in ("class", "probability")]
            if top
            else [f"probability_{name}" for name in self._names]
        )
        self._write_lines([["file", "row", "class", "probability", *rest]])

    def write(self, places: Places, probabilities: Array) -> None:
        """Take a block."""
        ranked = rank_classes(probabilities, self._top or 1)
        lines = []
        for place, row, order in zip(places, probabilities, ranked, strict=True):
            best = [cell for k in order for cell in (self._names[k], row[k])]
            lines.append([place.get("file", ""), place.get("row", ""), *best, *(() if self._top else row)])
        self._write_lines(lines)

    def finish(self) -> None:
        """Nothing is left."""

    def _write_lines(self, lines: Sequence[Sequence[Any]]) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(lines)
        self._file.write(text.getvalue().encode(errors="backslashreplace"))


def write_json_line(file: IO[bytes], item: dict[str, Any]) -> None:
    """One JSON object on a line."""
    file.write(json.dumps(item, allow_nan=False).encode() + b"\n")


class JsonLinesWriter:
    """A JSON object a row, as ``--json`` lists them."""

    def __init__(self, file: IO[bytes], network: OneLayer, top: int | None) -> None:
        self._file, self._network, self._top = file, network, top

    def write(self, places: Places, probabilities: Array) -> None:
        """Take a block."""
        for item in describe_predictions(self._network, places, probabilities, self._top):
            write_json_line(self._file, item)

    def finish(self) -> None:
        """Nothing is left."""


class NpyWriter:
    """The probabilities of all classes, (n, K), in the dtype of the network's weights."""

    def __init__(self, file: IO[bytes], network: OneLayer, top: int | None) -> None:
        if top:
            raise BadInput("--top goes with .csv, .jsonl and the terminal; .npy holds the probability of every class.")
        self._file, self._n, self._network = file, 0, network
        self._write_header()

    def write(self, places: Places, probabilities: Array) -> None:
        """Take a block."""
        self._file.write(np.ascontiguousarray(probabilities).tobytes())
        self._n += len(probabilities)

    def finish(self) -> None:
        """Now that the number of rows is known, the header says it; numpy leaves room for its digits."""
        self._file.seek(0)
        self._write_header()

    def _write_header(self) -> None:
        descr = np.lib.format.dtype_to_descr(self._network.weights.dtype)
        shape = (self._n, len(self._network.class_names))
        np.lib.format.write_array_header_1_0(self._file, {"descr": descr, "fortran_order": False, "shape": shape})


WRITERS: dict[str, Callable[[IO[bytes], OneLayer, int | None], Writer]] = {
    ".csv": CsvWriter,
    ".jsonl": JsonLinesWriter,
    ".npy": NpyWriter,
}


@contextmanager
def open_predictions(path: Path, network: OneLayer, top: int | None = None) -> Iterator[Writer]:
    """A new file for answers, opened before the work so that a place that cannot be written is known at once.

    Raises:
        BadInput: if the file exists or cannot be written, or its suffix is none of ours.
    """
    make = WRITERS.get(path.suffix.lower())
    if make is None:
        raise BadInput(f"{path}: is no file for answers; accepted are names ending in {', '.join(WRITERS)}.")
    validate_new_file(path)
    with explain_os_error(path), open_whole(path) as file:
        writer = make(file, network, top)
        yield writer
        writer.finish()
