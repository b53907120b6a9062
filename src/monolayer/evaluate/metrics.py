"""Metrics of a network on some rows, with the interval of the accuracy."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from monolayer._typing import Array
from monolayer.recipe.losses import compute_cost

LARGE = 1e6  # from here on a run has diverged, and four decimals of its loss have no meaning
ROW_NAMES = {"train": "training", "val": "validation", "test": "test"}


@dataclass(frozen=True)
class Metrics:
    """Metrics of one network on n rows.

    Args:
        loss: mean loss of a row.
        cost: mean loss + l2 * sum(W**2).
        accuracy: share of rows whose highest score is their label's, 0 to 1.
        n: number of rows.
    """

    loss: float
    cost: float
    accuracy: float
    n: int

    def __str__(self) -> str:
        return f"accuracy {format_accuracy(self.accuracy, self.n)} %, loss {format_loss(self.loss)}, {self.n:,} rows"

    @property
    def interval(self) -> tuple[float, float]:
        """95 % Wilson interval of the accuracy."""
        return compute_wilson_interval(self.accuracy, self.n)

    def to_dict(self) -> dict[str, Any]:
        """The metrics for JSON; a loss that is not finite, of a run that diverged, becomes None."""
        return {
            "loss": make_finite(self.loss),
            "cost": make_finite(self.cost),
            "accuracy": self.accuracy,
            "accuracy_interval": list(self.interval),
            "n": self.n,
        }


def compute_wilson_interval(accuracy: float, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a share of n rows (Wilson 1927, by scipy)."""
    from scipy.stats import binomtest  # imported here: it takes half a second, which training does not need

    interval = binomtest(round(accuracy * n), n).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def format_accuracy(accuracy: float, n: int) -> str:
    """Accuracy in per cent with its 95 % Wilson interval, such as ``41.17 [40.21, 42.14]``."""
    low, high = compute_wilson_interval(accuracy, n)
    return f"{100 * accuracy:.2f} [{100 * low:.2f}, {100 * high:.2f}]"


def format_loss(value: float) -> str:
    """A loss or cost with four decimals; from a million on, where a run has diverged, such as ``1.7e+29``."""
    return f"{value:.4f}" if abs(value) < LARGE else f"{value:.2g}"


def make_finite(value: float | None) -> float | None:
    """The value for JSON: None if it is not finite (a diverged run)."""
    return value if value is not None and math.isfinite(value) else None


class Tally:
    """Sums the losses of M networks and records which rows they predict correctly, block by block.

    Args:
        n_members: M.
        sample_weight: (M, n) of all rows, to take weighted means of losses and accuracies; None for plain ones.
    """

    def __init__(self, n_members: int, sample_weight: Array | None = None) -> None:
        self.losses = np.zeros(n_members)
        self._sample_weight = sample_weight
        self._n_added = 0
        self._blocks: list[Array] = []

    @property
    def correct(self) -> Array:
        """Whether each network predicts each row correctly, (M, n) bool; with several labels a row, all of them."""
        return np.concatenate(self._blocks, axis=1)

    def add(self, losses: Array, correct: Array) -> None:
        """Add a block: the loss of each row, (M, n), and whether it is predicted correctly, (M, n) bool."""
        n = correct.shape[1]
        if self._sample_weight is not None:
            with np.errstate(all="ignore"):
                losses = losses * self._sample_weight[:, self._n_added : self._n_added + n]
        self.losses += losses.sum(axis=1, dtype=np.float64)
        self._blocks.append(correct)
        self._n_added += n

    def compute_metrics(self, l2: Array, squared_norms: Array) -> list[Metrics]:
        """The metrics of each member, given its l2 and sum(W**2), both (M,)."""
        correct, weights = self.correct, self._sample_weight
        if weights is None:
            n_rows = total = np.full(len(correct), correct.shape[1])
        else:
            n_rows, total = (weights > 0).sum(axis=1), weights.sum(axis=1)
        accuracies = np.average(correct, axis=1, weights=weights)
        return [
            Metrics(float(loss), compute_cost(float(loss), float(decay), float(norm)), float(accuracy), int(n))
            for loss, accuracy, decay, norm, n in zip(
                self.losses / total, accuracies, l2, squared_norms, n_rows, strict=True
            )
        ]


def find_correct(scores: Array, y: Array) -> Array:
    """Whether each row is predicted correctly, (..., n) bool, by scores (..., n, K).

    With one label a row, (n,): its score is the highest. With several, (n, K): the scores above 0 are its labels'.
    """
    if y.ndim == 2:
        return np.asarray(((scores > 0) == (y > 0)).all(axis=-1))
    return np.asarray(scores.argmax(axis=-1) == y)
