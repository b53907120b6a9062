"""Rows that a reader found, as a ``Dataset``: checked, with labels as numbers, divided into parts."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from monolayer._typing import Array
from monolayer.data.dataset import FEATURE_DTYPES, Dataset
from monolayer.data.images import flatten_images
from monolayer.data.memmap import count_rows, give_back
from monolayer.data.options import DataOptions
from monolayer.data.readers.base import PARTS, Raw, find_part
from monolayer.errors import BadData, BadInput

# Files are often sorted by class, so that their last rows are of one class: rows are divided at random.
SPLIT_SEED = 0
# Images whose largest value is no more than half of the highest of a dtype may have another scale: digits go up to 16.
BRIGHT = 0.5


def make_dataset(parts: Mapping[str, Raw], path: Path, options: DataOptions) -> Dataset:
    """The training rows of a file or folder, with its validation and test rows as ``val`` and ``test``.

    Raises:
        BadData: if rows and labels do not fit together; the text names the path.
    """
    for part, raw in parts.items():
        _check_rows(raw, part, path)
    flat = {part: _flatten(raw, path) for part, raw in parts.items()}
    named = _divide(flat, path) if any(raw.parts is not None for raw in flat.values()) else flat
    if "train" not in named:
        raise BadData(f"{path}: has no training rows; its parts are {', '.join(named)}.")
    values, names = _collect_classes(named, path)
    pixel_max = _find_pixel_max(named["train"])
    made = {
        part: Dataset(
            raw.X,
            _encode_labels(raw.labels, values, path),
            names,
            name=path.resolve().name,
            image_shape=raw.image_shape,
            source=str(path),
            pixel_max=pixel_max,
            normalize=options.normalize,
            groups=raw.groups,
            split_seed=SPLIT_SEED,
            columns=raw.columns,
        )
        for part, raw in named.items()
    }
    return replace(made["train"], val=made.get("val"), test=made.get("test"))


def _check_rows(raw: Raw, part: str, path: Path) -> None:
    """Raise BadData if there are no rows, or features, labels and groups differ in length."""
    columns = (("labels", raw.labels), ("values of --split-by", raw.parts), ("groups", raw.groups))
    for what, array in (("features", raw.X), *columns):
        if array is not None and not np.ndim(array):
            raise BadData(f"{path}: {what} are a single value; accepted is one row per example.")
    if not len(raw.X):
        raise BadData(f"{path}: has no {part} rows.")
    if raw.X.dtype.kind not in "biuf":
        raise BadData(f"{path}: features are {raw.X.dtype.name}; accepted are {', '.join(FEATURE_DTYPES)}.")
    for what, column in columns:
        if column is not None and len(column) != len(raw.X):
            raise BadData(
                f"{path}: has {len(raw.X):,} rows of features and {len(column):,} {what}; accepted is one per row."
            )


def _flatten(raw: Raw, path: Path) -> Raw:
    """The same with X as rows (n, D), and labels (n,) of numbers or texts."""
    X, shape = (raw.X, raw.image_shape) if raw.X.ndim == 2 else flatten_images(raw.X, path)
    parts, groups = (
        None if column is None else _flatten_column(column, what, path)
        for what, column in (("values of --split-by", raw.parts), ("groups", raw.groups))
    )
    return replace(raw, X=X, image_shape=shape, labels=_check_labels(raw.labels, path), parts=parts, groups=groups)


def _flatten_column(column: Array, what: str, path: Path) -> Array:
    """A column (n,) of a column (n,) or (n, 1), the shape in Keras."""
    if column.ndim == 2 and column.shape[1] == 1:
        column = column[:, 0]
    if column.ndim != 1:
        raise BadData(f"{path}: {what} must have shape (n,), not {column.shape}.")
    return column


def _divide(parts: Mapping[str, Raw], path: Path) -> dict[str, Raw]:
    """The parts of rows that a column assigns to parts."""
    if len(parts) > 1:
        raise BadInput(f"{path}: has parts of its own ({', '.join(parts)}), so no column can divide it (--split-by).")
    raw = next(iter(parts.values()))
    words = _decode(np.asarray(raw.parts), path).astype(str)
    kinds = {word: find_part(word) for word in np.unique(words).tolist()}
    unknown = [word for word, kind in kinds.items() if kind is None]
    if unknown:
        raise BadData(f"{path}: the split column holds {unknown[0]!r}; accepted are train, val and test.")
    found = np.array([kinds[word] for word in words.tolist()])
    return {part: _take(raw, np.flatnonzero(found == part)) for part in PARTS if (found == part).any()}


def _take(raw: Raw, rows: Array) -> Raw:
    """Some rows; a view where they are adjacent, so that a memory-mapped file stays on the disk."""
    first, last = int(rows[0]), int(rows[-1])
    where = slice(first, last + 1) if last - first == len(rows) - 1 else rows
    groups = None if raw.groups is None else raw.groups[where]
    return replace(raw, X=raw.X[where], labels=raw.labels[where], parts=None, groups=groups)


def _collect_classes(parts: Mapping[str, Raw], path: Path) -> tuple[tuple[Any, ...], tuple[str, ...]]:
    """(the sorted labels of all parts, names of the classes); or the class names that the reader found."""
    kinds = {raw.labels.dtype.kind == "U" for raw in parts.values()}
    if len(kinds) > 1:
        raise BadData(f"{path}: labels are texts in one part and numbers in another; accepted is one kind.")
    names = next(iter(parts.values())).class_names
    if names is not None:
        return (names if kinds == {True} else tuple(range(len(names)))), names
    labels = np.unique(np.concatenate([np.unique(raw.labels) for raw in parts.values()]))
    if len(labels) < 2:
        raise BadData(f"{path}: holds 1 class only ({labels[0]!s}); accepted are 2 or more.")
    return tuple(labels.tolist()), tuple(map(str, labels.tolist()))


def _check_labels(labels: Array, path: Path) -> Array:
    """Labels (n,), whole numbers, booleans or texts."""
    labels = _decode(_flatten_column(labels, "labels", path), path)
    if labels.dtype.kind in "iuf":
        return _check_whole(labels, path)
    if labels.dtype.kind not in "bU":
        raise BadData(f"{path}: labels are {labels.dtype.name}; accepted are whole numbers and texts.")
    empty = np.flatnonzero(labels == "") if labels.dtype.kind == "U" else np.zeros(0)
    if len(empty):
        raise BadData(f"{path}: row {int(empty[0])} has no label.")
    return labels


def _check_whole(labels: Array, path: Path) -> Array:
    """Numeric labels as int64, without loss."""
    if not np.isfinite(labels).all():
        raise BadData(f"{path}: row {int(np.flatnonzero(~np.isfinite(labels))[0])} has no label.")
    real = labels != np.round(labels)
    if real.any():
        raise BadData(
            f"{path}: labels are real numbers such as {labels[real][0]:g}; accepted are whole numbers and texts."
        )
    # From 2**53 on not every whole number is a float; from 2**63 on none is an int64.
    too_large = (labels >= 2**63) if labels.dtype.kind == "u" else (labels.dtype.kind == "f") & (abs(labels) >= 2**53)
    if too_large.any():
        most = "2**63" if labels.dtype.kind == "u" else "2**53, up to which floats are exact,"
        raise BadData(f"{path}: has a label {int(labels[too_large][0])}; accepted are numbers below {most} and texts.")
    return labels.astype(np.int64)


def _decode(texts: Array, path: Path) -> Array:
    """Byte strings as texts; other arrays unchanged."""
    if texts.dtype.kind != "S":
        return texts
    try:
        return np.char.decode(texts, "utf-8")
    except UnicodeDecodeError as error:
        raise BadData(f"{path}: holds a text that is not UTF-8 ({error.reason}).") from None


def _find_pixel_max(raw: Raw) -> float | None:
    """The value of a fully lit pixel where the training images show it: 255 of bytes, 1 of floats; else None."""
    if raw.image_shape is None or raw.pixel_max is not None:
        return raw.pixel_max or 255.0
    low, high = _find_range(raw.X)
    if raw.X.dtype == np.uint8:
        return 255.0 if high > BRIGHT * 255 else None
    return 1.0 if raw.X.dtype.kind == "f" and low >= 0 and BRIGHT < high <= 1 else None


def _find_range(X: Array) -> tuple[float, float]:
    """The smallest and largest value of rows (n, D); NaN if a value is NaN."""
    low, high = np.inf, -np.inf
    for start in range(0, len(X), count_rows(X)):
        block = X[start : start + count_rows(X)]
        low, high = float(np.minimum(low, block.min())), float(np.maximum(high, block.max()))
        give_back(X)
    return low, high


def _encode_labels(labels: Array, values: Sequence[Any], path: Path) -> Array:
    """The index of each label in the list of values, (n,) int64."""
    places = {value: place for place, value in enumerate(values)}
    kinds, inverse = np.unique(labels, return_inverse=True)
    unknown = [kind for kind in kinds.tolist() if kind not in places]
    if unknown:
        row = int(np.flatnonzero(labels == unknown[0])[0])
        accepted = f"0 to {len(values) - 1}, the indices of its class names" if values[0] == 0 else "its class names"
        raise BadData(f"{path}: row {row} has label {unknown[0]!r}; accepted are {accepted}.")
    return np.array([places[kind] for kind in kinds.tolist()], np.int64)[inverse]
