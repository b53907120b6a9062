import pytest
from benchmarks.limit import CIFAR10, EMBEDDINGS, PATCHES, SGEMM_SIZE, compute_gflops, count_operations


def count(member_epochs, train_every, val_every):
    return count_operations(CIFAR10, member_epochs, train_every, val_every)


def test_one_epoch_is_scores_and_gradient_of_every_row():
    assert count(1, 0, 0) == 4 * 49_000 * 3_072 * 10
    assert count_operations(EMBEDDINGS, 1, 0, 0) == 4 * 50_000 * 1_024 * 1_000


def test_members_and_epochs_count_alike():
    assert count(36 * 40, 10, 1) == pytest.approx(36 * count(40, 10, 1))


def test_evaluations_are_half_an_epoch_of_their_rows_each():
    assert count(40, 40, 40) - count(40, 0, 0) == 2 * (49_000 + 1_000) * 3_072 * 10
    assert count(40, 0, 1) - count(40, 0, 0) == 40 * 2 * 1_000 * 3_072 * 10


def test_the_rate_of_a_product_that_takes_a_second():
    assert compute_gflops(1.0) == pytest.approx(2 * SGEMM_SIZE**3 / 1e9)


def test_an_extraction_is_two_products_a_patch():
    assert count_operations(PATCHES, 1, 0, 0) == 4_000 * 729 * (2 * 108 * 108 + 2 * 108 * 1_600)
