"""What is the NumPy engine's alone; what all engines do is in test_engines.py."""

import numpy as np

from monolayer.engine.numpy import _mirror


def test_mirroring_turns_every_line_of_every_channel_and_only_the_chosen_rows():
    X = np.random.default_rng(0).integers(0, 255, (4, 3 * 5 * 7)).astype(np.uint8)
    expected = X.copy()
    for row in (0, 2):
        expected[row] = X[row].reshape(3, 5, 7)[:, :, ::-1].reshape(-1)
    _mirror(X, np.array([True, False, True, False]), 7)
    np.testing.assert_array_equal(X, expected)
