"""Fingerprints: whitened thumbnails, with which an image and its mirror image are compared at the cost of one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from monolayer._typing import Array
from monolayer.data.dataset import Dataset
from monolayer.duplicates.constants import WHITENING_FLOOR


def load_images(dataset: Dataset, rows: slice | Array, side: int) -> Array:
    """Some rows as images (m, channels, side, side), float32, resampled by averaging over the area of each pixel."""
    assert dataset.image_shape is not None  # noqa: S101  (name_obstacle ensures it)
    channels, height, width = dataset.image_shape
    images = dataset.X[rows].reshape(-1, channels, height, width).astype(np.float32)
    if (height, width) == (side, side):
        return images
    return apply_separable(_compute_areas(height, side), images, _compute_areas(width, side))


def apply_separable(by_row: Array, images: Array, by_column: Array) -> Array:
    """by_row @ image @ by_column.T for images (..., height, width): any separable filter or resampling."""
    product: Array = by_row @ (images @ np.swapaxes(by_column, -1, -2))
    return product


def blur(images: Array, width: float) -> Array:
    """Gaussian blur of images (..., n, n), of a standard deviation in pixels; it is normalised at the border."""
    n = images.shape[-1]
    weights = np.exp(-0.5 * ((np.arange(n)[:, None] - np.arange(n)) / width) ** 2)
    kernel = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
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


def learn_whitening(dataset: Dataset, on_progress: Callable[[int], None]) -> Array:
    """Linear maps of the even and of the odd parts that equalise the variances of all directions, (2, p, p) float32.

    Natural images differ most in their low frequencies; without whitening, any two skies are alike. The even and the
    odd part are whitened separately: over the mirrored and unmirrored training images their covariance is zero. It is
    PCA whitening of the dataset's thumbnails with ``WHITENING_FLOOR``; ``on_progress`` gets the number of rows done.
    """
    covariances = np.zeros(())
    for start in range(0, len(dataset.X), _BLOCK):
        parts = _compute_parts(dataset, slice(start, start + _BLOCK))
        covariances = covariances + parts.swapaxes(1, 2) @ parts
        on_progress(min(start + _BLOCK, len(dataset.X)))
    floor = WHITENING_FLOOR * float(np.trace(covariances.sum(axis=0)))
    return np.stack([_invert_root(covariance, floor) for covariance in covariances])


def compute_fingerprints(dataset: Dataset, whitening: Array, on_progress: Callable[[int], None]) -> Array:
    """Unit vectors of all n images, (2, n, p) float32: the even part, which mirroring keeps, and the odd part.

    Mirroring negates the odd part. With s = even . even' and t = odd . odd', s + t is the cosine of two images and
    s - t the cosine of one with the mirror image of the other; so s + |t| is the larger of the two, and t < 0 if it is
    that of the mirror image. ``on_progress`` gets the number of rows done.
    """
    blocks = []
    for start in range(0, len(dataset.X), _BLOCK):
        parts = _compute_parts(dataset, slice(start, start + _BLOCK)) @ whitening
        length = np.sqrt((parts**2).sum(axis=2).sum(axis=0))[:, None]
        blocks.append(parts / np.where(length > 0, length, 1.0))  # a blank image stays zero and is similar to none
        on_progress(min(start + _BLOCK, len(dataset.X)))
    return np.concatenate(blocks, axis=1)


def _invert_root(covariance: Array, floor: float) -> Array:
    variances, directions = np.linalg.eigh(covariance)
    # If all thumbnails are blank, the tiny addition keeps the division defined.
    floor += float(np.finfo(np.float32).tiny)
    root: Array = (directions * np.sqrt(floor / (np.maximum(variances, 0.0) + floor))).astype(np.float32)
    return root


def _compute_parts(dataset: Dataset, rows: slice) -> Array:
    """Even and odd parts of thumbnails, (2, m, p) float32, without the mean of each channel (the tint)."""
    thumbnails = load_images(dataset, rows, THUMBNAIL_SIDE)
    thumbnails -= thumbnails.mean(axis=(2, 3), keepdims=True)
    left, right = thumbnails[..., : THUMBNAIL_SIDE // 2], thumbnails[..., : THUMBNAIL_SIDE // 2 - 1 : -1]
    root = np.float32(np.sqrt(0.5))  # keeps lengths, since the left half represents both
    return np.stack([(left + right) * root, (left - right) * root]).reshape(2, len(left), -1)
