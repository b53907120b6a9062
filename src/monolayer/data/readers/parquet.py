"""Parquet as Hugging Face publishes it: a file, or a folder of shards named train-*, validation-* and test-*.

A column of images (a struct with their bytes), a column of lists (embeddings), or plain columns of numbers.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from monolayer.data.images import DECODING_ERRORS, open_upright
from monolayer.data.readers.options import DataOptions
from monolayer.data.readers.raw import Raw, find_part
from monolayer.data.readers.table import choose_label
from monolayer.data.sources.formats.parquet import is_available
from monolayer.errors import BadData
from monolayer.progress import Progress

Array = npt.NDArray[Any]
ROWS_AT_ONCE = 1000


def read_parquet(path: Path, options: DataOptions, progress: Progress) -> dict[str, Raw]:
    """Rows by part, of a file or of the shards in a folder.

    Raises:
        BadData: if pyarrow is missing, a column is, or an image cannot be read.
    """
    if not is_available():
        raise BadData(f"{path}: reading Parquet needs pyarrow: pip install 'monolayer[parquet]'.")
    from pyarrow import ArrowException

    files = {"train": [path]} if path.is_file() else _sort_shards(path)
    try:
        return {part: _read_shards(shards, options, progress) for part, shards in files.items()}
    except (ArrowException, OSError) as error:
        raise BadData(f"{path}: cannot be read as Parquet ({str(error).splitlines()[0]}).") from None


def _sort_shards(folder: Path) -> dict[str, list[Path]]:
    """Files by the part that their name begins with; files of no part are training rows."""
    found: dict[str, list[Path]] = {}
    for file in sorted(folder.glob("*.parquet")):
        part = find_part(file.stem.split("-")[0].split("_")[0]) or "train"
        found.setdefault(part, []).append(file)
    return found


def _read_shards(files: Sequence[Path], options: DataOptions, progress: Progress) -> Raw:
    from pyarrow import parquet

    features: list[Array] = []
    columns: list[dict[str, Array]] = []
    names: tuple[str, ...] | None = None
    for i, file in enumerate(files):
        with parquet.ParquetFile(file) as opened:
            schema = opened.schema_arrow
            label = choose_label(schema.names, options, file)
            names = _find_class_names(schema, label) or names
            kept = [name for name in (label, options.split_by, options.group_by) if name]
            wanted = _choose_features(schema, kept, options, file)
            for batch in opened.iter_batches(ROWS_AT_ONCE, columns=[*wanted, *kept]):
                features.append(_convert(batch, wanted, file, options, sum(map(len, features))))
                columns.append({name: _take_column(batch, name, file) for name in kept})
        progress.advance("reading Parquet", i + 1, len(files), "files")
    if not features:
        raise BadData(f"{files[0]}: holds no rows.")
    stacked = {name: np.concatenate([one[name] for one in columns]) for name in columns[0]}
    _check_one_shape(features, files[0])
    X = np.concatenate(features)
    parts, groups = stacked.get(options.split_by or ""), stacked.get(options.group_by or "")
    return Raw(X, stacked[label], class_names=names, parts=parts, groups=groups)


def _choose_features(schema: Any, kept: list[str], options: DataOptions, file: Path) -> list[str]:
    from pyarrow import types

    if options.features is not None:
        if options.features not in schema.names:
            raise BadData(f"{file}: has no column {options.features!r}; it has {', '.join(schema.names)}.")
        return [options.features]
    left = [field for field in schema if field.name not in kept]
    for is_kind in (types.is_struct, lambda kind: types.is_list(kind) or types.is_fixed_size_list(kind)):
        found = [field.name for field in left if is_kind(field.type)]
        if found:
            return found[:1]
    numbers = [f.name for f in left if types.is_integer(f.type) or types.is_floating(f.type)]
    if not numbers:
        raise BadData(f"{file}: has no column of images, lists or numbers; it has {', '.join(schema.names)}.")
    return numbers


def _convert(batch: Any, names: list[str], file: Path, options: DataOptions, first: int) -> Array:
    from pyarrow import types

    column = batch.column(names[0])
    if types.is_struct(column.type):
        rows = column.to_pylist()
        return np.stack([_decode(row, f"{file}: row {first + i}", options) for i, row in enumerate(rows)])
    if len(names) == 1 and (types.is_list(column.type) or types.is_fixed_size_list(column.type)):
        lists = [np.asarray(row) for row in column.to_pylist()]
        lengths = {len(row) if row.ndim else 0 for row in lists}
        if len(lengths) > 1 or 0 in lengths:
            raise BadData(f"{file}: column {names[0]!r} has lists of several lengths; accepted is one.")
        dtype = np.float16 if types.is_float16(column.type.value_type) else np.float32
        return np.stack(lists).astype(dtype)
    for name in names:
        if batch.column(name).null_count:
            raise BadData(f"{file}: column {name!r} has holes; accepted are columns without missing values.")
    return np.stack([batch.column(name).to_numpy(zero_copy_only=False) for name in names], axis=1).astype(np.float32)


def _decode(row: Any, where: str, options: DataOptions) -> Array:
    raw = row.get("bytes") if isinstance(row, dict) else None
    if not isinstance(raw, bytes):
        raise BadData(f"{where} holds no image.")
    try:
        image = open_upright(io.BytesIO(raw), None)
    except DECODING_ERRORS as error:
        raise BadData(f"{where} cannot be read as an image ({error}).") from None
    if options.resize:
        image = image.resize(options.resize[::-1], Image.Resampling.LANCZOS)
    pixels = np.asarray(image, np.uint8)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _check_one_shape(features: Sequence[Array], file: Path) -> None:
    shapes = {one.shape[1:] for one in features}
    if len(shapes) > 1:
        first, other = sorted(shapes)[:2]
        raise BadData(
            f"{file}: rows have several shapes, {first} and {other}; accepted is one, or --resize for images."
        )


def _take_column(batch: Any, name: str, file: Path) -> Array:
    column = batch.column(name)
    if column.null_count:
        raise BadData(f"{file}: column {name!r} has holes; accepted is a value in every row.")
    values = np.asarray(column.to_pylist())
    if values.dtype.kind not in "biufUS":
        raise BadData(f"{file}: column {name!r} holds {column.type}; accepted are whole numbers and texts.")
    return values


def _find_class_names(schema: Any, label: str) -> tuple[str, ...] | None:
    """The names in Hugging Face's metadata of the schema."""
    try:
        content = json.loads((schema.metadata or {})[b"huggingface"])
        names = content["info"]["features"][label]["names"]
    except (KeyError, ValueError, TypeError):
        return None
    return tuple(map(str, names))
