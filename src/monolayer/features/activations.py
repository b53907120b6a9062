"""Responses of filters to patches, by name: ``triangle``, ``soft:THRESHOLD``, ``nearest:SHARE``.

All take whitened patches (N, d) and filters (K, d), float32, and return (N, F), float32. A new one is a class like
those below and a line in :func:`parse_activation`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from monolayer._typing import Array
from monolayer.errors import BadInput

ROUNDING_OF_SUMS = 1e-5  # relative, of float32 sums over some hundred patches, with a wide margin
ROUNDING = 1e-9  # 0.29 * 100 is slightly below 29


@dataclass(frozen=True, eq=False)
class Responses:
    """The responses of filters to patches: ``levels`` minus ``values``, or the values if there are no levels.

    Only weighted sums of responses are needed; in these, levels cost no pass over the values.

    Args:
        values: (N, F), float32.
        levels: (N,), float32, or None.
    """

    values: Array
    levels: Array | None = None

    def __len__(self) -> int:
        return len(self.values)

    def take(self, places: slice) -> Responses:
        """The responses to some of the patches."""
        return Responses(self.values[places], None if self.levels is None else self.levels[places])

    def sum_patches(self, shares: Array) -> Array:
        """The sums over the patches, weighted by ``shares``, (N,): (F,)."""
        values = shares @ self.values
        if self.levels is None:
            return np.asarray(values)
        level = shares @ self.levels
        sums = level - values
        # A sum this far below the level is rounding, of a filter without response to any of these patches: it must be
        # exactly 0, since standardisation would amplify it.
        sums[sums < level * ROUNDING_OF_SUMS] = 0
        return np.asarray(sums)

    def sum_features(self, weights: Array) -> Array:
        """The sums over the features, weighted by (F, K): (N, K)."""
        values = self.values @ weights
        return np.asarray(values if self.levels is None else np.outer(self.levels, weights.sum(axis=0)) - values)


Respond = Callable[[Array], Responses]


class Activation(Protocol):
    """A response function of filters."""

    @property
    def per_filter(self) -> int:
        """Number of features of a filter."""

    def open(self, filters: Array, n_patches: int) -> Respond:
        """A function from patches (N, d), N up to ``n_patches``, to the responses (N, F) of filters (K, d).

        Each call overwrites the result of the last one: allocating memory for each product would take three times as
        long as its arithmetic. Each thread needs a function of its own.
        """


@dataclass(frozen=True)
class Triangle:
    """max(0, mean(d) - d_k): d_k is the distance of the patch to filter k, and the mean is over all filters.

    About half of the responses to a patch are 0. Source: Coates, Lee and Ng 2011, "An Analysis of Single-Layer
    Networks in Unsupervised Feature Learning", AISTATS, section 3.2.
    """

    per_filter = 1

    def open(self, filters: Array, n_patches: int) -> Respond:
        """F is K."""
        measure, share = open_distances(filters, n_patches), np.full(len(filters), 1 / len(filters), np.float32)

        def respond(patches: Array) -> Responses:
            found = measure(patches)
            means = found @ share
            # max(0, mean - d) is mean - min(mean, d).
            return Responses(np.minimum(found, means[:, None], out=found), means)

        return respond


@dataclass(frozen=True)
class Soft:
    """max(0, x c_k - t) and max(0, -x c_k - t), for filters of length 1: two features a filter.

    Source: Coates and Ng 2011, "The Importance of Encoding Versus Training with Sparse Coding and Vector Quantization",
    ICML, section 3.2.
    """

    threshold: float
    per_filter = 2

    def open(self, filters: Array, n_patches: int) -> Respond:
        """F is 2 K: the positive sides of all filters, then the negative ones."""
        lengths = np.linalg.norm(filters, axis=1, keepdims=True)
        one_long = np.ascontiguousarray((filters / np.maximum(lengths, np.finfo(np.float32).tiny)).T)
        products = np.empty((n_patches, 2 * len(filters)), np.float32)

        def respond(patches: Array) -> Responses:
            both, K = products[: len(patches)], len(filters)
            np.matmul(patches, one_long, out=both[:, :K])
            np.negative(both[:, :K], out=both[:, K:])
            np.subtract(both, np.float32(self.threshold), out=both)
            return Responses(np.maximum(both, 0, out=both))

        return respond


@dataclass(frozen=True)
class Nearest:
    """1 for the nearest filters to the patch, a share of all (at least one), and 0 for the others.

    All filters at the same distance as the last of them count as nearest. Source: Thiry, Arbel, Belilovsky and Oyallon
    2021, "The Unreasonable Effectiveness of Patches in Deep Convolutional Kernels Methods", ICLR, section 3.
    """

    share: float
    per_filter = 1

    def open(self, filters: Array, n_patches: int) -> Respond:
        """F is K."""
        measure, last = open_distances(filters, n_patches), max(1, math.floor(self.share * len(filters) + ROUNDING)) - 1

        def respond(patches: Array) -> Responses:
            distances = measure(patches)
            bounds = np.partition(distances, last, axis=1)[:, last : last + 1]
            return Responses((distances <= bounds).astype(np.float32))

        return respond


def open_distances(filters: Array, n_patches: int) -> Callable[[Array], Array]:
    """A function from patches (N, d), N up to ``n_patches``, to their Euclidean distances (N, K) to filters (K, d).

    The squared distance x x - 2 x c + c c is one matrix product of patches and filters with two more columns.
    """
    K, d = filters.shape
    right = np.empty((d + 2, K), np.float32)
    right[:d], right[d], right[d + 1] = -2 * filters.T, 1, np.einsum("kd,kd->k", filters, filters)
    lefts, distances = np.ones((n_patches, d + 2), np.float32), np.empty((n_patches, K), np.float32)

    def measure(patches: Array) -> Array:
        left, found = lefts[: len(patches)], distances[: len(patches)]
        left[:, :d] = patches
        np.einsum("nd,nd->n", patches, patches, out=left[:, d])
        np.matmul(left, right, out=found)
        # The squared distance of equal vectors may be slightly below 0; abs is faster than a maximum with 0.
        np.abs(found, out=found)
        return np.sqrt(found, out=found)

    return measure


ACCEPTED = "triangle, soft:THRESHOLD with a number of 0 or above, and nearest:SHARE with a number above 0 and up to 1"


def parse_activation(text: str) -> Activation:
    """The activation of a name.

    Raises:
        BadInput: if the name is unknown.
    """
    name, _, value = str(text).partition(":")
    if text == "triangle":
        return Triangle()
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if name == "soft" and 0 <= number < math.inf:
        return Soft(number)
    if name == "nearest" and 0 < number <= 1:
        return Nearest(number)
    raise BadInput(f"activation is {text!r}; accepted are {ACCEPTED}.")
