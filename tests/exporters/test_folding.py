import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monolayer.exporters.folding import TOLERANCE, compute_error, compute_exact, fold, is_foldable, make_probes
from tests.exporters.made import compute_scores, make_network, make_rows


def test_the_exact_scores_are_the_definition():
    network = make_network(temperature=2.5)
    X = make_rows(network)
    np.testing.assert_allclose(compute_exact(network, X), compute_scores(network, X), rtol=1e-12)


@given(st.integers(2, 6), st.integers(1, 60), st.floats(-3, 3), st.floats(0.1, 10), st.integers(0, 99))
def test_in_double_precision_folding_is_exact(n_classes, n_features, shift_log, temperature, seed):
    network = make_network(
        n_classes, n_features, dtype="float32", temperature=temperature, shift=10**shift_log, seed=seed
    )
    X = make_rows(network).astype(np.float64)
    folded = fold(network, "float64")
    np.testing.assert_allclose(folded.compute_scores(X), compute_scores(network, X), rtol=1e-9, atol=1e-9)


def test_the_mean_of_the_training_rows_gets_its_score_to_rounding():
    """Because the bias takes the weights as they are after rounding."""
    network = make_network(n_features=1000, dtype="float64", shift=50.0)
    folded = fold(network)
    score = folded.weights.astype(np.float64) @ network.mean + folded.bias
    np.testing.assert_allclose(score, network.bias, atol=2.0**-24 * np.abs(folded.bias).max())


@pytest.mark.parametrize(("shift", "is_expected"), [(0.0, True), (3.0, True), (1e4, False), (1e9, False)])
def test_what_would_lose_too_much_is_not_folded(shift, is_expected):
    network = make_network(n_features=20, dtype="float64", shift=shift)
    assert is_foldable(network) is is_expected
    X = make_rows(network)
    error = compute_error(fold(network).compute_scores(X), compute_exact(network, X)).max()
    assert bool(error <= TOLERANCE) is is_expected


def test_weights_that_are_too_large_for_float32_are_not_folded():
    network = make_network(dtype="float64", shift=0.0)
    network.std[0] = 1e-42
    assert not is_foldable(network)


@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32", "float64", "int9"])
def test_probes_are_finite_rows_of_the_training_dtype(dtype):
    network = make_network(dtype=dtype, shift=65_000.0)
    X = make_probes(network)
    assert X.dtype == ("float32" if dtype == "int9" else dtype)
    assert np.isfinite(X).all()
    np.testing.assert_array_equal(X, make_probes(network))
