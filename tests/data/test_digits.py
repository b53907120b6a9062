from __future__ import annotations

import numpy as np

from monolayer.data.load import load_digits


def test_digits_are_small_grey_images() -> None:
    digits = load_digits()
    assert digits.X.shape == (1797, 64)
    assert digits.X.dtype == np.uint8
    assert int(digits.X.max()) == 16
    assert digits.y.dtype == np.int64
    assert digits.image_shape == (1, 8, 8)
    assert digits.class_names == tuple("0123456789")
    assert digits.name == "digits"
    assert digits.test is None


def test_digits_are_the_same_each_time() -> None:
    assert load_digits().sha256 == load_digits().sha256
