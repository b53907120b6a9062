"""Folding scaling and temperature into the weights, and whether single precision is enough for it.

scores / T = (W (x - mean) / std + b) / T = W' x + b', with W' = W / (std T) and b' = b / T - W' mean. The sum W' x is
larger than the score, and cancels against b': float32's rounding, 2**-24 of the terms that are summed, grows
by about 1 + sum|W' mean| / sum|W / T|. That is 3 for the pixels of CIFAR-10, and without bound for a feature whose mean
is large beside its deviation. So it is measured, on rows made for it, and a network that would lose more than
:data:`TOLERANCE` is not folded.
"""

from dataclasses import dataclass

import numpy as np

from monolayer._typing import Array
from monolayer.features.normalize import compute_row_norms
from monolayer.network import OneLayer

TOLERANCE = 1e-5  # of the scores, relative to the largest of a row where that is above 1
MARGIN = 0.75  # of TOLERANCE, on the probes: a runtime gets more rows and adds in a different order
RUN = 256  # terms that are added one after the other before their sum is; ONNX Runtime has a similar error on CIFAR-10
ROUNDING = 2.0**-24  # of float32
DTYPES = ("uint8", "float16", "float32", "float64")
N_DRAWN, FURTHEST, N_SHIFTED = 256, 3.0, 13  # rows; standard deviations


@dataclass(frozen=True, eq=False)
class Folded:
    """One matrix and one vector that take raw features: scores / temperature = weights x + bias.

    Args:
        weights: (K, D), float32 or float64.
        bias: (K,), same dtype.
    """

    weights: Array
    bias: Array

    def compute_scores(self, X: Array) -> Array:
        """Scores (n, K) of raw features (n, D), in the dtype of the weights."""
        return np.asarray(X.astype(self.weights.dtype) @ self.weights.T + self.bias)


def fold(network: OneLayer, dtype: str = "float32") -> Folded:
    """The network's layer, scaling and temperature as one, computed in float64 and then rounded.

    The bias is computed from the rounded weights, so that the rounding of W' mean cancels and the mean of the training
    rows gets its score exactly.
    """
    with np.errstate(over="ignore"):  # is_foldable finds what is too large for float32
        weights = (network.weights.astype(np.float64) / (network.std * network.temperature)).astype(dtype)
        bias = network.bias.astype(np.float64) / network.temperature - weights.astype(np.float64) @ network.mean
        return Folded(weights, bias.astype(dtype))


def is_foldable(network: OneLayer, dtype: str = "float32") -> bool:
    """Whether the folded layer gives the scores of the network's probes to within :data:`TOLERANCE`."""
    X = make_probes(network)
    with np.errstate(all="ignore"):
        error = compute_error(_add_in_order(fold(network, dtype), X), compute_exact(network, X))
    return bool((error <= MARGIN * TOLERANCE).all())


def _add_in_order(folded: Folded, X: Array) -> Array:
    """Scores (n, K) summed in order as a simple runtime does, which rounds more than NumPy does."""
    columns = []
    for weights, bias in zip(folded.weights, folded.bias, strict=True):
        terms = X.astype(weights.dtype) * weights
        starts = range(0, terms.shape[1], RUN)
        runs = [np.add.accumulate(terms[:, start : start + RUN], axis=1)[:, -1] for start in starts]
        columns.append(np.add.accumulate(runs)[-1] + bias)
    return np.stack(columns, axis=1)


def get_dtype(network: OneLayer) -> str:
    """The dtype of the features that it was trained on; float32 if the network has no record of it."""
    dtype = network.metadata.get("features_dtype", "float32")
    return dtype if dtype in DTYPES else "float32"


def make_probes(network: OneLayer) -> Array:
    """Rows like the training rows, (269, D) in their dtype: features drawn independently, or all shifted equally.

    Where all are shifted, as in an image that is brighter as a whole, the terms of a sum do not cancel.
    """
    rng, D = np.random.default_rng(0), len(network.mean)
    drawn = rng.standard_normal((N_DRAWN, D))
    shifted = np.linspace(-FURTHEST, FURTHEST, N_SHIFTED)[:, None] * np.ones(D)
    X = network.mean + network.std * np.concatenate([drawn, shifted])
    dtype = get_dtype(network)
    if dtype == "uint8":
        return np.asarray(X.round().clip(0, 255), dtype)
    limits = np.finfo(dtype)
    return np.asarray(X.clip(float(limits.min), float(limits.max)), dtype)


def compute_exact(network: OneLayer, X: Array) -> Array:
    """Scores / temperature, (n, K) float64, all in float64."""
    rows = X if network.normalize == "none" else X / compute_row_norms(X)[:, None]
    z = (rows - network.mean) / network.std
    return np.asarray((z @ network.weights.T.astype(np.float64) + network.bias) / network.temperature)


def compute_error(scores: Array, exact: Array) -> Array:
    """The largest error of each row, (n,) float64, relative to its largest score where that is above 1."""
    scale = np.maximum(np.abs(exact).max(axis=1), 1)
    error = np.asarray(np.abs(scores - exact).max(axis=1) / scale)
    return np.where(np.isfinite(error), error, np.inf)


def compute_allowance(network: OneLayer, X: Array) -> Array:
    """The error on each row, (n,), above which a file must be wrong and not only rounded differently.

    Four times the tolerance, or 32 roundings of all terms of the unfolded sum, since readers add in different orders.
    """
    z = np.abs((X - network.mean) / network.std)
    terms = (z @ np.abs(network.weights.T.astype(np.float64)) + np.abs(network.bias)) / network.temperature
    scale = np.maximum(np.abs(compute_exact(network, X)).max(axis=1), 1)
    return np.asarray(np.maximum(4 * TOLERANCE, 32 * ROUNDING * terms.max(axis=1) / scale))
