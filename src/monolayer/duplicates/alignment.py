"""Alignment: how alike two pictures are once one is shifted, stretched and recoloured to fit the other."""

from __future__ import annotations

import numpy as np

from monolayer.duplicates.constants import COARSE_MIN, EVIDENCE_SHARE, NOISE, REFINE_MIN
from monolayer.duplicates.fingerprints import Array, blur, multiply_sides

SIDE = 32  # pictures are compared at this size; larger ones are reduced to it
STRETCH_MAX = 1.4  # beyond it a crop has lost half of the picture
SHIFT_MAX = 0.2  # of the side
_PRE_BLUR, _HIGH_PASS = 0.6, 2.0  # pixels: against what bilinear sampling does, and against skies and shadows
_BATCH = 250  # pairs at a time: their arrays stay near the cache, and memory small


def compute_similarity(first: Array, second: Array, unit: float) -> Array:
    """Similarity of m pairs of pictures, from about 0 to just below 1, (m,) float32; 0 where a coarse look suffices.

    Each first picture is moved onto its partner (shift and stretch along both sides, by Gauss-Newton steps from coarse
    to fine; Baker and Matthews 2004, doi:10.1023/B:VISI.0000011205.11775.fd, the inverse compositional algorithm with
    a gain and an offset), then :func:`correlate_edges` judges.

    Args:
        first: (m, channels, SIDE, SIDE) float32, already mirrored where that is the question.
        second: the same shape.
        unit: the standard deviation of the training pixels, in the pixels' own unit.
    """
    similarity = np.zeros(len(first), dtype=np.float32)
    for start in range(0, len(first), _BATCH):
        rows = slice(start, start + _BATCH)
        similarity[rows] = _compute_batch(first[rows] / np.float32(unit), second[rows] / np.float32(unit))
    return similarity


def _compute_batch(first: Array, second: Array) -> Array:
    similarity = np.zeros(len(first), dtype=np.float32)
    grey, others = _mix_channels(first), _mix_channels(second)
    placement, coarse = _align_coarsely(grey, others)
    # Most candidates leave here, and most of the rest after four steps: both looks are there for speed alone.
    left = np.flatnonzero(coarse > COARSE_MIN)
    placement = placement[left]
    for n_steps, least in ((4, REFINE_MIN), (5, 1.0)):
        if not len(left):
            break
        placement = _align(_sharpen(grey[left]), _sharpen(others[left]), placement, n_steps)
        similarity[left] = correlate_edges(*_move(first[left], second[left], placement))
        kept = similarity[left] > least
        left, placement = left[kept], placement[kept]
    return similarity


def correlate_edges(first: Array, second: Array, weights: Array) -> Array:
    """Agreement of two aligned pictures' edges, pixel by pixel, (m,) float32.

    At each pixel the gradients of all channels are one vector, taken from the sharpened picture and divided by
    sqrt(length**2 + noise**2): a faint edge counts as much as a strong one, so brightness, contrast and tint fall out,
    and noise counts for nothing. With u, v the two pictures' vectors the similarity is

        sum u.v / (sqrt(sum u.u * sum v.v) + evidence),

    a correlation that needs evidence: ``EVIDENCE_SHARE`` of the pixels' worth. A speck in an empty sky cannot reach a
    high value, whatever it resembles; two blank pictures have 0.

    Args:
        first: (m, channels, n, n) float32, in units of the training pixels' standard deviation.
        second: the same shape.
        weights: (m, n, n) float32, 0 where the moved picture has no pixel.
    """
    u, v, w = _compute_edges(first), _compute_edges(second), weights[:, None, 1:-1, 1:-1]
    axes = (1, 2, 3)
    evidence = EVIDENCE_SHARE * u.shape[-1] * u.shape[-2]
    lengths = np.sqrt((w * u * u).sum(axis=axes) * (w * v * v).sum(axis=axes))
    similarity: Array = (w * u * v).sum(axis=axes) / (lengths + evidence)
    return similarity


def _compute_edges(pictures: Array) -> Array:
    """(m, 2 * channels, n - 2, n - 2): sharpened, differentiated, divided by the length over all channels."""
    gx, gy = _differentiate(_sharpen(pictures))
    lengths = (gx**2 + gy**2).sum(axis=1, keepdims=True) + pictures.shape[1] * NOISE**2
    edges: Array = np.concatenate([gx, gy], axis=1) / np.sqrt(lengths)
    return edges


def _differentiate(pictures: Array) -> tuple[Array, Array]:
    """Central differences of the inner pixels, each (..., n - 2, n - 2)."""
    gx = (pictures[..., 1:-1, 2:] - pictures[..., 1:-1, :-2]) / 2
    gy = (pictures[..., 2:, 1:-1] - pictures[..., :-2, 1:-1]) / 2
    return gx, gy


def _sharpen(pictures: Array) -> Array:
    """What is left when the coarse light and dark are gone, which all skies and lawns share."""
    smooth = blur(pictures, _PRE_BLUR)
    sharp: Array = smooth - blur(smooth, _HIGH_PASS)
    return sharp


def _align_coarsely(first: Array, second: Array) -> tuple[Array, Array]:
    """(placements for full size, correlation of the gradients at half size) of grey pictures (m, n, n)."""
    small = [_halve(first), _halve(second)]
    placement = np.tile(np.array([1, 1, 0, 0], dtype=np.float32), (len(first), 1))
    placement = _align(blur(small[0], 1.0), blur(small[1], 1.0), placement, 4)
    placement = _align(small[0], small[1], placement, 2)
    moved, still, weights = _move(small[0][:, None], small[1][:, None], placement)
    coarse = _correlate_gradients(moved, still, weights[:, None, 1:-1, 1:-1])
    return placement * np.array([1, 1, 2, 2], dtype=np.float32), coarse


def _mix_channels(pictures: Array) -> Array:
    """The mean over the channels, (m, n, n)."""
    mixed: Array = np.einsum("mchw->mhw", pictures) / np.float32(pictures.shape[1])
    return mixed


def _halve(pictures: Array) -> Array:
    """Pictures (m, n, n) at half their size: means over 2 x 2 pixels."""
    rows = pictures[:, ::2] + pictures[:, 1::2]
    halved: Array = (rows[:, :, ::2] + rows[:, :, 1::2]) / 4
    return halved


def _correlate_gradients(first: Array, second: Array, w: Array) -> Array:
    a, b = (np.concatenate(_differentiate(pictures), axis=1) for pictures in (first, second))
    axes = (1, 2, 3)
    floor = w.sum(axis=axes) * NOISE**2
    lengths = ((w * a * a).sum(axis=axes) + floor) * ((w * b * b).sum(axis=axes) + floor)
    correlation: Array = (w * a * b).sum(axis=axes) / np.sqrt(lengths)
    return correlation


def _align(first: Array, second: Array, placement: Array, n_steps: int) -> Array:
    """Placements (m, 4), float32, after some Gauss-Newton steps that bring grey pictures ``first`` onto ``second``."""
    slopes = _compute_slopes(second)
    for _ in range(n_steps):
        moved, _, weights = _move(first[:, None], second[:, None], placement)
        change = _solve(slopes, moved.reshape(len(moved), -1), weights.reshape(len(moved), -1))
        placement = _compose(placement, change)
    return placement


def _compute_slopes(pictures: Array) -> Array:
    """(m, 6, n * n): how a picture changes with offset, gain, shift along x and y, stretch along x and y."""
    at = np.arange(pictures.shape[-1], dtype=np.float32) - (pictures.shape[-1] - 1) / 2
    gy, gx = np.gradient(pictures, axis=1), np.gradient(pictures, axis=2)
    centred = pictures - pictures.mean(axis=(1, 2), keepdims=True)
    slopes = [np.ones_like(pictures), centred, gx, gy, gx * at, gy * at[:, None]]
    return np.stack(slopes, axis=1).reshape(len(pictures), 6, -1).astype(np.float32)


def _solve(slopes: Array, moved: Array, weights: Array) -> Array:
    """Least squares: shift and stretch, (m, 4), that explain the moved picture; divided by the gain."""
    weighted = slopes * weights[:, None, :]
    normal = weighted @ slopes.transpose(0, 2, 1)
    # A blank picture has no slopes; a ridge of a hundred-thousandth keeps the equations solvable and moves little else.
    ridge = 1e-5 * np.trace(normal, axis1=1, axis2=2) + 1e-6
    normal += ridge[:, None, None] * np.eye(6, dtype=np.float32)
    solution = np.linalg.solve(normal, weighted @ moved[:, :, None])[:, :, 0]
    gain = np.maximum(np.abs(solution[:, 1:2]), 0.2)
    change: Array = solution[:, 2:] / gain
    return change


def _compose(placement: Array, change: Array) -> Array:
    """The placement followed by the inverse of a small change; steps and results are kept within bounds."""
    shift, stretch = np.clip(change[:, :2], -1.5, 1.5), 1.0 / (1.0 + np.clip(change[:, 2:], -0.1, 0.1))
    scale = np.clip(placement[:, :2] * stretch, 1 / STRETCH_MAX, STRETCH_MAX)
    limit = SHIFT_MAX * SIDE
    origin = np.clip(placement[:, 2:] - placement[:, :2] * shift * stretch, -limit, limit)
    return np.concatenate([scale, origin], axis=1).astype(np.float32)


def _move(first: Array, second: Array, placement: Array) -> tuple[Array, Array, Array]:
    """(first moved by bilinear sampling, second, weights (m, n, n)); pictures are (m, channels, n, n)."""
    n = first.shape[-1]
    along_x, inside_x = _compute_sampling(placement[:, 0], placement[:, 2], n)
    along_y, inside_y = _compute_sampling(placement[:, 1], placement[:, 3], n)
    moved = multiply_sides(along_y[:, None], first, along_x[:, None])
    return moved, second, inside_y[:, :, None] * inside_x[:, None, :]


def _compute_sampling(scale: Array, shift: Array, n: int) -> tuple[Array, Array]:
    """Sampling along one side as matrices (m, n, n), and which samples lie inside, (m, n); both float32."""
    centre = np.float32((n - 1) / 2)
    at = np.arange(n, dtype=np.float32)
    source = scale[:, None] * (at - centre) + shift[:, None] + centre
    inside = (source > -0.5) & (source < n - 0.5)
    source = np.clip(source, 0, n - 1)
    return np.maximum(0, 1 - np.abs(source[:, :, None] - at)), inside.astype(np.float32)
