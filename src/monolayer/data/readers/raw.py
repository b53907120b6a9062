"""Raw: rows as a reader finds them, and the dataset that they make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from monolayer.data.dataset import Dataset
from monolayer.data.readers.options import DataOptions
from monolayer.errors import BadData, BadInput

Array = npt.NDArray[Any]
# How people call the three parts; the first name is ours.
PARTS = {"train": ("train", "training"), "val": ("val", "validation", "valid", "dev"), "test": ("test", "testing")}
CHANNELS = (1, 3)
# Files of one's own are often sorted by class: their last rows would be one class, so rows are drawn at random.
SPLIT_SEED = 0


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
    """

    X: Array
    labels: Array
    class_names: tuple[str, ...] | None = None
    image_shape: tuple[int, int, int] | None = None
    parts: Array | None = None
    groups: Array | None = None


def find_part(name: str) -> str | None:
    """``train``, ``val`` or ``test`` by any of the names that people give them; None for another word."""
    return next((part for part, names in PARTS.items() if name.strip().lower() in names), None)


def make_dataset(parts: Mapping[str, Raw], path: Path, options: DataOptions) -> Dataset:
    """The dataset of a source: its training rows, with those of validation and test where the source has them.

    Raises:
        BadData: if rows and labels do not fit together; the text names the source.
    """
    named = _divide(parts, path) if any(raw.parts is not None for raw in parts.values()) else dict(parts)
    if "train" not in named:
        raise BadData(f"{path}: has no training rows; its parts are {', '.join(named)}.")
    classes = _collect_classes(named, path)
    made = {part: _make_part(raw, classes, path, options) for part, raw in named.items()}
    return replace(made["train"], val=made.get("val"), test=made.get("test"))


def _divide(parts: Mapping[str, Raw], path: Path) -> dict[str, Raw]:
    """Parts by the column that says which part a row belongs to."""
    if len(parts) > 1:
        raise BadInput(f"{path}: has parts of its own ({', '.join(parts)}), so no column may divide it (--split-by).")
    raw = next(iter(parts.values()))
    words = np.asarray(raw.parts).astype(str)
    kinds = {word: find_part(word) for word in np.unique(words).tolist()}
    unknown = [word for word, kind in kinds.items() if kind is None]
    if unknown:
        raise BadData(f"{path}: the split column holds {unknown[0]!r}; accepted are train, val and test.")
    found = np.array([kinds[word] for word in words.tolist()])
    return {part: _take(raw, np.flatnonzero(found == part)) for part in PARTS if (found == part).any()}


def _take(raw: Raw, rows: Array) -> Raw:
    groups = None if raw.groups is None else raw.groups[rows]
    return replace(raw, X=raw.X[rows], labels=raw.labels[rows], parts=None, groups=groups)


def _collect_classes(parts: Mapping[str, Raw], path: Path) -> tuple[Any, ...]:
    """Labels of all parts together, in their order; or the places of class names that are given."""
    for raw in parts.values():
        if len(raw.labels) != len(raw.X):
            raise BadData(f"{path}: has {len(raw.X):,} rows of features and {len(raw.labels):,} labels.")
    first = next(iter(parts.values()))
    if first.class_names is not None:
        return tuple(range(len(first.class_names)))
    labels = np.unique(np.concatenate([np.unique(_check_labels(raw.labels, path)) for raw in parts.values()]))
    if len(labels) < 2:
        raise BadData(f"{path}: holds 1 class only ({labels[0]!s}); accepted are 2 or more.")
    return tuple(labels.tolist())


def _check_labels(labels: Array, path: Path) -> Array:
    if labels.ndim != 1:
        raise BadData(f"{path}: labels must have shape (n,), not {labels.shape}.")
    if labels.dtype.kind == "f":
        if not np.isfinite(labels).all():
            raise BadData(f"{path}: row {int(np.flatnonzero(~np.isfinite(labels))[0])} has no label.")
        if not (labels == np.round(labels)).all():
            raise BadData(f"{path}: labels are real numbers such as {labels[labels != np.round(labels)][0]:g}.")
        return labels.astype(np.int64)
    if labels.dtype.kind not in "biuUS":
        raise BadData(f"{path}: labels are {labels.dtype.name}; accepted are whole numbers and texts.")
    empty = np.flatnonzero(labels == labels.dtype.type()) if labels.dtype.kind in "US" else np.zeros(0)
    if len(empty):
        raise BadData(f"{path}: row {int(empty[0])} has no label.")
    return labels


def _make_part(raw: Raw, classes: tuple[Any, ...], path: Path, options: DataOptions) -> Dataset:
    X, shape = (raw.X, raw.image_shape) if raw.X.ndim == 2 else flatten_images(raw.X, path)
    y = np.searchsorted(np.array(classes), _check_labels(raw.labels, path))
    names = raw.class_names or tuple(c.decode() if isinstance(c, bytes) else str(c) for c in classes)
    if raw.class_names and not ((y < len(classes)) & (np.take(classes, y, mode="clip") == raw.labels)).all():
        raise BadData(f"{path}: holds a label that is not 0 to {len(classes) - 1}, the places of its class names.")
    pixel_max = 255.0 if X.dtype == np.uint8 or shape is None else float(max(1.0, X.max()))
    return Dataset(
        X,
        y.astype(np.int64),
        names,
        name=path.name,
        image_shape=shape,
        source=str(path),
        pixel_max=pixel_max,
        normalize=options.normalize,
        groups=raw.groups,
        split_seed=SPLIT_SEED,
    )


def flatten_images(X: Array, path: Path) -> tuple[Array, tuple[int, int, int]]:
    """Images as channel-major rows (n, D), and their shape; (n, channels, height, width) is not copied.

    Raises:
        BadData: if the shape is no images'.
    """
    if X.ndim == 3:
        X = X[:, None]
    elif X.ndim == 4 and X.shape[1] not in CHANNELS and X.shape[3] in CHANNELS:
        X = np.ascontiguousarray(X.transpose(0, 3, 1, 2))
    if X.ndim != 4 or X.shape[1] not in CHANNELS:
        raise BadData(
            f"{path}: features have shape {X.shape}; accepted are (n, D), and images (n, height, width), (n, height, "
            "width, 1 or 3) and (n, 1 or 3, height, width)."
        )
    return X.reshape(len(X), -1), X.shape[1:]
