"""BLAS held to one core while threads of our own divide the work."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import OpenBLASController, threadpool_limits


class _Hold:
    """BLAS's limit is the process's: the first of several engines sets it, and the last to close gives it back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._n_holders = 0
        self._limits: threadpool_limits | None = None

    def take(self) -> None:
        with self._lock:
            self._n_holders += 1
            if self._n_holders == 1:
                _claim_openblas()
                self._limits = threadpool_limits(1, user_api="blas")

    def give_back(self) -> None:
        with self._lock:
            self._n_holders -= 1
            if self._n_holders == 0 and self._limits is not None:
                _claim_openblas()
                self._limits.restore_original_limits()
                self._limits = None
                _claim_openblas()


def _claim_openblas() -> None:
    """Let this thread set OpenBLAS's limit: threadpoolctl (3.8) lets one thread do so and ignores all others."""
    if hasattr(OpenBLASController, "clear_controlling_thread"):
        OpenBLASController.clear_controlling_thread(force=True)


_HOLD = _Hold()


@contextmanager
def hold_blas() -> Iterator[None]:
    """BLAS computes in the calling thread alone while the block runs; blocks may nest and overlap in any thread."""
    _HOLD.take()
    try:
        yield
    finally:
        _HOLD.give_back()
