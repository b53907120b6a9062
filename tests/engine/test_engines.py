"""The fast paths against the slow, obvious oracle: every engine in turn."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monolayer.recipe.recipe import Recipe
from monolayer.training.train import train, train_bank
from tests.made import make_dataset
from tests.reference import plain_loop

QUICK = {"train_every": 0, "val_every": 0}
pytestmark = pytest.mark.usefixtures("each_engine")


def assert_is_the_oracles(dataset, splits, recipe, rtol):
    run = train(splits, recipe, **QUICK)
    rows = splits.train
    X = rows.dataset.X[rows.index]
    W, b, Z = plain_loop.train(X, rows.y, dataset.n_classes, recipe, dataset.image_shape)
    scale = np.abs(W).max()
    np.testing.assert_allclose(run.network.weights, W, atol=rtol * scale)
    np.testing.assert_allclose(run.network.bias, b, atol=rtol * scale)
    expected = plain_loop.compute_mean_loss(recipe.loss, Z @ W.T + b, rows.y)
    assert run.evaluation["train"].loss == pytest.approx(expected, rel=10 * rtol)
    assert run.evaluation["train"].cost == pytest.approx(expected + recipe.l2 * (W**2).sum(), rel=10 * rtol)
    assert run.evaluation["train"].accuracy == pytest.approx(((Z @ W.T + b).argmax(axis=1) == rows.y).mean(), abs=0.02)


@settings(max_examples=40)
@given(
    loss=st.sampled_from(["cross_entropy", "multiple_bce"]),
    batch_size=st.integers(1, 70),
    l2=st.sampled_from([0.0, 0.01]),
    flip=st.sampled_from([0.0, 0.5, 1.0]),
    features=st.sampled_from(["uint8", "float16", "float32"]),
    dtype=st.sampled_from(["float32", "float64"]),
    split_seed=st.sampled_from([None, 3]),
    shape=st.sampled_from([(1, 3, 4), (3, 2, 2), (3, 13, 16)]),
)
def test_a_run_is_the_oracles(loss, batch_size, l2, flip, features, dtype, split_seed, shape):
    """Every dtype, loss and flip, batches that do not divide the rows, one slab (12 features) and several (624)."""
    dataset = make_dataset(101, int(np.prod(shape)), 4, dtype=features, image_shape=shape)
    recipe = Recipe(loss, 0.02, l2, batch_size, 3, "step:1:0.5", flip, dtype=dtype)
    assert_is_the_oracles(dataset, dataset.split(20, seed=split_seed), recipe, 1e-12 if dtype == "float64" else 2e-4)


def test_features_that_do_not_vary_stay_harmless():
    dataset = make_dataset(101, 12, 3)
    dataset.X[:, 5] = 200
    assert_is_the_oracles(dataset, dataset.split(), Recipe(learning_rate=0.02, epochs=3, batch_size=10), 2e-4)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_a_feature_whose_mean_dwarfs_its_deviation_errs_in_its_own_weight_only(dtype):
    dataset = make_dataset(2000, 12, 3, dtype=dtype)
    dataset.X[:, 5] = 255
    dataset.X[7, 5] = 254  # a mean of 11,000 deviations
    recipe = Recipe(learning_rate=0.01, epochs=3, batch_size=50)
    W, _, _ = plain_loop.train(dataset.X, dataset.y, 3, recipe)
    error = np.abs(train(dataset.split(), recipe, **QUICK).network.weights - W)
    assert error[:, 5].max() < 2e-4
    assert np.delete(error, 5, axis=1).max() < 5e-6


def test_slabs_cut_an_odd_number_of_features():
    dataset = make_dataset(60, 1025, 3, dtype="float32")
    assert_is_the_oracles(dataset, dataset.split(), Recipe(learning_rate=0.001, epochs=2, batch_size=7), 2e-4)


MEMBERS = [
    Recipe("cross_entropy", 0.01, 0.0, 16, 4),
    Recipe("multiple_bce", 0.1, 0.01, 16, 4, schedule="step:2:0.1"),
    Recipe("cross_entropy", 0.010000001, 0.1, 16, 4, init_std=0.1),
    Recipe("cross_entropy", 0.01, 0.5, 16, 4, schedule="cosine"),
    Recipe("multiple_bce", 0.02, 0.0, 16, 4),
]


@pytest.mark.parametrize("n_features", [12, 600])
@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4], [4, 2, 0, 3, 1]])
def test_a_run_in_a_bank_is_the_run_alone(order, n_features):
    splits = make_dataset(150, n_features, 4, dtype="float32").split(30)
    recipes = [MEMBERS[i] for i in order]
    for together, recipe in zip(train_bank(splits, recipes), recipes, strict=True):
        alone = train(splits, recipe)
        assert together.recipe == recipe
        np.testing.assert_allclose(together.network.weights, alone.network.weights, rtol=0, atol=3e-6)
        np.testing.assert_allclose(together.network.bias, alone.network.bias, rtol=0, atol=3e-6)
        assert together.evaluation["val"].loss == pytest.approx(alone.evaluation["val"].loss, rel=1e-5)
        assert [row.learning_rate for row in together.history] == [row.learning_rate for row in alone.history]


def test_rates_that_differ_in_the_ninth_decimal_stay_two_runs():
    splits = make_dataset(100, 12, 3).split()
    first, second = train_bank(
        splits, [Recipe(learning_rate=r, epochs=2, batch_size=10, dtype="float64") for r in (0.5, 0.500000001)]
    )
    assert np.abs(first.network.weights - second.network.weights).max() > 0


@pytest.mark.parametrize("n_features", [12, 600])
def test_a_diverging_member_leaves_the_others_alone(n_features):
    splits = make_dataset(100, n_features, 3).split(20)
    good, bad = (
        Recipe(learning_rate=0.01, epochs=9, batch_size=10),
        Recipe(learning_rate=10, l2=1, epochs=9, batch_size=10),
    )
    beside = train_bank(splits, [bad, good])
    np.testing.assert_allclose(beside[1].network.weights, train(splits, good).network.weights, atol=3e-6)
    assert [run.has_diverged for run in beside] == [True, False]


def test_the_same_seed_gives_the_same_bytes():
    splits = make_dataset(100, 600, 3).split()
    first, second = (train(splits, epochs=2, batch_size=10) for _ in range(2))
    assert first.network.weights.tobytes() == second.network.weights.tobytes()


@pytest.mark.parametrize("split_seed", [None, 3])
@pytest.mark.parametrize("buffer", ["block:4:6", "block:7:1", "block:500:1"])
def test_with_a_block_shuffle_a_run_is_the_loop_over_its_parts(buffer, split_seed):
    dataset = make_dataset(101, 624, 4, image_shape=(3, 13, 16))
    splits = dataset.split(20, seed=split_seed)
    recipe = Recipe("cross_entropy", 0.02, 0.01, 10, 2, flip=0.5, dtype="float64", shuffle=buffer)
    run, rows = train(splits, recipe, **QUICK), splits.train
    W, b, _ = plain_loop.train(dataset.X[rows.index], rows.y, 4, recipe, dataset.image_shape)
    np.testing.assert_allclose(run.network.weights, W, atol=1e-12)
    np.testing.assert_allclose(run.network.bias, b, atol=1e-12)


@pytest.mark.parametrize("shuffle", ["full", "block:7:3"])
@pytest.mark.parametrize("features", ["uint8", "float16", "float32"])
def test_rows_that_are_normalised_are_trained_on_as_if_they_had_been_divided_before(features, shuffle):
    dataset = make_dataset(101, 624, 4, dtype=features)
    normal = replace(dataset, normalize="l2", test=replace(dataset.test, normalize="l2"))
    splits = normal.split(20, seed=3)
    recipe = Recipe("cross_entropy", 0.02, 0.01, 10, 2, dtype="float64", shuffle=shuffle)
    run, rows = train(splits, recipe, **QUICK), splits.train
    X = dataset.X.astype(np.float64)
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    W, b, Z = plain_loop.train(X[rows.index], rows.y, 4, recipe)
    np.testing.assert_allclose(run.network.weights, W, atol=1e-6)  # lengths are float32
    expected = plain_loop.compute_mean_loss("cross_entropy", Z @ W.T + b, rows.y)
    assert run.evaluation["train"].loss == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(run.network.compute_scores(dataset.X[rows.index]), Z @ W.T + b, atol=1e-4)
    assert splits.fingerprint != dataset.split(20, seed=3).fingerprint
