"""Train several banks at the same time, one per core; a bank that has run for a time slice waits for its next one."""

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass

from monolayer.threads import count_cores, limit_blas_threads
from monolayer.training.loop import BankTraining

# Long enough that opening an engine (a millisecond) does not count, short enough that the banks end at the same time.
TIME_SLICE_S = 0.25
# A step of a bank of M members takes as long as M + 4 units; of a bank of one member, 5 (measured, batches of 100).
BASE_MEMBERS = 4


@dataclass(frozen=True, eq=False)
class Job:
    """A bank, and the epoch up to which it is trained."""

    training: BankTraining
    until: int

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to train, or training was stopped."""
        return not self.training.can_continue(self.until)

    @property
    def work_left(self) -> int:
        """Work left, in units of an epoch of one member."""
        return (self.until - self.training.epoch) * (len(self.training.alive) + BASE_MEMBERS)


Runner = Callable[[Sequence[Job]], None]


def run_jobs(jobs: Sequence[Job]) -> None:
    """Train these banks, as many at the same time as there are cores; a bank's results do not depend on the others.

    After each time slice a core continues with the bank that has the most work left. So all banks end at about the
    same time, and no core is idle while the last one trains.
    """
    queue = _Queue([job for job in jobs if not job.is_done], count_cores())
    with limit_blas_threads():
        if queue.n_workers <= 1:  # in this thread, so that an interrupt stops it at once
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


def evaluate_all(trainings: Iterable[BankTraining]) -> None:
    """Evaluate every member of these banks, as many banks at the same time as there are cores."""
    with limit_blas_threads(), ThreadPoolExecutor(count_cores()) as pool:
        try:
            for future in [pool.submit(training.evaluate, 1) for training in trainings]:
                future.result()
        finally:
            pool.shutdown(cancel_futures=True)


class _Queue:
    """The jobs that wait for a time slice; its methods are called by several threads."""

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
        """Train one time slice after another until no job waits."""
        while (taken := self._take()) is not None:
            job, n_threads = taken
            job.training.run(job.until, n_threads=n_threads, time_slice=TIME_SLICE_S)
            self._put_back(job)

    def cancel(self) -> None:
        """Start no more time slices."""
        with self._lock:
            self._is_cancelled = True

    def _take(self) -> tuple[Job, int] | None:
        with self._lock:
            if not self._waiting or self._is_cancelled:
                return None
            job = max(self._waiting, key=lambda job: job.work_left)
            self._waiting.remove(job)
            # A bank gets a second thread only when no other bank can use the core.
            return job, max(1, self._n_cores // self._n_unfinished)

    def _put_back(self, job: Job) -> None:
        with self._lock:
            self._is_cancelled |= job.training.is_stopped  # should_stop stops all banks
            if job.is_done:
                self._n_unfinished -= 1
            else:
                self._waiting.append(job)
