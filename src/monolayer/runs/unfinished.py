"""Run folders that can be resumed: the request, one checkpoint per bank, and a lock, in ``unfinished/``.

While a run trains, these are in ``unfinished/`` in its folder. The operating system releases the lock of a process
that dies. Results are written there too and renamed to their places when they are complete; ``unfinished/`` is deleted
last, in one step. So a process that is killed at any moment leaves a folder that can be resumed, or none.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import filelock

from monolayer.errors import BadData, BadInput
from monolayer.files import delete_whole_folder, explain_os_error, list_folder, write_whole
from monolayer.training.checkpoints import PATTERN, Checkpoints

UNFINISHED = "unfinished"
REQUEST = "request.json"
LOCK = "lock"
RESULTS_DRAFT = "results"
FORMAT = "monolayer-unfinished-2"
OLDER = ("monolayer-unfinished-1",)


class Unfinished:
    """The folder of a run in training; made by :func:`begin_folder` and :func:`resume_folder`.

    Attributes:
        path: the folder.
        command: ``train`` or ``sweep``.
        request: the options of the command, as stored in JSON; None before :meth:`describe`.
        checkpoints: stores the banks; the ``checkpointer`` of training.
    """

    def __init__(
        self, path: Path, command: str, request: dict[str, Any] | None = None, created: Sequence[Path] | None = None
    ) -> None:
        self.path, self.command, self.request = path, command, request
        self._lock, self._created = _acquire_lock(path), created
        self._lock_status = (path / UNFINISHED / LOCK).stat()
        self.checkpoints = Checkpoints(path / UNFINISHED, self._validate_still_there)

    def describe(self, request: dict[str, Any]) -> None:
        """Store the options that resuming needs; from here on the run can be resumed."""
        self.request = request
        text = json.dumps({"format": FORMAT, "command": self.command, **request}, indent=2) + "\n"
        self._validate_still_there()
        with self._explain_os_error():
            write_whole(self.path / UNFINISHED / REQUEST, text.encode(), fsync=True)

    def publish(self, write: Callable[[Path], None], *, is_finished: bool) -> None:
        """Write results into the folder, each file whole, and delete the checkpoints of a finished run.

        Args:
            write: writes the results into an empty folder.
            is_finished: whether nothing is left to resume.
        """
        draft = self.path / UNFINISHED / RESULTS_DRAFT
        self._validate_still_there()
        with self._explain_os_error():
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir()
            write(draft)
            for name in sorted(os.listdir(draft)):
                if (self.path / name).is_dir():  # unlike a file, a folder cannot be replaced in one step
                    shutil.rmtree(self.path / name)
                (draft / name).replace(self.path / name)
            draft.rmdir()
            if is_finished:
                if os.name == "nt":  # a folder with an open file cannot be renamed there
                    self._lock.release()
                delete_whole_folder(self.path / UNFINISHED)

    @property
    def can_be_resumed(self) -> bool:
        """Whether a checkpoint has been stored."""
        return self._is_still_there() and any((self.path / UNFINISHED).glob(PATTERN))

    def close(self) -> None:
        """Release the lock; a new folder without checkpoints and results is deleted."""
        if self._created is not None and self._is_still_there() and not self.can_be_resumed:
            if os.name == "nt":  # an open file cannot be deleted there
                self._lock.release()
            with contextlib.suppress(OSError):
                shutil.rmtree(self.path / UNFINISHED)
                for folder in self._created:
                    folder.rmdir()
        self._lock.release()

    def _is_still_there(self) -> bool:
        try:
            return os.path.samestat(self._lock_status, (self.path / UNFINISHED / LOCK).stat())
        except OSError:
            return False

    def _validate_still_there(self) -> None:
        """Raise BadInput if the folder was deleted or replaced."""
        if not self._is_still_there():
            raise BadInput(f"{self.path} was deleted or moved while the run was writing to it; start it again.")

    def _explain_os_error(self) -> contextlib.AbstractContextManager[None]:
        return explain_os_error(
            self.path, f"; the last checkpoint is still there: resume the run with --resume {self.path}"
        )


@contextlib.contextmanager
def begin_folder(path: Path, command: str) -> Iterator[Unfinished]:
    """A new folder for a run, locked for this process; it is deleted if the run stores no checkpoint.

    Raises:
        BadInput: if ``path`` is in use, is not empty, or cannot be written.
    """
    path = path.resolve()
    _validate_new(path)
    created = [folder for folder in (path, *path.parents) if not folder.exists()]
    with explain_os_error(path):
        (path / UNFINISHED).mkdir(parents=True, exist_ok=True)
        unfinished = Unfinished(path, command, created=created)
    with contextlib.closing(unfinished):
        _validate_new(path)  # again: another process may have finished here before the lock was acquired
        yield unfinished


@contextlib.contextmanager
def resume_folder(path: Path, command: str) -> Iterator[Unfinished]:
    """The folder of a run of this command that was stopped or killed, locked for this process.

    Raises:
        BadInput: if it is in use, or holds no unfinished run of this command.
    """
    path = path.resolve()
    request = read_request(path, command)
    with explain_os_error(path):
        unfinished = Unfinished(path, command, request)
    with contextlib.closing(unfinished):
        yield unfinished


def is_unfinished(path: Path) -> bool:
    """Whether a run is training in this folder, or can be resumed."""
    return (path / UNFINISHED / REQUEST).is_file()


def _validate_new(path: Path) -> None:
    names = list_folder(path) or []
    if is_unfinished(path):
        raise BadInput(
            f"{path} holds a run that is not finished; resume it with --resume {path}, or name another --out."
        )
    # A run that was killed before it stored its request leaves only this.
    if set(names) - {UNFINISHED}:
        raise BadInput(f"{path} exists and is not empty; name a new or empty folder with --out.")


def _acquire_lock(path: Path) -> filelock.BaseFileLock:
    """The lock of the operating system, which a process that dies does not leave behind."""
    lock = filelock.FileLock(path / UNFINISHED / LOCK, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise BadInput(f"{path} is in use: another process is training in it.") from None
    except (OSError, NotImplementedError) as error:
        raise BadInput(f"{path} cannot be locked ({error}); name an --out on another file system.") from None
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
        raise BadData(f"{file}: is not a request written by monolayer.")
    if request["command"] != command:
        other = request["command"]
        raise BadInput(f"{path} holds an unfinished {other}; resume it with monolayer {other} --resume {path}.")
    return request
