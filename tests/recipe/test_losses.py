from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import log_softmax, logsumexp
from sklearn.metrics import log_loss

from monolayer.errors import BadInput
from monolayer.recipe.losses import LOSSES, compute_cost, get_loss
from tests.reference import plain_loop

SCORES = arrays(np.float64, (3, 4), elements=st.floats(-30, 30))
LABELS = arrays(np.int64, (3,), elements=st.integers(0, 3))

# The losses of scores (10,000, -10,000, 0) and (-10,000, 10,000, 0), the first class being the label of both.
HUGE = {
    "cross_entropy": [0.0, 2e4],
    "multiple_bce": [np.log(2) / 3, (2e4 + np.log(2)) / 3],
    "hinge": [0.0, 20_001.0],
    "smoothed_cross_entropy": [1e3, 1.9e4],
}
SMOOTH = [name for name, loss in LOSSES.items() if loss.is_smooth]


def relative_error(a, n, eps=1e-12):
    return np.abs(a - n) / np.maximum(eps, np.abs(a) + np.abs(n))


@pytest.mark.parametrize("name", SMOOTH)
@given(scores=SCORES, y=LABELS)
def test_residual_is_the_derivative_of_the_loss(name, scores, y):
    loss, h = get_loss(name), 1e-5
    numerical = np.empty_like(scores)
    for k in range(scores.shape[1]):
        step = np.zeros_like(scores)
        step[:, k] = h
        numerical[:, k] = (loss.compute_loss(scores + step, y) - loss.compute_loss(scores - step, y)) / (2 * h)
    np.testing.assert_allclose(loss.compute_residual(scores, y), numerical, atol=1e-8)


@given(scores=SCORES, y=LABELS, extra=arrays(np.uint8, (3, 4), elements=st.integers(0, 1)))
def test_multiple_bce_takes_several_labels_a_row(scores, y, extra):
    loss, one_hot = get_loss("multiple_bce"), np.eye(4, dtype=np.uint8)[y]
    for compute in (loss.compute_loss, loss.compute_residual):
        np.testing.assert_allclose(compute(scores, one_hot), compute(scores, y), atol=1e-15)
    p = 1 / (1 + np.exp(-scores))
    expected = -np.where(extra, np.log(p), np.log1p(-p)).mean(axis=1)
    np.testing.assert_allclose(loss.compute_loss(scores, extra), expected, rtol=1e-3)
    np.testing.assert_allclose(loss.compute_residual(scores, extra), (p - extra) / 4, atol=1e-15)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("l2", [0.0, 0.1])
def test_assignment_gradient_check(name, l2):
    """d = 10, n = 3: analytic against central differences of the cost, to the assignment's 1e-6."""
    rng = np.random.default_rng(7)
    Z, y = rng.standard_normal((3, 10)), np.array([0, 2, 1])
    W, b = 0.01 * rng.standard_normal((4, 10)), np.zeros(4)
    loss = get_loss(name)

    def cost(W, b):
        return compute_cost(loss.compute_loss(Z @ W.T + b, y).mean(), l2, (W**2).sum())

    residual = loss.compute_residual(Z @ W.T + b, y) / len(Z)
    analytic = np.concatenate([(residual.T @ Z + 2 * l2 * W).ravel(), residual.sum(axis=0)])
    numerical = np.empty_like(analytic)
    for i in range(analytic.size):
        flat = np.concatenate([W.ravel(), b])
        values = []
        for sign in (1, -1):
            flat[i] += sign * 1e-6
            values.append(cost(flat[:40].reshape(4, 10), flat[40:]))
            flat[i] -= sign * 1e-6
        numerical[i] = (values[0] - values[1]) / 2e-6
    assert np.abs(analytic - numerical).max() < 1e-6
    assert relative_error(analytic, numerical, eps=1e-3).max() < 1e-6


@given(scores=SCORES, y=LABELS)
def test_cross_entropy_is_scipys(scores, y):
    expected = -log_softmax(scores, axis=1)[np.arange(3), y]
    np.testing.assert_allclose(get_loss("cross_entropy").compute_loss(scores, y), expected, atol=1e-12)


def test_multiple_bce_is_sklearns_log_loss_averaged_over_classes():
    rng = np.random.default_rng(0)
    scores, y = rng.standard_normal((50, 5)), rng.integers(0, 5, 50)
    p = get_loss("multiple_bce").compute_probabilities(scores)
    expected = np.mean([log_loss(y == k, p[:, k], labels=[False, True]) for k in range(5)])
    assert get_loss("multiple_bce").compute_loss(scores, y).mean() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scores_of_a_bank_go_through_the_same_lines(name, dtype):
    rng = np.random.default_rng(1)
    scores, y = rng.standard_normal((3, 20, 5)).astype(dtype), rng.integers(0, 5, 20)
    class_first = np.ascontiguousarray(scores.transpose(2, 0, 1)).transpose(1, 2, 0)
    loss = get_loss(name)
    for function in (loss.compute_loss, loss.compute_residual):
        together, apart = function(class_first, y), np.stack([function(s, y) for s in scores])
        assert together.dtype == dtype
        np.testing.assert_allclose(together, apart, rtol=1e-5 if dtype == np.float32 else 1e-12, atol=1e-7)


@pytest.mark.parametrize("name", LOSSES)
def test_the_text_of_a_loss_gives_it_again(name):
    loss = get_loss(name)
    assert get_loss(str(loss)) == loss
    assert get_loss(f" {name.replace('_', '-')}") == loss
    takes_some = bool(fields(loss))
    message = f"is not {name}" if takes_some else f"has a parameter; accepted is {name}, which takes none"
    with pytest.raises(BadInput, match=f"Loss '{name}:1:2' {message}"):
        get_loss(f"{name}:1:2")


@pytest.mark.parametrize("smoothing", [0.05, 0.3])
def test_smoothed_cross_entropy_is_the_cross_entropy_of_smoothed_labels(smoothing):
    rng = np.random.default_rng(4)
    scores, y = rng.standard_normal((20, 5)), rng.integers(0, 5, 20)
    loss, target = get_loss(f"smoothed_cross_entropy:{smoothing}"), smoothing / 5 + (1 - smoothing) * np.eye(5)[y]
    np.testing.assert_allclose(loss.compute_loss(scores, y), -(target * log_softmax(scores, axis=1)).sum(axis=1))
    np.testing.assert_allclose(loss.compute_residual(scores, y), loss.compute_probabilities(scores) - target)
    at_target = np.log(target)
    np.testing.assert_allclose(loss.compute_residual(at_target, y), 0, atol=1e-15)


def test_the_smoothing_is_written_one_way_and_lies_between_0_and_1():
    assert str(get_loss("smoothed_cross_entropy")) == "smoothed_cross_entropy:0.1"
    assert str(get_loss("smoothed-cross-entropy:1e-1")) == "smoothed_cross_entropy:0.1"
    for text in ("0", "1", "-0.1", "nan", "inf", "much", ""):
        with pytest.raises(BadInput, match="smoothing of smoothed_cross_entropy must be a number above 0 and below 1"):
            get_loss(f"smoothed_cross_entropy:{text}")


@given(scores=SCORES, y=LABELS)
def test_the_residual_of_the_hinge_loss_is_its_derivative_away_from_its_kinks(scores, y):
    loss, h = get_loss("hinge"), 1e-5
    ordered = np.sort(scores + (np.arange(4) != y[:, None]), axis=1)
    scores, y = (part[ordered[:, -1] - ordered[:, -2] > 1e-3] for part in (scores, y))
    numerical = np.empty_like(scores)
    for k in range(4):
        step = h * np.eye(4)[k]
        numerical[:, k] = (loss.compute_loss(scores + step, y) - loss.compute_loss(scores - step, y)) / (2 * h)
    np.testing.assert_allclose(loss.compute_residual(scores, y), numerical, atol=1e-8)


@given(scores=SCORES, other=SCORES, y=LABELS)
def test_the_residual_of_the_hinge_loss_is_a_subgradient_everywhere(scores, other, y):
    loss = get_loss("hinge")
    least = loss.compute_loss(scores, y) + (loss.compute_residual(scores, y) * (other - scores)).sum(axis=1)
    assert (loss.compute_loss(other, y) >= least - 1e-9).all()


def test_the_smooth_loss_that_bounds_the_hinge_loss_lies_less_than_log_k_above_it():
    rng = np.random.default_rng(5)
    scores, y = 3 * rng.standard_normal((200, 4)), rng.integers(0, 4, 200)
    smooth = logsumexp(scores + (np.arange(4) != y[:, None]), axis=1) - scores[np.arange(200), y]
    above = smooth - get_loss("hinge").compute_loss(scores, y)
    assert above.min() > 0
    assert above.max() < np.log(4)


@pytest.mark.parametrize("name", SMOOTH)
def test_curvature_of_scores_lies_below_its_bound(name):
    rng = np.random.default_rng(3)
    loss, scores, y, h = get_loss(name), rng.standard_normal((40, 5)), rng.integers(0, 5, 40), 1e-4
    columns = []
    for k in range(5):
        step = h * np.eye(5)[k]
        columns.append((loss.compute_residual(scores + step, y) - loss.compute_residual(scores - step, y)) / (2 * h))
    hessians = np.stack(columns, axis=2)
    assert np.linalg.eigvalsh(hessians).max() <= loss.bound_curvature(5)
    diagonals = np.einsum("nkk->nk", hessians) * loss.compute_divisor(5)
    np.testing.assert_allclose(loss.compute_curvature(scores), diagonals, atol=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_huge_scores_neither_overflow_nor_warn(name):
    scores = np.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 0.0]], np.float32)
    y = np.array([0, 0])
    loss = get_loss(name)
    expected = HUGE[name]
    np.testing.assert_allclose(loss.compute_loss(scores, y), expected, atol=1e-6)
    assert np.isfinite(loss.compute_residual(scores, y)).all()


@pytest.mark.parametrize("name", LOSSES)
def test_loss_is_the_oracles(name):
    rng = np.random.default_rng(2)
    scores, y = rng.standard_normal((30, 6)), rng.integers(0, 6, 30)
    assert get_loss(name).compute_loss(scores, y).mean() == pytest.approx(
        plain_loop.compute_mean_loss(name, scores, y), rel=1e-12
    )


def test_softmax_sums_to_one_and_matches_logsumexp():
    scores = np.random.default_rng(3).standard_normal((7, 4))
    p = get_loss("cross_entropy").compute_probabilities(scores)
    np.testing.assert_allclose(np.log(p), scores - logsumexp(scores, axis=1, keepdims=True), atol=1e-12)


def test_cost_without_regularisation_is_the_loss_even_when_weights_are_not_finite():
    assert compute_cost(1.5, 0.0, float("inf")) == 1.5
    assert compute_cost(1.5, 0.5, 2.0) == 2.5


def test_unknown_loss_names_the_accepted_ones():
    with pytest.raises(BadInput, match="Unknown loss 'absolute'; accepted are cross_entropy, multiple_bce"):
        get_loss("absolute")
