import pytest
from benchmarks.limit import SGEMM_SIZE, compute_gflops, count_operations


def test_one_epoch_is_scores_and_gradient_of_every_row():
    assert count_operations(1, 0, 0) == 4 * 49_000 * 3_072 * 10


def test_members_and_epochs_count_alike():
    assert count_operations(36 * 40, 10, 1) == pytest.approx(36 * count_operations(40, 10, 1))


def test_evaluations_are_half_an_epoch_of_their_rows_each():
    once_at_the_end = count_operations(40, 40, 40) - count_operations(40, 0, 0)
    assert once_at_the_end == 2 * (49_000 + 1_000) * 3_072 * 10
    each_epoch = count_operations(40, 0, 1) - count_operations(40, 0, 0)
    assert each_epoch == 40 * 2 * 1_000 * 3_072 * 10


def test_the_rate_of_a_product_that_takes_a_second():
    assert compute_gflops(1.0) == pytest.approx(2 * SGEMM_SIZE**3 / 1e9)
