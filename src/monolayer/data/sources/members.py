"""The members of a folder or a tar archive, read into memory by their bare names; nothing is ever unpacked to disk."""

from __future__ import annotations

import lzma
import tarfile
import zlib
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from monolayer.errors import BadData

# The largest genuine member is a batch of 31 MB; a member that claims far more is not CIFAR-10 but a trap.
MAX_MEMBER_BYTES = 64 * 2**20


def read_folder(folder: Path, names: Collection[str]) -> dict[str, bytes]:
    """The files of ``folder`` that bear one of ``names``.

    Raises:
        BadData: if a file is too large or cannot be read.
    """
    return {name: _read_file(folder / name) for name in names if (folder / name).is_file()}


def read_tar(archive: Path, names: Collection[str]) -> dict[str, bytes]:
    """The regular members of a tar archive, compressed or not, whose bare name is one of ``names``.

    Folders within the archive are ignored: only the last part of a member's name counts, and it is only compared.

    Raises:
        BadData: if the archive is damaged, cut short, or holds a member too large.
    """
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(archive, "r|*") as stream:
            for member in stream:
                name = PurePosixPath(member.name).name
                if name in names and member.isfile():
                    found[name] = _read_member(stream, member, archive)
    except BadData:
        raise
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, OSError, ValueError) as error:
        raise BadData(f"{archive}: the archive is damaged or cut short ({error}).") from error
    return found


def _read_file(path: Path) -> bytes:
    try:
        _check_size(path.stat().st_size, str(path))
        return path.read_bytes()
    except OSError as error:
        raise BadData(f"{path}: cannot be read ({error.strerror}).") from error


def _read_member(stream: tarfile.TarFile, member: tarfile.TarInfo, archive: Path) -> bytes:
    _check_size(member.size, f"{archive}: {member.name}")
    file = stream.extractfile(member)
    if file is None:
        raise BadData(f"{archive}: {member.name} is not a file.")
    return file.read()


def _check_size(size: int, where: str) -> None:
    if size > MAX_MEMBER_BYTES:
        raise BadData(f"{where}: {size:,} bytes; no file of CIFAR-10 has more than {MAX_MEMBER_BYTES:,}.")
