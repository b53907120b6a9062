"""All measures of calibration of a network's predictions, with intervals, for each reading of its scores."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from monolayer._typing import Array
from monolayer.evaluate.calibration import (
    Binning,
    BrierParts,
    compute_bootstrap_interval,
    compute_brier,
    compute_chance_interval,
    compute_classwise_error,
    compute_expected_error,
    compute_log_loss,
    compute_maximum_error,
    compute_sharpness,
    decompose_brier,
)
from monolayer.evaluate.predictions import Predictions
from monolayer.evaluate.probabilities import (
    TemperatureFit,
    apply_temperature,
    compute_readings,
    fit_temperature,
    get_reading,
)
from monolayer.evaluate.significance import Bootstrap, Interval

EQUAL_MASS = Binning(scheme="equal_mass")


@dataclass(frozen=True)
class Calibration:
    """Measures of the calibration of one reading's probabilities on n rows.

    Args:
        reading: how the scores were read: softmax, sigmoid or normalised_sigmoid.
        n: number of rows.
        expected_error: of the top label, 15 bins of equal width.
        expected_error_equal_mass: the same with bins of equal mass.
        chance: what the first would come to, were the probabilities exactly right; None for raw sigmoids.
        classwise_error: mean over the classes.
        brier: Brier score, 0 to 2.
        log_loss: in nats; None for raw sigmoids, or where a label was given probability 0.
        maximum_error: of the top label, bins of equal mass.
        sharpness: summed variance of the probabilities.
        brier_parts: the Brier score's decomposition.
    """

    reading: str
    n: int
    expected_error: Interval
    expected_error_equal_mass: Interval
    chance: Interval | None
    classwise_error: Interval
    brier: Interval
    log_loss: Interval | None
    maximum_error: float
    sharpness: float
    brier_parts: BrierParts

    @property
    def is_beyond_chance(self) -> bool | None:
        """Whether the expected error lies above what chance gives a calibrated network; None where that is unknown."""
        return None if self.chance is None else self.expected_error.estimate > self.chance.high

    def to_dict(self) -> dict[str, Any]:
        """The measures for JSON."""
        return {**asdict(self), "is_beyond_chance": self.is_beyond_chance}


@dataclass(frozen=True)
class Rescaled:
    """A temperature fitted on rows that neither trained nor selected, and the calibration with it on other rows."""

    fit: TemperatureFit
    after: Calibration

    def to_dict(self) -> dict[str, Any]:
        """The temperature and the calibration with it, for JSON."""
        return {"fit": asdict(self.fit), "after": self.after.to_dict()}


def measure_readings(predictions: Predictions, bootstrap: Bootstrap | None = None) -> dict[str, Calibration]:
    """The calibration of every reading of a network's predictions, its own first; empty if it has no probabilities.

    Raises:
        BadInput: if a score is not finite, as after a divergence.
    """
    readings = compute_readings(predictions.scores, predictions.loss)
    return {name: measure_calibration(p, predictions.y, name, bootstrap) for name, p in readings.items()}


def measure_calibration(
    probabilities: Array, y: Array, reading: str, bootstrap: Bootstrap | None = None
) -> Calibration:
    """Every measure of one reading.

    Args:
        probabilities: (n, K), float, 0 to 1.
        y: (n,), labels.
        reading: how they were read from scores.
        bootstrap: resamples (200 by default), seed and confidence.
    """

    def resample(measure: Callable[[Array, Array], float]) -> Interval:
        return compute_bootstrap_interval(measure, probabilities, y, bootstrap)

    # Rows that need not sum to 1 have no log loss, and chance cannot draw labels from them.
    is_raw = not get_reading(reading).sums_to_one
    label = probabilities[np.arange(len(y)), y]
    return Calibration(
        reading=reading,
        n=len(y),
        expected_error=resample(compute_expected_error),
        expected_error_equal_mass=resample(partial(compute_expected_error, binning=EQUAL_MASS)),
        chance=None if is_raw else compute_chance_interval(compute_expected_error, probabilities, bootstrap),
        classwise_error=resample(compute_classwise_error),
        brier=resample(compute_brier),
        log_loss=None if is_raw or not label.all() else resample(compute_log_loss),
        maximum_error=compute_maximum_error(probabilities, y, EQUAL_MASS),
        sharpness=compute_sharpness(probabilities),
        brier_parts=decompose_brier(probabilities, y),
    )


def rescale(
    fitted_on: Predictions, judged_on: Predictions, reading: str, bootstrap: Bootstrap | None = None
) -> Rescaled:
    """Fit a temperature on some rows and judge it on others.

    Args:
        fitted_on: predictions on rows that neither trained the network nor chose its settings.
        judged_on: predictions of the same network on other rows.
        reading: how the scores are read.
        bootstrap: resamples, seed and confidence.
    """
    fit = fit_temperature(fitted_on.scores, fitted_on.y, reading)
    probabilities = apply_temperature(judged_on.scores, fit.temperature, reading)
    return Rescaled(fit, measure_calibration(probabilities, judged_on.y, reading, bootstrap))
