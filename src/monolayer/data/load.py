"""Load a dataset by its name, or from a path."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from monolayer.data.cifar10 import load_cifar10
from monolayer.data.dataset import Dataset
from monolayer.data.options import DataOptions
from monolayer.data.readers.base import ReadCallbacks
from monolayer.data.readers.registry import ACCEPTED, read_path
from monolayer.errors import BadInput
from monolayer.progress import SILENCE, Progress


def load_digits() -> Dataset:
    """1,797 images of digits, 8 x 8 pixels, grey, 0 to 16; X is (1797, 64) uint8.

    Source: Alpaydin and Kaynak, 1998, doi:10.24432/C50P49, as shipped with scikit-learn.
    """
    from sklearn import datasets  # imported here: it takes half a second

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
        name: ``cifar10``, ``digits``, or the path of your own data: an .npz file, an .npy file with its labels beside
            it, a table, a Parquet or safetensors file; a folder of .npy files, of Parquet files, or of images.
        path: a copy of ``cifar10`` on this machine; None: it is searched for, and downloaded if there is none.
        progress: reports the sources that are tried, and how much has been read.
        options: how to read a path: label, features, split_by, group_by, resize, channels, normalize; see
            :class:`monolayer.data.options.DataOptions`.

    Raises:
        BadInput: if ``name`` is neither a name nor a path, or the dataset takes no ``path`` or options.
        BadData: if the data is damaged or incomplete; the text names the file.
        DataUnavailable: if no source of the dataset could be read.
    """
    reading = read_options(options)
    if str(name) not in NAMES:
        return _read_own(name, path, reading, progress)
    if replace(reading, normalize="none") != DataOptions():
        raise BadInput(f"{name} takes no options of reading except normalize; the others are for your own data.")
    if name == "cifar10":
        dataset = load_cifar10(None if path is None else Path(path).expanduser(), progress=progress)
    elif path is None:
        dataset = load_digits()
    else:
        raise BadInput("digits is part of scikit-learn and is not read from a path; leave the path out.")
    if reading.normalize == "none":
        return dataset
    test = None if dataset.test is None else replace(dataset.test, normalize=reading.normalize)
    return replace(dataset, normalize=reading.normalize, test=test, reading={"normalize": reading.normalize})


def read_options(options: dict[str, Any]) -> DataOptions:
    """The options of reading from their names and values.

    Raises:
        BadInput: if a name is unknown, or a value is not accepted.
    """
    fields = DataOptions.__dataclass_fields__
    unknown = [option for option in options if option not in fields]
    if unknown:
        raise BadInput(f"{unknown[0]!r} is not an option of reading data; accepted are {', '.join(fields)}.")
    return DataOptions(**options)


def _read_own(name: str | Path, path: Path | str | None, options: DataOptions, progress: Progress) -> Dataset:
    place = Path(name).expanduser()
    if not str(name) or not place.exists():
        is_path = len(place.parts) > 1 or place.suffix or place.is_absolute()
        why = ": there is no such file or folder" if is_path or isinstance(name, Path) else ""
        raise BadInput(f"{str(name)!r} is not a dataset{why}; accepted are {', '.join(NAMES)} and paths of {ACCEPTED}.")
    if path is not None:
        raise BadInput(f"{name} is a path already; --data is for datasets that are downloaded.")
    default = DataOptions().to_dict()
    changed = {name: value for name, value in options.to_dict().items() if value != default[name]}
    dataset = read_path(place, options, ReadCallbacks(progress))
    return replace(dataset, reading={"path": str(place.resolve()), **changed})
