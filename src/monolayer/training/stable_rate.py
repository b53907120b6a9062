"""The largest stable learning rate of given features, from the curvature of the loss.

Gradient descent on a mean of losses is stable below 2 / L, L being the largest curvature. For one layer that is
c * lambda + 2 * l2: lambda is the largest eigenvalue of the second moments of the standardised features (and of the
constant that goes with the bias), c bounds the loss's curvature by its scores. Batches of B of n rows add the noise of
their choice, which raises L by c * (mean squared length of a row) * (n - B) / (B * (n - 1)): nothing where one batch
holds all rows (expected smoothness: Gower et al. 2019, "SGD: general analysis and improved rates", with the mean in
place of the largest length). A row's gradient is multiplied by its weight w over the mean weight: the second moments
are weighted by w, and the mean squared length, each row's being multiplied by w once more, is
mean(w^2 z'z) / mean(w)^2. The rate given is 1 / L.
"""

import numpy as np

from monolayer._typing import Array
from monolayer.data.dataset import Rows
from monolayer.data.scaler import Scaler
from monolayer.recipe.losses import get_loss
from monolayer.recipe.recipe import Recipe

# Rows that are sampled, spread evenly over the weight: the largest eigenvalue stands out, and that of a sample tends to
# be too large, which is safe.
MAX_ROWS = 2000
# The first eigenvalue of correlated features is some way above the second; 50 steps are within a few per cent.
STEPS = 50


def compute_stable_rate(rows: Rows, sample_weight: Array, scaler: Scaler, recipe: Recipe, n_classes: int) -> float:
    """1 / L for this recipe's loss, l2 and batch size; its own learning rate is not used.

    Args: as in :func:`compute_curvature`.
    """
    return 1 / (compute_curvature(rows, sample_weight, scaler, recipe, n_classes) + 2 * recipe.l2)


def compute_curvature(rows: Rows, sample_weight: Array, scaler: Scaler, recipe: Recipe, n_classes: int) -> float:
    """L without the term of the l2.

    Args:
        rows: n training rows.
        sample_weight: (n,), 0 or above.
        scaler: of the features.
        recipe: its loss and batch size are used.
        n_classes: K, the number of scores.
    """
    present = np.flatnonzero(sample_weight > 0)
    places, weight = _sample(sample_weight[present])
    chosen = present[places]
    Z = np.ones((len(chosen), len(scaler.mean) + 1))
    Z[:, :-1] = rows.dataset.X[rows.index[chosen]]
    if rows.scales is not None:
        Z[:, :-1] *= rows.scales[chosen, None]
    Z[:, :-1] -= scaler.mean
    Z[:, :-1] /= scaler.std
    length = float(weight @ (sample_weight[chosen] / sample_weight[present].mean() * np.einsum("nd,nd->n", Z, Z)))
    # The rows of positive weight in a batch, on average.
    n, size = len(present), max(1.0, min(1.0, recipe.batch_size / len(rows)) * len(present))
    noise = length * (n - size) / (size * max(1, n - 1))
    return get_loss(recipe.loss).bound_curvature(n_classes) * (_find_largest(Z, weight) + noise)


def _sample(weights: Array) -> tuple[Array, Array]:
    """(places, shares of the weight): every row, or as often as its weight asks for, MAX_ROWS draws at even steps."""
    total = np.cumsum(weights)
    if len(weights) <= MAX_ROWS:
        return np.arange(len(weights)), weights / total[-1]
    places, times = np.unique(
        np.searchsorted(total, (np.arange(MAX_ROWS) + 0.5) / MAX_ROWS * total[-1]), return_counts=True
    )
    return places, times / MAX_ROWS


def _find_largest(Z: Array, weight: Array) -> float:
    """The largest eigenvalue of Z' diag(weight) Z by power iteration, from a fixed start."""
    vector = np.random.default_rng(0).standard_normal(Z.shape[1])
    largest = 0.0
    for _ in range(STEPS):
        vector = Z.T @ (weight * (Z @ (vector / np.linalg.norm(vector))))
        largest = float(np.linalg.norm(vector))
    return largest
