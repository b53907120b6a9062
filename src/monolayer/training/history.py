"""The history of a run: the metrics of each epoch."""

from dataclasses import asdict, dataclass, fields
from typing import Any

from monolayer.evaluate.metrics import LARGE, Metrics, format_loss, make_finite


@dataclass(frozen=True)
class EpochRow:
    """One epoch of a run's history; None where the epoch was not evaluated or there are no validation rows."""

    epoch: int
    learning_rate: float
    train_loss: float | None = None
    train_cost: float | None = None
    train_accuracy: float | None = None
    val_loss: float | None = None
    val_cost: float | None = None
    val_accuracy: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """The row for JSON; a loss that is not finite becomes None."""
        return {name: make_finite(value) for name, value in asdict(self).items()}


HISTORY_COLUMNS = tuple(column.name for column in fields(EpochRow))


def make_row(epoch: int, rate: float, evaluation: dict[str, Metrics]) -> EpochRow:
    """The row of an epoch from the metrics of the rows that were evaluated, by name: ``train``, ``val``."""
    columns = {
        f"{name}_{column}": value
        for name, metrics in evaluation.items()
        for column, value in asdict(metrics).items()
        if column != "n"
    }
    return EpochRow(epoch, rate, **columns)


def format_epoch(row: EpochRow, epochs: int) -> str:
    """A line such as ``Epoch 1/40 - LR: 0.00100 - Loss: 1.8440, Accuracy: 36.23%``, with validation metrics if any."""
    # Five decimals as in the assignment's log, unless the rate is too small or too large for them.
    rate = f"{row.learning_rate:.5f}" if 1e-5 <= row.learning_rate < LARGE else f"{row.learning_rate:.3g}"
    line = f"Epoch {row.epoch}/{epochs} - LR: {rate}"
    if row.train_loss is not None and row.train_accuracy is not None:
        line += f" - Loss: {format_loss(row.train_loss)}, Accuracy: {row.train_accuracy:.2%}"
    if row.val_loss is not None and row.val_accuracy is not None:
        line += f" - Val loss: {format_loss(row.val_loss)}, Val accuracy: {row.val_accuracy:.2%}"
    return line
