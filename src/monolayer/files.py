"""Files that appear whole or not at all, and the disk's trouble in one sentence."""

from __future__ import annotations

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
DISK_TROUBLE = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ENOENT,
     errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.EBUSY}
)  # fmt: skip


def write_whole(path: Path, content: bytes, *, is_lasting: bool = False) -> None:
    """Write a file beside its place and rename it there; what went wrong on the way leaves nothing behind.

    Args:
        path: where it is to appear.
        content: its bytes.
        is_lasting: whether it must be on the disk itself before it appears, so that a power cut cannot empty it.
    """
    with open_whole(path, is_lasting=is_lasting) as file:
        file.write(content)


@contextlib.contextmanager
def open_whole(path: Path, *, is_lasting: bool = False) -> Iterator[IO[bytes]]:
    """A file to write to, which appears at ``path`` when the block ends well, and vanishes when not."""
    partial = name_draft(path)
    try:
        with partial.open("wb") as file:
            yield file
            if is_lasting:
                file.flush()
                os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise


def pack_tensors(tensors: Mapping[str, npt.NDArray[Any]], texts: Mapping[str, str]) -> bytes:
    """A safetensors file's bytes, the same for the same content: the library writes the texts in an order of chance."""
    content = save({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, dict(texts))
    # The file begins with the length of its header, 8 bytes little-endian, and the header, JSON padded with spaces.
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join((len(text).to_bytes(8, "little"), text, memoryview(content)[start:]))


def check_new_file(path: Path) -> None:
    """Raise BadInput where a file cannot be made: there is something already, or no folder to make it in."""
    if os.path.lexists(path):
        raise BadInput(f"{path} exists; name a new file with --out.")
    if not path.parent.is_dir():
        raise BadInput(
            f"{path.parent} is no folder, so {path.name} cannot be made in it; make it, or name another --out."
        )


def check_place(path: Path) -> bool:
    """Whether there is a folder at ``path`` already.

    Raises:
        BadInput: if there is something else, or a file on the way to it.
    """
    for parent in path.parents:
        if parent.is_file():
            raise BadInput(f"{parent} is a file, so {path} cannot be made below it; name another --out.")
    if not os.path.lexists(path):
        return False
    if not path.is_dir():
        raise BadInput(f"{path} exists and is not a folder; name a new or empty folder with --out.")
    return True


@contextlib.contextmanager
def explain_os_error(path: Path, advice: str = "") -> Iterator[None]:
    """Trouble with the disk as one sentence; other system errors, such as a lost connection, are not its business."""
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_TROUBLE:
            raise
        raise BadInput(f"{path}: cannot be written ({error.strerror}){advice}.") from error


def name_draft(path: Path) -> Path:
    """A hidden name beside ``path`` for what is not there yet, or not any more."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}{DRAFT}")


def sweep_drafts(path: Path) -> None:
    """Delete what runs into this folder left behind that were killed a day ago or longer."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*{DRAFT}"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > DAY_S:
                shutil.rmtree(left, ignore_errors=True)
