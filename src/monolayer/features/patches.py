"""Features from small patches of the image: responses of filters that were learnt from patches, pooled by region.

Source: Coates, Lee and Ng 2011, "An Analysis of Single-Layer Networks in Unsupervised Feature Learning", AISTATS.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import sklearn
from sklearn.cluster import MiniBatchKMeans, kmeans_plusplus

from monolayer._typing import Array
from monolayer.errors import BadInput
from monolayer.features.activations import Responses, parse_activation
from monolayer.features.base import ImageTransformer, Shape, check_whole
from monolayer.progress import SILENCE, Progress
from monolayer.threads import limit_blas_threads

FILTERS = ("kmeans", "random")
# Added to the variance of a patch, of pixels from 0 to 255: else the noise of a uniform patch would be amplified.
CONTRAST = 10.0
# Added to the eigenvalues of the covariance of normalised patches before whitening.
WHITENING = 0.1
N_PATCHES = 400_000
PASSES = 10  # of k-means over the patches
# Most patches whose responses are computed at once: with 1,600 filters 5 MB, which fit into the L3 cache.
ROWS = 800


class PatchFeatures(ImageTransformer):
    """Means over regions of the image of the responses of filters to normalised and whitened patches.

    A patch x (channels * size * size values) becomes x' = (x - mean(x)) / sqrt(var(x) + 10), and then z = W (x' - m): m
    is the mean of many such patches, and W = E diag(1 / sqrt(v + 0.1)) E' with their covariance's eigenvectors E and
    eigenvalues v (ZCA). Filters c_k are centres of patches z by k-means, or patches z drawn at random. The activation
    computes the response of filter k to z, such as max(0, mean(d) - d_k) of the distances d to all filters, and a
    feature is the mean response over all patches of one region.

    Args:
        n_filters: K, number of filters.
        patch_size: side of a patch, in pixels; None: 6 where the shorter side has 24 pixels or more, fewer in smaller
            images.
        stride: from one patch to the next, in pixels.
        filters: ``kmeans`` (scikit-learn's ``MiniBatchKMeans``) or ``random``.
        activation: ``triangle``, ``soft:THRESHOLD`` (two features a filter) or ``nearest:SHARE``; see
            :mod:`monolayer.features.activations`.
        pool: regions per side: 3 means ninths, so that an image has 9 K features; 2 are Coates, Lee and Ng's quarters.
        n_patches: number of patches that are drawn to learn from; None: 400,000, or all if there are fewer.
        image_shape: (channels, height, width); None: square, grey or red, green and blue.
        pixel_max: the value of a fully lit pixel.
        random_state: seed of the drawn patches and of k-means.

    Attributes:
        mean_: m, (d,) float32.
        whitening_: W, (d, d) float32, symmetric.
        filters_: (K, d) float32.
    """

    kind = "patches"
    usage = "patches[:FILTERS]"
    words: ClassVar[Mapping[str, tuple[str, type]]] = {
        "filters": ("n_filters", int),
        "size": ("patch_size", int),
        "stride": ("stride", int),
        "by": ("filters", str),
        "activation": ("activation", str),
        "pool": ("pool", int),
        "seed": ("random_state", int),
    }
    learns = True

    def __init__(  # noqa: PLR0913 - scikit-learn wants every parameter here
        self,
        n_filters: int = 1600,
        *,
        patch_size: int | None = None,
        stride: int = 1,
        filters: str = "kmeans",
        activation: str = "triangle",
        pool: int = 3,
        n_patches: int | None = None,
        image_shape: Shape | None = None,
        pixel_max: float = 255.0,
        random_state: int = 0,
    ) -> None:
        self.n_filters = n_filters
        self.patch_size = patch_size
        self.stride = stride
        self.filters = filters
        self.activation = activation
        self.pool = pool
        self.n_patches = n_patches
        self.image_shape = image_shape
        self.pixel_max = pixel_max
        self.random_state = random_state

    def _check(self) -> None:
        for name in ("n_filters", "stride", "pool"):
            check_whole(name, getattr(self, name))
        if self.n_patches is not None:
            check_whole("n_patches", self.n_patches)
        check_whole("random_state", self.random_state, least=0)
        if self.filters not in FILTERS:
            raise BadInput(f"filters is {self.filters!r}; accepted are {' and '.join(FILTERS)}.")
        if (self.n_patches or N_PATCHES) < self.n_filters:
            n_patches = N_PATCHES if self.n_patches is None else self.n_patches
            raise BadInput(f"n_patches is {n_patches}; accepted is at least n_filters, {self.n_filters}.")
        parse_activation(self.activation)
        channels, height, width = self.image_shape_
        smallest = min(height, width)
        check_whole("patch_size", self._size)
        if self._size > smallest or channels * self._size**2 < 2:
            raise BadInput(
                f"patch_size is {self._size}; accepted is 1 to {smallest}, the image's shorter side, and at least two "
                "values per patch, since one value has no contrast."
            )
        n_places = min(count_places(side, self._size, self.stride) for side in (height, width))
        if self.pool > n_places:
            raise BadInput(f"pool is {self.pool}; accepted is up to {n_places}, the positions of a patch along a side.")

    def check_number(self, n_images: int) -> None:
        """Raise BadInput if this number of images has fewer patches than filters are to be learnt."""
        n_patches = n_images * math.prod(self._count_places())
        if self.n_patches is None and n_patches < self.n_filters:
            raise BadInput(f"n_filters is {self.n_filters}; accepted are up to {n_patches}, the patches of the images.")

    @property
    def _size(self) -> int:
        # Coates, Lee and Ng found 6 of 32 pixels best; smaller images have smaller details.
        smallest = min(self.image_shape_[1:])
        return min(6, smallest, int(smallest * 6 / 32 + 1.5)) if self.patch_size is None else self.patch_size

    @property
    def patch_shape(self) -> Shape:
        """(channels, height, width) of a patch, and of a filter."""
        return self.image_shape_[0], self._size, self._size

    @property
    def version(self) -> str:  # type: ignore[override]
        """The version of this arithmetic, and of the library of k-means."""
        return f"2, scikit-learn {sklearn.__version__}" if self.filters == "kmeans" else "2"

    @property
    def n_features_out(self) -> int:
        """Number of features F of an image."""
        return self.pool**2 * self._per_region

    def _learn(self, X: Array, index: Array, progress: Progress) -> None:
        rng = np.random.default_rng(self.random_state)
        patches = normalise_contrast(self._draw_patches(X, index, rng))
        self.mean_ = patches.mean(axis=0, dtype=np.float64).astype(np.float32)
        self.whitening_ = compute_whitening(patches)
        patches = (patches - self.mean_) @ self.whitening_
        if self.filters == "random":
            self.filters_ = patches[rng.choice(len(patches), self.n_filters, replace=False)]
        else:
            self.filters_ = find_centres(patches, self.n_filters, self.random_state, progress)

    def _draw_patches(self, X: Array, index: Array, rng: np.random.Generator) -> Array:
        """Patches (n, d), float32, 0 to 255, at random positions in random images of ``index``."""
        places = find_places(self.image_shape_, self._size, self.stride)
        self.check_number(len(index))
        n_patches = min(N_PATCHES, len(index) * len(places)) if self.n_patches is None else self.n_patches
        images = index[np.sort(rng.integers(0, len(index), n_patches))]  # so that a file is read sequentially
        chosen = rng.integers(0, len(places), n_patches)
        patches = np.empty((n_patches, places.shape[1]), np.float32)
        for start in range(0, n_patches, 1024):
            part = slice(start, start + 1024)
            patches[part] = X[images[part, None], places[chosen[part]]]
        patches *= np.float32(255 / self.pixel_max)
        return patches

    def get_tensors(self) -> Mapping[str, Array]:
        """Mean, whitening and filters."""
        return {"mean": self.mean_, "whitening": self.whitening_, "filters": self.filters_}

    def _set_tensors(self, tensors: Mapping[str, Array]) -> None:
        n_values = self.image_shape_[0] * self._size**2
        shapes = {"mean": (n_values,), "whitening": (n_values, n_values), "filters": (self.n_filters, n_values)}
        for name, shape in shapes.items():
            if tensors[name].shape != shape or tensors[name].dtype != np.float32:
                raise ValueError(f"{name} of shape {tensors[name].shape}, {tensors[name].dtype.name}")
            setattr(self, f"{name}_", tensors[name])

    def _compute(self, images: Array) -> Array:
        _, regions = self._find_regions()
        features = np.zeros((len(images), len(regions), self._per_region), np.float32)
        for i, first, responses in self._iterate_responses(images):
            for j, region in enumerate(regions):
                features[i, j] += region.sum_part(responses, first)
        return features.reshape(len(images), -1)

    @property
    def _per_region(self) -> int:
        """Features of a region."""
        return parse_activation(self.activation).per_filter * self.n_filters

    def _iterate_responses(self, images: Array) -> Iterator[tuple[int, int, Responses]]:
        """(image, first position, responses (N, F) at the positions from there on), for all positions of all images."""
        rows = images.reshape(len(images), -1)
        places, _ = self._find_regions()
        # Several small images at a time, or one large image in pieces.
        some, size = max(1, ROWS // len(places)), min(ROWS, len(places))
        respond = parse_activation(self.activation).open(self.filters_, some * size)
        for start in range(0, len(rows), some):
            for first in range(0, len(places), size):
                piece = places[first : first + size]
                patches = normalise_contrast(rows[start : start + some][:, piece].reshape(-1, piece.shape[1]))
                patches -= self.mean_
                responses = respond(patches @ self.whitening_)
                for i in range(len(responses) // len(piece)):
                    yield start + i, first, responses.take(slice(i * len(piece), (i + 1) * len(piece)))

    def locate(self, X: Array, weights: Array) -> Array:
        """The contribution of the patch at each position to weighted sums of features, (n, K, lines, columns), float32.

        A feature is a mean over the patches of its region: the sum over all positions is ``transform(X) @ weights.T``.

        Args:
            X: images (n, D).
            weights: (K, F).

        Raises:
            BadInput: if the rows do not have the fitted shape, or the weights do not have F columns.
        """
        images = self.shape_images(X)
        if weights.ndim != 2 or weights.shape[1] != self.n_features_out:
            raise BadInput(f"weights have shape {weights.shape}; accepted is (K, {self.n_features_out}).")
        places, regions = self._find_regions()
        shared = [
            (weights[:, j * self._per_region : (j + 1) * self._per_region] / region.size).T.astype(np.float32)
            for j, region in enumerate(regions)
        ]
        found = np.empty((len(X), len(weights), len(places)), np.float32)
        with limit_blas_threads():  # as in iterate: the last digits of a product depend on the number of threads
            for i, first, responses in self._iterate_responses(images):
                for share, region in zip(shared, regions, strict=True):
                    start, stop = max(region.first, first), min(region.last, first + len(responses))
                    if start < stop:
                        found[i, :, start:stop] = (
                            responses.take(slice(start - first, stop - first)).sum_features(share).T
                        )
        in_lines = np.argsort(self._find_order(), kind="stable")
        return found[..., in_lines].reshape(len(X), len(weights), *self._count_places())

    def _count_places(self) -> tuple[int, int]:
        """Lines and columns of positions of a patch."""
        _, height, width = self.image_shape_
        return count_places(height, self._size, self.stride), count_places(width, self._size, self.stride)

    def _number_regions(self) -> Array:
        """The region of each position, (positions,), line by line."""
        lines, columns = self._count_places()
        line, column = np.arange(lines) * self.pool // lines, np.arange(columns) * self.pool // columns
        return np.asarray((line[:, None] * self.pool + column).ravel())

    def _find_order(self) -> Array:
        """The positions in the order of their regions, (positions,)."""
        return np.argsort(self._number_regions(), kind="stable")

    def _find_regions(self) -> tuple[Array, list[_Region]]:
        """(positions as :func:`find_places` returns them, in the order of their regions; the regions)."""
        ends = np.cumsum(np.bincount(self._number_regions())).tolist()
        places = find_places(self.image_shape_, self._size, self.stride)
        return places[self._find_order()], list(map(_Region, [0, *ends], ends))


@dataclass(frozen=True)
class _Region:
    """The positions from ``first`` up to ``last``, where positions are in the order of their regions."""

    first: int
    last: int

    @property
    def size(self) -> int:
        """Number of positions."""
        return self.last - self.first

    def sum_part(self, responses: Responses, start: int) -> Array | float:
        """The part of the region's mean, (F,), in responses at the positions from ``start`` on; 0 if there is none.

        A product with 1 / n takes half of the time of NumPy's mean.
        """
        first, last = max(self.first - start, 0), min(self.last - start, len(responses))
        if first >= last:
            return 0.0
        shares = np.full(last - first, 1 / self.size, np.float32)
        return responses.take(slice(first, last)).sum_patches(shares)


def count_places(side: int, size: int, stride: int) -> int:
    """Number of positions of a patch along a side of the image."""
    return (side - size) // stride + 1


def find_places(image_shape: Shape, size: int, stride: int) -> Array:
    """The indices of the values of each patch in a row, (positions, channels * size * size), line by line."""
    numbers = np.arange(np.prod(image_shape)).reshape(image_shape)
    windows = np.lib.stride_tricks.sliding_window_view(numbers, (size, size), axis=(1, 2))[:, ::stride, ::stride]
    channels, lines, columns = windows.shape[:3]
    places = windows.transpose(1, 2, 0, 3, 4).reshape(lines * columns, channels * size * size)
    return np.asarray(places)


def normalise_contrast(patches: Array) -> Array:
    """(x - mean(x)) / sqrt(var(x) + 10) of patches (N, d), float32, 0 to 255; in place."""
    patches -= patches.mean(axis=1, keepdims=True)
    variance = np.einsum("nd,nd->n", patches, patches) / np.float32(patches.shape[1])
    patches /= np.sqrt(variance + np.float32(CONTRAST))[:, None]
    return patches


def compute_whitening(patches: Array) -> Array:
    """W, (d, d) float32, symmetric: W (x - m) has a covariance near 1, for patches (N, d)."""
    centred = patches - patches.mean(axis=0, dtype=np.float64).astype(np.float32)
    covariance = (centred.T @ centred).astype(np.float64) / len(patches)
    values, vectors = np.linalg.eigh(covariance)
    whitening = (vectors / np.sqrt(np.maximum(values, 0) + WHITENING)) @ vectors.T
    return np.asarray(whitening, np.float32)


def find_centres(patches: Array, n_filters: int, seed: int, progress: Progress = SILENCE) -> Array:
    """Centres (K, d), float32, of patches (N, d) by mini-batch k-means, initialised by k-means++.

    Each pass visits all patches in a new order: ``fit`` would draw batches, and sum over all N for each.
    """
    rng, size = np.random.RandomState(seed), max(4096, 2 * n_filters)
    progress.advance("filters", 0, PASSES, "passes")
    start = kmeans_plusplus(patches[rng.permutation(len(patches))[: 3 * size]], n_filters, random_state=rng)[0]
    k_means = MiniBatchKMeans(n_filters, init=start, n_init=1, batch_size=size, random_state=rng)
    for done in range(1, PASSES + 1):
        order = rng.permutation(len(patches))
        for first in range(0, len(patches), size):
            k_means.partial_fit(patches[order[first : first + size]])
        progress.advance("filters", done, PASSES, "passes")
    return np.asarray(k_means.cluster_centers_, np.float32)
