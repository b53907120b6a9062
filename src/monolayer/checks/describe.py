"""What was understood of a dataset: counts, shapes, values, and what is found in it before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from monolayer.checks.dataset import NotFinite, check_constant, check_finite, check_groups, check_readable, check_rows
from monolayer.checks.splits import check_classes
from monolayer.data.dataset import Dataset
from monolayer.data.load import NAMES, load, read_options
from monolayer.data.memmap import count_rows, find_map, give_back
from monolayer.data.readers.base import ReadCallbacks
from monolayer.data.readers.registry import find_reader, read_path
from monolayer.findings import Finding
from monolayer.progress import SILENCE, Progress

Array = npt.NDArray[Any]
BY_NAME = "a dataset that monolayer knows by name"


@dataclass(frozen=True, eq=False)
class Description:
    """A dataset as it was understood.

    Args:
        dataset: what was read; images that cannot be read are left out.
        kind: what kind of source it is, in words.
        low: the smallest finite value of each feature of the training rows, (D,); infinite where it has none.
        high: the largest.
        unreadable: why an image cannot be read, by its file's name or its row.
        findings: each check's.
    """

    dataset: Dataset
    kind: str
    low: Array
    high: Array
    unreadable: Mapping[str, str]
    findings: tuple[Finding, ...]

    @property
    def parts(self) -> dict[str, Dataset]:
        """The dataset's parts by name, training rows first."""
        return list_parts(self.dataset)

    @property
    def is_mapped(self) -> bool:
        """Whether the features stay on the disk."""
        return find_map(self.dataset.X) is not None

    def count_classes(self) -> dict[str, dict[str, int]]:
        """Rows by part and class; of several labels a row, each counts."""
        counts = {}
        for name, part in self.parts.items():
            n = part.y.sum(axis=0) if part.is_multi_label else np.bincount(part.y, minlength=part.n_classes)
            counts[name] = dict(zip(part.class_names, n.tolist(), strict=True))
        return counts

    def find_values(self) -> list[float] | None:
        """The smallest and the largest finite value of the training rows; None where there is none."""
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


def describe_data(name: str | Path, *, progress: Progress = SILENCE, **options: Any) -> Description:
    """Read a dataset, by name or from a path, and look for what commonly is wrong with data.

    Images that cannot be read are left out and listed, where :func:`monolayer.load` stops at the first.

    Args:
        name: as :func:`monolayer.load` takes it.
        progress: told how far it is.
        options: how to read a path, as :func:`monolayer.load` takes them.

    Raises:
        BadInput: as :func:`monolayer.load` does.
    """
    unreadable: dict[str, str] = {}
    files: dict[str, list[str]] = {}
    columns: list[list[str]] = []  # of each part, the same
    callbacks = replace(_note(Path(name), unreadable, files, progress), on_columns=columns.append)
    dataset, kind, is_encoded = _read(name, options, callbacks)
    parts = list_parts(dataset)
    scans = {part: _scan(rows) for part, rows in parts.items()}
    low, high = scans["train"].low, scans["train"].high
    n_files = sum(len(part.X) for part in parts.values()) + len(unreadable) if is_encoded else 0
    findings = [
        check_finite({part: scan.wrong for part, scan in scans.items()}),
        check_constant(low, high, columns[0] if columns else ()),
        check_rows(parts, files),
        check_readable(unreadable, n_files),
        check_groups({part: rows.groups for part, rows in parts.items()}),
    ]
    if not dataset.is_multi_label:
        findings.append(check_classes(dataset.y, dataset.val.y if dataset.val else None, dataset.class_names))
    return Description(dataset, kind, low, high, unreadable, tuple(findings))


def list_parts(dataset: Dataset) -> dict[str, Dataset]:
    """The dataset's parts by name, training rows first."""
    named = {"train": dataset, "val": dataset.val, "test": dataset.test}
    return {name: part for name, part in named.items() if part is not None}


def _note(path: Path, unreadable: dict[str, str], files: dict[str, list[str]], progress: Progress) -> ReadCallbacks:
    """Write down what is told while a source is read, places below it by their names there."""
    top = f"{path.expanduser()}"

    def shorten(where: str) -> str:
        return where.removeprefix(top).lstrip("/: ")

    return ReadCallbacks(
        progress,
        lambda where, reason: unreadable.update({shorten(where): reason}),
        lambda part, found: files.update({part: [shorten(where) for where in found]}),
    )


def _read(name: str | Path, options: dict[str, Any], callbacks: ReadCallbacks) -> tuple[Dataset, str, bool]:
    """(what was read, its kind, whether its rows were encoded images)."""
    path = Path(name).expanduser()
    if str(name) in NAMES or not path.exists():
        return load(name, progress=callbacks.progress, **options), BY_NAME, False
    reader = find_reader(path)
    dataset = read_path(path, read_options(options), callbacks)
    is_encoded = reader.holds_images and dataset.image_shape is not None and dataset.X.dtype == np.uint8
    return dataset, reader.kind, is_encoded


@dataclass
class _Scan:
    """What one pass over the rows of a part finds.

    Args:
        low: the smallest finite value of each feature, (D,) float64.
        high: the largest.
        wrong: the values that are not finite.
    """

    low: Array
    high: Array
    wrong: NotFinite

    def add(self, block: Array, start: int) -> None:
        """More rows, (m, D), from row ``start`` on."""
        if block.dtype.kind == "f":
            is_wrong = ~np.isfinite(block)
            if is_wrong.any():
                self.wrong.add(is_wrong, start)
                block = np.where(is_wrong, np.nan, block)
        self.low, self.high = np.fmin(self.low, _reduce(block, np.fmin)), np.fmax(self.high, _reduce(block, np.fmax))


def _scan(dataset: Dataset) -> _Scan:
    X, D = dataset.X, dataset.X.shape[1]
    scan = _Scan(np.full(D, np.inf), np.full(D, -np.inf), NotFinite.start(*X.shape))
    for start in range(0, len(X), count_rows(X)):
        scan.add(X[start : start + count_rows(X)], start)
        give_back(X)
    return scan


def _reduce(block: Array, least_or_most: np.ufunc) -> Array:
    return np.asarray(least_or_most.reduce(block, axis=0), np.float64)
