"""Parquet in Hugging Face's layout: a file, or a folder of shards named train-*, NAME_test and so on.

Features are a column of images (bytes, or a struct with bytes), a column of lists (embeddings), or columns of numbers.
"""

import importlib.util
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from monolayer._typing import Array
from monolayer.data.options import DataOptions
from monolayer.data.readers.base import (
    ARRAY_OPTIONS,
    IMAGE_OPTIONS,
    NetworkInput,
    Raw,
    ReadCallbacks,
    Reader,
    find_part,
    list_names,
    list_visible_files,
)
from monolayer.data.readers.decoding import CommonShape, Decoder, EncodedImage, ImageProgress, decode_for_network
from monolayer.data.readers.table import choose_label, find_other_columns
from monolayer.errors import BadData

ROWS_AT_ONCE = 1000
BUFFER = 2**20


def is_available() -> bool:
    """Whether pyarrow, which reads Parquet, is installed."""
    return importlib.util.find_spec("pyarrow") is not None


class ParquetReader(Reader):
    """A Parquet file."""

    kind = "a Parquet file"
    accepted = ".parquet"
    suffixes: tuple[str, ...] = (".parquet",)
    options = ARRAY_OPTIONS | IMAGE_OPTIONS
    holds_images = True

    def read(self, path: Path, options: DataOptions, callbacks: ReadCallbacks) -> Mapping[str, Raw]:
        """Images as uint8 rows; or numbers: uint8 and float16 as they are, others as float32.

        Raises:
            BadData: if pyarrow or a column is missing, or an image cannot be read.
        """
        with _explain_damage(path):
            files = self.find_parts(path)
            parts = {part: _open(shards, options, callbacks) for part, shards in files.items()}
            if _is_image(next(iter(parts.values()))):
                return _read_images(parts, path)
            return {part: _read_numbers(shards) for part, shards in parts.items()}

    def find_parts(self, path: Path) -> dict[str, list[Path]]:
        """The files by the part that their rows belong to."""
        return {"train": [path]}

    def iterate(self, path: Path, expected: NetworkInput) -> Iterator[Array]:
        """The features of a file; columns of numbers are found by name where the network has names."""
        with _explain_damage(path):
            from pyarrow import parquet

            schema = parquet.read_schema(path)
            shards = _Shards([path], DataOptions(features=expected.features), ReadCallbacks())
            for name in expected.columns:
                if schema.names.count(name) != 1:
                    has = list_names(schema.names)
                    raise BadData(f"{path}: has no column {name!r}, which the network takes; it has {has}.")
            shards.columns = list(expected.columns) or _choose_features(schema, shards, path)
            if _is_image(shards):
                images = _iterate_images(shards)
                while some := list(islice(images, expected.block_size)):
                    yield decode_for_network(some, path, expected)
            else:
                for batch, file, _ in shards.iterate(shards.columns):
                    yield expected.flatten(_convert(batch, shards.columns, file), path)


class ParquetFolderReader(ParquetReader):
    """A folder of Parquet files."""

    kind = "a folder of Parquet files"
    accepted = "of Parquet files"
    suffixes = ()
    priority = 2

    def accepts(self, path: Path) -> bool:
        """Whether a folder holds Parquet files."""
        return path.is_dir() and bool(self.find_files(path))

    def find_files(self, folder: Path) -> list[Path]:
        """Its Parquet files."""
        return list_visible_files(folder, ".parquet")

    def find_parts(self, path: Path) -> dict[str, list[Path]]:
        """The files by the part in their names; where no name has a part, all are training rows.

        Raises:
            BadData: if only some of the names have a part.
        """
        found: dict[str, list[Path]] = {}
        for file in self.find_files(path):
            found.setdefault(_find_part_of(file), []).append(file)
        unnamed = found.pop("", [])
        if unnamed and found:
            named = ", ".join(files[0].name for files in found.values())
            others = ", ".join(file.name for file in unnamed[:3])
            raise BadData(
                f"{path}: {named} name a part and {others} do not; accepted are train, val or test in the names of "
                "all files or of none."
            )
        return found or {"train": unnamed}

    def iterate(self, path: Path, expected: NetworkInput) -> Iterator[Array]:
        """The features of its files, one after the other."""
        for file in self.find_files(path):
            yield from super().iterate(file, expected)


READERS = (ParquetReader(), ParquetFolderReader())


@dataclass
class _Shards:
    """The files of one part.

    Args:
        files: in order.
        options: how to read them.
        callbacks: called while they are read.
        label: name of the column of labels.
        columns: names of the columns of features.
        class_names: from the schema's metadata, where it has them.
    """

    files: Sequence[Path]
    options: DataOptions
    callbacks: ReadCallbacks
    label: str = ""
    columns: list[str] = field(default_factory=list)
    class_names: tuple[str, ...] | None = None

    @property
    def beside(self) -> list[str]:
        """Names of the columns that are not features."""
        named = (self.label, self.options.split_by, self.options.group_by)
        return [name for name in dict.fromkeys(named) if name]

    def iterate(self, columns: list[str]) -> Iterator[tuple[Any, str, int]]:
        """(batch, file, index of its first row) of these columns, file after file."""
        from pyarrow import parquet

        for file in self.files:
            # Memory-mapped and buffered: else a whole row group, which may be the file, is read into memory first.
            with parquet.ParquetFile(file, memory_map=True, buffer_size=BUFFER) as opened:
                first = 0
                for batch in opened.iter_batches(ROWS_AT_ONCE, columns=columns):
                    yield batch, str(file), first
                    first += len(batch)


@contextmanager
def _explain_damage(path: Path) -> Iterator[None]:
    """Raise pyarrow's errors as BadData, and BadData if pyarrow is missing."""
    if not is_available():
        raise BadData(f"{path}: reading Parquet needs pyarrow: pip install 'monolayer[parquet]'.")
    from pyarrow import ArrowException

    try:
        yield
    except (ArrowException, OSError, UnicodeDecodeError) as error:
        raise BadData(f"{path}: cannot be read as Parquet ({str(error).splitlines()[0].rstrip('.')}).") from None


def _find_part_of(file: Path) -> str:
    """The part in a file's name; empty if there is none."""
    words = re.split(r"[-_.]", file.stem)
    parts = [part for word in words if (part := find_part(word))]
    if len(set(parts)) > 1 and not find_part(words[0]):
        raise BadData(f"{file}: names two parts, {parts[0]} and {parts[1]}; accepted is one of train, val and test.")
    return parts[0] if parts else ""


def _open(files: Sequence[Path], options: DataOptions, callbacks: ReadCallbacks) -> _Shards:
    """Find the columns of labels and features in the schemas, which must be the same in every file."""
    from pyarrow import parquet

    shards = _Shards(files, options, callbacks)
    for file in files:
        with parquet.ParquetFile(file) as opened:
            schema = opened.schema_arrow
        if twice := [name for name, n in Counter(schema.names).items() if n > 1]:
            raise BadData(f"{file}: has column {twice[0]!r} more than once; accepted are names that differ.")
        shards.label = choose_label(schema.names, options, file)
        columns = _choose_features(schema, shards, file)
        if shards.columns and columns != shards.columns:
            raise BadData(f"{file}: its columns are not those of {files[0]}; accepted are files with the same columns.")
        shards.columns = columns
        shards.class_names = _find_class_names(schema, shards.label) or shards.class_names
    return shards


def _choose_features(schema: Any, shards: _Shards, file: Path) -> list[str]:
    from pyarrow import types

    if (asked := shards.options.features) is not None:
        if asked not in schema.names:
            raise BadData(f"{file}: has no column {asked!r}; it has {', '.join(schema.names)}.")
        return [asked]
    left = [one for one in schema if one.name not in shards.beside]
    others = find_other_columns([one.name for one in left], file, shards.callbacks)
    left = [one for one in left if one.name not in others]
    for is_kind in (_holds_images, _is_list):
        found = [one.name for one in left if is_kind(one.type)]
        if len(found) > 1:
            raise BadData(f"{file}: columns {', '.join(found)} may each be the features; name one (--features).")
        if found:
            return found
    numbers = [
        f.name for f in left if types.is_integer(f.type) or types.is_floating(f.type) or types.is_boolean(f.type)
    ]
    if not numbers:
        raise BadData(f"{file}: has no column of images, lists or numbers; it has {', '.join(schema.names)}.")
    if ignored := [f.name for f in left if f.name not in numbers]:
        shards.callbacks.progress.info(f"{file}: columns that are not numbers are left out: {', '.join(ignored)}")
    return numbers


def _holds_images(kind: Any) -> bool:
    from pyarrow import types

    if types.is_struct(kind):
        return bool(kind.get_field_index("bytes") >= 0)
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _is_list(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def _is_image(shards: _Shards) -> bool:
    from pyarrow import parquet

    with parquet.ParquetFile(shards.files[0]) as opened:
        return _holds_images(opened.schema_arrow.field(shards.columns[0]).type)


def _read_images(parts: dict[str, _Shards], path: Path) -> dict[str, Raw]:
    """Images of all parts, of one size; the column is read twice, the headers first, and never held in memory."""
    one = next(iter(parts.values()))
    options, callbacks = one.options, one.callbacks
    common = CommonShape(options, callbacks)
    n_rows = {part: len(common.add(_iterate_images(shards))) for part, shards in parts.items()}
    shape, progress, found = common.get(str(path)), ImageProgress(callbacks.progress, sum(n_rows.values())), {}
    for part, shards in parts.items():
        decoder = Decoder(n_rows[part], shape, options, callbacks)
        kept = decoder.add(_iterate_images(shards), progress)
        found[part] = replace(_make_raw(decoder.rows, shards, np.flatnonzero(kept)), image_shape=shape, pixel_max=255)
    return found


def _iterate_images(shards: _Shards) -> Iterator[EncodedImage]:
    for batch, file, first in shards.iterate(shards.columns):
        for i, value in enumerate(batch.column(0).to_pylist()):
            content = value.get("bytes") if isinstance(value, dict) else value
            yield EncodedImage(f"{file}: row {first + i}", content if isinstance(content, bytes) else b"")


def _read_numbers(shards: _Shards) -> Raw:
    """Columns of numbers, or a column of lists, as rows."""
    from pyarrow import parquet

    shards.callbacks.on_columns(shards.columns)
    n = sum(parquet.read_metadata(file).num_rows for file in shards.files)
    X, start = None, 0
    for batch, file, _ in shards.iterate(shards.columns):
        block = _convert(batch, shards.columns, file)
        if X is None:
            X = np.empty((n, *block.shape[1:]), block.dtype)
        if block.shape[1:] != X.shape[1:]:
            raise BadData(f"{file}: column {shards.columns[0]!r} has lists of several lengths; accepted is one length.")
        X[start : start + len(block)] = block
        start += len(block)
        shards.callbacks.progress.advance("reading Parquet", start, n, "rows")
    if X is None:
        raise BadData(f"{shards.files[0]}: holds no rows.")
    columns = () if _is_list(batch.column(0).type) else tuple(shards.columns)
    return replace(_make_raw(X, shards), columns=columns)


def _convert(batch: Any, names: list[str], file: str) -> Array:
    """A batch's features, (m, D) or (m, height, width): uint8 and float16 as they are, other numbers as float32."""
    for name in names:
        if batch.column(name).null_count:
            raise BadData(f"{file}: column {name!r} has missing values; accepted is a number in every row.")
    if _is_list(batch.column(0).type):
        return _flatten_lists(batch.column(0), names[0], file)
    columns = [batch.column(name).to_numpy(zero_copy_only=False) for name in names]
    for name, column in zip(names, columns, strict=True):
        if column.dtype.kind not in "biuf":
            raise BadData(f"{file}: column {name!r} holds {batch.column(name).type}; accepted are numbers.")
    return np.stack([column.astype(np.float32) for column in columns], axis=1)


def _flatten_lists(column: Any, name: str, file: str) -> Array:
    """Lists of one length, or lists of such lists, as an array."""
    shape = [len(column)]
    while _is_list(column.type):
        inside = column.flatten()
        length = len(inside) // max(1, len(column))
        lengths = column.value_lengths().to_numpy(zero_copy_only=False)
        if column.null_count or not length or (lengths != length).any():
            raise BadData(f"{file}: column {name!r} has lists of several lengths; accepted is one length.")
        shape.append(length)
        column = inside
    numbers = column.to_numpy(zero_copy_only=False)
    if column.null_count or numbers.dtype.kind not in "biuf":
        what = "missing values" if column.null_count else f"lists of {column.type}"
        raise BadData(f"{file}: column {name!r} has {what}; accepted are lists of numbers.")
    block: Array = numbers if numbers.dtype in (np.uint8, np.float16) else numbers.astype(np.float32)
    return block.reshape(shape)


def _make_raw(X: Array, shards: _Shards, kept: Array | None = None) -> Raw:
    """The features with labels, parts and groups of the rows in ``kept``."""
    columns: dict[str, list[Array]] = {name: [] for name in shards.beside}
    for batch, file, _ in shards.iterate(shards.beside):
        for name, found in columns.items():
            found.append(_take_column(batch, name, file))
    values = {name: np.concatenate(found) for name, found in columns.items()}
    if kept is not None:
        values = {name: column[kept] for name, column in values.items()}
    parts, groups = values.get(shards.options.split_by or ""), values.get(shards.options.group_by or "")
    return Raw(X, values[shards.label], class_names=shards.class_names, parts=parts, groups=groups)


def _take_column(batch: Any, name: str, file: str) -> Array:
    column = batch.column(name)
    if column.null_count:
        raise BadData(f"{file}: column {name!r} has missing values; accepted is a value in every row.")
    try:
        values = np.asarray(column.to_pylist())
    except ValueError:  # lists of several lengths
        values = np.asarray(None)
    if values.dtype.kind not in "biufUS" or values.ndim != 1:
        raise BadData(f"{file}: column {name!r} holds {column.type}; accepted are whole numbers and texts.")
    return values


def _find_class_names(schema: Any, label: str) -> tuple[str, ...] | None:
    """The names of the classes in Hugging Face's metadata of the schema."""
    try:
        content = json.loads((schema.metadata or {})[b"huggingface"])
        names = content["info"]["features"][label]["names"]
    except (KeyError, ValueError, TypeError):
        return None
    return tuple(map(str, names))
