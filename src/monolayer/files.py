"""Files and folders that appear whole or not at all, and errors of the disk in one sentence.

Everything that must not be seen half-written is written to a draft, a hidden file or folder beside its place, and
renamed to its place when it is complete. A process that is killed leaves the draft, which :func:`delete_old_drafts`
deletes a day later.
"""

import contextlib
import errno
import glob
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save

from monolayer.errors import BadInput

DRAFT = ".partial"
DAY_S = 86_400
DISK_ERRORS = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ENOENT,
     errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.EBUSY}
)  # fmt: skip


def write_whole(path: Path, content: bytes, *, fsync: bool = False) -> None:
    """Write a file that appears whole or not at all; see :func:`open_whole`."""
    with open_whole(path, fsync=fsync) as file:
        file.write(content)


@contextlib.contextmanager
def open_whole(path: Path, *, fsync: bool = False) -> Iterator[IO[bytes]]:
    """Open a file for writing that appears at ``path`` when the block ends, and not at all if the block raises.

    Args:
        path: where the file appears; an older file there is replaced in one step.
        fsync: whether the content is flushed to the disk before the file appears, so that a power cut cannot leave it
            empty.
    """
    draft = name_draft(path)
    try:
        with draft.open("wb") as file:
            yield file
            if fsync:
                file.flush()
                os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise


@contextlib.contextmanager
def open_whole_folder(path: Path, *, replace: bool = True) -> Iterator[Path]:
    """Make a folder to write into that appears at ``path`` when the block ends, and not at all if the block raises.

    Args:
        path: where the folder appears.
        replace: whether a folder that is there by then is replaced; else it stays, and the new one is deleted.

    Raises:
        BadInput: if the complete folder cannot be renamed to ``path``; it stays, and the text says where.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    delete_old_drafts(path.parent, path.name)
    draft = name_draft(path)
    draft.mkdir()  # not tempfile, whose folders only their owner may enter: others may read results and the cache
    try:
        yield draft
        if not replace:
            try:
                draft.rename(path)
            except OSError:
                if not path.is_dir():  # it was not another process that finished first
                    raise
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    if replace:
        _replace_folder(draft, path)
    shutil.rmtree(draft, ignore_errors=True)


def _replace_folder(draft: Path, path: Path) -> None:
    """Rename an older folder first, put it back if the new one cannot take its place, and delete it at the end."""
    older = name_draft(path)
    try:
        if path.is_dir():
            path.rename(older)
        draft.rename(path)
    except OSError as error:
        if older.is_dir():
            older.rename(path)
        # The work is done, so it is kept: some file systems, and folders that are mounted, cannot be renamed to.
        kept = path.with_name(f"{path.name}-{secrets.token_hex(4)}")
        with contextlib.suppress(OSError):
            draft = draft.rename(kept)
        raise BadInput(f"{path}: cannot be written ({error.strerror}); the finished results are in {draft}.") from error
    shutil.rmtree(older, ignore_errors=True)


def delete_whole_folder(path: Path) -> None:
    """Delete a folder, which is gone in one step; nothing happens if there is none."""
    draft = name_draft(path)
    with contextlib.suppress(FileNotFoundError):
        path.rename(draft)
    shutil.rmtree(draft, ignore_errors=True)


def name_draft(path: Path) -> Path:
    """A new hidden name beside ``path``."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}{DRAFT}")


def delete_old_drafts(folder: Path, name: str = "") -> None:
    """Delete the drafts in ``folder`` (of this name only, if given) that killed processes left a day ago or longer."""
    for draft in folder.glob(f".{glob.escape(name) or '*'}.*{DRAFT}"):
        with contextlib.suppress(OSError):
            if time.time() - draft.stat().st_mtime > DAY_S:
                shutil.rmtree(draft, ignore_errors=True)


def pack_tensors(tensors: Mapping[str, npt.NDArray[Any]], texts: Mapping[str, str]) -> bytes:
    """The bytes of a safetensors file, which depend on its content only.

    The library writes ``texts`` in an order that changes from process to process; here they are sorted.
    """
    content = save({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, dict(texts))
    # The file begins with the length of its header, 8 bytes little-endian, and the header, JSON padded with spaces.
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join((len(text).to_bytes(8, "little"), text, memoryview(content)[start:]))


def validate_new_file(path: Path) -> None:
    """Raise BadInput if ``path`` exists already or its folder does not."""
    if os.path.lexists(path):
        raise BadInput(f"{path} exists; name a new file with --out.")
    if not path.parent.is_dir():
        raise BadInput(
            f"{path.parent} is not a folder, so {path.name} cannot be written to it; create it, or name another --out."
        )


def list_folder(path: Path) -> list[str] | None:
    """The names in the folder at ``path``; None if there is no folder yet.

    Raises:
        BadInput: if ``path`` or a parent of it is a file, or the folder cannot be read.
    """
    for parent in path.parents:
        if parent.is_file():
            raise BadInput(f"{parent} is a file, so {path} cannot be created below it; name another --out.")
    if not os.path.lexists(path):
        return None
    if not path.is_dir():
        raise BadInput(f"{path} exists and is not a folder; name a new or empty folder with --out.")
    with explain_os_error(path):
        return os.listdir(path)


@contextlib.contextmanager
def explain_os_error(path: Path, advice: str = "") -> Iterator[None]:
    """Turn errors of the disk into BadInput with one sentence; others, such as a lost connection, pass unchanged."""
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_ERRORS:
            raise
        raise BadInput(f"{path}: cannot be written ({error.strerror}){advice}.") from error
