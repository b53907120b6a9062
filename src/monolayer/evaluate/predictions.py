"""Predictions: the scores of a network on some rows, kept so that networks can be compared row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from monolayer._typing import Array
from monolayer.data.dataset import Rows
from monolayer.evaluate.metrics import Metrics, find_correct
from monolayer.network import BLOCK, OneLayer
from monolayer.recipe.losses import compute_cost, get_loss


@dataclass(frozen=True, eq=False)
class Predictions:
    """The scores of one network on n rows.

    Args:
        loss: the loss that the network was trained with, which defines how scores become probabilities.
        scores: (n, K), float32 or float64.
        y: labels, (n,) int64.
        index: which rows of their dataset they are, (n,) int64.
    """

    loss: str
    scores: Array
    y: Array
    index: Array

    def __len__(self) -> int:
        return len(self.y)

    @property
    def predicted(self) -> Array:
        """The class of the highest score, (n,) int64."""
        return np.asarray(self.scores.argmax(axis=1))

    @property
    def correct(self) -> Array:
        """Whether each row is predicted correctly, (n,) bool; with several labels a row, all of them."""
        return find_correct(self.scores, self.y)

    @property
    def losses(self) -> Array:
        """The loss of each row, (n,) float64."""
        with np.errstate(all="ignore"):  # a diverged network's scores overflow, which its loss shows
            return np.asarray(get_loss(self.loss).compute_loss(self.scores.astype(np.float64), self.y))

    @property
    def has_probabilities(self) -> bool:
        """Whether the loss defines probabilities."""
        return get_loss(self.loss).has_probabilities

    @property
    def probabilities(self) -> Array:
        """Probabilities (n, K) float64 as the loss defines them: softmax, or one sigmoid a class.

        Raises:
            BadInput: if the loss defines no probabilities.
        """
        with np.errstate(all="ignore"):
            return np.asarray(get_loss(self.loss).compute_probabilities(self.scores.astype(np.float64)))

    @property
    def probability_of_label(self) -> Array:
        """The probability given to each row's own label, (n,) float64."""
        return np.asarray(self.probabilities[np.arange(len(self)), self.y])

    def take(self, rows: Array) -> Predictions:
        """Some of the rows, by position or by mask."""
        return Predictions(self.loss, self.scores[rows], self.y[rows], self.index[rows])

    def compute_metrics(self, network: OneLayer, l2: float) -> Metrics:
        """Loss, cost and accuracy on these rows, of the network that made the predictions."""
        with np.errstate(all="ignore"):
            loss, norm = float(self.losses.mean()), float((network.weights.astype(np.float64) ** 2).sum())
            return Metrics(loss, compute_cost(loss, l2, norm), float(self.correct.mean()), len(self))


def predict_rows(network: OneLayer, rows: Rows) -> Predictions:
    """The network's scores of these rows, computed a block at a time."""
    if rows.dataset.transformer is not None:  # the rows are features already, even where these are as many as pixels
        network = replace(network, transformer=None)
    with np.errstate(all="ignore"):  # a diverged network has scores too
        scores = np.concatenate([network.compute_scores(block) for block in rows.iterate_blocks(BLOCK)])
    return Predictions(network.loss, scores, rows.y, rows.index)


def predict_all_rows(networks: Sequence[OneLayer], rows: Rows) -> list[Predictions]:
    """The result of :func:`predict_rows` for each network, with one pass over the rows per scaler."""
    groups: dict[bytes, list[int]] = {}
    for i, network in enumerate(networks):
        groups.setdefault(network.mean.tobytes() + network.std.tobytes(), []).append(i)
    predictions: dict[int, Predictions] = {}
    for members in groups.values():
        first = networks[members[0]]
        stacked = replace(
            first,
            weights=np.concatenate([networks[i].weights for i in members]),
            bias=np.concatenate([networks[i].bias for i in members]),
        )
        scores = predict_rows(stacked, rows).scores.reshape(len(rows), len(members), -1)
        for place, i in enumerate(members):
            own_scores = np.ascontiguousarray(scores[:, place])
            predictions[i] = Predictions(networks[i].loss, own_scores, rows.y, rows.index)
    return [predictions[i] for i in range(len(networks))]
