"""Which reader reads a path, and the dataset that it holds. To add a reader: a file beside this one, a line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from monolayer.data.dataset import Dataset
from monolayer.data.options import DataOptions
from monolayer.data.readers.arrays import read_npy, read_npy_folder, read_npz, read_safetensors
from monolayer.data.readers.image_folder import find_class_images, is_image_folder, list_folders, read_image_folder
from monolayer.data.readers.parquet import read_parquet
from monolayer.data.readers.rows import ProgressLine, Raw, make_dataset
from monolayer.data.readers.table import read_table
from monolayer.errors import BadData, BadInput

Read = Callable[[Path, DataOptions, ProgressLine], dict[str, Raw]]
ARRAYS = frozenset({"label", "features", "split_by", "group_by"})
TABLE = ARRAYS - {"features"}
IMAGES = frozenset({"resize", "channels"})


@dataclass(frozen=True)
class Reader:
    """A kind of source.

    Args:
        kind: in words.
        accepts: whether a path is of this kind.
        read: its rows by part.
        takes: the options of reading that mean something to it.
    """

    kind: str
    accepts: Callable[[Path], bool]
    read: Read
    takes: frozenset[str]


def _has_suffix(*suffixes: str) -> Callable[[Path], bool]:
    return lambda path: path.is_file() and path.suffix.lower() in suffixes


def _holds(pattern: str) -> Callable[[Path], bool]:
    return lambda path: path.is_dir() and next(path.glob(pattern), None) is not None


READERS = (
    Reader("arrays in an .npz file", _has_suffix(".npz"), read_npz, ARRAYS),
    Reader("an .npy file with its labels beside it", _has_suffix(".npy"), read_npy, TABLE),
    Reader("a table", _has_suffix(".csv", ".tsv"), read_table, TABLE),
    Reader("a Parquet file", _has_suffix(".parquet"), read_parquet, ARRAYS | IMAGES),
    Reader("tensors in a safetensors file", _has_suffix(".safetensors"), read_safetensors, ARRAYS),
    Reader("a folder of Parquet files", _holds("*.parquet"), read_parquet, ARRAYS | IMAGES),
    Reader("a folder of .npy files", _holds("*.npy"), read_npy_folder, ARRAYS),
    Reader("a folder of images", lambda path: path.is_dir() and is_image_folder(path), read_image_folder, IMAGES),
)
ACCEPTED = (
    ".npz, .npy with labels beside it, .csv, .tsv, .parquet, .safetensors, and folders of .npy files, of Parquet "
    "files, or of images (a folder a class)"
)


def find_reader(path: Path) -> Reader:
    """What reads this path.

    Raises:
        BadInput: if there is no such path, or nothing reads it.
    """
    if not path.exists():
        raise BadInput(f"{path}: there is no such file or folder.")
    if path.is_dir() and not any(path.iterdir()):
        raise BadData(f"{path}: is an empty folder; accepted are {ACCEPTED}.")
    for reader in READERS:
        if reader.accepts(path):
            return reader
    if path.is_dir() and find_class_images(path):
        raise BadData(f"{path}: holds images, but no folders; accepted is a folder of images for each class.")
    if path.is_dir() and list_folders(path):
        raise BadData(f"{path}: none of its folders holds images; accepted are {ACCEPTED}.")
    raise BadData(f"{path}: is none of the sources that can be read; accepted are {ACCEPTED}.")


def read_path(path: Path, options: DataOptions | None = None, progress_line: ProgressLine | None = None) -> Dataset:
    """The dataset at a path.

    Raises:
        BadInput: if there is no such path, or an option means nothing to what reads it.
        BadData: if it does not hold what it should; the text names the file.
    """
    options = options or DataOptions()
    reader = find_reader(path)
    _check_options(options, reader, path)
    dataset = make_dataset(reader.read(path, options, progress_line or ProgressLine()), path, options)
    for name, is_met in (("resize", _has_size(dataset, options)), ("channels", dataset.image_shape is not None)):
        if getattr(options, name) is not None and not is_met:
            raise BadInput(f"--{name} is for encoded images, and the rows of {path} are none.")
    return dataset


def _check_options(options: DataOptions, reader: Reader, path: Path) -> None:
    asked = (name for name, value in options.to_dict().items() if value is not None and name != "normalize")
    for name in asked:
        if name not in reader.takes:
            option = name.replace("_", "-")
            taken = ", ".join(f"--{one.replace('_', '-')}" for one in options.to_dict() if one in reader.takes)
            raise BadInput(f"--{option} means nothing to {path}, {reader.kind}; it takes {taken}.")


def _has_size(dataset: Dataset, options: DataOptions) -> bool:
    asked = None if options.resize is None else tuple(options.resize)
    return dataset.image_shape is not None and dataset.image_shape[1:] == asked
