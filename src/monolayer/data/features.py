"""Features of one's own without labels, from array files, a block of rows at a time.

To add a kind of file: write a function that yields its blocks and put a line into ``READERS``.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from monolayer.errors import BadData, BadInput

Array = npt.NDArray[Any]
MAX_ROWS, MAX_NUMBERS = 1024, 2**22  # of a block: 32 MiB in float64
LEAST_COUNTED = 3  # columns: 0, 1 may well be a row
TENSORS = ("X", "features")  # what the features may be called in a file that holds several arrays


@dataclass(frozen=True)
class Expected:
    """What the features of a network's input look like.

    Args:
        n_features: D.
        image_shape: (channels, height, width) where a row is an image, else None.
        ignored: names of the columns of a CSV file that are no features.
    """

    n_features: int
    image_shape: tuple[int, int, int] | None = None
    ignored: tuple[str, ...] = ()

    @property
    def n_rows(self) -> int:
        """Rows of a block."""
        return max(1, min(MAX_ROWS, MAX_NUMBERS // self.n_features))


def iterate_features(path: Path, expected: Expected) -> Iterator[Array]:
    """The rows of an array file in blocks, (at most 1024, D) each, checked, so that the whole need not be in memory.

    ``.npy`` is memory-mapped, of ``.safetensors`` and ``.csv`` a block is read at a time; an ``.npz`` is the exception,
    since its arrays may be compressed. An array may be (n, D), or (n, channels, height, width) for a network of images.

    Raises:
        BadInput: if the file's suffix is none of ours, or columns are ignored in a file that has none by name.
        BadData: if it cannot be read, or holds other features than expected, or a number that is not finite.
    """
    suffix = path.suffix.lower()
    if suffix not in READERS:
        raise BadInput(f"{path}: is no file of features; accepted are files ending in {', '.join(READERS)}.")
    if expected.ignored and suffix != ".csv":
        raise BadInput(f"{path}: has no columns by name, so none can be ignored; that goes with .csv.")
    start = 0
    try:
        for block in READERS[suffix](path, expected):
            _check_finite(block, path, start)
            yield block
            start += len(block)
    except OSError as error:
        raise BadData(f"{path}: cannot be read ({error.strerror or error}).") from None
    if not start:
        raise BadData(f"{path}: holds no row.")


def _iterate_npy(path: Path, expected: Expected) -> Iterator[Array]:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise BadData(f"{path}: is no .npy array of numbers ({error}).") from None
    if not isinstance(array, np.ndarray):
        raise BadData(f"{path}: is no .npy file but an archive of several; name it .npz.")
    yield from _cut(_shape(array, path, expected), expected.n_rows)


def _iterate_npz(path: Path, expected: Expected) -> Iterator[Array]:
    import zipfile
    import zlib

    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            array = archive[_choose_tensor(list(archive.files), path)]
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error, AttributeError, TypeError) as error:
        if isinstance(error, BadInput):
            raise
        raise BadData(f"{path}: is no .npz archive of numbers ({error}).") from None
    yield from _cut(_shape(array, path, expected), expected.n_rows)


def _iterate_safetensors(path: Path, expected: Expected) -> Iterator[Array]:
    try:
        with safe_open(path, framework="numpy") as file:
            rows = file.get_slice(_choose_tensor(list(file.keys()), path))
            shape: list[int] = rows.get_shape()
            n = shape[0] if shape else 0
            for start in range(0, n, expected.n_rows):
                yield _shape(rows[start : min(start + expected.n_rows, n)], path, expected)
    except (SafetensorError, TypeError) as error:
        raise BadData(f"{path}: is no safetensors file of numbers that NumPy has ({error}).") from None


def _iterate_csv(path: Path, expected: Expected) -> Iterator[Array]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            rows = ((reader.line_num, row) for row in reader if row)
            first = next(rows, None)
            if first is None:
                return
            columns, is_header = _choose_columns(first[1], path, expected)
            n_columns = len(first[1])
            if not is_header:
                yield _parse([first], columns, n_columns, path)
            while lines := list(islice(rows, expected.n_rows)):
                yield _parse(lines, columns, n_columns, path)
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadData(f"{path}: is no CSV file in UTF-8 ({error}).") from None


READERS: dict[str, Callable[[Path, Expected], Iterator[Array]]] = {
    ".npy": _iterate_npy,
    ".npz": _iterate_npz,
    ".csv": _iterate_csv,
    ".safetensors": _iterate_safetensors,
}


def _cut(array: Array, n_rows: int) -> Iterator[Array]:
    for start in range(0, len(array), n_rows):
        yield array[start : start + n_rows]


def _shape(array: Array, path: Path, expected: Expected) -> Array:
    """The array as (n, D); an array of images is seen as one of rows, without a copy."""
    if array.dtype.kind not in "uif":
        raise BadData(f"{path}: holds {array.dtype.name}; accepted are integers and floats.")
    if array.ndim == 4 and array.shape[1:] == expected.image_shape:
        return array.reshape(len(array), -1)
    if array.ndim != 2 or array.shape[1] != expected.n_features:
        images = f", or (n, {', '.join(map(str, expected.image_shape))})" if expected.image_shape else ""
        raise BadData(f"{path}: has shape {array.shape}; the network takes (n, {expected.n_features}){images}.")
    return array


def _choose_tensor(names: Sequence[str], path: Path) -> str:
    for name in TENSORS:
        if name in names:
            return name
    found = ", ".join(sorted(names)) or "nothing"
    raise BadData(f"{path}: holds {found}; accepted is an array named {' or '.join(TENSORS)}.")


def _choose_columns(first: list[str], path: Path, expected: Expected) -> tuple[list[int], bool]:
    """Which columns are features, and whether the first row names them."""
    is_header = _is_header(first, expected.ignored)
    names = [name.strip() for name in first] if is_header else []
    for name in expected.ignored:
        if name not in names:
            has = f"its columns begin with {', '.join(names[:5])}" if is_header else "its first row names no columns"
            raise BadInput(f"{path}: has no column {name!r} to ignore; {has}.")
    columns = [i for i in range(len(first)) if not is_header or names[i] not in expected.ignored]
    if len(columns) != expected.n_features:
        rest = " besides those ignored" if expected.ignored else ""
        raise BadData(
            f"{path}: has {len(columns)} columns{rest}; the network takes {expected.n_features} features. Columns that "
            "are none, such as labels, are named with --ignore."
        )
    return columns, is_header


def _is_header(first: list[str], ignored: Sequence[str]) -> bool:
    """Whether a first row holds names: no cell is a number, or it names what is ignored, or the columns are counted.

    Else a cell that is no number is a mistake in the first row of numbers, and must not make that row vanish.
    """
    numbers = [cell.strip() for cell in first if _is_number(cell)]
    names = {cell.strip() for cell in first} - set(numbers)
    # A pandas table without names of its own writes 0, 1, 2, ... above its columns.
    is_counted = len(numbers) >= LEAST_COUNTED and numbers == [str(i) for i in range(len(numbers))]
    return not numbers or is_counted or not names.isdisjoint(ignored)


def _parse(lines: list[tuple[int, list[str]]], columns: list[int], n_columns: int, path: Path) -> Array:
    for number, row in lines:
        if len(row) != n_columns:
            raise BadData(f"{path}, line {number}: has {len(row)} columns, the first line {n_columns}.")
    try:
        return np.array([[row[i] for i in columns] for _, row in lines], dtype=np.float64)
    except ValueError:
        number, cell = next((n, row[i]) for n, row in lines for i in columns if not _is_number(row[i]))
        raise BadData(f"{path}, line {number}: {cell[:40]!r} is no number.") from None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _check_finite(block: Array, path: Path, start: int) -> None:
    if not np.isfinite(block).all():
        row, feature = np.argwhere(~np.isfinite(block))[0]
        raise BadData(
            f"{path}: row {start + row}, feature {feature} is {block[row, feature]}; accepted are finite numbers."
        )
