"""Rows as small square pictures: what the search for duplicates compares."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def resample(rows: Array, image_shape: tuple[int, int, int], side: int) -> Array:
    """Rows (m, D) as pictures (m, channels, side, side), float32, each pixel the mean over the area that it covers."""
    channels, height, width = image_shape
    pictures = rows.reshape(-1, channels, height, width).astype(np.float32)
    if (height, width) == (side, side):
        return pictures
    return multiply_sides(_compute_areas(height, side), pictures, _compute_areas(width, side))


def multiply_sides(by_row: Array, pictures: Array, by_column: Array) -> Array:
    """by_row @ picture @ by_column.T for pictures (..., height, width): any separable filter or change of size."""
    product: Array = by_row @ (pictures @ np.swapaxes(by_column, -1, -2))
    return product


def compute_blur(n: int, width: float) -> Array:
    """A Gaussian blur along one side, (n, n) float32; ``width`` is its standard deviation in pixels."""
    offsets = np.arange(n)[:, None] - np.arange(n)
    weights = np.exp(-0.5 * (offsets / width) ** 2)
    kernel: Array = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return kernel


def blur(pictures: Array, width: float) -> Array:
    """Pictures (..., n, n) blurred; the margin counts itself, not black, as its surroundings."""
    kernel = compute_blur(pictures.shape[-1], width)
    return multiply_sides(kernel, pictures, kernel)


def _compute_areas(n: int, side: int) -> Array:
    """(side, n) float32: the share of each of n pixels in each of ``side`` equal stretches; rows sum to 1."""
    edges = np.arange(side + 1) * (n / side)
    low = np.maximum(edges[:-1, None], np.arange(n))
    high = np.minimum(edges[1:, None], np.arange(n) + 1)
    areas: Array = (np.maximum(high - low, 0.0) * (side / n)).astype(np.float32)
    return areas
