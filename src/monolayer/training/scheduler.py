"""Several banks in training at once: a thread a core, and next the bank with the most work left."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass

from monolayer.threads import count_cores, limit_blas_threads
from monolayer.training.loop import BankTraining

# Long enough that opening an engine (a millisecond) does not count, short enough that the banks arrive together.
TIME_SLICE_S = 0.25
# A step of a bank of M members takes as long as M + 4 units, a bank of one member being 5 (measured, batches of 100).
BASE_MEMBERS = 4


@dataclass(frozen=True, eq=False)
class Job:
    """A bank, and the epoch up to which it is to train."""

    training: BankTraining
    until: int

    @property
    def is_done(self) -> bool:
        """Whether there is nothing left to train, or the wish to stop has come."""
        return not self.training.can_continue(self.until)

    @property
    def work_left(self) -> int:
        """Work left, in units of a member's epoch."""
        return (self.until - self.training.epoch) * (len(self.training.alive) + BASE_MEMBERS)


Runner = Callable[[Sequence[Job]], None]


def run_jobs(jobs: Sequence[Job]) -> None:
    """Train these banks, as many at once as there are cores; a bank's bytes do not depend on what runs beside it.

    Each bank trains for a turn of some epochs and stands back behind those with more work left, so that all of them
    arrive at about the same time and no core idles beside the last one.
    """
    _run(_Queue([job for job in jobs if not job.is_done], count_cores()))


def measure_all(trainings: Iterable[BankTraining]) -> None:
    """Measure every member where it stands, as many banks at once as there are cores."""
    with limit_blas_threads(), ThreadPoolExecutor(count_cores()) as pool:
        try:
            for future in [pool.submit(training.measure, 1) for training in trainings]:
                future.result()
        finally:
            pool.shutdown(cancel_futures=True)


class _Queue:
    """The banks that wait for a turn; every method is called by several threads."""

    def __init__(self, jobs: list[Job], n_cores: int) -> None:
        self._waiting = jobs
        self._n_unfinished = len(jobs)
        self._lock = threading.Lock()
        self._n_cores = n_cores
        self._is_cancelled = False

    @property
    def n_workers(self) -> int:
        return min(self._n_cores, self._n_unfinished)

    def work(self) -> None:
        """Give turns until nothing waits."""
        while (taken := self._take()) is not None:
            job, n_threads = taken
            job.training.run(job.until, n_threads=n_threads, time_slice=TIME_SLICE_S)
            self._put_back(job)

    def cancel(self) -> None:
        """No more turns."""
        with self._lock:
            self._is_cancelled = True

    def _take(self) -> tuple[Job, int] | None:
        with self._lock:
            if not self._waiting or self._is_cancelled:
                return None
            job = max(self._waiting, key=lambda job: job.work_left)
            self._waiting.remove(job)
            # A second thread for a bank only when no other bank has a use for the core.
            return job, max(1, self._n_cores // self._n_unfinished)

    def _put_back(self, job: Job) -> None:
        with self._lock:
            self._is_cancelled |= job.training.is_stopped  # the wish to stop is for all of them
            if job.is_done:
                self._n_unfinished -= 1
            else:
                self._waiting.append(job)


def _run(queue: _Queue) -> None:
    with limit_blas_threads():
        if queue.n_workers <= 1:  # here and not in a thread of its own, so that an interrupt stops it at once
            queue.work()
            return
        with ThreadPoolExecutor(queue.n_workers, "monolayer-bank") as pool:
            futures = [pool.submit(queue.work) for _ in range(queue.n_workers)]
            try:
                wait(futures, return_when=FIRST_EXCEPTION)
            finally:
                queue.cancel()
        for future in futures:
            future.result()
