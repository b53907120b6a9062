import numpy as np
import pytest

from monolayer.data.dataset import Dataset, Rows
from monolayer.duplicates.leaked import compute_shift, find_leaked


def make_rows(n, seed):
    return np.random.default_rng(seed).integers(0, 255, (n, 12)).astype(np.uint8)


def test_rows_of_a_test_file_that_stand_among_the_training_rows():
    X, X_test = make_rows(30, 0), make_rows(10, 1)
    X_test[3], X_test[7] = X[5], X[25]
    test = Dataset(X_test, np.zeros(10, int), ("a", "b"))
    dataset = Dataset(X, np.zeros(30, int), ("a", "b"), test=test)
    splits = dataset.split(10)
    leaked = find_leaked(splits.train, splits.open_test("audit"))
    assert np.flatnonzero(leaked.mask).tolist() == [3]  # row 25 is held out for validation
    assert [(pair.first, pair.second) for pair in leaked.pairs] == [(5, 3)]


def test_rows_of_one_dataset_that_was_divided():
    X = make_rows(30, 0)
    X[28], X[2] = X[4], X[20]
    dataset = Dataset(X, np.zeros(30, int), ("a", "b"))
    train, test = Rows(dataset, np.arange(10, 20)), Rows(dataset, np.array([28, 4, 5]))
    assert not find_leaked(train, test).mask.any()
    train = Rows(dataset, np.arange(4, 20))
    found = find_leaked(Rows(dataset, np.array([28, 9])), Rows(dataset, np.array([3, 4])))
    assert found.mask.tolist() == [False, True]
    assert [(pair.first, pair.second) for pair in found.pairs] == [(28, 4)]
    assert find_leaked(train, Rows(dataset, np.array([28, 29]))).mask.tolist() == [True, False]


def test_a_copy_is_found_behind_an_earlier_one_that_is_no_training_row():
    X = make_rows(30, 0)
    X[10] = X[20] = X[2]
    dataset = Dataset(X, np.zeros(30, int), ("a", "b"), test=Dataset(X[[20, 21]], np.zeros(2, int), ("a", "b")))
    train = Rows(dataset, np.arange(5, 15))
    found = find_leaked(train, Rows(dataset, np.array([2, 20, 21])))  # row 2 is the earliest, and a test row itself
    assert found.mask.tolist() == [True, True, False]
    assert [(pair.first, pair.second) for pair in found.pairs] == [(10, 2), (10, 20)]
    assert find_leaked(train, Rows(dataset.test, np.arange(2))).mask.tolist() == [True, False]


def test_the_shift_and_its_interval_are_those_of_resampled_rows():
    rng = np.random.default_rng(0)
    leaked = rng.random(2000) < 0.1
    correct = rng.random(2000) < np.where(leaked, 0.8, 0.4)
    shift = compute_shift(correct, leaked)
    assert shift.estimate == pytest.approx(correct[~leaked].mean() - correct.mean())
    rows = rng.integers(0, 2000, (2000, 2000))
    slow = [correct[r][~leaked[r]].mean() - correct[r].mean() for r in rows]
    assert (shift.low, shift.high) == pytest.approx(np.quantile(slow, [0.025, 0.975]), abs=6e-4)
