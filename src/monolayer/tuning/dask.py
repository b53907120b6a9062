"""Train banks on a Dask cluster: the rows are sent to the workers once, and a task trains some epochs of a bank."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_info

from monolayer.data.dataset import Rows, Splits
from monolayer.data.scaler import Scaler
from monolayer.engine.bank import make_bank
from monolayer.engine.select import choose_engine, describe_engine
from monolayer.errors import BadInput, MonolayerError
from monolayer.progress import Progress
from monolayer.recipe.recipe import Recipe
from monolayer.training.checkpoints import BankState
from monolayer.training.loop import BankTraining, Evaluation
from monolayer.training.options import TrainOptions
from monolayer.training.scheduler import Job

if TYPE_CHECKING:
    from distributed import Client, Future

CONNECT_S = 10
POLL_S = 0.05
# A task is a tenth of a bank's epochs: if a worker or the client dies, at most that many epochs are lost.
TASKS_PER_BANK = 10
# How often in a row the rows are sent again, without a result in between, because all workers that had them died: as
# often as Dask retries a task whose worker died.
MAX_RETRIES = 3
KEPT = "with --out, the results received before are saved."
LOST = f"The Dask scheduler was lost; {KEPT}"


# The state of a bank after a task, and its evaluations if the task trained the last epoch.
Result = tuple[BankState, list[Evaluation] | None]


class Cluster:
    """Trains jobs on a Dask cluster: a ``runner`` of :func:`monolayer.sweep`; see :func:`open_cluster`."""

    def __init__(self, client: Client, n_workers: int, progress: Progress) -> None:
        self._client, self._n_workers, self._progress = client, n_workers, progress
        self._rows: tuple[Splits, Future] | None = None
        self._n_lost = 0

    def __call__(self, jobs: Sequence[Job]) -> None:
        """Train these banks in tasks of some epochs each; each result is saved when it is received.

        Dask itself retries a task whose worker died, up to a limit. The rows are sent again when the last worker that
        had them has died: Dask keeps copies only for tasks that wait for them. A worker that dies while rows are sent
        may make Dask itself wait (dask/distributed issue 6578).

        Raises:
            MonolayerError: if workers died too often, no worker is left, or the connection to the scheduler was lost.
        """
        unfinished = [job for job in jobs if not job.is_done]
        if 0 < len(unfinished) < self._n_workers:
            self._progress.info(
                f"A bank trains on one worker: {len(unfinished)} of {self._n_workers} workers are busy."
            )
        waiting: dict[Future, tuple[Job, Future]] = {}
        try:
            for job in unfinished:
                self._submit(waiting, job)
            while waiting and not any(job.training.poll_stop() for job, _ in waiting.values()):
                done = [future for future in waiting if future.done()]
                for future in done:
                    self._receive(waiting, future)
                if not done:
                    time.sleep(POLL_S)
        finally:
            if self._client.status == "running":  # without a scheduler there is nothing to cancel
                with suppress(OSError):
                    self._client.cancel(list(waiting))

    def _receive(self, waiting: dict[Future, tuple[Job, Future]], future: Future) -> None:
        """Save the result of a task and submit the bank's next task, or the same task again if its rows were lost."""
        job, rows = waiting.pop(future)
        result = _get_result(future, len(job.training.bank.recipes))
        if result is not None:
            self._n_lost = 0
            job.training.receive_state(*result)
        elif self._rows is not None and self._rows[1] is rows:  # else they were sent again for another task
            self._rows = None
            self._n_lost += 1
            if self._n_lost > MAX_RETRIES:
                raise MonolayerError(f"The rows were lost with their workers {self._n_lost} times in a row; {KEPT}")
        if not job.is_done:
            self._submit(waiting, job)

    def _submit(self, waiting: dict[Future, tuple[Job, Future]], job: Job) -> None:
        if self._client.status == "closed":  # the client gave up reconnecting while the last result was saved
            raise MonolayerError(LOST)
        training, bank = job.training, job.training.bank
        until = min(job.until, training.epoch + math.ceil(training.epochs / TASKS_PER_BANK))
        options = TrainOptions(training.options.train_every, training.options.val_every)
        state = training.make_state() if training.epoch else None
        rows = self._scatter(training.splits)
        # Not pure: Dask would return the first result for a task that is submitted again.
        task = self._client.submit(_train, rows, bank.scaler, bank.recipes, until, options, state, pure=False)
        waiting[task] = job, rows

    def _scatter(self, splits: Splits) -> Future:
        """Send the rows to all workers, unless they have them."""
        if self._rows is not None and self._rows[0] is splits:
            return self._rows[1]
        rows = _remove_test_rows(splits)
        for _ in range(1 + MAX_RETRIES):
            try:
                self._rows = splits, self._client.scatter(rows, broadcast=True, hash=False)
                return self._rows[1]
            except TimeoutError:
                break
            # Raised when a worker has just died, whether the scheduler has noticed or not.
            except (OSError, KeyError, ValueError):
                if self._client.status != "running":
                    raise MonolayerError(LOST) from None
                time.sleep(POLL_S)
        raise MonolayerError(f"No Dask worker accepted the rows; {KEPT}")


@contextmanager
def open_cluster(address: str, progress: Progress) -> Iterator[Cluster]:
    """Connect to the cluster whose scheduler has this address.

    Args:
        address: such as ``tcp://10.0.0.1:8786``.
        progress: shows the number of workers.

    Raises:
        BadInput: if Dask is not installed, no scheduler answers, there are no workers, or one has other versions.
    """
    try:
        from distributed import Client
    except ImportError:
        raise BadInput("A Dask cluster needs Dask's distributed: pip install 'monolayer[dask]'.") from None
    try:
        client = Client(address, timeout=CONNECT_S)
    except (OSError, ValueError, TypeError):
        raise BadInput(f"No Dask scheduler answers at {address}; accepted is one such as tcp://HOST:8786.") from None
    with client:
        yield Cluster(client, _check_workers(client, address, progress), progress)


def _check_workers(client: Client, address: str, progress: Progress) -> int:
    """The number of workers; raises BadInput if a worker would not compute the same bytes as this process."""
    try:
        found: dict[str, dict[str, str]] = client.run(describe_machine)
    except ImportError as error:
        raise BadInput(f"A Dask worker at {address} cannot load monolayer ({error}); install it there.") from None
    if not found:
        raise BadInput(f"The Dask scheduler at {address} has no workers; start one: dask worker {address} --nthreads 1")
    here = describe_machine()
    for worker, there in found.items():
        for name in ("monolayer", "numpy", "engine"):
            if there[name] != here[name]:
                raise BadInput(f"{worker} has {name} {there[name]}, this process {here[name]}; accepted is the same.")
    if any(there["kernels"] != here["kernels"] for there in found.values()):
        progress.info("The workers have other processors: the last digits may differ from those of a run here.")
    progress.info(f"{len(found)} Dask workers at {address}")
    return len(found)


def describe_machine() -> dict[str, str]:
    """Everything that the bytes of results depend on: versions, the engine, and the kernels of the BLAS library."""
    kernels = sorted({str(pool.get("architecture")) for pool in threadpool_info() if pool["user_api"] == "blas"})
    return {
        "monolayer": version("monolayer"),
        "numpy": version("numpy"),
        "engine": choose_engine(),
        "kernels": ", ".join([describe_engine(), *kernels]),
    }


def _train(
    splits: Splits,
    scaler: Scaler,
    recipes: tuple[Recipe, ...],
    until: int,
    options: TrainOptions,
    state: BankState | None,
) -> Result:
    """Run a task on a worker: restore the bank's state and train it up to this epoch."""
    training = BankTraining(make_bank(recipes, scaler, splits.dataset.n_classes), splits, options)
    if state is not None:
        training.restore_state(state)
    training.run(until, n_threads=1)  # the worker's other threads run other tasks
    return training.make_state(), training.evaluate(1) if until == training.epochs else None


def _get_result(future: Future, n_recipes: int) -> Result | None:
    """The result of a task; None if Dask cancelled it because its rows were lost with their worker."""
    from distributed import CancelledError, KilledWorker

    try:
        result: Result = future.result()
    except KilledWorker:
        raise MonolayerError(
            f"Every worker that trained a bank of {n_recipes} recipes died, so Dask stopped trying; {KEPT}"
        ) from None
    except CancelledError:
        if future.client.status != "running":
            raise MonolayerError(LOST) from None
        return None
    except OSError:
        if future.status == "error":  # raised by the task itself
            raise
        raise MonolayerError(LOST) from None
    return result


def _remove_test_rows(splits: Splits) -> Splits:
    dataset = replace(splits.dataset, test=None, val=None)
    train, val = Rows(dataset, splits.train.index), splits.val
    if val is not None and val.dataset is splits.dataset:
        val = Rows(dataset, val.index)
    return Splits(train, val, Rows(dataset, np.zeros(0, np.int64)))
