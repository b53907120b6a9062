"""The readers of all formats: which one reads a path, the dataset that it holds, and its features without labels."""

import pkgutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import numpy as np

from monolayer._typing import Array
from monolayer.data import readers
from monolayer.data.dataset import Dataset
from monolayer.data.options import DataOptions
from monolayer.data.readers.assembly import make_dataset
from monolayer.data.readers.base import NetworkInput, ReadCallbacks, Reader
from monolayer.errors import BadData, BadInput


def _find_readers() -> tuple[Reader, ...]:
    """The readers of every module beside this one, in the order in which they are tried."""
    names = [found.name for found in pkgutil.iter_modules(readers.__path__, f"{readers.__name__}.")]
    modules = [import_module(name) for name in names if name != __name__]
    found = [reader for module in modules for reader in getattr(module, "READERS", ())]
    return tuple(sorted(found, key=lambda reader: -reader.priority))


READERS = _find_readers()
_FOLDERS = [reader.accepted for reader in READERS if not reader.suffixes]
ACCEPTED = (
    f"{', '.join(reader.accepted for reader in READERS if reader.suffixes)}, and folders {', '.join(_FOLDERS[:-1])}, "
    f"or {_FOLDERS[-1]}"
)


def find_reader(path: Path) -> Reader:
    """The reader of this path.

    Raises:
        BadInput: if the path does not exist, or no reader accepts it.
    """
    if not path.exists():
        raise BadInput(f"{path}: there is no such file or folder.")
    if path.is_dir() and not any(path.iterdir()):
        raise BadData(f"{path}: is an empty folder; accepted are {ACCEPTED}.")
    reader = next((reader for reader in READERS if reader.accepts(path)), None)
    if reader is None:
        raise BadData(f"{path}: has no format that can be read; accepted are {ACCEPTED}.")
    return reader


def read_path(path: Path, options: DataOptions | None = None, callbacks: ReadCallbacks | None = None) -> Dataset:
    """The dataset at a path.

    Raises:
        BadInput: if the path does not exist, or an option does not apply to its format.
        BadData: if rows or labels are damaged or missing; the text names the file.
    """
    options = options or DataOptions()
    reader = find_reader(path)
    given = [name for name, value in options.to_dict().items() if value is not None and name != "normalize"]
    for name in given:
        if name not in reader.options:
            takes = ", ".join(f"--{one.replace('_', '-')}" for one in options.to_dict() if one in reader.options)
            raise BadInput(f"--{name.replace('_', '-')} does not apply to {path}, {reader.kind}; accepted are {takes}.")
    dataset = make_dataset(reader.read(path, options, callbacks or ReadCallbacks()), path, options)
    shape = dataset.image_shape
    is_resized = shape is not None and options.resize is not None and shape[1:] == tuple(options.resize)
    for name, is_applied in (("resize", is_resized), ("channels", shape is not None)):
        if name in given and not is_applied:
            raise BadInput(f"--{name} applies to encoded images, and the rows of {path} are not encoded images.")
    return dataset


def find_features_reader(path: Path) -> Reader | None:
    """The reader of a file of features, or of a folder of such arrays, which may lack labels; None for other files."""
    return next((reader for reader in READERS if reader.holds_features and reader.accepts(path)), None)


def list_suffixes(attribute: str = "holds_features") -> str:
    """The suffixes of the files whose reader has a true value of an attribute."""
    return ", ".join(suffix for reader in READERS if getattr(reader, attribute) for suffix in reader.suffixes)


def iterate_features(path: Path, expected: NetworkInput) -> Iterator[Array]:
    """The features of a file, or of a folder of arrays, without labels, in blocks (about 1,000 at most, D).

    Files are memory-mapped or read block by block, except ``.npz`` files, whose arrays may be compressed. For a network
    trained on images, arrays may be images in any order of axes that training accepts, and Parquet may hold encoded
    images.

    Raises:
        BadInput: if the format is not a format of features.
        BadData: if the file is damaged, or holds other features than expected, or a number that is not finite.
    """
    reader = find_features_reader(path)
    if reader is None:
        raise BadInput(f"{path}: is not a file of features; accepted are files ending in {list_suffixes()}.")
    start = 0
    try:
        for block in reader.iterate(path, expected):
            if not np.isfinite(block).all():
                row, feature = np.argwhere(~np.isfinite(block))[0]
                value = block[row, feature]
                raise BadData(f"{path}: row {start + row}, feature {feature} is {value}; accepted are finite numbers.")
            yield block
            start += len(block)
    except OSError as error:
        raise BadData(f"{path}: cannot be read ({error.strerror or error}).") from None
    if not start:
        raise BadData(f"{path}: holds no rows.")
