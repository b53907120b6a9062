"""Fingerprints: whitened thumbnails, with which an image and its mirror image are compared at the cost of one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from monolayer._typing import Array
from monolayer.data.dataset import Dataset
from monolayer.duplicates.constants import WHITENING_FLOOR


def resample(rows: Array, image_shape: tuple[int, int, int], side: int) -> Array:
    """Resample rows (m, D) to images (m, channels, side, side), float32, by averaging over the area of each pixel."""
    channels, height, width = image_shape
    images = rows.reshape(-1, channels, height, width).astype(np.float32)
    if (height, width) == (side, side):
        return images
    return apply_separable(_compute_areas(height, side), images, _compute_areas(width, side))


def apply_separable(by_row: Array, images: Array, by_column: Array) -> Array:
    """by_row @ image @ by_column.T for images (..., height, width): any separable filter or resampling."""
    product: Array = by_row @ (images @ np.swapaxes(by_column, -1, -2))
    return product


def compute_blur(n: int, width: float) -> Array:
    """A Gaussian blur along one side, (n, n) float32; ``width`` is its standard deviation in pixels."""
    offsets = np.arange(n)[:, None] - np.arange(n)
    weights = np.exp(-0.5 * (offsets / width) ** 2)
    kernel: Array = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return kernel


def blur(images: Array, width: float) -> Array:
    """Blur images (..., n, n); the kernel is normalised at the border."""
    kernel = compute_blur(images.shape[-1], width)
    return apply_separable(kernel, images, kernel)


def _compute_areas(n: int, side: int) -> Array:
    """(side, n) float32: the share of each of n pixels in each of ``side`` equal intervals; rows sum to 1."""
    edges = np.arange(side + 1) * (n / side)
    low = np.maximum(edges[:-1, None], np.arange(n))
    high = np.minimum(edges[1:, None], np.arange(n) + 1)
    areas: Array = (np.maximum(high - low, 0.0) * (side / n)).astype(np.float32)
    return areas


THUMBNAIL_SIDE = 8
_BLOCK = 2000


@dataclass(frozen=True, eq=False)
class Fingerprints:
    """Unit vectors of n images, split into the even part, which mirroring keeps, and the odd part, which it negates.

    With s = even . even' and t = odd . odd', s + t is the cosine of two images and s - t the cosine of one with the
    mirror image of the other; so s + |t| is the larger of the two, and t < 0 if it is that of the mirror image.

    Args:
        even: (n, p) float32.
        odd: (n, p) float32.
    """

    even: Array
    odd: Array

    def __len__(self) -> int:
        return len(self.even)

    def take(self, rows: Array) -> Fingerprints:
        """Select the fingerprints of some rows."""
        return Fingerprints(self.even[rows], self.odd[rows])


@dataclass(frozen=True, eq=False)
class Whitening:
    """Linear maps that give every direction of the training thumbnails about the same variance.

    Natural images differ most in their low frequencies; without whitening, any two skies are alike. The even and the
    odd part are whitened separately: over the mirrored and unmirrored training images their covariance is zero.

    Args:
        even: (p, p) float32.
        odd: (p, p) float32.
    """

    even: Array
    odd: Array

    def compute_fingerprints(self, dataset: Dataset, on_progress: Callable[[int], None]) -> Fingerprints:
        """Fingerprints of all rows; ``on_progress`` gets the number of rows done."""
        parts = []
        for start in range(0, len(dataset.X), _BLOCK):
            even, odd = _compute_parts(dataset, slice(start, start + _BLOCK))
            parts.append(_normalise(even @ self.even, odd @ self.odd))
            on_progress(min(start + _BLOCK, len(dataset.X)))
        return Fingerprints(np.concatenate([even for even, _ in parts]), np.concatenate([odd for _, odd in parts]))


def learn_whitening(dataset: Dataset, on_progress: Callable[[int], None]) -> Whitening:
    """Fit the whitening of a dataset's thumbnails: PCA whitening with ``WHITENING_FLOOR``."""
    p = dataset.image_shape[0] * THUMBNAIL_SIDE * THUMBNAIL_SIDE // 2 if dataset.image_shape else 0
    covariances = np.zeros((2, p, p))
    for start in range(0, len(dataset.X), _BLOCK):
        covariances += np.stack([part.T @ part for part in _compute_parts(dataset, slice(start, start + _BLOCK))])
        on_progress(min(start + _BLOCK, len(dataset.X)))
    floor = WHITENING_FLOOR * float(np.trace(covariances.sum(axis=0)))
    return Whitening(*(_invert_root(covariance, floor) for covariance in covariances))


def _invert_root(covariance: Array, floor: float) -> Array:
    variances, directions = np.linalg.eigh(covariance)
    # If all thumbnails are blank, the tiny addition keeps the division defined.
    floor += float(np.finfo(np.float32).tiny)
    root: Array = (directions * np.sqrt(floor / (np.maximum(variances, 0.0) + floor))).astype(np.float32)
    return root


def _compute_parts(dataset: Dataset, rows: slice) -> tuple[Array, Array]:
    """Even and odd parts of thumbnails, each (m, p) float32, without the mean of each channel (the tint)."""
    assert dataset.image_shape is not None  # noqa: S101  (the caller ensures it)
    thumbnails = resample(dataset.X[rows], dataset.image_shape, THUMBNAIL_SIDE)
    thumbnails -= thumbnails.mean(axis=(2, 3), keepdims=True)
    left, right = thumbnails[..., : THUMBNAIL_SIDE // 2], thumbnails[..., : THUMBNAIL_SIDE // 2 - 1 : -1]
    root = np.float32(np.sqrt(0.5))  # keeps lengths, since the left half represents both
    return ((left + right) * root).reshape(len(left), -1), ((left - right) * root).reshape(len(left), -1)


def _normalise(even: Array, odd: Array) -> tuple[Array, Array]:
    """Divide both parts by the length of the whole; a blank image stays zero and is similar to none."""
    length = np.sqrt((even**2).sum(axis=1) + (odd**2).sum(axis=1))[:, None]
    safe = np.where(length > 0, length, 1.0)
    return even / safe, odd / safe
