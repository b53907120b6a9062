"""Alignment: the similarity of two images after one is shifted, scaled and recoloured to fit the other."""

import numpy as np

from monolayer._typing import Array
from monolayer.duplicates.constants import COARSE_MIN, NOISE, REFINE_MIN, REGULARISER_SHARE
from monolayer.duplicates.fingerprints import apply_separable, blur

SIDE = 32  # images are resampled to this size
MAX_SCALE = 1.4  # a crop beyond it has lost half of the image
MAX_SHIFT = 0.2  # of the side
_PRE_BLUR, _HIGH_PASS = 0.6, 2.0  # pixels: against errors of bilinear sampling, and against skies and shadows
_BATCH = 250  # pairs at a time: their arrays stay near the cache, and memory small


def compute_similarity(first: Array, second: Array, unit: float) -> Array:
    """Similarity of m pairs of images, from about 0 to just below 1, (m,) float32; 0 if the coarse one is too low.

    Each first image is registered to the second (shift and scale along both sides, by Gauss-Newton steps from coarse to
    fine: the inverse compositional algorithm with a gain and an offset, Baker and Matthews 2004,
    doi:10.1023/B:VISI.0000011205.11775.fd); then :func:`correlate_edges` compares them.

    Args:
        first: (m, channels, SIDE, SIDE) float32, already mirrored for a mirrored pair.
        second: the same shape.
        unit: the standard deviation of the training pixels.
    """
    similarity = np.zeros(len(first), dtype=np.float32)
    for start in range(0, len(first), _BATCH):
        rows = slice(start, start + _BATCH)
        similarity[rows] = _compute_batch(first[rows] / np.float32(unit), second[rows] / np.float32(unit))
    return similarity


def _compute_batch(first: Array, second: Array) -> Array:
    similarity = np.zeros(len(first), dtype=np.float32)
    grey, others = (np.einsum("mchw->mhw", images) / np.float32(images.shape[1]) for images in (first, second))
    transform, coarse = _align_coarsely(grey, others)
    # Most candidates are dropped here, and most of the others after four steps; both tests are for speed only.
    left = np.flatnonzero(coarse > COARSE_MIN)
    transform = transform[left]
    for n_steps, least in ((4, REFINE_MIN), (5, 1.0)):
        if not len(left):
            break
        transform = _align(_high_pass(grey[left]), _high_pass(others[left]), transform, n_steps)
        warped, weights = _warp(first[left], transform)
        similarity[left] = correlate_edges(warped, second[left], weights)
        kept = similarity[left] > least
        left, transform = left[kept], transform[kept]
    return similarity


def correlate_edges(first: Array, second: Array, weights: Array) -> Array:
    """Normalised cross-correlation of the edges of two aligned images, (m,) float32.

    At each pixel the gradients of all channels form one vector. It is computed from the high-pass filtered image and
    divided by sqrt(length**2 + noise**2): faint edges count as much as strong ones, so that brightness, contrast and
    tint have no influence, and noise has little. With u, v the vectors of the two images the similarity is

        sum u.v / (sqrt(sum u.u * sum v.v) + c),

    where c is ``REGULARISER_SHARE`` of the number of pixels. So a speck in an empty sky cannot reach a high value, and
    two blank images have 0.

    Args:
        first: (m, channels, n, n) float32, in units of the training pixels' standard deviation.
        second: the same shape.
        weights: (m, n, n) float32, 0 where the warped image has no pixel.
    """
    u, v, w = _compute_edges(first), _compute_edges(second), weights[:, None, 1:-1, 1:-1]
    axes = (1, 2, 3)
    regulariser = REGULARISER_SHARE * u.shape[-1] * u.shape[-2]
    lengths = np.sqrt((w * u * u).sum(axis=axes) * (w * v * v).sum(axis=axes))
    similarity: Array = (w * u * v).sum(axis=axes) / (lengths + regulariser)
    return similarity


def _compute_edges(images: Array) -> Array:
    """(m, 2 * channels, n - 2, n - 2): gradients of the high-pass filtered images, divided by their length."""
    gx, gy = _differentiate(_high_pass(images))
    lengths = (gx**2 + gy**2).sum(axis=1, keepdims=True) + images.shape[1] * NOISE**2
    edges: Array = np.concatenate([gx, gy], axis=1) / np.sqrt(lengths)
    return edges


def _differentiate(images: Array) -> tuple[Array, Array]:
    """Central differences of the inner pixels, each (..., n - 2, n - 2)."""
    gx = (images[..., 1:-1, 2:] - images[..., 1:-1, :-2]) / 2
    gy = (images[..., 2:, 1:-1] - images[..., :-2, 1:-1]) / 2
    return gx, gy


def _high_pass(images: Array) -> Array:
    """High-pass filter: remove the low frequencies, in which all skies and lawns are alike."""
    smooth = blur(images, _PRE_BLUR)
    sharp: Array = smooth - blur(smooth, _HIGH_PASS)
    return sharp


def _align_coarsely(first: Array, second: Array) -> tuple[Array, Array]:
    """(transforms at full size, correlation of the gradients at half size) of grey images (m, n, n)."""
    small = [_halve(first), _halve(second)]
    transform = np.tile(np.array([1, 1, 0, 0], dtype=np.float32), (len(first), 1))
    transform = _align(blur(small[0], 1.0), blur(small[1], 1.0), transform, 4)
    transform = _align(small[0], small[1], transform, 2)
    warped, weights = _warp(small[0][:, None], transform)
    coarse = _correlate_gradients(warped, small[1][:, None], weights[:, None, 1:-1, 1:-1])
    return transform * np.array([1, 1, 2, 2], dtype=np.float32), coarse


def _halve(images: Array) -> Array:
    """Downsample images (m, n, n) by averaging over 2 x 2 pixels."""
    rows = images[:, ::2] + images[:, 1::2]
    halved: Array = (rows[:, :, ::2] + rows[:, :, 1::2]) / 4
    return halved


def _correlate_gradients(first: Array, second: Array, w: Array) -> Array:
    a, b = (np.concatenate(_differentiate(images), axis=1) for images in (first, second))
    axes = (1, 2, 3)
    floor = w.sum(axis=axes) * NOISE**2
    lengths = ((w * a * a).sum(axis=axes) + floor) * ((w * b * b).sum(axis=axes) + floor)
    correlation: Array = (w * a * b).sum(axis=axes) / np.sqrt(lengths)
    return correlation


def _align(first: Array, second: Array, transform: Array, n_steps: int) -> Array:
    """Transforms (m, 4), float32, after some Gauss-Newton steps that register grey images ``first`` to ``second``."""
    jacobian = _compute_jacobian(second)
    for _ in range(n_steps):
        warped, weights = _warp(first[:, None], transform)
        change = _solve(jacobian, warped.reshape(len(warped), -1), weights.reshape(len(warped), -1))
        transform = _compose(transform, change)
    return transform


def _compute_jacobian(images: Array) -> Array:
    """(m, 6, n * n): derivatives by offset, gain, shift along x and y, scale along x and y."""
    at = np.arange(images.shape[-1], dtype=np.float32) - (images.shape[-1] - 1) / 2
    gy, gx = np.gradient(images, axis=1), np.gradient(images, axis=2)
    centred = images - images.mean(axis=(1, 2), keepdims=True)
    jacobian = [np.ones_like(images), centred, gx, gy, gx * at, gy * at[:, None]]
    return np.stack(jacobian, axis=1).reshape(len(images), 6, -1).astype(np.float32)


def _solve(jacobian: Array, warped: Array, weights: Array) -> Array:
    """Least squares: the shift and scale, (m, 4), that fit the warped image; divided by the gain."""
    weighted = jacobian * weights[:, None, :]
    normal = weighted @ jacobian.transpose(0, 2, 1)
    # The derivatives of a blank image are zero; a ridge of a hundred-thousandth keeps the equations solvable.
    ridge = 1e-5 * np.trace(normal, axis1=1, axis2=2) + 1e-6
    normal += ridge[:, None, None] * np.eye(6, dtype=np.float32)
    solution = np.linalg.solve(normal, weighted @ warped[:, :, None])[:, :, 0]
    gain = np.maximum(np.abs(solution[:, 1:2]), 0.2)
    change: Array = solution[:, 2:] / gain
    return change


def _compose(transform: Array, change: Array) -> Array:
    """The transform followed by the inverse of a small change; both are clipped to their bounds."""
    shift, scaling = np.clip(change[:, :2], -1.5, 1.5), 1.0 / (1.0 + np.clip(change[:, 2:], -0.1, 0.1))
    scale = np.clip(transform[:, :2] * scaling, 1 / MAX_SCALE, MAX_SCALE)
    limit = MAX_SHIFT * SIDE
    origin = np.clip(transform[:, 2:] - transform[:, :2] * shift * scaling, -limit, limit)
    return np.concatenate([scale, origin], axis=1).astype(np.float32)


def _warp(images: Array, transform: Array) -> tuple[Array, Array]:
    """(images (m, channels, n, n) warped by bilinear sampling, weights (m, n, n))."""
    n = images.shape[-1]
    along_x, inside_x = _compute_sampling(transform[:, 0], transform[:, 2], n)
    along_y, inside_y = _compute_sampling(transform[:, 1], transform[:, 3], n)
    warped = apply_separable(along_y[:, None], images, along_x[:, None])
    return warped, inside_y[:, :, None] * inside_x[:, None, :]


def _compute_sampling(scale: Array, shift: Array, n: int) -> tuple[Array, Array]:
    """Interpolation along one side as matrices (m, n, n), and which samples are inside, (m, n); both float32."""
    centre = np.float32((n - 1) / 2)
    at = np.arange(n, dtype=np.float32)
    source = scale[:, None] * (at - centre) + shift[:, None] + centre
    inside = (source > -0.5) & (source < n - 0.5)
    source = np.clip(source, 0, n - 1)
    return np.maximum(0, 1 - np.abs(source[:, :, None] - at)), inside.astype(np.float32)
