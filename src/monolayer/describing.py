"""What was understood of a dataset: counts, shapes, values, and what is found in it before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from monolayer.audit.contents import check_constant, check_finite, check_readable, check_rows
from monolayer.audit.finding import Finding
from monolayer.audit.rows import check_classes
from monolayer.data.dataset import Dataset
from monolayer.data.load import NAMES, load
from monolayer.data.mapped import count_rows, find_map, give_back
from monolayer.data.readers.image_folder import read_images
from monolayer.data.readers.options import DataOptions
from monolayer.data.readers.raw import make_dataset
from monolayer.data.readers.reading import find_reader
from monolayer.progress import SILENCE, Progress

Array = npt.NDArray[Any]
IMAGE_FOLDER = "a folder of images"


@dataclass(frozen=True, eq=False)
class Description:
    """A dataset as it was understood.

    Args:
        dataset: what was read; files that cannot be read are left out.
        kind: what kind of source it is, in words.
        low: the smallest value of each feature of the training rows, (D,).
        high: the largest.
        unreadable: why a file cannot be read, by its name.
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
            "values": [float(np.nanmin(self.low)), float(np.nanmax(self.high))],
            "groups": None if dataset.groups is None else len(np.unique(dataset.groups)),
            "normalize": dataset.normalize,
            "unreadable": dict(self.unreadable),
            "findings": [finding.to_dict() for finding in self.findings],
        }


def describe_data(name: str | Path, *, progress: Progress = SILENCE, **options: Any) -> Description:
    """Read a dataset, by name or from a path, and look for what commonly is wrong with data.

    Image files that cannot be read are left out and listed, where :func:`monolayer.load` stops at the first.

    Args:
        name: as :func:`monolayer.load` takes it.
        progress: told how far it is.
        options: how to read a path, as :func:`monolayer.load` takes them.

    Raises:
        BadInput: as :func:`monolayer.load` does.
    """
    unreadable: dict[str, str] = {}
    dataset, kind = _read(name, options, unreadable, progress)
    low, high = _find_range(dataset)
    n_files = sum(len(part.X) for part in list_parts(dataset).values()) + len(unreadable) if kind == IMAGE_FOLDER else 0
    findings = [
        check_finite(low, high),
        check_constant(low, high),
        check_rows(list_parts(dataset)),
        check_readable(unreadable, n_files),
    ]
    if not dataset.is_multi_label:
        findings.append(check_classes(dataset.y, dataset.val.y if dataset.val else None, dataset.class_names))
    return Description(dataset, kind, low, high, unreadable, tuple(findings))


def list_parts(dataset: Dataset) -> dict[str, Dataset]:
    """The dataset's parts by name, training rows first."""
    named = {"train": dataset, "val": dataset.val, "test": dataset.test}
    return {name: part for name, part in named.items() if part is not None}


def _read(
    name: str | Path, options: dict[str, Any], unreadable: dict[str, str], progress: Progress
) -> tuple[Dataset, str]:
    path = Path(name).expanduser()
    if str(name) in NAMES or not path.exists():
        return load(name, progress=progress, **options), "a dataset that monolayer knows by name"
    reader = find_reader(path)
    if reader.kind != IMAGE_FOLDER:
        return load(path, progress=progress, **options), reader.kind
    asked = DataOptions(**options)

    def note(file: Path, reason: str) -> None:
        unreadable[str(file.relative_to(path))] = reason

    return make_dataset(read_images(path, asked, progress, note), path, asked), reader.kind


def _find_range(dataset: Dataset) -> tuple[Array, Array]:
    """The smallest and the largest value of each feature of the training rows, (D,) float64 each."""
    X = dataset.X
    low, high = np.full(X.shape[1], np.inf), np.full(X.shape[1], -np.inf)
    for start in range(0, len(X), count_rows(X)):
        block = X[start : start + count_rows(X)]
        low, high = np.minimum(low, block.min(axis=0)), np.maximum(high, block.max(axis=0))
        give_back(X)
    return low, high
