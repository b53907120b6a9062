"""One file over HTTP: short time-outs, one retry that goes on where the first try stopped, patience with a limit."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from monolayer.errors import MonolayerError
from monolayer.progress import Progress

if TYPE_CHECKING:
    import requests

N_TRIES = 2
CHUNK_BYTES = 2**16
PARTIAL_CONTENT, RANGE_NOT_SATISFIABLE, SERVER_ERROR = 206, 416, 500


@dataclass(frozen=True)
class Patience:
    """How long a source may take.

    Args:
        connect_s: seconds to reach the server.
        silence_s: seconds without a byte.
        probe_s: seconds after which the rest is foretold from the pace so far.
        total_s: seconds foretold that are still acceptable; None accepts any.
    """

    connect_s: float = 5.0
    silence_s: float = 15.0
    probe_s: float = 8.0
    total_s: float | None = 300.0


class SourceFailed(MonolayerError):
    """A source did not give its content; the text is the reason, without the source's name."""


class TooSlow(SourceFailed):
    """A source works, but the pace of its first seconds foretells more than the user's patience."""


@dataclass
class Pace:
    """Tells progress of one transfer and raises when its first seconds foretell too long a wait."""

    task: str
    patience: Patience
    progress: Progress
    clock: Callable[[], float] = time.monotonic
    _start: tuple[float, float] | None = field(default=None, init=False)
    _probed: bool = field(default=False, init=False)

    def tell(self, done: float, total: float | None) -> None:
        """Tell that ``done`` of ``total`` bytes have come.

        Raises:
            TooSlow: once, ``probe_s`` seconds after the first call, if the rest would take longer than ``total_s``.
        """
        self.progress.advance(self.task, done, total, "B")
        now = self.clock()
        if self._start is None:
            self._start = (now, done)
        if total is not None and not self._probed and now - self._start[0] >= self.patience.probe_s:
            self._probed = True
            self._foretell(now - self._start[0], done - self._start[1], total - done)

    def _foretell(self, elapsed_s: float, came: float, rest: float) -> None:
        rate = came / elapsed_s
        rest_s = rest / rate if rate > 0 else float("inf")
        if self.patience.total_s is not None and rest_s > self.patience.total_s:
            wait = f"{rest_s / 60:.0f} more minutes" if rate > 0 else "for ever"
            raise TooSlow(f"{rate / 1000:.0f} kB/s, which would take {wait}")


def download(url: str, target: Path, pace: Pace) -> None:
    """Write the bytes of ``url`` to ``target``, exactly as served.

    Raises:
        TooSlow: see :class:`Pace`.
        SourceFailed: if the second try fails too; a refusal such as 404 is not tried twice.
    """
    import requests  # here, because it takes 0.1 s that a filled cache never needs
    from urllib3.exceptions import HTTPError as TransferError

    target.unlink(missing_ok=True)
    for tries_left in reversed(range(N_TRIES)):
        try:
            _append(url, target, pace)
        except requests.HTTPError as error:
            status = error.response.status_code
            if status < SERVER_ERROR or not tries_left:
                raise SourceFailed(f"the server answered {status} {error.response.reason}") from error
        except (requests.RequestException, TransferError) as error:
            if not tries_left:
                raise SourceFailed(_explain(error)) from error
        else:
            return


def _append(url: str, target: Path, pace: Pace) -> None:
    """Fetch what ``target`` still lacks; a server that knows no ranges sends all of it again."""
    import requests

    there = target.stat().st_size if target.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={there}-"} if there else {})
    patience = pace.patience
    with requests.get(url, headers=headers, stream=True, timeout=(patience.connect_s, patience.silence_s)) as response:
        if response.status_code == RANGE_NOT_SATISFIABLE and there:
            return  # nothing lacks; whether the bytes are right is the caller's to check
        response.raise_for_status()
        done = there if response.status_code == PARTIAL_CONTENT else 0
        length = response.headers.get("Content-Length", "")
        total = done + int(length) if length.isdecimal() else None
        with target.open("ab" if done else "wb") as file:
            for chunk in _iterate_raw(response):
                done += file.write(chunk)
                pace.tell(done, total)


def _iterate_raw(response: requests.Response) -> Iterator[bytes]:
    # Some servers label a .tar.gz with "Content-Encoding: gzip"; decoding it would spoil the archive's checksum.
    chunks: Iterator[bytes] = response.raw.stream(CHUNK_BYTES, decode_content=False)
    return chunks


def _explain(error: Exception) -> str:
    """The innermost cause in one line: the outer ones repeat the address and the names of objects."""
    import requests

    if isinstance(error, requests.ConnectTimeout):
        return "no connection in time"
    if isinstance(error, requests.Timeout) or "timed out" in str(error).lower():
        return "the server fell silent"
    cause: BaseException = error
    while cause.__cause__ or cause.__context__:
        cause = cause.__cause__ or cause.__context__ or cause
    return f"the connection failed ({' '.join(str(cause).split())[:200] or type(cause).__name__})"
