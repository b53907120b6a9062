"""Compute the probabilities of rows, and describe them as JSON objects."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from monolayer._typing import Array
from monolayer.errors import BadInput
from monolayer.network import OneLayer
from monolayer.predict.inputs import InputRows
from monolayer.recipe.losses import get_loss


def check_network(network: OneLayer) -> None:
    """Raise BadInput if the network's training diverged, so that it cannot predict."""
    if not all(np.isfinite(part).all() for part in (network.weights, network.bias)):
        raise BadInput("The network's weights are not finite, since its training diverged; it cannot predict.")


def check_top(top: int | None, n_classes: int) -> None:
    """Raise BadInput if there are fewer classes than ``top``."""
    if top is not None and not 1 <= top <= n_classes:
        raise BadInput(f"--top is {top}; accepted are 1 to {n_classes}, the network's classes.")


def compute_predictions(network: OneLayer, rows: InputRows) -> Array:
    """Probabilities (n, K), or scores if the network's loss defines no probabilities, all of them finite.

    Raises:
        BadInput: if the features do not fit the network, or are so large that the scores overflow.
    """
    with np.errstate(all="ignore"):  # checked below
        output = network.compute_output(rows.X)
    if not np.isfinite(output).all():
        place = rows.places[int(np.flatnonzero(~np.isfinite(output).all(axis=1))[0])]
        named = ", ".join(f"{what} {place[what]}" for what in ("file", "row", "line") if what in place)
        raise BadInput(f"{named}: is so far outside the training data that its scores overflow.")
    return output


def rank_classes(output: Array, top: int) -> Array:
    """The classes of the highest output of each row, (n, top) int64, best first; of equal ones the first class."""
    return np.argsort(-output, axis=1, kind="stable")[:, :top]


def describe_predictions(
    network: OneLayer, places: Sequence[dict[str, Any]], output: Array, top: int | None = None
) -> Iterator[dict[str, Any]]:
    """A JSON object per row: its place, its class and probability, and those of all classes or the ``top`` best.

    If the loss of the network defines no probabilities, ``score`` and ``scores`` replace ``probability`` and
    ``probabilities``.

    Args:
        network: the network.
        places: the first entries of each object.
        output: (n, K), as :func:`compute_predictions` returns it.
        top: number of classes, best first; None: all in the network's order.
    """
    names, n_classes, (one, many) = network.class_names, output.shape[1], get_loss(network.loss).output
    ranked = rank_classes(output, top or 1)
    for place, row, order in zip(places, output, ranked, strict=True):
        best = int(order[0])
        listed = order.tolist() if top else range(n_classes)
        yield {
            **place,
            "class": names[best],
            one: float(row[best]),
            many: {names[k]: float(row[k]) for k in listed},
        }
