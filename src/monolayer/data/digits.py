"""Scikit-learn's handwritten digits: small enough for a first try and for tests, and always at hand."""

from __future__ import annotations

import numpy as np

from monolayer.data.dataset import Dataset


def load_digits() -> Dataset:
    """1,797 images of digits, 8 x 8, grey from 0 to 16; X is (1797, 64) uint8.

    Source: Alpaydin and Kaynak, 1998, doi:10.24432/C50P49, as shipped with scikit-learn.
    """
    from sklearn import datasets  # here, because it takes half a second that no other dataset should pay

    X, y = datasets.load_digits(return_X_y=True)
    return Dataset(
        X=X.astype(np.uint8),
        y=y.astype(np.int64),
        class_names=tuple(str(digit) for digit in range(10)),
        name="digits",
        image_shape=(1, 8, 8),
        source="scikit-learn's digits",
        pixel_max=16,
    )
