"""Which reader reads a path, and the dataset that it holds. To add a reader: a file beside this one, a line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from monolayer.data.dataset import Dataset
from monolayer.data.readers.arrays import read_npy, read_npy_folder, read_npz, read_safetensors
from monolayer.data.readers.image_folder import is_image_folder, list_folders, read_image_folder
from monolayer.data.readers.options import DataOptions
from monolayer.data.readers.parquet import read_parquet
from monolayer.data.readers.raw import Raw, make_dataset
from monolayer.data.readers.table import read_table
from monolayer.errors import BadData, BadInput
from monolayer.progress import SILENCE, Progress

Read = Callable[[Path, DataOptions, Progress], dict[str, Raw]]


@dataclass(frozen=True)
class Reader:
    """A kind of source.

    Args:
        kind: in words.
        accepts: whether a path is of this kind.
        read: its rows by part.
    """

    kind: str
    accepts: Callable[[Path], bool]
    read: Read


def _has_suffix(*suffixes: str) -> Callable[[Path], bool]:
    return lambda path: path.is_file() and path.suffix.lower() in suffixes


def _holds(pattern: str) -> Callable[[Path], bool]:
    return lambda path: path.is_dir() and next(path.glob(pattern), None) is not None


READERS = (
    Reader("arrays in an .npz file", _has_suffix(".npz"), read_npz),
    Reader("an .npy file with its labels beside it", _has_suffix(".npy"), read_npy),
    Reader("a table", _has_suffix(".csv", ".tsv"), read_table),
    Reader("a Parquet file", _has_suffix(".parquet"), read_parquet),
    Reader("tensors in a safetensors file", _has_suffix(".safetensors"), read_safetensors),
    Reader("a folder of Parquet files", _holds("*.parquet"), read_parquet),
    Reader("a folder of .npy files", _holds("*.npy"), read_npy_folder),
    Reader("a folder of images", lambda path: path.is_dir() and is_image_folder(path), read_image_folder),
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
    if path.is_dir() and list_folders(path):
        raise BadData(f"{path}: none of its folders holds images; accepted are {ACCEPTED}.")
    raise BadData(f"{path}: is none of the sources that can be read; accepted are {ACCEPTED}.")


def read_path(path: Path, options: DataOptions | None = None, *, progress: Progress = SILENCE) -> Dataset:
    """The dataset at a path.

    Raises:
        BadInput: if there is no such path.
        BadData: if it does not hold what it should; the text names the file.
    """
    options = options or DataOptions()
    reader = find_reader(path)
    dataset = make_dataset(reader.read(path, options, progress), path, options)
    if options.resize and dataset.image_shape is None:
        raise BadInput(f"--resize is for images, and the rows of {path} are none.")
    return dataset
