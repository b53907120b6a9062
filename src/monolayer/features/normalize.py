"""The lengths of rows, for features that are normalised by them (``normalize="l2"``)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
NORMALIZATIONS = ("none", "l2")
# Rows of float64 at a time.
BLOCK = 512


def compute_row_norms(X: Array) -> Array:
    """Euclidean length of each row (n, D), float64; 1 of a row of zeros."""
    lengths = np.empty(len(X))
    for start in range(0, len(X), BLOCK):
        block = X[start : start + BLOCK].astype(np.float64)
        lengths[start : start + BLOCK] = np.sqrt(np.einsum("nd,nd->n", block, block))
    return np.where(lengths > 0, lengths, 1.0)
