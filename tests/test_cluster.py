"""What a worker of a cluster is given."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("distributed")

from monolayer.cluster import _check_workers, _leave_test_out, describe_machine
from monolayer.errors import BadInput
from monolayer.progress import SILENCE
from tests.made import make_dataset


@pytest.mark.parametrize("has_own", [True, False])
def test_a_worker_has_the_validation_rows_and_no_test_rows(has_own):
    """Where the source has validation rows of its own they are those, and not as many of the training rows."""
    dataset = make_dataset()
    splits = replace(dataset, val=make_dataset(seed=1)).split() if has_own else dataset.split(40)
    given = _leave_test_out(splits)
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
