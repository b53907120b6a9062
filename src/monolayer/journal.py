"""The journal of a search: Optuna's record of trials in one file, to which several processes may append."""

from __future__ import annotations

import contextlib
import fcntl
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from monolayer.errors import BadData, BadInput
from monolayer.files import tell_trouble

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

# How every line of such a file begins, in all versions of Optuna that have it.
START = b'{"op_code":'


def check_optuna() -> None:
    """Raise BadInput if Optuna is not installed."""
    try:
        import optuna  # noqa: F401
    except ImportError:
        advice = "get it with: pip install monolayer[optuna]"
        raise BadInput(f"Searching needs Optuna, which is not installed; {advice}") from None


@contextlib.contextmanager
def hush_optuna() -> Iterator[None]:
    """Optuna logs nothing, and does not warn that a part of it is new, while the block runs."""
    import optuna

    before = optuna.logging.get_verbosity()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        optuna.logging.set_verbosity(optuna.logging.CRITICAL)
        try:
            yield
        finally:
            optuna.logging.set_verbosity(before)


@contextlib.contextmanager
def open_journal(path: Path, name: str) -> Iterator[BaseStorage]:
    """The journal in this file, made where there is none.

    Args:
        path: the file.
        name: of the search that goes on in it; no other process may be at one of the same name.

    Raises:
        BadInput: if the file cannot be written, or another process is at this search.
        BadData: if it is a file of another kind; it is left as it is.
    """
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    path = path.resolve()
    with tell_trouble(path):
        _check_kind(path)
    with _hold(path, name):
        lock = _AppendLock(path)
        with tell_trouble(path):
            _cut_torn_end(path, lock)
            try:
                storage = JournalStorage(JournalFileBackend(str(path), cast(Any, lock)))
            except (ValueError, KeyError, TypeError, AssertionError) as error:
                raise BadData(f"{path}: is a journal of Optuna that cannot be read ({error}).") from None
        yield storage


class _AppendLock:
    """Held while a process appends; the system takes it away from one that dies.

    Optuna's own lock is a link beside the file: one that a killed process has left makes all others wait for half a
    minute, and for ever when the folder was moved meanwhile. Programs that use that lock may share the file on a local
    disk all the same: a line is appended in one call.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None

    def acquire(self) -> bool:
        self._file = self._path.open("ab")
        fcntl.flock(self._file, fcntl.LOCK_EX)
        return True

    def release(self) -> None:
        if self._file is not None:
            self._file.close()


def _check_kind(path: Path) -> None:
    if path.is_dir():
        raise BadInput(f"{path} is a folder; a journal is a file.")
    if path.exists():
        with path.open("rb") as file:
            start = file.read(len(START))
        if not START.startswith(start):
            raise BadData(f"{path}: is no journal of Optuna; name another file, or one that is not there yet.")


def _cut_torn_end(path: Path, lock: _AppendLock) -> None:
    """Take away a last line that was not written to its end: the disk was full, or the power went."""
    lock.acquire()
    try:
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            with path.open("r+b") as file:
                file.truncate(whole)
    finally:
        lock.release()


@contextlib.contextmanager
def _hold(path: Path, name: str) -> Iterator[None]:
    """This process alone is at the search of this name in this journal.

    Should two ever get past this, they do some work twice: of a trial that is there two times the first counts.
    """
    place = path.with_name(f".{path.name}.{name}.lock")
    with tell_trouble(path):
        lock = place.open("w")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadInput(
                f"Another process is at this very search in {path}; to share the journal, give this one another seed."
            ) from None
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                place.unlink()
