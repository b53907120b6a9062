import numpy as np
import pytest

from monolayer.evaluate.calibration import compute_brier, compute_expected_error
from monolayer.evaluate.calibration_summary import measure_readings, rescale
from monolayer.evaluate.predictions import Predictions
from monolayer.evaluate.probabilities import compute_readings
from monolayer.evaluate.significance import Bootstrap

FEW = Bootstrap(n_resamples=40)


def make_answers(loss="cross_entropy", n=400, factor=1.0, seed=0):
    """Labels drawn from the softmax of the scores: calibrated where the factor is 1."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(0, 1.5, (n, 4))
    p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    y = np.array([rng.choice(4, p=row) for row in p])
    return Predictions(loss, factor * scores, y, np.arange(n))


def test_measures_are_the_single_functions_with_intervals_around_them():
    predictions = make_answers("multiple_bce")
    measured = measure_readings(predictions, FEW)
    assert list(measured) == ["sigmoid", "normalised_sigmoid", "softmax"]
    for name, p in compute_readings(predictions.scores, "multiple_bce").items():
        calibration = measured[name]
        assert calibration.expected_error.estimate == pytest.approx(compute_expected_error(p, predictions.y))
        assert calibration.brier.estimate == pytest.approx(compute_brier(p, predictions.y))
        assert calibration.brier.low < calibration.brier.estimate < calibration.brier.high
        assert calibration.n == 400


def test_raw_sigmoids_have_neither_chance_nor_log_loss():
    raw = measure_readings(make_answers("multiple_bce"), FEW)["sigmoid"]
    assert (raw.chance, raw.log_loss, raw.is_beyond_chance) == (None, None, None)


def test_only_what_is_not_calibrated_lies_beyond_chance():
    assert measure_readings(make_answers(), FEW)["softmax"].is_beyond_chance is False
    assert measure_readings(make_answers(factor=4.0), FEW)["softmax"].is_beyond_chance is True


def test_a_temperature_undoes_scores_that_are_too_large():
    val, test = make_answers(factor=4.0, seed=1, n=1000), make_answers(factor=4.0, seed=2)
    result = rescale(val, test, "softmax", FEW)
    before = measure_readings(test, FEW)["softmax"]
    assert result.fit.temperature == pytest.approx(4, rel=0.15)
    assert result.fit.n == 1000
    assert result.after.expected_error.estimate < 0.5 * before.expected_error.estimate
    assert result.after.is_beyond_chance is False
