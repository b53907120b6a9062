"""The line of an epoch, as a log shows it."""

from __future__ import annotations

from monolayer.evaluate.metrics import LARGE, format_loss
from monolayer.history import EpochRow


def format_epoch(row: EpochRow, epochs: int) -> str:
    """``Epoch 1/40 - LR: 0.00100 - Loss: 1.8440, Accuracy: 36.23%``, and validation beside training."""
    # Five decimals as in the original's log, unless they would hide the rate.
    rate = f"{row.learning_rate:.5f}" if 1e-5 <= row.learning_rate < LARGE else f"{row.learning_rate:.3g}"
    line = f"Epoch {row.epoch}/{epochs} - LR: {rate}"
    if row.train_loss is not None and row.train_accuracy is not None:
        line += f" - Loss: {format_loss(row.train_loss)}, Accuracy: {row.train_accuracy:.2%}"
    if row.val_loss is not None and row.val_accuracy is not None:
        line += f" - Val loss: {format_loss(row.val_loss)}, Val accuracy: {row.val_accuracy:.2%}"
    return line
