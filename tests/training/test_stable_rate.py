from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monolayer.data.dataset import Dataset, Rows
from monolayer.data.scaler import Scaler, compute_moments
from monolayer.recipe.losses import get_loss
from monolayer.recipe.recipe import Recipe
from monolayer.training.stable_rate import compute_stable_rate


def make_rows(seed, n, D, correlation, scale):
    rng = np.random.default_rng(seed)
    common = rng.standard_normal((n, 1))
    X = scale * (np.sqrt(correlation) * common + np.sqrt(1 - correlation) * rng.standard_normal((n, D)))
    dataset = Dataset(X, rng.integers(0, 3, n), ("a", "b", "c"))
    return Rows(dataset, np.arange(n))


@settings(max_examples=40)
@given(
    seed=st.integers(0, 99),
    n=st.integers(5, 80),
    D=st.integers(1, 20),
    correlation=st.sampled_from([0.0, 0.5, 0.99]),
    scale=st.sampled_from([0.01, 1.0, 100.0]),
    standardize=st.booleans(),
    loss=st.sampled_from(["cross_entropy", "multiple_bce"]),
    l2=st.sampled_from([0.0, 0.1, 10.0]),
)
def test_descent_on_all_rows_at_this_rate_never_raises_the_cost(seed, n, D, correlation, scale, standardize, loss, l2):
    rows, weight = make_rows(seed, n, D, correlation, scale), np.ones(n)
    scaler = compute_moments(rows, weight[None])[0].make_scaler()
    if not standardize:
        scaler = Scaler(np.zeros(D), np.ones(D))
    rate = compute_stable_rate(rows, weight, scaler, Recipe(loss, l2=l2, batch_size=100), 3)
    Z, y = (rows.dataset.X - scaler.mean) / scaler.std, rows.y
    W, b = 0.1 * np.random.default_rng(1).standard_normal((3, D)), np.zeros(3)
    costs = []
    for _ in range(20):
        scores = Z @ W.T + b  # large where nothing is standardised, so the losses that do not overflow
        costs.append(get_loss(loss).compute_loss(scores, y).mean() + l2 * (W**2).sum())
        residual = get_loss(loss).compute_residual(scores, y) / n
        dW, db = residual.T @ Z + 2 * l2 * W, residual.sum(axis=0)
        W, b = W - rate * dW, b - rate * db
    assert all(later <= earlier * (1 + 1e-12) for earlier, later in pairwise(costs))


def test_smaller_batches_and_correlated_features_bear_less():
    scaler = Scaler(np.zeros(10), np.ones(10))

    def rate(correlation, batch_size):
        rows = make_rows(0, 500, 10, correlation, 1.0)
        return compute_stable_rate(rows, np.ones(500), scaler, Recipe(batch_size=batch_size), 3)

    assert rate(0.0, 1) < rate(0.0, 100) < rate(0.0, 1000)
    assert rate(0.9, 100) < rate(0.0, 100) / 3


def test_rows_of_no_weight_and_whole_weights_count_as_they_should():
    rows, times = make_rows(0, 40, 4, 0.5, 1.0), np.arange(40) % 3
    scaler = Scaler(np.zeros(4), np.ones(4))
    repeated = Rows(rows.dataset, np.repeat(np.arange(40), times))
    rates = [
        compute_stable_rate(rows, times.astype(float), scaler, Recipe(), 3),
        compute_stable_rate(repeated, np.ones(len(repeated)), scaler, Recipe(), 3),
    ]
    assert rates[0] == pytest.approx(rates[1], rel=1e-9)


@pytest.mark.parametrize("loss", ["cross_entropy", "multiple_bce"])
def test_it_is_one_over_the_curvature_and_what_batches_add(loss):
    rows, scaler = make_rows(0, 500, 8, 0.5, 1.0), Scaler(np.zeros(8), np.ones(8))
    Z = np.hstack([rows.dataset.X, np.ones((500, 1))])
    curvature = {"cross_entropy": 1 / 2, "multiple_bce": 1 / 4 / 3}[loss]
    largest, length = np.linalg.eigvalsh(Z.T @ Z / 500)[-1], (Z**2).sum(axis=1).mean()
    rates = {
        size: compute_stable_rate(rows, np.ones(500), scaler, Recipe(loss, l2=0.1, batch_size=size), 3)
        for size in (1, 500, 10_000)
    }
    assert rates[500] == pytest.approx(1 / (curvature * largest + 0.2), rel=1e-6)
    assert rates[500] == rates[10_000]  # one batch of all rows has no noise
    assert rates[1] == pytest.approx(1 / (curvature * (largest + length) + 0.2), rel=1e-6)


def test_four_times_as_much_would_go_up():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 1)) @ np.ones((1, 50)) + 0.1 * rng.standard_normal((200, 50))
    rows = Rows(Dataset(X, (X[:, :1] > 0).astype(np.uint8), ("a",)), np.arange(200))
    recipe = Recipe("multiple_bce", l2=0.5, batch_size=200)
    rate = compute_stable_rate(rows, np.ones(200), Scaler(np.zeros(50), np.ones(50)), recipe, 1)

    def go_up(factor):
        W, costs = np.full((1, 50), 0.01), []
        for _ in range(50):
            scores = X @ W.T
            costs.append(get_loss("multiple_bce").compute_loss(scores, rows.y).mean() + 0.5 * (W**2).sum())
            W = W - factor * rate * (get_loss("multiple_bce").compute_residual(scores, rows.y).T @ X / 200 + W)
        return any(later > earlier for earlier, later in pairwise(costs))

    assert [go_up(factor) for factor in (1, 4)] == [False, True]


def test_rows_of_weight_0_and_a_common_factor_change_nothing():
    rows, weight = make_rows(0, 90, 5, 0.5, 1.0), (np.arange(90) % 3 > 0).astype(float)
    scaler, recipe = Scaler(np.zeros(5), np.ones(5)), Recipe(batch_size=9)
    rate = compute_stable_rate(rows, weight, scaler, recipe, 3)
    assert compute_stable_rate(rows, 7 * weight, scaler, recipe, 3) == pytest.approx(rate, rel=1e-12)
    alone = Rows(rows.dataset, np.flatnonzero(weight))  # of a batch of 9 rows 6 are there
    few = compute_stable_rate(alone, np.ones(60), scaler, recipe.replace(batch_size=6), 3)
    assert few == pytest.approx(rate, rel=1e-12)
    rows.dataset.X[weight == 0] = 1e9
    assert compute_stable_rate(rows, weight, scaler, recipe, 3) == rate


@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32"])
def test_of_many_rows_some_are_enough(dtype, monkeypatch):
    plain = make_rows(0, 3000, 20, 0.3, 30.0)
    X = np.clip(128 + plain.dataset.X, 0, 255).astype(dtype)
    rows, weight = Rows(Dataset(X, plain.dataset.y, ("a", "b", "c")), plain.index), np.ones(3000)
    scaler = compute_moments(rows, weight[None])[0].make_scaler()
    some = compute_stable_rate(rows, weight, scaler, Recipe(), 3)
    monkeypatch.setattr("monolayer.training.stable_rate.MAX_ROWS", 10**6)
    assert some == pytest.approx(compute_stable_rate(rows, weight, scaler, Recipe(), 3), rel=0.05)


@settings(max_examples=25)
@given(
    seed=st.integers(0, 99),
    n=st.integers(201, 2000),
    D=st.integers(1, 20),
    n_heavy=st.integers(1, 10),
    heavy=st.sampled_from([1.0, 100.0, 1e5]),
    batch_size=st.sampled_from([1, 50, 10_000]),
)
def test_heavy_rows_among_more_than_are_looked_at_are_seen(seed, n, D, n_heavy, heavy, batch_size):
    rng = np.random.default_rng(seed)
    rows, weight = make_rows(seed, n, D, 0.3, 1.0), rng.uniform(0, 2, n)
    chosen = rng.choice(n, n_heavy, replace=False)
    weight[chosen] = heavy
    rows.dataset.X[chosen] *= 10
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("monolayer.training.stable_rate.MAX_ROWS", 200)
        rate = compute_stable_rate(rows, weight, Scaler(np.zeros(D), np.ones(D)), Recipe(batch_size=batch_size), 3)
    # The rate of 200 sampled rows; over 200 draws it was 0.37 to 2.06 times that of all rows.
    assert 1 / 3 < rate * bound(rows, weight, batch_size) < 3


def bound(rows, weight, batch_size):
    """The largest curvature of cross-entropy over all rows, and what batches of so many add to it."""
    Z = np.hstack([rows.dataset.X, np.ones((len(rows), 1))])
    n, size = len(rows), min(batch_size, len(rows))
    largest = np.linalg.eigvalsh(Z.T @ (weight[:, None] * Z) / weight.sum())[-1]
    length = (weight**2 * (Z**2).sum(axis=1)).mean() / weight.mean() ** 2  # gradients have a factor weight / mean
    return 0.5 * (largest + length * (n - size) / (size * (n - 1)))


@pytest.mark.parametrize("batch_size", [1, 30, 500])
def test_batches_of_unequal_weights_add_the_mean_of_their_squares(batch_size):
    rows, weight = make_rows(0, 500, 8, 0.5, 1.0), np.random.default_rng(0).lognormal(0, 2, 500)
    rate = compute_stable_rate(rows, weight, Scaler(np.zeros(8), np.ones(8)), Recipe(batch_size=batch_size), 3)
    assert rate == pytest.approx(1 / bound(rows, weight, batch_size), rel=1e-6)


def test_rows_are_normalised_where_the_dataset_says_so():
    rows = make_rows(0, 90, 5, 0.5, 30.0)
    scaler, X = Scaler(np.zeros(5), np.ones(5)), rows.dataset.X
    rates = [
        compute_stable_rate(
            Rows(Dataset(given, rows.y, ("a", "b", "c"), normalize=how), rows.index), np.ones(90), scaler, Recipe(), 3
        )
        for given, how in ((X, "l2"), (X / np.linalg.norm(X, axis=1, keepdims=True), "none"))
    ]
    assert rates[0] == pytest.approx(rates[1], rel=1e-5)
