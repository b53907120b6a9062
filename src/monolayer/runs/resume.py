"""A folder whose run is not finished: what was asked for, and where each bank stands, so that it can be gone on with.

While a run goes on, its folder holds ``unfinished/``: the request, a checkpoint a bank, and a lock that the system
takes away from a process that dies. Results are written in there too, and renamed to their places when they are whole;
``unfinished/`` goes last, in one step. So a process that is killed anywhere leaves a folder that can be taken up again.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from monolayer.errors import BadData, BadInput
from monolayer.files import DRAFT, check_place, explain_os_error, write_whole
from monolayer.training.checkpoints import PATTERN, Checkpoints

UNFINISHED = "unfinished"
REQUEST = "request.json"
LOCK = "lock"
RESULTS = "results"
FORMAT = "monolayer-unfinished-2"
OLDER = ("monolayer-unfinished-1",)


class Unfinished:
    """The folder of a run that goes on; made by :func:`begin_folder` and :func:`resume_folder`.

    Attributes:
        path: the folder.
        command: what runs in it, ``train`` or ``sweep``.
        request: what was asked for, as JSON holds it; None before :meth:`describe`.
        checkpoints: keeps the banks, the ``checkpointer`` of :func:`monolayer.train`.
    """

    def __init__(
        self, path: Path, command: str, lock: IO[str], request: dict[str, Any] | None = None, made: Sequence[Path] = ()
    ) -> None:
        self.path, self.command, self.request = path, command, request
        self._lock, self._made = lock, made
        self.checkpoints = Checkpoints(path / UNFINISHED, self._check_ours)

    def describe(self, request: dict[str, Any]) -> None:
        """Write down what was asked for, all that going on needs; from here on a run that dies can be resumed."""
        self.request = request
        text = json.dumps({"format": FORMAT, "command": self.command, **request}, indent=2) + "\n"
        self._check_ours()
        with self._explain_os_error():
            write_whole(self.path / UNFINISHED / REQUEST, text.encode(), is_lasting=True)

    def publish(self, write: Callable[[Path], None], *, is_finished: bool) -> None:
        """Write results into the folder, each file whole; a finished run's checkpoints go.

        Args:
            write: writes the results into an empty folder.
            is_finished: whether there is nothing left to go on with.
        """
        draft = self.path / UNFINISHED / RESULTS
        self._check_ours()
        with self._explain_os_error():
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir()
            write(draft)
            for name in sorted(os.listdir(draft)):
                _put(draft / name, self.path / name)
            draft.rmdir()
            if is_finished:
                done = self.path / f".{UNFINISHED}{DRAFT}"
                (self.path / UNFINISHED).rename(done)  # in one step: from here on the folder is finished
                shutil.rmtree(done, ignore_errors=True)

    @property
    def can_be_resumed(self) -> bool:
        """Whether anything has been kept to go on with."""
        return self._is_ours() and any((self.path / UNFINISHED).glob(PATTERN))

    def leave(self) -> None:
        """Let go of the folder; one that holds nothing to go on with, and no results, vanishes."""
        if self._is_ours() and not self.can_be_resumed:
            with contextlib.suppress(OSError):
                shutil.rmtree(self.path / UNFINISHED)
                for folder in self._made:
                    folder.rmdir()
        self._lock.close()

    def _is_ours(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._lock.fileno()), os.stat(self.path / UNFINISHED / LOCK))
        except OSError:
            return False

    def _check_ours(self) -> None:
        """Raise BadInput if the folder was deleted under the run, or another has taken its place."""
        if not self._is_ours():
            raise BadInput(f"{self.path} was deleted or moved while the run was writing to it; start it again.")

    def _explain_os_error(self) -> contextlib.AbstractContextManager[None]:
        return explain_os_error(self.path, f"; what was kept is still there: go on with --resume {self.path}")


@contextlib.contextmanager
def begin_folder(path: Path, command: str) -> Iterator[Unfinished]:
    """A new folder for a run, this process's alone; if the run never gets to keep anything, it vanishes again.

    Raises:
        BadInput: if ``path`` is in use, holds something, or cannot be written.
    """
    path = path.resolve()
    _check_new(path)
    made = [folder for folder in (path, *path.parents) if not folder.exists()]
    with explain_os_error(path):
        (path / UNFINISHED).mkdir(parents=True, exist_ok=True)
        lock = _lock(path)
    unfinished = Unfinished(path, command, lock, made=made)
    try:
        _check_new(path)  # once more: another process may have finished there meanwhile
        yield unfinished
    finally:
        unfinished.leave()


@contextlib.contextmanager
def resume_folder(path: Path, command: str) -> Iterator[Unfinished]:
    """The folder of a run of this command that was stopped or killed, this process's alone.

    Raises:
        BadInput: if it is in use, or holds nothing to go on with.
    """
    path = path.resolve()
    read_request(path, command)
    with explain_os_error(path):
        lock = _lock(path)
    try:
        unfinished = Unfinished(path, command, lock, read_request(path, command))
        yield unfinished
    finally:
        lock.close()


def is_unfinished(path: Path) -> bool:
    """Whether this folder is one that a run goes on in, or that can be resumed."""
    return (path / UNFINISHED / REQUEST).is_file()


def _check_new(path: Path) -> None:
    if not check_place(path):
        return
    with explain_os_error(path):
        names = os.listdir(path)
    if is_unfinished(path):
        raise BadInput(f"{path} holds a run that is not finished; go on with --resume {path}, or name another --out.")
    # A run that was killed before it had written down what was asked for has left an empty shell.
    if [name for name in names if name != UNFINISHED]:
        raise BadInput(f"{path} exists and is not empty; name a new or empty folder with --out.")


def _lock(path: Path) -> IO[str]:
    lock = (path / UNFINISHED / LOCK).open("a", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise BadInput(f"{path} is in use: another process is training in it.") from None
    except OSError as error:
        lock.close()
        raise BadInput(f"{path} cannot be locked ({error.strerror}); name an --out on another file system.") from None
    return lock


def read_request(path: Path, command: str) -> dict[str, Any]:
    """The request of the unfinished run of this command in a folder.

    Raises:
        BadInput: if the folder holds no unfinished run, or that of another command.
        BadData: if the request is of an older version, or was not written by monolayer.
    """
    file = path / UNFINISHED / REQUEST
    if not file.is_file():
        raise BadInput(f"{path} holds no unfinished run to resume; accepted is the --out of one that was stopped.")
    try:
        request = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        request = None
    if isinstance(request, dict) and request.get("format") in OLDER:
        raise BadData(f"{path} holds a run of an older version of monolayer: resume it with that, or start it again.")
    if not isinstance(request, dict) or request.get("format") != FORMAT:
        raise BadData(f"{file}: is not the request of an unfinished run.")
    if request["command"] != command:
        other = request["command"]
        raise BadInput(f"{path} holds an unfinished {other}; go on with monolayer {other} --resume {path}.")
    return request


def _put(source: Path, target: Path) -> None:
    """A file replaces an older one in one step; of a folder, the older one must go first."""
    if source.is_dir():
        shutil.rmtree(target, ignore_errors=True)
        source.rename(target)
    else:
        source.replace(target)
