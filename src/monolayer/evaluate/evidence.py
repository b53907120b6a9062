"""Evidence maps: a network's scores of a class divided among the places of the image."""

import numpy as np

from monolayer._typing import Array
from monolayer.errors import BadInput
from monolayer.network import OneLayer

BLOCK = 64


def compute_evidence(network: OneLayer, X: Array, y: Array) -> Array:
    """What each place adds to a class's score in images of that class, less what it adds in the others, (K, L, C).

    A score is a sum over the places of patches, and a constant. So the map of a class adds up to its mean score on its
    own images minus that on all others: where it is high, the location distinguishes the class from the others.

    Args:
        network: on patches of images.
        X: images (n, D).
        y: labels, (n,).

    Returns:
        float64, for each of K classes L lines and C columns of places; NaN for a class without images, or with all.

    Raises:
        BadInput: if the network has no patch features.
    """
    transformer = network.transformer
    if transformer is None or transformer.patch_shape is None:
        raise BadInput("The network has no patch features, so its scores cannot be divided among places.")
    n_classes, weights = len(network.bias), network.weights / network.std
    # A class's images, and all: what the others have is the difference.
    own = total = 0.0
    for start in range(0, len(X), BLOCK):
        found = transformer.locate(X[start : start + BLOCK], weights).astype(np.float64)
        is_own = y[start : start + BLOCK, None] == np.arange(n_classes)
        own = own + np.einsum("nk,nkij->kij", is_own, found)
        total = total + found.sum(axis=0)
    counts = np.bincount(y, minlength=n_classes)[:, None, None].astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(own / counts - (total - own) / (len(y) - counts))
