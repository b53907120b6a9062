"""What the machine's own matrix product allows: operations counted, divided by its measured rate."""

from __future__ import annotations

TRAIN_ROWS, VAL_ROWS, DIMENSIONS, CLASSES = 49_000, 1_000, 3_072, 10
SGEMM_SIZE = 2_048


def count_operations(member_epochs: float, train_every: int, val_every: int) -> float:
    """Floating-point operations of the matrix products; turning bytes into floats, and softmax, are not counted.

    Args:
        member_epochs: epochs, added up over the networks that were trained.
        train_every: the training rows are evaluated after every so many epochs; 0: never within the time taken.
        val_every: the same for the validation rows.
    """
    forward = 2 * DIMENSIONS * CLASSES  # of one row through one network; the gradient costs the same again
    rows = 2.0 * TRAIN_ROWS
    rows += TRAIN_ROWS / train_every if train_every else 0
    rows += VAL_ROWS / val_every if val_every else 0
    return member_epochs * rows * forward


def compute_gflops(seconds: float) -> float:
    """The rate of one SGEMM_SIZE product that takes so many seconds."""
    return 2 * SGEMM_SIZE**3 / seconds / 1e9
