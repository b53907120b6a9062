"""What a worker of a cluster is given."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("distributed")

from monolayer.cluster import _leave_test_out
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
