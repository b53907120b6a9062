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
    if not np.isfinite(mean).all():
        feature = int(np.flatnonzero(~np.isfinite(mean))[0])
        raise BadData(f"{rows.dataset.name}: feature {feature} of the training rows holds a value that is not finite.")
    squares = np.zeros(D)
    for block in rows.iterate_blocks(BLOCK):
        deviation = block - mean
        squares += np.einsum("nd,nd->d", deviation, deviation)
    std = np.sqrt(squares / n)
    return Scaler(mean, np.where(std > 0, std, 1.0))
