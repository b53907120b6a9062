"""Describe a dataset before training: counts, shapes, values, and the findings of the checks on it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from monolayer._typing import Array
from monolayer.checks.dataset import NotFinite, check_constant, check_finite, check_groups, check_readable, check_rows
from monolayer.checks.splits import check_classes
from monolayer.data.dataset import Dataset, Splits
from monolayer.data.load import NAMES, load, read_options
from monolayer.data.memmap import count_rows, find_map, give_back
from monolayer.data.readers.base import ReadCallbacks
from monolayer.data.readers.registry import find_reader, read_path
from monolayer.errors import BadInput
from monolayer.findings import Finding
from monolayer.progress import SILENCE, Progress

BY_NAME = "a dataset built into monolayer"
IN_MEMORY = "a dataset that has been read"


@dataclass(frozen=True, eq=False)
class Description:
    """What :func:`monolayer.describe` returns.

    Args:
        dataset: the dataset; images that cannot be read are left out.
        kind: the kind of its source, in words.
        low: the smallest finite value of each feature of the training rows, (D,); infinite if it has none.
        high: the largest.
        unreadable: why an image cannot be read, by its file's name or its row.
        findings: one for each check.
    """

    dataset: Dataset
    kind: str
    low: Array
    high: Array
    unreadable: Mapping[str, str]
    findings: tuple[Finding, ...]

    @property
    def parts(self) -> dict[str, Dataset]:
        """The splits that the source defines, by name, training rows first."""
        return list_parts(self.dataset)

    @property
    def is_mapped(self) -> bool:
        """Whether the features are memory-mapped."""
        return find_map(self.dataset.X) is not None

    def count_classes(self) -> dict[str, dict[str, int]]:
        """Rows by split and class; a row with several labels counts for each."""
        counts = {}
        for name, part in self.parts.items():
            n = part.y.sum(axis=0) if part.is_multi_label else np.bincount(part.y, minlength=part.n_classes)
            counts[name] = dict(zip(part.class_names, n.tolist(), strict=True))
        return counts

    def find_values(self) -> list[float] | None:
        """The smallest and the largest finite value of the training rows; None if there is none."""
        low, high = float(self.low.min()), float(self.high.max())
        return [low, high] if low <= high else None

    def to_dict(self) -> dict[str, Any]:
        """As ``monolayer data describe --json`` prints it."""
        dataset = self.dataset
        return {
            "name": dataset.name,
            "kind": self.kind,
            "source": dataset.source,
            "sha256": dataset.sha256,
            "rows": {name: len(part.X) for name, part in self.parts.items()},
            "classes": self.count_classes(),
            "n_features": int(dataset.X.shape[1]),
            "dtype": dataset.X.dtype.name,
            "bytes": sum(int(part.X.nbytes) for part in self.parts.values()),
            "is_memory_mapped": self.is_mapped,
            "image_shape": list(dataset.image_shape) if dataset.image_shape else None,
            "values": self.find_values(),
            "groups": None if dataset.groups is None else len(np.unique(dataset.groups)),
            "normalize": dataset.normalize,
            "unreadable": dict(self.unreadable),
            "findings": [finding.to_dict() for finding in self.findings],
        }


def describe(
    data: str | Path | Dataset | Splits, *, path: Path | str | None = None, progress: Progress = SILENCE, **options: Any
) -> Description:
    """Describe a dataset, and check it for common errors in data.

    Images that cannot be read are left out and listed, where :func:`monolayer.load` stops at the first.

    Args:
        data: a name or a path as :func:`monolayer.load` takes it, a dataset, or the splits of one; of splits the whole
            dataset is described, and the classes are checked in its training and validation rows.
        path: a copy of ``cifar10`` on this machine, as :func:`monolayer.load` takes it.
        progress: receives the progress of reading.
        options: how to read a path, as :func:`monolayer.load` takes them.

    Raises:
        BadInput: as :func:`monolayer.load` does; or if there are options for a dataset that has been read.
    """
    unreadable: dict[str, str] = {}
    files: dict[str, list[str]] = {}
    columns: list[list[str]] = []  # of each part, the same
    if isinstance(data, str | Path):
        callbacks = replace(_record(Path(data), unreadable, files, progress), on_columns=columns.append)
        dataset, kind, is_encoded = _read(data, path, options, callbacks)
    elif given := [*(["path"] if path else []), *options]:
        raise BadInput(f"The options {', '.join(given)} are for a dataset that is read from a path; leave them out.")
    else:
        dataset, kind, is_encoded = data.dataset if isinstance(data, Splits) else data, IN_MEMORY, False
    parts = list_parts(dataset)
    scans = {part: _scan(rows) for part, rows in parts.items()}
    low, high, _ = scans["train"]
    n_files = sum(len(part.X) for part in parts.values()) + len(unreadable) if is_encoded else 0
    findings = [
        check_finite({part: wrong for part, (_, _, wrong) in scans.items()}),
        check_constant(low, high, columns[0] if columns else ()),
        check_rows(parts, files),
        check_readable(unreadable, n_files),
        check_groups({part: rows.groups for part, rows in parts.items()}),
    ]
    if not dataset.is_multi_label:
        train, val = (data.train, data.val) if isinstance(data, Splits) else (dataset, dataset.val)
        findings.append(check_classes(train.y, val.y if val else None, dataset.class_names))
    return Description(dataset, kind, low, high, unreadable, tuple(findings))


def list_parts(dataset: Dataset) -> dict[str, Dataset]:
    """The splits that the source defines, by name, training rows first."""
    named = {"train": dataset, "val": dataset.val, "test": dataset.test}
    return {name: part for name, part in named.items() if part is not None}


def _record(path: Path, unreadable: dict[str, str], files: dict[str, list[str]], progress: Progress) -> ReadCallbacks:
    """Record unreadable images and file names while a source is read, by their paths below it."""
    top = f"{path.expanduser()}"

    def shorten(where: str) -> str:
        return where.removeprefix(top).lstrip("/: ")

    return ReadCallbacks(
        progress,
        lambda where, reason: unreadable.update({shorten(where): reason}),
        lambda part, found: files.update({part: [shorten(where) for where in found]}),
    )


def _read(
    name: str | Path, path: Path | str | None, options: dict[str, Any], callbacks: ReadCallbacks
) -> tuple[Dataset, str, bool]:
    """(the dataset, the kind of its source, whether its rows were encoded images)."""
    place = Path(name).expanduser()
    if str(name) in NAMES or path or not place.exists():
        return load(name, path=path, progress=callbacks.progress, **options), BY_NAME, False
    reader = find_reader(place)
    dataset = read_path(place, read_options(options), callbacks)
    is_encoded = reader.holds_images and dataset.image_shape is not None and dataset.X.dtype == np.uint8
    return dataset, reader.kind, is_encoded


def _scan(dataset: Dataset) -> tuple[Array, Array, NotFinite]:
    """The smallest and the largest finite value of each feature, (D,) float64, and the values that are not finite."""
    X, D = dataset.X, dataset.X.shape[1]
    low, high, wrong = np.full(D, np.inf), np.full(D, -np.inf), NotFinite(len(X), np.zeros(D, bool))
    for start in range(0, len(X), count_rows(X)):
        block = X[start : start + count_rows(X)]
        if block.dtype.kind == "f" and (is_wrong := ~np.isfinite(block)).any():
            wrong.add(is_wrong, start)
            block = np.where(is_wrong, np.nan, block)
        low = np.fmin(low, np.asarray(np.fmin.reduce(block, axis=0), np.float64))
        high = np.fmax(high, np.asarray(np.fmax.reduce(block, axis=0), np.float64))
        give_back(X)
    return low, high, wrong
