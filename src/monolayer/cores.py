"""How many cores this process is to use."""

from __future__ import annotations

import math
import os
from contextlib import suppress
from pathlib import Path

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
