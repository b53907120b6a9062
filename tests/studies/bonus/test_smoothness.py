import numpy as np
import pytest

from monolayer.errors import BadInput
from monolayer.studies.bonus.smoothness import compute_roughness


def roughness_loop(picture):
    """Geary's ratio as his paper writes it: over all ordered pairs of neighbours."""
    height, width = picture.shape
    total, n_pairs = 0.0, 0
    for i in range(height):
        for j in range(width):
            for di, dj in ((0, 1), (1, 0), (0, -1), (-1, 0)):
                if 0 <= i + di < height and 0 <= j + dj < width:
                    total += (picture[i, j] - picture[i + di, j + dj]) ** 2
                    n_pairs += 1
    return (picture.size - 1) * total / (2 * n_pairs * ((picture - picture.mean()) ** 2).sum())


def test_it_is_gearys_ratio_averaged_over_classes_and_channels():
    weights = np.random.default_rng(0).normal(size=(2, 3 * 4 * 5))
    slow = np.mean([roughness_loop(picture) for picture in weights.reshape(6, 4, 5)])
    assert compute_roughness(weights, (3, 4, 5)) == pytest.approx(slow)


def test_noise_is_about_one_a_slope_near_none_and_a_chessboard_above_one():
    noise = np.random.default_rng(1).normal(size=(20, 32 * 32))
    assert compute_roughness(noise, (1, 32, 32)) == pytest.approx(1, abs=0.02)
    slope = np.add.outer(np.arange(32.0), np.arange(32.0))[None].reshape(1, -1)
    assert compute_roughness(slope, (1, 32, 32)) < 0.01
    board = (np.indices((8, 8)).sum(axis=0) % 2).reshape(1, -1)
    assert compute_roughness(board, (1, 8, 8)) == pytest.approx(2 * 63 / 64)


def test_scale_and_offset_of_a_template_make_no_difference():
    weights = np.random.default_rng(2).normal(size=(3, 36))
    assert compute_roughness(-7 * weights + 4, (1, 6, 6)) == pytest.approx(compute_roughness(weights, (1, 6, 6)))


def test_a_blank_template_has_none_and_other_shapes_are_refused():
    assert np.isnan(compute_roughness(np.ones((1, 16)), (1, 4, 4)))
    with pytest.raises(BadInput, match="2 x 2 pixels or larger"):
        compute_roughness(np.ones((1, 17)), (1, 4, 4))
    with pytest.raises(BadInput, match="2 x 2 pixels or larger"):
        compute_roughness(np.ones((1, 4)), (1, 1, 4))
