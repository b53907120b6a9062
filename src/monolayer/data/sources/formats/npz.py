"""A NumPy ``.npz`` file: ``X_train y_train X_test y_test``, or Keras's spelling ``x_train ...``.

Images are uint8: (n, 32, 32, 3) as most libraries hold them, or (n, 3, 32, 32) or (n, 3072), both channel-major as in
the original files. Labels are integers, (n,) or (n, 1).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from monolayer.data.memmap import NPY_ERRORS
from monolayer.data.sources.content import IMAGE_SHAPE, N_FEATURES, Array, Batch, Content, flatten_images, make_batch
from monolayer.errors import BadData

KEYS = ("X_train", "y_train", "X_test", "y_test")


def read(path: Path) -> Content:
    """Content of an ``.npz`` file; arrays of objects (pickles) are refused.

    Raises:
        BadData: naming the file, the key, and the row where there is one.
    """
    X_train, y_train, X_test, y_test = _read_arrays(path)
    train = _make_batch(X_train, y_train, f"{path}: train")
    return Content(train, _make_batch(X_test, y_test, f"{path}: test"), str(path))


def _read_arrays(path: Path) -> list[Array]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            by_key = {key.lower(): key for key in archive.files}
            missing = [key for key in KEYS if key.lower() not in by_key]
            if missing:
                raise BadData(f"{path}: misses {', '.join(missing)}; needed are {', '.join(KEYS)}.")
            return [archive[by_key[key.lower()]] for key in KEYS]
    except BadData:
        raise
    except NPY_ERRORS as error:
        raise BadData(f"{path}: not an .npz file that can be read ({error}).") from error


def _make_batch(images: Array, labels: Array, where: str) -> Batch:
    if images.shape[1:] == (32, 32, 3):
        images = flatten_images(images)
    elif images.shape[1:] == IMAGE_SHAPE:
        images = images.reshape(len(images), N_FEATURES)
    return make_batch(images, labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels, where)
