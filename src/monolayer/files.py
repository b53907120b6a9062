"""Files that appear whole or not at all, and the disk's trouble in one sentence."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from monolayer.errors import BadInput

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
    partial = path.with_name(f"{path.name}.part")
    try:
        with partial.open("wb") as file:
            file.write(content)
            if is_lasting:
                file.flush()
                os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise


@contextlib.contextmanager
def tell_trouble(path: Path, advice: str = "") -> Iterator[None]:
    """Trouble with the disk as one sentence; other system errors, such as a lost connection, are not its business."""
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_TROUBLE:
            raise
        raise BadInput(f"{path}: cannot be written ({error.strerror}){advice}.") from error
