"""Download a file over HTTP: short time-outs, a retry that resumes, and a limit on the estimated time."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from monolayer.errors import MonolayerError
from monolayer.progress import Progress

N_TRIES = 2
CHUNK_BYTES = 2**16
PARTIAL_CONTENT, RANGE_NOT_SATISFIABLE, SERVER_ERROR = 206, 416, 500


@dataclass(frozen=True)
class TimeLimits:
    """The time limits of a download.

    Args:
        connect_s: seconds to connect to the server.
        silence_s: seconds without a byte.
        probe_s: seconds after which the remaining time is estimated from the rate so far.
        total_s: largest remaining time that is accepted; None accepts any.
    """

    connect_s: float = 5.0
    silence_s: float = 15.0
    probe_s: float = 8.0
    total_s: float | None = 300.0


class SourceFailed(MonolayerError):
    """A source could not be read; the text is the reason, without the source's name."""


class TooSlow(SourceFailed):
    """A source works, but the rate of its first seconds is too low for the time limits."""


@dataclass
class TransferProgress:
    """Reports the progress of a transfer, and raises TooSlow if it would take too long."""

    task: str
    limits: TimeLimits
    progress: Progress
    clock: Callable[[], float] = time.monotonic
    _start: tuple[float, float] | None = field(default=None, init=False)
    _probed: bool = field(default=False, init=False)

    def update(self, done: float, total: float | None) -> None:
        """Report that ``done`` of ``total`` bytes have arrived.

        Raises:
            TooSlow: once, ``probe_s`` seconds after the first call, if the rest would take longer than ``total_s``.
        """
        self.progress.advance(self.task, done, total, "B")
        now = self.clock()
        if self._start is None:
            self._start = (now, done)
        if total is not None and not self._probed and now - self._start[0] >= self.limits.probe_s:
            self._probed = True
            rate = (done - self._start[1]) / (now - self._start[0])
            self._check_rate(rate, (total - done) / rate if rate > 0 else float("inf"))

    def _check_rate(self, rate: float, rest_s: float) -> None:
        if self.limits.total_s is not None and rest_s > self.limits.total_s:
            wait = f"{rest_s / 60:.0f} more minutes" if rate > 0 else "forever"
            raise TooSlow(f"{rate / 1000:.0f} kB/s, which would take {wait}")


def download(url: str, target: Path, transfer: TransferProgress) -> None:
    """Write the bytes of ``url`` to ``target``, unchanged.

    Raises:
        TooSlow: see :class:`TransferProgress`.
        SourceFailed: if the second try fails too; after an error such as 404 there is no second try.
    """
    import requests  # imported here: it takes 0.1 s, and a filled cache needs none of it
    from urllib3.exceptions import HTTPError as TransferError

    target.unlink(missing_ok=True)
    for tries_left in reversed(range(N_TRIES)):
        try:
            _append(url, target, transfer)
        except requests.HTTPError as error:
            status = error.response.status_code
            if status < SERVER_ERROR or not tries_left:
                raise SourceFailed(f"the server answered {status} {error.response.reason}") from error
        except (requests.RequestException, TransferError) as error:
            if not tries_left:
                raise SourceFailed(_explain(error)) from error
        else:
            return


def _append(url: str, target: Path, transfer: TransferProgress) -> None:
    """Append the missing bytes to ``target``; a server without ranges sends the whole file again."""
    import requests

    there = target.stat().st_size if target.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={there}-"} if there else {})
    timeout = (transfer.limits.connect_s, transfer.limits.silence_s)
    with requests.get(url, headers=headers, stream=True, timeout=timeout) as response:
        if response.status_code == RANGE_NOT_SATISFIABLE and there:
            return  # the file is complete; the caller checks its bytes
        response.raise_for_status()
        done = there if response.status_code == PARTIAL_CONTENT else 0
        length = response.headers.get("Content-Length", "")
        total = done + int(length) if length.isdecimal() else None
        with target.open("ab" if done else "wb") as file:
            # Not decoded: some servers label a .tar.gz with "Content-Encoding: gzip"; the checksum is of the archive.
            for chunk in response.raw.stream(CHUNK_BYTES, decode_content=False):
                done += file.write(chunk)
                transfer.update(done, total)


def _explain(error: Exception) -> str:
    """The innermost cause in one line: the outer ones repeat the address and names of objects."""
    import requests

    if isinstance(error, requests.ConnectTimeout):
        return "no connection in time"
    if isinstance(error, requests.Timeout) or "timed out" in str(error).lower():
        return "the server stopped sending"
    cause: BaseException = error
    while cause.__cause__ or cause.__context__:
        cause = cause.__cause__ or cause.__context__ or cause
    return f"the connection failed ({' '.join(str(cause).split())[:200] or type(cause).__name__})"
