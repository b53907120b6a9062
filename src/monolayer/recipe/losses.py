"""The two losses: per-example values and their residuals, dloss/dscores. Pure, unreduced, classes on the last axis.

A loss knows nothing of features or weights: it sees scores of shape (..., n, K) and labels of shape (n,), so that the
scores of one network (n, K) and of a whole bank (M, n, K) go through the same lines. Multiple BCE also takes several
labels a row: y of shape (n, K), 0 or 1.

To add a loss: write its three functions and put one line into ``LOSSES``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from monolayer.errors import BadInput

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Loss:
    """A loss by name, with the reading of scores that goes with it.

    Each function takes scores (..., n, K) in float32 or float64 and gives back the same dtype:
    ``compute_loss(scores, y)`` gives (..., n); ``compute_residual(scores, y)`` gives (..., n, K), the derivative of
    each example's loss by its own scores; ``compute_probabilities(scores)`` gives (..., n, K).
    """

    name: str
    compute_loss: Callable[[Array, Array], Array]
    compute_residual: Callable[[Array, Array], Array]
    compute_probabilities: Callable[[Array], Array]


def compute_softmax(scores: Array) -> Array:
    """p_k = exp(s_k) / sum_j exp(s_j), shape (..., K); the maximum is subtracted first, so nothing overflows."""
    p: Array = scores - scores.max(axis=-1, keepdims=True)
    np.exp(p, out=p)
    p /= p.sum(axis=-1, keepdims=True)
    return p


def compute_sigmoid(scores: Array) -> Array:
    """1 / (1 + exp(-s)), shape (..., K); written with tanh, which cannot overflow for any finite or infinite s."""
    p: Array = scores * scores.dtype.type(0.5)
    np.tanh(p, out=p)
    p += 1
    p *= scores.dtype.type(0.5)
    return p


def compute_cross_entropy(scores: Array, y: Array) -> Array:
    """-log softmax(s)_y for each example, shape (..., n)."""
    top = scores.max(axis=-1)
    log_sum = np.log(np.exp(scores - top[..., None]).sum(axis=-1))
    return np.asarray(log_sum + (top - scores[..., np.arange(len(y)), y]))  # in this order a small loss keeps digits


def compute_cross_entropy_residual(scores: Array, y: Array) -> Array:
    """Softmax(s) - onehot(y), shape (..., n, K)."""
    residual = compute_softmax(scores)
    residual[..., np.arange(len(y)), y] -= 1
    return residual


def compute_multiple_bce(scores: Array, y: Array) -> Array:
    """Mean over the K classes of the binary cross-entropy of sigmoid(s_k) against onehot(y)_k, shape (..., n)."""
    # The label's score changes its sign, so that every class costs log(1 + exp(s)) and nothing cancels; written as
    # max(s, 0) + log1p(exp(-|s|)), which does not overflow.
    signed = scores.copy()
    if y.ndim == 2:
        signed *= 1 - 2 * y.astype(scores.dtype)
    else:
        signed[..., np.arange(len(y)), y] *= -1
    softplus = np.maximum(signed, 0) + np.log1p(np.exp(-np.abs(signed)))
    return np.asarray(softplus.mean(axis=-1))


def compute_multiple_bce_residual(scores: Array, y: Array) -> Array:
    """(sigmoid(s) - onehot(y)) / K, shape (..., n, K)."""
    residual = compute_sigmoid(scores)
    if y.ndim == 2:
        residual -= y.astype(scores.dtype)
    else:
        residual[..., np.arange(len(y)), y] -= 1
    residual *= scores.dtype.type(1 / scores.shape[-1])
    return residual


LOSSES: dict[str, Loss] = {
    loss.name: loss
    for loss in (
        Loss(
            "cross_entropy",
            compute_cross_entropy,
            compute_cross_entropy_residual,
            compute_softmax,
        ),
        Loss(
            "multiple_bce",
            compute_multiple_bce,
            compute_multiple_bce_residual,
            compute_sigmoid,
        ),
    )
}


def get_loss(name: str) -> Loss:
    """The loss of that name.

    Raises:
        BadInput: if there is none.
    """
    if name not in LOSSES:
        raise BadInput(f"Unknown loss {name!r}; accepted are {', '.join(LOSSES)}.")
    return LOSSES[name]


def compute_cost(mean_loss: float, l2: float, squared_norm: float) -> float:
    """Cost = mean loss + l2 * sum(W**2); the bias is not regularised. The one place where this is written."""
    return mean_loss + l2 * squared_norm if l2 else mean_loss


def compute_chance_loss(loss: str, n_classes: int) -> float:
    """The loss of a network that says nothing, all of its scores being 0: log K, or log 2 for sigmoids."""
    return float(get_loss(loss).compute_loss(np.zeros((1, n_classes)), np.zeros(1, np.int64))[0])
