"""Small made datasets for tests: classes that a linear network can tell apart, more or less."""

import numpy as np

from monolayer.data.dataset import Dataset


def make_dataset(n=240, n_features=12, n_classes=3, *, dtype="uint8", image_shape=None, seed=0):
    """n training rows and n // 2 test rows; features of each class around its own centre, in 0..255."""
    rng = np.random.default_rng(seed)
    centres = rng.uniform(60, 190, (n_classes, n_features))

    def make(rows):
        y = rng.integers(0, n_classes, rows)
        X = np.clip(centres[y] + 40 * rng.standard_normal((rows, n_features)), 0, 255)
        return X.astype(dtype), y

    names = tuple(f"class {k}" for k in range(n_classes))
    test = Dataset(*make(n // 2), names, image_shape=image_shape)
    return Dataset(*make(n), names, name="made", image_shape=image_shape, test=test)
