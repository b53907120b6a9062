"""Scaler: per-dimension mean and standard deviation of the training rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from monolayer.data.splits import Rows
from monolayer.errors import BadData

Array = npt.NDArray[Any]
# 512 rows of float64 are 12 MiB for CIFAR-10: small enough to stay in cache, and nothing is held as a whole.
BLOCK = 512


@dataclass(frozen=True, eq=False)
class Scaler:
    """z = (x - mean) / std, never applied to the data itself: engines fold it into their arithmetic.

    Args:
        mean: (D,) float64, in the unit of the features.
        std: (D,) float64, population standard deviation; 1 where a feature does not vary, as in scikit-learn.
    """

    mean: Array
    std: Array


def fit_scaler(rows: Rows) -> Scaler:
    """Mean and standard deviation of these rows, in two passes over blocks, exact to float64 rounding.

    Two passes, since the short cut E[x^2] - E[x]^2 cancels when a mean is large beside its deviation.

    Raises:
        BadData: if a value is not finite; the text names the feature.
    """
    n, D = len(rows), rows.dataset.X.shape[1]
    total = np.zeros(D)
    for block in rows.iterate_blocks(BLOCK):
        total += block.sum(axis=0, dtype=np.float64)
    mean = total / n
    _check_finite(mean, rows)
    squares = np.zeros(D)
    for block in rows.iterate_blocks(BLOCK):
        deviation = block - mean
        squares += np.einsum("nd,nd->d", deviation, deviation)
    return _make_scaler(mean, squares / n, n)


def fit_scalers(rows: Rows, sample_weights: Array) -> list[Scaler]:
    """Weighted mean and standard deviation for each of several weightings of the rows, in the same two passes.

    Args:
        rows: n of them.
        sample_weights: (F, n), 0 or above; a row of weight 0 has no part in it.

    Raises:
        BadData: if a value is not finite; the text names the feature.
    """
    weights = sample_weights / sample_weights.sum(axis=1, keepdims=True)
    means = _sum_weighted(rows, weights, 0.0, 1)
    _check_finite(means.sum(axis=0), rows)
    # Around one centre that is within some deviations of every mean, so what is taken away below is no large part.
    centre = means.mean(axis=0)
    variances = _sum_weighted(rows, weights, centre, 2) - (means - centre) ** 2
    return [_make_scaler(*found, len(rows)) for found in zip(means, variances.clip(0), strict=True)]


def _sum_weighted(rows: Rows, weights: Array, centre: Array | float, power: int) -> Array:
    """Sum over rows of weight * (x - centre)**power, (F, D)."""
    total = np.zeros((len(weights), rows.dataset.X.shape[1]))
    for i, block in enumerate(rows.iterate_blocks(BLOCK)):
        total += weights[:, i * BLOCK : (i + 1) * BLOCK] @ (block - centre) ** power
    return total


def _check_finite(mean: Array, rows: Rows) -> None:
    if not np.isfinite(mean).all():
        feature = int(np.flatnonzero(~np.isfinite(mean))[0])
        raise BadData(f"{rows.dataset.name}: feature {feature} of the training rows holds a value that is not finite.")


def _make_scaler(mean: Array, variance: Array, n: int) -> Scaler:
    # A float feature that does not vary has a variance of what n additions round off (scikit-learn's bound), not of 0.
    std = np.sqrt(variance)
    return Scaler(mean, np.where(std > n * np.finfo(np.float64).eps * np.abs(mean), std, 1.0))
