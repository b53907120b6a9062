"""What a worker of a cluster is given."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("distributed")

from distributed import CancelledError

from monolayer.data.scaler import fit_scaler
from monolayer.engine.bank import make_bank
from monolayer.errors import BadInput, MonolayerError
from monolayer.progress import SILENCE
from monolayer.recipe.recipe import Recipe
from monolayer.training.loop import BankTraining
from monolayer.training.options import TrainOptions
from monolayer.training.scheduler import Job
from monolayer.tuning.dask import MAX_RETRIES, Cluster, _check_workers, _get_result, _remove_test_rows, describe_machine
from tests.made import make_dataset


@pytest.mark.parametrize("has_own", [True, False])
def test_a_worker_has_the_validation_rows_and_no_test_rows(has_own):
    """Where the source has validation rows of its own they are those, and not as many of the training rows."""
    dataset = make_dataset()
    splits = replace(dataset, val=make_dataset(seed=1)).split() if has_own else dataset.split(40)
    given = _remove_test_rows(splits)
    for ours, theirs in ((given.train, splits.train), (given.val, splits.val)):
        np.testing.assert_array_equal(ours.y, theirs.y)
        for block, other in zip(ours.iterate_blocks(50), theirs.iterate_blocks(50), strict=True):
            np.testing.assert_array_equal(block, other)
    assert given.n_test == 0
    assert given.dataset.test is given.dataset.val is None


class Client:
    """Answers as workers would, of whom each differs from this process in one thing."""

    def __init__(self, *differences):
        self.differences = differences

    def run(self, function):
        assert function is describe_machine
        return {f"tcp://worker:{i}": {**describe_machine(), **other} for i, other in enumerate(self.differences)}


@pytest.mark.parametrize("name", ["engine", "numpy", "monolayer"])
def test_a_worker_that_would_give_other_bytes_is_refused_by_name(name):
    with pytest.raises(BadInput, match=rf"tcp://worker:1 has {name} another, this process .*; accepted is the same"):
        _check_workers(Client({}, {name: "another"}), "tcp://here:1", SILENCE)


def test_workers_alike_are_counted():
    assert _check_workers(Client({}, {}), "tcp://here:1", SILENCE) == 2


class Dropped:
    """A task that the scheduler has dropped, with a client that still has a scheduler or has none."""

    def __init__(self, status):
        self.client = SimpleNamespace(status=status)

    def done(self):
        return True

    def result(self):
        raise CancelledError("_train-1")


def make_training():
    splits = make_dataset().split(40)
    return BankTraining(make_bank((Recipe(), Recipe(l2=0.1)), fit_scaler(splits.train), 3), splits, TrainOptions())


def test_a_task_that_was_dropped_is_told_from_one_without_a_scheduler():
    assert _get_result(Dropped("running"), 2) is None
    with pytest.raises(MonolayerError, match="The Dask scheduler was lost;"):
        _get_result(Dropped("connecting"), 2)


class Failed:
    """A task that failed on its worker, or could not be asked for what it brought."""

    def __init__(self, status):
        self.status = status

    def result(self):
        raise FileNotFoundError(2, "No such file", "rows.npy")


def test_an_error_of_the_task_itself_is_not_taken_for_a_lost_scheduler():
    with pytest.raises(FileNotFoundError, match=r"rows\.npy"):
        _get_result(Failed("error"), 2)
    with pytest.raises(MonolayerError, match="The Dask scheduler was lost;"):
        _get_result(Failed("finished"), 2)


class Taking:
    """A client whose workers take rows after so many of them have died over it."""

    def __init__(self, n_deaths, status="running", error=OSError):
        self.n_left, self.status, self.error = n_deaths, status, error

    def scatter(self, rows, *, broadcast, hash):  # noqa: A002 - Dask's word
        self.n_left -= 1
        if self.n_left >= 0:
            raise self.error("in <TCP>: Stream is closed")
        return SimpleNamespace(number=-self.n_left)


@pytest.mark.parametrize("error", [OSError, KeyError, ValueError])
def test_rows_are_sent_past_workers_that_have_just_died(error):
    splits, cluster = make_training().splits, Cluster(Taking(2, error=error), 3, SILENCE)
    there = cluster._scatter(splits)
    assert cluster._scatter(splits) is there  # sent once, and another scatter would have been the fourth
    assert there.number == 1


@pytest.mark.parametrize(
    ("client", "message"),
    [
        (Taking(99), "No Dask worker accepted the rows;"),
        (Taking(99, error=TimeoutError), "No Dask worker accepted the rows;"),
        (Taking(99, "connecting"), "The Dask scheduler was lost;"),
    ],
)
def test_rows_that_nobody_takes_are_one_sentence(client, message):
    with pytest.raises(MonolayerError, match=message):
        Cluster(client, 3, SILENCE)._scatter(make_training().splits)
    assert client.n_left >= 90


class Losing:
    """A client whose workers lose the rows, and every task with them."""

    status = "running"

    def __init__(self):
        self.n_sent, self.n_tasks = 0, 0

    def scatter(self, rows, *, broadcast, hash):  # noqa: A002 - Dask's word
        self.n_sent += 1
        return object()

    def submit(self, *words, pure):
        self.n_tasks += 1
        return Dropped("running")

    def cancel(self, futures):
        pass


def test_rows_that_are_lost_again_and_again_are_sent_once_for_all_banks_and_given_up():
    client, jobs = Losing(), [Job(make_training(), 1)]
    jobs.append(Job(jobs[0].training, 1))
    with pytest.raises(MonolayerError, match=f"lost with their workers {1 + MAX_RETRIES} times in a row; with --out"):
        Cluster(client, 3, SILENCE)(jobs)
    assert client.n_sent == 1 + MAX_RETRIES
    assert client.n_tasks >= 2 * MAX_RETRIES
