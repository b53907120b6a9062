"""The decoded content of CIFAR-10, and the checks that all its formats share."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from monolayer._typing import Array
from monolayer.errors import BadData

N_CLASSES = 10
IMAGE_SHAPE = (3, 32, 32)
N_FEATURES = 3 * 32 * 32
TRAIN_BATCHES = tuple(f"data_batch_{i}" for i in range(1, 6))
TEST_BATCH = "test_batch"

Pixels = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]
Batch = tuple[Pixels, Labels]


@dataclass(frozen=True, eq=False)
class Content:
    """The training and the test file of CIFAR-10, decoded.

    Args:
        train: pixels (n, 3072) uint8, channel-major, and labels (n,) int64.
        test: the same of the test file.
        source: where it was read, in words.
    """

    train: Batch
    test: Batch
    source: str


def make_batch(pixels: Array, labels: Array, where: str) -> Batch:
    """Pixels (n, 3072) uint8 and labels (n,) integers, checked; labels become int64.

    Raises:
        BadData: if one of them does not fit; the text names ``where``, and the row of a wrong label.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 2 or pixels.shape[1] != N_FEATURES or not len(pixels):
        raise BadData(
            f"{where}: pixels are {pixels.dtype} {pixels.shape}; accepted is uint8 (n, {N_FEATURES}), n >= 1."
        )
    if labels.dtype.kind not in "iu" or labels.shape != (len(pixels),):
        raise BadData(
            f"{where}: labels are {labels.dtype} {labels.shape}; accepted are {len(pixels)} integers, one per image."
        )
    wrong = np.flatnonzero((labels < 0) | (labels >= N_CLASSES))
    if wrong.size:
        raise BadData(f"{where}: row {wrong[0]} has label {labels[wrong[0]]}; accepted are 0 to {N_CLASSES - 1}.")
    return np.ascontiguousarray(pixels, dtype=np.uint8), labels.astype(np.int64)


def join_batches(batches: list[Batch]) -> Batch:
    """One batch of several, in their order."""
    return np.concatenate([pixels for pixels, _ in batches]), np.concatenate([labels for _, labels in batches])
