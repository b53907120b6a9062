import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from monolayer.data.dataset import Dataset
from monolayer.data.scaler import compute_moments, fit_checked_scaler, fit_scaler
from monolayer.errors import BadData


@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32])
def test_mean_and_deviation_are_scikit_learns_on_training_rows_only(dtype):
    X = np.random.default_rng(0).integers(0, 255, (1500, 7)).astype(dtype)
    X[:, 3] = 9
    dataset = Dataset(X, np.arange(1500) % 2, ("a", "b"))
    train = dataset.split(val=200, test=300).train
    scaler, expected = fit_scaler(train), StandardScaler().fit(X[:1000].astype(np.float64))
    np.testing.assert_allclose(scaler.mean, expected.mean_, rtol=1e-12)
    np.testing.assert_allclose(scaler.std, expected.scale_, rtol=1e-12)


def test_a_large_mean_does_not_swallow_a_small_deviation():
    X = (10_000 + np.random.default_rng(0).standard_normal((4000, 2))).astype(np.float32)
    scaler = fit_scaler(Dataset(X, np.zeros(4000, int), ("a",)).split(test=1000).train)
    np.testing.assert_allclose(scaler.std, X[:3000].astype(np.float64).std(axis=0), rtol=1e-9)


@pytest.mark.parametrize("value", [0.1, 1e6, 0.0])
def test_a_float_that_does_not_vary_is_divided_by_one(value):
    dataset = Dataset(np.full((1001, 2), value, np.float32), np.arange(1001) % 2, ("a", "b"))
    train = dataset.split(test=1).train
    for scaler in (fit_scaler(train), *(m.make_scaler() for m in compute_moments(train, np.ones((1, 1000))))):
        np.testing.assert_array_equal(scaler.std, [1, 1])


def test_weightings_are_scikit_learns_and_rows_of_no_weight_are_not_there():
    rng = np.random.default_rng(0)
    X = (rng.standard_normal((1300, 5)) * [1, 10, 0.1, 1, 3] + [0, 5, 100, 1e4, 0]).astype(np.float32)
    rows = Dataset(X, np.arange(1300) % 2, ("a", "b")).split(test=100).train
    weights = np.stack([rng.integers(0, 4, 1200), np.arange(1200) < 700, np.ones(1200)]).astype(float)
    scalers = [moments.make_scaler() for moments in compute_moments(rows, weights)]
    for scaler, weight in zip(scalers, weights, strict=True):
        expected = StandardScaler().fit(X[:1200].astype(np.float64), sample_weight=weight)
        np.testing.assert_allclose(scaler.mean, expected.mean_, rtol=1e-10)
        np.testing.assert_allclose(scaler.std, expected.scale_, rtol=1e-9)
    alone = fit_scaler(Dataset(X[:700], np.arange(700) % 2, ("a", "b"), test=rows.dataset).split().train)
    np.testing.assert_allclose(scalers[1].std, alone.std, rtol=1e-9)


def test_lots_of_rows_merge_to_what_they_are_together():
    rng = np.random.default_rng(0)
    X = (rng.standard_normal((500, 3)) * [1, 0, 5] + [1e5, 7, 0]).astype(np.float64)
    rows = Dataset(X, np.arange(500) % 2, ("a", "b")).split(test=1).train
    lots = np.zeros((3, 499))
    lots[0, :100], lots[1, 100:130], lots[2, 130:] = 1, 2.5, 1
    first, second, third = compute_moments(rows, lots)
    merged, together = first.merge(second).merge(third), compute_moments(rows, lots.sum(axis=0, keepdims=True))[0]
    np.testing.assert_allclose(merged.n, together.n)
    np.testing.assert_allclose(merged.mean, together.mean, rtol=1e-12)
    np.testing.assert_allclose(merged.variance, together.variance, rtol=1e-8, atol=1e-20)
    assert merged.make_scaler().std[1] == 1


def test_a_feature_that_does_not_vary_on_one_fold_is_divided_by_one_there():
    X = np.zeros((1000, 2), np.float32)
    X[::7, 0] = 3.3
    X[:, 1] = 1e4
    X[3, 1] = 9e3
    rows = Dataset(X, np.arange(1000) % 2, ("a", "b")).split(test=1).train
    weights = np.stack([X[:999, 0] == 0, X[:999, 1] == 1e4, np.ones(999)]).astype(float)
    scalers = [moments.make_scaler() for moments in compute_moments(rows, weights)]
    assert [scaler.std[i] for scaler, i in zip(scalers, (0, 1), strict=False)] == [1, 1]
    np.testing.assert_allclose(scalers[2].std, X[:999].astype(float).std(axis=0), rtol=1e-9)


@pytest.mark.parametrize(("row", "name"), [(3, "training"), (25, "validation"), (35, "test")])
@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_a_value_that_is_not_finite_is_refused_in_any_part_with_its_row_and_feature(row, name, value):
    X = np.random.default_rng(0).random((40, 3), dtype=np.float32)
    X[row, 2] = value
    splits = Dataset(X, np.arange(40) % 2, ("a", "b"), name="made").split(val=10, test=10)
    said = rf"made: feature 2 of the {name} rows .* not finite \(row {row}\); accepted are finite numbers"
    with pytest.raises(BadData, match=said):
        fit_checked_scaler(splits)
    assert splits.openings == []


def test_looking_for_such_values_leaves_the_scaler_as_it_was():
    splits = Dataset(np.eye(30, 4, dtype=np.float32), np.arange(30) % 2, ("a", "b")).split(val=5, test=5)
    np.testing.assert_array_equal(fit_checked_scaler(splits).std, fit_scaler(splits.train).std)
