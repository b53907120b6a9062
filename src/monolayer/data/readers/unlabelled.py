"""Features of one's own without labels, from the kinds of files that training reads, a block of rows at a time.

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

from monolayer.data.images import find_factor
from monolayer.data.readers.arrays import Named, choose_features, open_named
from monolayer.data.readers.decoding import Decoder, FigureBlock, Tally
from monolayer.data.readers.parquet import iterate_parquet
from monolayer.data.readers.rows import DataOptions, ProgressLine, flatten_images
from monolayer.data.readers.table import list_names
from monolayer.errors import BadData, BadInput
from monolayer.progress import SILENCE

Array = npt.NDArray[Any]
MAX_ROWS, MAX_NUMBERS = 1024, 2**22  # of a block: 32 MiB in float64
LEAST_COUNTED = 3  # columns: 0, 1 may well be a row
TABLES = (".csv", ".tsv")
NAMING = (".npz", ".safetensors", ".parquet")  # files that hold several things that may be the features


@dataclass(frozen=True)
class Expected:
    """What the features of a network's input look like.

    Args:
        n_features: D.
        image_shape: (channels, height, width) where a row is an image, else None.
        ignored: names of the columns of a table that are no features.
        columns: names of the features, where the network was trained on columns of a table; else columns count.
        asked: name of the array, tensor or column that holds the features; None: the usual names.
        pixel_max: the value of a fully lit pixel in the training data; None: not known.
    """

    n_features: int
    image_shape: tuple[int, int, int] | None = None
    ignored: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    asked: str | None = None
    pixel_max: float | None = 255.0

    @property
    def n_rows(self) -> int:
        """Rows of a block."""
        return max(1, min(MAX_ROWS, MAX_NUMBERS // self.n_features))


def iterate_features(path: Path, expected: Expected) -> Iterator[Array]:
    """The rows of a file, or of a folder of ``.npy`` files, in blocks, (about 1,000 at most, D), each checked.

    ``.npy`` and ``.safetensors`` are memory-mapped, of tables and Parquet a block is read at a time, so that the whole
    need not be in memory; an ``.npz`` is the exception, since its arrays may be compressed. For a network of images,
    arrays may be images in any order of axes that training takes, and Parquet may hold encoded images.

    Raises:
        BadInput: if the file's suffix is none of ours, or columns are ignored in a file that is no table.
        BadData: if it cannot be read, or holds other features than expected, or a number that is not finite.
    """
    suffix = path.suffix.lower()
    if not is_features(path):
        raise BadInput(f"{path}: is no file of features; accepted are files ending in {', '.join(READERS)}.")
    if expected.ignored and suffix not in TABLES:
        raise BadInput(f"{path}: is no table, so no column can be ignored; that goes with {' and '.join(TABLES)}.")
    iterate = _iterate_arrays if path.is_dir() else READERS[suffix]
    start = 0
    try:
        for block in iterate(path, expected):
            _check_finite(block, path, start)
            yield block
            start += len(block)
    except OSError as error:
        raise BadData(f"{path}: cannot be read ({error.strerror or error}).") from None
    if not start:
        raise BadData(f"{path}: holds no row.")


def is_features(path: Path) -> bool:
    """Whether a path is a file of features by its suffix, or a folder, whose ``.npy`` files are meant."""
    return path.is_dir() or path.suffix.lower() in READERS


def _iterate_arrays(path: Path, expected: Expected) -> Iterator[Array]:
    with open_named(path) as source:
        is_single = path.suffix.lower() == ".npy" and not path.is_dir()
        name = path.stem if is_single else _choose_array(source, expected.asked)
        X = source.open(name)
        if not X.ndim:
            raise BadData(f"{path}: {name} is a single value; accepted is a row an example.")
        for start in range(0, len(X), expected.n_rows):
            yield _shape(X[start : start + expected.n_rows], path, expected)


def _choose_array(source: Named, asked: str | None) -> str:
    names = list(choose_features(source, asked).values())
    if len(names) > 1:
        raise BadInput(f"{source.path}: holds features of several parts, {', '.join(names)}; name one with --features.")
    return names[0]


def _iterate_table(path: Path, expected: Expected) -> Iterator[Array]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
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
        raise BadData(f"{path}: is no table in UTF-8 ({error}).") from None


def _iterate_parquet(path: Path, expected: Expected) -> Iterator[Array]:
    left = iterate_parquet(path, expected.columns, expected.asked)
    for first in left:
        if isinstance(first, FigureBlock):
            some = [first, *(one for one in islice(left, expected.n_rows - 1) if isinstance(one, FigureBlock))]
            yield _decode(some, path, expected)
        else:
            yield _shape(first, path, expected)


def _decode(pictures: list[FigureBlock], path: Path, expected: Expected) -> Array:
    """Encoded images as features, (n, D), brought to the size of the training data."""
    if expected.image_shape is None:
        raise BadInput(f"{path}: holds images, and this network was not trained on images.")
    factor = find_factor(path, expected.pixel_max)
    options = DataOptions(resize=expected.image_shape[1:])
    decoder = Decoder(len(pictures), expected.image_shape, options, ProgressLine())
    decoder.add(pictures, Tally(SILENCE, len(pictures)))
    return decoder.rows if factor == 1 else decoder.rows * factor


READERS: dict[str, Callable[[Path, Expected], Iterator[Array]]] = {
    ".npy": _iterate_arrays,
    ".npz": _iterate_arrays,
    ".csv": _iterate_table,
    ".tsv": _iterate_table,
    ".parquet": _iterate_parquet,
    ".safetensors": _iterate_arrays,
}


def _shape(X: Array, path: Path, expected: Expected) -> Array:
    """Rows (n, D); images as they may be to train are seen, or brought, into channel-major rows."""
    if X.dtype.kind not in "uif":
        raise BadData(f"{path}: holds {X.dtype.name}; accepted are integers and floats.")
    shape = expected.image_shape
    if shape and X.ndim > 2 and X.shape[1:] != shape:
        rows, found = flatten_images(X, path)
        X = rows if found == shape else X
    elif X.shape[1:] == shape:
        X = X.reshape(len(X), -1)
    if X.ndim != 2 or X.shape[1] != expected.n_features:
        images = f", or {_name_shape(shape)}" if shape else ""
        takes = f"{_name_shape((expected.n_features,))}{images}"
        raise BadData(f"{path}: has shape {_name_shape(X.shape[1:])}; the network takes {takes}.")
    return X


def _name_shape(shape: tuple[int, ...]) -> str:
    return f"({', '.join(['n', *map(str, shape)])})"


def _choose_columns(first: list[str], path: Path, expected: Expected) -> tuple[list[int], bool]:
    """Which columns are features, and whether the first row names them."""
    if expected.columns:
        return _find_columns(first, path, expected), True
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


def _find_columns(first: list[str], path: Path, expected: Expected) -> list[int]:
    """The places of the columns that the network was trained on, in its order; all others fall out by themselves."""
    places = {name: place for place, name in enumerate(first)}
    for name in expected.ignored:
        if name in expected.columns or name not in places:
            why = "the network takes it" if name in expected.columns else "there is none of that name"
            raise BadInput(f"{path}: column {name!r} cannot be ignored, since {why}.")
    for name in expected.columns:
        if name not in places:
            has = list_names(first)
            raise BadData(f"{path}: has no column {name!r}, which the network takes; its first line has {has}.")
    if len(places) < len(first) and (twice := [n for n in expected.columns if first.count(n) > 1]):
        raise BadData(f"{path}: names column {twice[0]!r} twice; accepted is a column a name.")
    return [places[name] for name in expected.columns]


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
    cells = [[row[i] for i in columns] for _, row in lines]
    try:
        if not all(_is_plain("".join(row)) for row in cells):
            raise ValueError
        return np.array(cells, dtype=np.float64)
    except ValueError:
        number, cell = next((n, row[i]) for n, row in lines for i in columns if not _is_number(row[i]))
        raise BadData(f"{path}, line {number}: {cell[:40]!r} is no number.") from None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return _is_plain(text)


def _is_plain(text: str) -> bool:
    """Whether numbers are written as files have them: Python alone would read 1_0 as 10, as NumPy's reader does not."""
    return text.isascii() and "_" not in text


def _check_finite(block: Array, path: Path, start: int) -> None:
    if not np.isfinite(block).all():
        row, feature = np.argwhere(~np.isfinite(block))[0]
        raise BadData(
            f"{path}: row {start + row}, feature {feature} is {block[row, feature]}; accepted are finite numbers."
        )
