"""Probabilities from scores: the named readings of each loss, and temperature scaling."""

from dataclasses import dataclass

import numpy as np

from monolayer._typing import Array
from monolayer.errors import BadInput
from monolayer.recipe.losses import READINGS, Reading, get_loss

LOG_TEMPERATURE_LIMIT = 7.0  # e**7: scores divided by a thousand give equal probabilities, multiplied by it 0 and 1
N_LOG_TEMPERATURES = 29  # of the coarse search, 0.5 apart on the log scale


@dataclass(frozen=True)
class TemperatureFit:
    """A fitted temperature: probabilities are computed from scores / temperature.

    Args:
        temperature: above 1 the scores were over-confident, below 1 under-confident.
        reading: the reading that it was fitted for.
        loss_before: mean loss of the reading at temperature 1.
        loss_after: the same at the temperature fitted.
        n: rows that it was fitted on.
        at_limit: whether the search ended at its edge, since no finite temperature is best for these rows (all are
            predicted correctly, or the scores do not depend on the label).
    """

    temperature: float
    reading: str
    loss_before: float
    loss_after: float
    n: int
    at_limit: bool


def get_reading(name: str) -> Reading:
    """The reading of that name.

    Raises:
        BadInput: if there is none.
    """
    if name not in READINGS:
        raise BadInput(f"Unknown reading {name!r}; accepted are {', '.join(READINGS)}.")
    return READINGS[name]


def compute_readings(scores: Array, loss: str) -> dict[str, Array]:
    """The probabilities that scores can be read as: one reading for cross-entropy, three for multiple BCE.

    softmax: exp(s_k) / sum_j exp(s_j); sigmoid: 1 / (1 + exp(-s_k)), rows do not sum to 1; normalised_sigmoid:
    sigmoid(s_k) / sum_j sigmoid(s_j). All three predict the same class, so they differ in calibration alone.

    Args:
        scores: (n, K), finite floats.
        loss: as a recipe has it, such as ``cross_entropy``.

    Returns:
        Name -> (n, K), float64; the reading that belongs to the loss comes first. Empty if the loss defines no
        probabilities.

    Raises:
        BadInput: if the scores have another shape or are not finite, or the loss is unknown.
    """
    scores = _validate_scores(scores)
    return {reading.name: reading.compute_probabilities(scores) for reading in get_loss(loss).readings}


def apply_temperature(scores: Array, temperature: float, reading: str = "softmax") -> Array:
    """The probabilities of scores / temperature, (n, K) float64 from (n, K); predictions stay the same.

    Raises:
        BadInput: if the temperature is not above 0, the scores are not finite (n, K), or the reading is unknown.
    """
    if not 0 < temperature < np.inf:
        raise BadInput(f"temperature must be a number above 0, not {temperature}.")
    return get_reading(reading).compute_probabilities(_validate_scores(scores) / temperature)


def fit_temperature(scores: Array, y: Array, reading: str = "softmax") -> TemperatureFit:
    """The temperature T that minimises the mean loss of the reading of scores / T.

    The rows must have been used neither for training nor for choosing settings, and not be the test rows: on training
    rows the network looks better than it is, and the temperature would be too low. The search is over log T, from
    e**-7 to e**7: a coarse grid first, because the loss of normalised sigmoids may have several minima, then scipy's
    bounded minimisation around the best point of the grid.

    Args:
        scores: (n, K), finite floats.
        y: (n,), integers 0 to K - 1.
        reading: "softmax" and "normalised_sigmoid" minimise -log p_y, "sigmoid" the multiple binary cross-entropy.

    Raises:
        BadInput: if the shapes do not fit, a score is not finite, a label is out of range, or the reading is unknown.

    Source: Guo, Pleiss, Sun and Weinberger 2017, "On calibration of modern neural networks", ICML.
    """
    from scipy.optimize import minimize_scalar

    compute_loss = get_reading(reading).compute_loss
    scores = _validate_scores(scores)
    y = validate_labels(y, scores.shape)

    def mean_loss(log_temperature: float) -> float:
        return float(compute_loss(scores / np.exp(log_temperature), y).mean())

    grid = np.linspace(-LOG_TEMPERATURE_LIMIT, LOG_TEMPERATURE_LIMIT, N_LOG_TEMPERATURES)
    place = int(np.argmin([mean_loss(value) for value in grid]))
    bounds = grid[max(place - 1, 0)], grid[min(place + 1, len(grid) - 1)]
    found = minimize_scalar(mean_loss, bounds=bounds, method="bounded", options={"xatol": 1e-7})
    at_limit = place in (0, len(grid) - 1)
    return TemperatureFit(float(np.exp(found.x)), reading, mean_loss(0.0), float(found.fun), len(y), at_limit)


def _validate_scores(scores: Array) -> Array:
    table = validate_table(scores, "scores")
    wrong = np.flatnonzero(~np.isfinite(table).all(axis=1))
    if wrong.size:
        raise BadInput(f"Row {wrong[0]} of scores is not finite; a network that diverged has no probabilities.")
    return table


def validate_table(values: Array, name: str) -> Array:
    """The values as float64; BadInput if they are not floats of shape (n, K)."""
    values = np.asarray(values)
    if not np.issubdtype(values.dtype, np.floating) or values.ndim != 2 or not values.size:
        raise BadInput(f"{name} must be floats of shape (n, K), not {values.dtype} of shape {values.shape}.")
    return values.astype(np.float64, copy=False)


def validate_labels(y: Array, shape: tuple[int, ...]) -> Array:
    """The labels; BadInput if they are not integers of shape (n,), 0 to K - 1, for scores of shape (n, K)."""
    y = np.asarray(y)
    if not np.issubdtype(y.dtype, np.integer) or y.shape != shape[:1]:
        raise BadInput(f"y must be integers of shape ({shape[0]},), not {y.dtype} of shape {y.shape}.")
    if y.min() < 0 or y.max() >= shape[1]:
        raise BadInput(f"y must hold classes 0 to {shape[1] - 1}, not {y.min()} to {y.max()}.")
    return y
