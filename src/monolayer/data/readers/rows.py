"""Raw: rows as a reader finds them, and the dataset that they make."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from monolayer.data.dataset import FEATURE_DTYPES, Dataset
from monolayer.data.memmap import count_rows, give_back
from monolayer.data.options import DataOptions
from monolayer.errors import BadData, BadInput
from monolayer.progress import SILENCE, Progress

Array = npt.NDArray[Any]
# How people call the three parts; the first name is ours.
PARTS = {"train": ("train", "training"), "val": ("val", "validation", "valid", "dev"), "test": ("test", "testing")}
CHANNELS = (1, 3)
# Files of one's own are often sorted by class: their last rows would be one class, so rows are drawn at random.
SPLIT_SEED = 0
# Images whose brightest value is no more than half of a unit's highest may be of another unit: digits go up to 16.
BRIGHT = 0.5


def refuse(where: str, reason: str) -> None:
    """Stop at an image that cannot be read.

    Raises:
        BadData: always; the text names the file, or its row.
    """
    raise BadData(f"{where}: cannot be read as an image ({reason}).")


@dataclass(frozen=True)
class ProgressLine:
    """Who is told what while a source is read.

    Args:
        progress: how far it is.
        on_unreadable: of an image that cannot be read, where it is and why; where it returns, the image is left out.
        on_files: the part and the files of its rows, row by row, where rows are files of their own.
        on_columns: the names of the features, where they are columns.
    """

    progress: Progress = SILENCE
    on_unreadable: Callable[[str, str], None] = refuse
    on_files: Callable[[str, list[str]], None] = lambda part, files: None
    on_columns: Callable[[list[str]], None] = lambda names: None


@dataclass(frozen=True, eq=False)
class Raw:
    """Rows of one part of a source.

    Args:
        X: (n, D); or images (n, height, width), (n, height, width, channels) or (n, channels, height, width).
        labels: (n,), of any type that sorts.
        class_names: where labels are places among these.
        image_shape: (channels, height, width) where X is (n, D) and rows are images.
        parts: (n,) which part each row belongs to, where a column says so.
        groups: (n,) values that stay together.
        pixel_max: the value of a fully lit pixel, where the reader knows it.
        columns: names of the D features, where they are columns of a table.
    """

    X: Array
    labels: Array
    class_names: tuple[str, ...] | None = None
    image_shape: tuple[int, int, int] | None = None
    parts: Array | None = None
    groups: Array | None = None
    pixel_max: float | None = None
    columns: tuple[str, ...] = ()


def find_part(name: str) -> str | None:
    """``train``, ``val`` or ``test`` by any of the names that people give them; None for another word."""
    return next((part for part, names in PARTS.items() if name.strip().lower() in names), None)


@dataclass(frozen=True)
class _Common:
    """What the parts of a source share.

    Args:
        values: the labels, in their order.
        names: of the classes.
        pixel_max: the value of a fully lit pixel; None: not known.
    """

    values: tuple[Any, ...]
    names: tuple[str, ...]
    pixel_max: float | None


def make_dataset(parts: Mapping[str, Raw], path: Path, options: DataOptions) -> Dataset:
    """The dataset of a source: its training rows, with those of validation and test where the source has them.

    Raises:
        BadData: if rows and labels do not fit together; the text names the source.
    """
    for part, raw in parts.items():
        _check_rows(raw, part, path)
    flat = {part: _flatten(raw, path) for part, raw in parts.items()}
    named = _divide(flat, path) if any(raw.parts is not None for raw in flat.values()) else flat
    if "train" not in named:
        raise BadData(f"{path}: has no training rows; its parts are {', '.join(named)}.")
    values, names = _collect_classes(named, path)
    common = _Common(values, names, _find_pixel_max(named["train"]))
    made = {part: _make_part(raw, common, path, options) for part, raw in named.items()}
    return replace(made["train"], val=made.get("val"), test=made.get("test"))


def _check_rows(raw: Raw, part: str, path: Path) -> None:
    """Raise BadData if there are no rows, or features and what stands beside them are not equally many."""
    columns = (("labels", raw.labels), ("values of --split-by", raw.parts), ("groups", raw.groups))
    for what, array in (("features", raw.X), *columns):
        if array is not None and not np.ndim(array):
            raise BadData(f"{path}: {what} are a single value; accepted is a row an example.")
    if not len(raw.X):
        raise BadData(f"{path}: has no {part} rows.")
    if raw.X.dtype.kind not in "biuf":
        raise BadData(f"{path}: features are {raw.X.dtype.name}; accepted are {', '.join(FEATURE_DTYPES)}.")
    for what, column in columns:
        if column is not None and len(column) != len(raw.X):
            raise BadData(
                f"{path}: has {len(raw.X):,} rows of features and {len(column):,} {what}; accepted is one a row."
            )


def _flatten(raw: Raw, path: Path) -> Raw:
    """Rows (n, D), and labels (n,) of numbers or texts."""
    X, shape = (raw.X, raw.image_shape) if raw.X.ndim == 2 else flatten_images(raw.X, path)
    parts, groups = (
        None if column is None else _flatten_column(column, what, path)
        for what, column in (("values of --split-by", raw.parts), ("groups", raw.groups))
    )
    return replace(raw, X=X, image_shape=shape, labels=_check_labels(raw.labels, path), parts=parts, groups=groups)


def _flatten_column(column: Array, what: str, path: Path) -> Array:
    """A column (n,) of one that may be (n, 1), as Keras has them."""
    if column.ndim == 2 and column.shape[1] == 1:
        column = column[:, 0]
    if column.ndim != 1:
        raise BadData(f"{path}: {what} must have shape (n,), not {column.shape}.")
    return column


def _divide(parts: Mapping[str, Raw], path: Path) -> dict[str, Raw]:
    """Parts by the column that says which part a row belongs to."""
    if len(parts) > 1:
        raise BadInput(f"{path}: has parts of its own ({', '.join(parts)}), so no column may divide it (--split-by).")
    raw = next(iter(parts.values()))
    words = _decode(np.asarray(raw.parts), path).astype(str)
    kinds = {word: find_part(word) for word in np.unique(words).tolist()}
    unknown = [word for word, kind in kinds.items() if kind is None]
    if unknown:
        raise BadData(f"{path}: the split column holds {unknown[0]!r}; accepted are train, val and test.")
    found = np.array([kinds[word] for word in words.tolist()])
    return {part: _take(raw, np.flatnonzero(found == part)) for part in PARTS if (found == part).any()}


def _take(raw: Raw, rows: Array) -> Raw:
    """Some rows; where they lie side by side a view, so that a mapped file stays on the disk."""
    first, last = int(rows[0]), int(rows[-1])
    where = slice(first, last + 1) if last - first == len(rows) - 1 else rows
    groups = None if raw.groups is None else raw.groups[where]
    return replace(raw, X=raw.X[where], labels=raw.labels[where], parts=None, groups=groups)


def _collect_classes(parts: Mapping[str, Raw], path: Path) -> tuple[tuple[Any, ...], tuple[str, ...]]:
    """(labels in their order, names of the classes): of all parts together, or the class names that are given."""
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
    """Labels that are numbers as int64, which holds each of them."""
    if not np.isfinite(labels).all():
        raise BadData(f"{path}: row {int(np.flatnonzero(~np.isfinite(labels))[0])} has no label.")
    real = labels != np.round(labels)
    if real.any():
        raise BadData(
            f"{path}: labels are real numbers such as {labels[real][0]:g}; accepted are whole numbers and texts."
        )
    # From 2**53 on floats skip whole numbers; at 2**63 int64 ends.
    too_large = (labels >= 2**63) if labels.dtype.kind == "u" else (labels.dtype.kind == "f") & (abs(labels) >= 2**53)
    if too_large.any():
        most = "2**63" if labels.dtype.kind == "u" else "2**53, as which floats are exact,"
        raise BadData(f"{path}: has a label {int(labels[too_large][0])}; accepted are numbers below {most} and texts.")
    return labels.astype(np.int64)


def _decode(texts: Array, path: Path) -> Array:
    """Byte strings as texts; anything else as it is."""
    if texts.dtype.kind != "S":
        return texts
    try:
        return np.char.decode(texts, "utf-8")
    except UnicodeDecodeError as error:
        raise BadData(f"{path}: holds a text that is not UTF-8 ({error.reason}).") from None


def _find_pixel_max(raw: Raw) -> float | None:
    """The value of a fully lit pixel where the training images leave no doubt: 255 of bytes, 1 of floats; else None."""
    if raw.image_shape is None or raw.pixel_max is not None:
        return raw.pixel_max or 255.0
    low, high = _find_range(raw.X)
    if raw.X.dtype == np.uint8:
        return 255.0 if high > BRIGHT * 255 else None
    return 1.0 if raw.X.dtype.kind == "f" and low >= 0 and BRIGHT < high <= 1 else None


def _find_range(X: Array) -> tuple[float, float]:
    """The smallest and largest value of rows (n, D); no number where one is none."""
    low, high = np.inf, -np.inf
    for start in range(0, len(X), count_rows(X)):
        block = X[start : start + count_rows(X)]
        low, high = float(np.minimum(low, block.min())), float(np.maximum(high, block.max()))
        give_back(X)
    return low, high


def _make_part(raw: Raw, common: _Common, path: Path, options: DataOptions) -> Dataset:
    return Dataset(
        raw.X,
        _find_places(raw.labels, common.values, path),
        common.names,
        name=path.resolve().name,
        image_shape=raw.image_shape,
        source=str(path),
        pixel_max=common.pixel_max,
        normalize=options.normalize,
        groups=raw.groups,
        split_seed=SPLIT_SEED,
        columns=raw.columns,
    )


def _find_places(labels: Array, values: Sequence[Any], path: Path) -> Array:
    """Each label's place among the values, (n,) int64."""
    places = {value: place for place, value in enumerate(values)}
    kinds, inverse = np.unique(labels, return_inverse=True)
    unknown = [kind for kind in kinds.tolist() if kind not in places]
    if unknown:
        row = int(np.flatnonzero(labels == unknown[0])[0])
        accepted = f"0 to {len(values) - 1}, the places of its class names" if values[0] == 0 else "its class names"
        raise BadData(f"{path}: row {row} has label {unknown[0]!r}; accepted are {accepted}.")
    return np.array([places[kind] for kind in kinds.tolist()], np.int64)[inverse]


def flatten_images(X: Array, path: Path) -> tuple[Array, tuple[int, int, int]]:
    """Images as channel-major rows (n, D), and their shape; (n, channels, height, width) is not copied.

    Raises:
        BadData: if the shape is no images', or leaves open where the channels are.
    """
    if X.ndim == 3:
        X = X[:, None]
    elif X.ndim == 4 and X.shape[1] in CHANNELS and X.shape[3] in CHANNELS and X.shape[1:] != (1, 1, 1):
        raise BadData(
            f"{path}: features have shape {X.shape}, whose channels may come first or last; accepted are rows (n, D)."
        )
    elif X.ndim == 4 and X.shape[1] not in CHANNELS and X.shape[3] in CHANNELS:
        X = np.ascontiguousarray(X.transpose(0, 3, 1, 2))
    if X.ndim != 4 or X.shape[1] not in CHANNELS:
        raise BadData(
            f"{path}: features have shape {X.shape}; accepted are (n, D), and images (n, height, width), (n, height, "
            "width, 1 or 3) and (n, 1 or 3, height, width)."
        )
    return X.reshape(len(X), -1), X.shape[1:]
