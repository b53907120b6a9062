"""Datasets by name, or by where they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from monolayer.data.cifar10 import load_cifar10
from monolayer.data.dataset import Dataset
from monolayer.data.options import DataOptions
from monolayer.data.readers.registry import ACCEPTED, read_path
from monolayer.data.readers.rows import ProgressLine
from monolayer.errors import BadInput
from monolayer.progress import SILENCE, Progress


def load_digits() -> Dataset:
    """1,797 images of digits, 8 x 8, grey from 0 to 16; X is (1797, 64) uint8.

    Source: Alpaydin and Kaynak, 1998, doi:10.24432/C50P49, as shipped with scikit-learn.
    """
    from sklearn import datasets  # here, because it takes half a second that no other dataset should pay

    X, y = datasets.load_digits(return_X_y=True)
    return Dataset(
        X=X.astype(np.uint8),
        y=y.astype(np.int64),
        class_names=tuple(str(digit) for digit in range(10)),
        name="digits",
        image_shape=(1, 8, 8),
        source="scikit-learn's digits",
        pixel_max=16,
    )


NAMES = ("cifar10", "digits")


def load(name: str | Path, *, path: Path | str | None = None, progress: Progress = SILENCE, **options: Any) -> Dataset:
    """The dataset of that name, or at that path.

    Args:
        name: ``cifar10``, ``digits``, or the path of data of your own: an .npz file, an .npy file with its labels
            beside it, a table, a Parquet or safetensors file; a folder of .npy files, of Parquet files, or of images.
        path: where a copy of it is, for a dataset that has to be fetched; else it is looked for.
        progress: told what is being tried and how far it is.
        options: how to read a path: label, features, split_by, group_by, resize, channels, normalize;
            see
            :class:`monolayer.data.options.DataOptions`.

    Raises:
        BadInput: if the name is unknown and no path, or a path is given to a dataset that has none.
        BadData: if the copy or the data named is damaged, or does not hold what it should.
        DataUnavailable: if no source answered.
    """
    asked = read_options(options)
    if str(name) not in NAMES:
        return _read_own(name, path, asked, progress)
    if replace(asked, normalize="none") != DataOptions():
        raise BadInput(f"{name} is read in one way only; options of reading are for data of one's own.")
    dataset = _load_named(str(name), path, progress)
    return dataset if asked.normalize == "none" else _normalise(dataset, asked.normalize)


def read_options(options: dict[str, Any]) -> DataOptions:
    """The options of reading by name.

    Raises:
        BadInput: if a name is none, or a value is not accepted.
    """
    fields = DataOptions.__dataclass_fields__
    unknown = [option for option in options if option not in fields]
    if unknown:
        raise BadInput(f"{unknown[0]!r} is no option of reading data; accepted are {', '.join(fields)}.")
    return DataOptions(**options)


def _read_own(name: str | Path, path: Path | str | None, options: DataOptions, progress: Progress) -> Dataset:
    place = Path(name).expanduser()
    if not str(name) or not place.exists():
        is_path = len(place.parts) > 1 or place.suffix or place.is_absolute()
        why = ": there is no such file or folder" if is_path or isinstance(name, Path) else ""
        raise BadInput(f"{str(name)!r} is not a dataset{why}; accepted are {', '.join(NAMES)} and paths of {ACCEPTED}.")
    if path is not None:
        raise BadInput(f"{name} is a path already; --data is for datasets that are fetched.")
    return replace(
        read_path(place, options, ProgressLine(progress)), reading={"path": str(place.resolve()), **_describe(options)}
    )


def _load_named(name: str, path: Path | str | None, progress: Progress) -> Dataset:
    if name == "cifar10":
        return load_cifar10(None if path is None else Path(path).expanduser(), progress=progress)
    if path is not None:
        raise BadInput("digits comes with scikit-learn and is read from no path; leave the path out.")
    return load_digits()


def _normalise(dataset: Dataset, normalize: str) -> Dataset:
    test = None if dataset.test is None else replace(dataset.test, normalize=normalize)
    return replace(dataset, normalize=normalize, test=test, reading={"normalize": normalize})


def _describe(options: DataOptions) -> dict[str, Any]:
    """What differs from the defaults."""
    default = DataOptions().to_dict()
    return {name: value for name, value in options.to_dict().items() if value != default[name]}
