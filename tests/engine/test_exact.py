from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from monolayer.data.load import load
from monolayer.data.scaler import fit_scaler
from monolayer.engine.exact import Problem, compute_cost_and_gradient, solve_exactly
from monolayer.errors import BadInput
from monolayer.recipe.losses import get_loss
from tests.made import make_dataset
from tests.reference import plain_loop


def make_problem(loss="cross_entropy", l2=0.01, n=700, n_features=12):
    rows = make_dataset(n, n_features, 3).split().train
    scaler = fit_scaler(rows)
    Z = (rows.dataset.X - scaler.mean) / scaler.std
    return Problem(rows, scaler, loss, l2), Z, rows.y


pytestmark = pytest.mark.usefixtures("each_engine")


def start(n_features=12):
    return np.zeros((3, n_features)), np.zeros(3)


@pytest.mark.parametrize("loss", ["cross_entropy", "multiple_bce", "smoothed_cross_entropy:0.2"])
def test_cost_and_gradient_are_the_oracles(loss):
    problem, Z, y = make_problem(loss, 0.1)
    rng = np.random.default_rng(0)
    W, b = rng.standard_normal((3, 12)), rng.standard_normal(3)
    cost, by_weights, by_bias = compute_cost_and_gradient(problem, get_loss(loss), y, W, b)
    assert cost == pytest.approx(plain_loop.compute_mean_loss(loss, Z @ W.T + b, y) + 0.1 * (W**2).sum(), rel=1e-6)
    expected = plain_loop.compute_gradients(loss, Z, y, W, b, 0.1)
    np.testing.assert_allclose(by_weights, expected[0], atol=1e-5)
    np.testing.assert_allclose(by_bias, expected[1], atol=1e-5)


@pytest.mark.parametrize("l2", [0.001, 0.1])
def test_the_optimum_of_cross_entropy_is_scikit_learns(l2):
    problem, Z, y = make_problem(l2=l2)
    ours = solve_exactly(problem, start(), tolerance=1e-9)
    # scikit-learn minimises C * sum of losses + sum(W**2) / 2.
    theirs = LogisticRegression(C=1 / (2 * l2 * len(y)), tol=1e-8, max_iter=2000).fit(Z, y)
    np.testing.assert_allclose(ours.weights, theirs.coef_, atol=2e-3)
    assert ours.gradient_norm < 1e-3


def test_the_optimum_of_multiple_bce_is_one_logistic_regression_a_class():
    problem, Z, y = make_problem("multiple_bce", 0.01)
    ours = solve_exactly(problem, start(), tolerance=1e-9)
    for k in range(3):
        # Our loss is divided by K, so the same l2 weighs K times more.
        theirs = LogisticRegression(C=1 / (2 * 0.01 * 3 * len(y)), tol=1e-8, max_iter=2000).fit(Z, y == k)
        np.testing.assert_allclose(ours.weights[k], theirs.coef_[0], atol=2e-3)


def test_the_answer_does_not_depend_on_the_start_and_no_step_lowers_it():
    problem, _, y = make_problem()
    rng = np.random.default_rng(1)
    near, far = (
        solve_exactly(problem, (scale * rng.standard_normal((3, 12)), np.zeros(3)), tolerance=1e-9) for scale in (0, 3)
    )
    assert near.cost == pytest.approx(far.cost, rel=1e-6)
    loss = get_loss("cross_entropy")
    for _ in range(20):
        W = near.weights + 0.05 * rng.standard_normal((3, 12))
        assert compute_cost_and_gradient(problem, loss, y, W, near.bias)[0] > near.cost


def test_with_l2_the_cost_lies_no_further_above_the_minimum_than_the_gap():
    problem, _, _ = make_problem(l2=1e-4)
    best = solve_exactly(problem, start(), tolerance=1e-10)
    for passes in (2, 5, 9):
        found = solve_exactly(problem, start(), max_passes=passes)
        assert 0 < found.cost - best.cost <= found.gap


def test_sigmoids_of_digits_whose_rare_pixels_are_large_arrive_from_wherever_they_start():
    splits = load("digits").split(300)
    # With an l2 there is one minimum. Without, these rows are separable: the cost has none, and where a descent gives
    # up depends on the order in which a processor adds.
    problem = Problem(splits.train, fit_scaler(splits.train), "multiple_bce", 1e-4)
    rng = np.random.default_rng(0)
    found = [solve_exactly(problem, (scale * rng.standard_normal((10, 64)), np.zeros(10))) for scale in (0, 0.1, 0.3)]
    for optimum in found:
        assert optimum.gap <= 3e-4 * optimum.cost
        assert optimum.passes < 150
    costs = [optimum.cost for optimum in found]
    assert max(costs) <= min(costs) + max(optimum.gap for optimum in found)


@pytest.mark.parametrize("loss", ["cross_entropy", "multiple_bce"])
def test_rows_that_are_told_apart_without_l2_have_no_minimum(loss):
    problem, _, _ = make_problem(loss, 0.0, n=40, n_features=60)
    assert solve_exactly(problem, start(60)).is_separable
    assert not solve_exactly(replace(problem, l2=1e-4), start(60)).is_separable
    assert not solve_exactly(make_problem(loss, 0.0)[0], start()).is_separable


def test_smoothed_labels_have_a_minimum_even_where_rows_are_told_apart_without_l2():
    problem, _, _ = make_problem("smoothed_cross_entropy:0.1", 0.0, n=40, n_features=60)
    rng = np.random.default_rng(2)
    near, far = (solve_exactly(problem, (scale * rng.standard_normal((3, 60)), np.zeros(3))) for scale in (0, 0.1))
    target = np.array([1 - 0.1 + 0.1 / 3, 0.1 / 3, 0.1 / 3])
    for found in (near, far):
        assert not found.is_separable
        assert found.cost == pytest.approx(-(target * np.log(target)).sum(), abs=1e-3)


def test_a_loss_that_is_not_smooth_is_refused():
    with pytest.raises(BadInput, match=r"loss hinge is not smooth, .* accepted are cross_entropy"):
        solve_exactly(make_problem("hinge")[0], start())


def test_passes_are_bounded_and_told():
    result = []

    class Display:
        def info(self, text):
            pass

        def advance(self, task, done, total, unit=""):
            result.append((done, total))

    problem, _, _ = make_problem(l2=0.0)
    solve_exactly(problem, start(), max_passes=5, tolerance=0.0, progress=Display())
    assert result[-1][1] == 5
    assert max(done for done, _ in result) == 5
