"""Norms of rows, for features that are divided by them (``normalize="l2"``)."""

import numpy as np

from monolayer._typing import Array

NORMALIZATIONS = ("none", "l2")
BLOCK = 512  # rows that are converted to float64 at a time


def compute_row_norms(X: Array) -> Array:
    """The Euclidean norm of each row of (n, D), float64; 1 for a row of zeros."""
    norms = np.empty(len(X))
    for start in range(0, len(X), BLOCK):
        block = X[start : start + BLOCK].astype(np.float64)
        norms[start : start + BLOCK] = np.sqrt(np.einsum("nd,nd->n", block, block))
    return np.where(norms > 0, norms, 1.0)
