"""Train several banks at the same time, one per core; a bank that has run for a time slice waits for its next one."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from typing import Any

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
        return (self.until - self.training.epoch) * (len(self.training.active) + BASE_MEMBERS)


Runner = Callable[[Sequence[Job]], None]


def run_jobs(jobs: Sequence[Job]) -> None:
    """Train these banks, as many at the same time as there are cores; a bank's results do not depend on the others.

    After each time slice a core continues with the bank that has the most work left. So all banks end at about the
    same time, and no core is idle while the last one trains.
    """
    waiting, n_cores = [job for job in jobs if not job.is_done], count_cores()
    running: dict[Future[None], Job] = {}
    n_workers, is_stopped = min(n_cores, len(waiting)), False
    pool = ThreadPoolExecutor(n_workers, "monolayer-bank") if n_workers > 1 else _SameThreadExecutor()
    with limit_blas_threads(), pool:
        while running or (waiting and not is_stopped):
            while waiting and len(running) < n_cores and not is_stopped:
                job = max(waiting, key=lambda job: job.work_left)
                waiting.remove(job)
                # A bank gets a second thread only when no other bank can use the core.
                n_threads = max(1, n_cores // (1 + len(waiting) + len(running)))
                task = partial(job.training.run, job.until, n_threads=n_threads, time_slice=TIME_SLICE_S)
                running[pool.submit(task)] = job
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                job = running.pop(future)
                future.result()
                is_stopped |= job.training.is_stopped  # should_stop stops all banks
                if not job.is_done:
                    waiting.append(job)


class _SameThreadExecutor(Executor):
    """Runs a task in the calling thread, so that an interrupt stops it at once."""

    def submit(self, task: Callable[..., Any], /, *args: Any, **keywords: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(task(*args, **keywords))
        return future


def evaluate_all(trainings: Iterable[BankTraining]) -> None:
    """Evaluate every member of these banks, as many banks at the same time as there are cores."""
    with limit_blas_threads(), ThreadPoolExecutor(count_cores()) as pool:
        list(pool.map(lambda training: training.evaluate(1), trainings))
