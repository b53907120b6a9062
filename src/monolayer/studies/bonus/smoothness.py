"""Roughness of templates: Geary's contiguity ratio."""

import numpy as np

from monolayer._typing import Array
from monolayer.errors import BadInput


def compute_roughness(weights: Array, image_shape: tuple[int, int, int]) -> float:
    """Geary's contiguity ratio of templates: the variance between neighbouring pixels relative to that of all pixels.

    C = (N - 1) * sum over E pairs of neighbours of (x_i - x_j)**2 / (2 E * sum over pixels of (x_i - mean)**2), with
    the four nearest pixels as neighbours; 1 for white noise, 0 if neighbours are equal, above 1 if they alternate. It
    does not depend on the scale or the offset of a template. Averaged over classes and channels.

    Args:
        weights: (K, D), float, a row for each class, channel-major.
        image_shape: (channels, height, width) of a row.

    Returns:
        The mean ratio; NaN if a channel of a template is constant.

    Raises:
        BadInput: if the rows are not images of this shape.

    Source: Geary 1954, "The contiguity ratio and statistical mapping", The Incorporated Statistician 5.
    """
    channels, height, width = image_shape
    if weights.ndim != 2 or weights.shape[1] != channels * height * width or min(height, width) < 2:
        raise BadInput(f"weights of shape {weights.shape} are not images of {image_shape}, 2 x 2 pixels or larger.")
    pictures = weights.astype(np.float64).reshape(-1, height, width)
    down, across = np.diff(pictures, axis=1), np.diff(pictures, axis=2)
    differences = (down**2).sum(axis=(1, 2)) + (across**2).sum(axis=(1, 2))
    deviations = ((pictures - pictures.mean(axis=(1, 2), keepdims=True)) ** 2).sum(axis=(1, 2))
    n_pixels, n_pairs = height * width, down[0].size + across[0].size
    with np.errstate(invalid="ignore"):
        return float(((n_pixels - 1) * differences / (2 * n_pairs * deviations)).mean())
