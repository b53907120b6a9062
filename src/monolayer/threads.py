"""How many threads this process uses, and BLAS limited to one."""

import os
import threading
from contextlib import AbstractContextManager

from threadpoolctl import OpenBLASController, threadpool_limits

from monolayer.errors import BadInput


def count_cores() -> int:
    """The number of cores that this process uses, at least 1.

    At most the cores that it may run on, its container's share of time, OMP_NUM_THREADS and MONOLAYER_THREADS.

    Raises:
        BadInput: if MONOLAYER_THREADS is not a whole number above 0.
    """
    from joblib import cpu_count  # takes 0.1 s to import; reads the affinity and the quota of a container

    # May be a list, one number per nested level.
    openmp = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    own = os.environ.get("MONOLAYER_THREADS", "")
    if own and not (own.isdecimal() and int(own)):
        raise BadInput(f"MONOLAYER_THREADS is {own!r}; accepted is a whole number of 1 or above.")
    limits = [int(text) for text in (openmp, own) if text.isdecimal() and int(text)]
    return min([int(cpu_count()), *limits])


class _BlasLimit(AbstractContextManager[None]):
    """The limit is the process's: the first of several blocks sets it, and the last to end restores it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._n_blocks = 0
        self._limits: threadpool_limits | None = None

    def __enter__(self) -> None:
        with self._lock:
            self._n_blocks += 1
            if self._n_blocks == 1:
                _take_control_of_openblas()
                self._limits = threadpool_limits(1, user_api="blas")

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._n_blocks -= 1
            if self._n_blocks == 0 and self._limits is not None:
                _take_control_of_openblas()
                self._limits.restore_original_limits()
                self._limits = None
                _take_control_of_openblas()


def _take_control_of_openblas() -> None:
    """Let this thread set OpenBLAS's limit: threadpoolctl (3.8) lets one thread do so and ignores all others."""
    if hasattr(OpenBLASController, "clear_controlling_thread"):
        OpenBLASController.clear_controlling_thread(force=True)


_BLAS_LIMIT = _BlasLimit()


def limit_blas_threads() -> AbstractContextManager[None]:
    """Limit BLAS to the calling thread while the block runs; blocks may nest, and overlap in several threads."""
    return _BLAS_LIMIT
