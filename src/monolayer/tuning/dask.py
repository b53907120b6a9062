"""Banks on the workers of a Dask cluster: the rows are sent to the workers first, some epochs of a bank are a task."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
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
# A task is a tenth of a bank's epochs: what a worker that dies, or a client, can lose of the bank.
TASKS_A_BANK = 10
# How often in a row the rows are sent again because the workers that had them died, and nothing came back meanwhile:
# as often as Dask gives a task again whose worker died.
TIMES_AGAIN = 3
KEPT = "what has arrived is kept where there is an --out."
LOST = f"The Dask scheduler was lost; {KEPT}"


@dataclass(frozen=True, eq=False)
class _Rows:
    """What is sent to the workers first: the rows without those for the test, and their scaler."""

    splits: Splits
    scaler: Scaler


@dataclass(frozen=True)
class _Task:
    """A part of a bank's way: up to which epoch."""

    recipes: tuple[Recipe, ...]
    until: int
    train_every: int | None
    val_every: int


@dataclass(frozen=True, eq=False)
class _Arrival:
    """Where a task ended; measured only at the bank's last epoch."""

    state: BankState
    measured: list[Evaluation] | None


@dataclass(frozen=True, eq=False)
class _Sent:
    """A task that was given to Dask: its bank, and the rows that it is to use there."""

    job: Job
    rows: Future


class Cluster:
    """Trains jobs on a Dask cluster, as ``runner`` of :func:`monolayer.sweep`; made by :func:`open_cluster`."""

    def __init__(self, client: Client, n_workers: int, progress: Progress) -> None:
        self._client, self._n_workers, self._progress = client, n_workers, progress
        self._rows: tuple[Splits, Future] | None = None
        self._n_lost = 0

    def __call__(self, jobs: Sequence[Job]) -> None:
        """Train these banks, a task for some epochs of each; what comes back is kept as it comes.

        A task whose worker dies is given to another by Dask itself, some times before it is given up. The rows are
        sent again when the last worker that had them has died with them: Dask keeps a copy only where it is waited for.
        A worker that dies while they are being sent may keep Dask itself waiting (dask/distributed issue 6578).

        Raises:
            MonolayerError: if workers died too often, none is left, or the scheduler was lost.
        """
        unfinished = [job for job in jobs if not job.is_done]
        if 0 < len(unfinished) < self._n_workers:
            self._progress.info(
                f"A bank trains on one worker: {len(unfinished)} of {self._n_workers} workers are busy."
            )
        waiting: dict[Future, _Sent] = {}
        try:
            for job in unfinished:
                self._submit(waiting, job)
            while waiting and not any(sent.job.training.poll_stop() for sent in waiting.values()):
                arrived = [future for future in waiting if future.done()]
                for future in arrived:
                    self._receive(waiting, future)
                if not arrived:
                    time.sleep(POLL_S)
        finally:
            if self._client.status == "running":  # a scheduler that is lost has nothing to cancel
                with suppress(OSError):
                    self._client.cancel(list(waiting))

    def _receive(self, waiting: dict[Future, _Sent], future: Future) -> None:
        """Keep what this task brought and give Dask the bank's next one, or the same again if its rows were lost."""
        sent = waiting.pop(future)
        arrival = _collect(future, len(sent.job.training.bank.recipes))
        if arrival is None:
            self._forget(sent.rows)
        else:
            self._n_lost = 0
            sent.job.training.receive_state(arrival.state, arrival.measured)
        if not sent.job.is_done:
            self._submit(waiting, sent.job)

    def _forget(self, rows: Future) -> None:
        """These rows were lost: they are to be sent again, unless another task has had that done."""
        if self._rows is None or self._rows[1] is not rows:
            return
        self._rows = None
        self._n_lost += 1
        if self._n_lost > TIMES_AGAIN:
            raise MonolayerError(f"The rows were lost with their workers {self._n_lost} times in a row; {KEPT}")

    def _submit(self, waiting: dict[Future, _Sent], job: Job) -> None:
        if self._client.status == "closed":  # it gave up looking for its scheduler while the last arrival was kept
            raise MonolayerError(LOST)
        training = job.training
        until = min(job.until, training.epoch + math.ceil(training.epochs / TASKS_A_BANK))
        task = _Task(training.bank.recipes, until, training.options.train_every, training.options.val_every)
        state = training.make_state() if training.epoch else None
        rows = self._scatter(training)
        # Not "pure": Dask would take a bank that comes a second time, from a later epoch, for the first.
        waiting[self._client.submit(_train, rows, task, state, pure=False)] = _Sent(job, rows)

    def _scatter(self, training: BankTraining) -> Future:
        if self._rows is None or self._rows[0] is not training.splits:
            rows = _Rows(_leave_test_out(training.splits), training.bank.scaler)
            self._rows = training.splits, self._send(rows)
        return self._rows[1]

    def _send(self, rows: _Rows) -> Future:
        for _ in range(1 + TIMES_AGAIN):
            try:
                return self._client.scatter(rows, broadcast=True, hash=False)
            except TimeoutError:
                break
            # What a worker raises here that died a moment ago: the scheduler does not know it any more, or still does.
            except (OSError, KeyError, ValueError):
                if self._client.status != "running":
                    raise MonolayerError(LOST) from None
                time.sleep(POLL_S)
        raise MonolayerError(f"No Dask worker took the rows; {KEPT}")


@contextmanager
def open_cluster(address: str, progress: Progress) -> Iterator[Cluster]:
    """The cluster whose scheduler answers at this address.

    Args:
        address: such as ``tcp://10.0.0.1:8786``.
        progress: told what was found there.

    Raises:
        BadInput: if Dask is not installed, nobody answers, no worker is there, or one has other versions.
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
    """How many workers there are; BadInput if they could not give the bytes that this machine would."""
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
        progress.info("The workers' processors differ from this one: the last digits may differ from a run here.")
    progress.info(f"{len(found)} Dask workers at {address}")
    return len(found)


def describe_machine() -> dict[str, str]:
    """What decides the bytes that a process computes: versions, the engine, and the kernels that BLAS chose."""
    kernels = sorted({str(pool.get("architecture")) for pool in threadpool_info() if pool["user_api"] == "blas"})
    return {
        "monolayer": version("monolayer"),
        "numpy": version("numpy"),
        "engine": choose_engine(),
        "kernels": ", ".join([describe_engine(), *kernels]),
    }


def _train(rows: _Rows, task: _Task, state: BankState | None) -> _Arrival:
    """On a worker: take the bank up where it stands, and train it."""
    bank = make_bank(task.recipes, rows.scaler, rows.splits.dataset.n_classes)
    training = BankTraining(bank, rows.splits, TrainOptions(task.train_every, task.val_every))
    if state is not None:
        training.restore_state(state)
    training.run(task.until, n_threads=1)  # a worker's other threads have tasks of their own
    is_last = task.until == training.epochs
    return _Arrival(training.make_state(), training.evaluate(1) if is_last else None)


def _collect(future: Future, n_recipes: int) -> _Arrival | None:
    """What the task brought; None if Dask dropped it because the rows that it needs were lost with their worker."""
    from distributed import CancelledError, KilledWorker

    try:
        arrival: _Arrival = future.result()
    except KilledWorker:
        lost = f"A bank of {n_recipes} recipes lost every worker that tried it, so Dask gave it up; {KEPT}"
        raise MonolayerError(lost) from None
    except CancelledError:
        if future.client.status != "running":
            raise MonolayerError(LOST) from None
        return None
    except OSError:
        if future.status == "error":  # it is the task's own
            raise
        raise MonolayerError(LOST) from None
    return arrival


def _leave_test_out(splits: Splits) -> Splits:
    dataset = replace(splits.dataset, test=None, val=None)
    train, val = Rows(dataset, splits.train.index), splits.val
    if val is not None and val.dataset is splits.dataset:
        val = Rows(dataset, val.index)
    return Splits(train, val, Rows(dataset, np.zeros(0, np.int64)))
