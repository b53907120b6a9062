"""How many cores this process is to use."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from threadpoolctl import OpenBLASController, threadpool_limits

from monolayer.errors import BadInput

CGROUP = Path("/sys/fs/cgroup")


def count_cores() -> int:
    """The cores that this process is to use, at least 1.

    Those that it may run on, and no more than its container's share of time, OMP_NUM_THREADS, or MONOLAYER_THREADS.

    Raises:
        BadInput: if MONOLAYER_THREADS is no whole number above 0.
    """
    # sched_getaffinity is not on macOS.
    n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limits = (_read_quota(), _read_openmp_limit(), _read_own_limit())
    return min(n_cores, *(limit or n_cores for limit in limits))


def _read_quota() -> int | None:
    """The cores' worth of time that a container has (cgroup version 2, then 1), rounded up; None without a quota."""
    with suppress(OSError, ValueError):
        quota, period = (CGROUP / "cpu.max").read_text().split()
        return None if quota == "max" else math.ceil(int(quota) / int(period))
    with suppress(OSError, ValueError):
        quota, period = ((CGROUP / "cpu" / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return math.ceil(int(quota) / int(period)) if int(quota) > 0 else None
    return None


def _read_openmp_limit() -> int | None:
    """OMP_NUM_THREADS, which may be a list, one number a level; None where it is not set, or no number."""
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return int(first) if first.isdecimal() else None


def _read_own_limit() -> int | None:
    text = os.environ.get("MONOLAYER_THREADS", "")
    if text and not (text.isdecimal() and int(text)):
        raise BadInput(f"MONOLAYER_THREADS is {text!r}; accepted is a whole number of 1 or above.")
    return int(text) if text else None


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
def limit_blas_threads() -> Iterator[None]:
    """BLAS computes in the calling thread alone while the block runs; blocks may nest and overlap in any thread."""
    _HOLD.take()
    try:
        yield
    finally:
        _HOLD.give_back()
