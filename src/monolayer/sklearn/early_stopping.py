"""Early stopping: the epoch with the lowest validation loss."""

import math
from dataclasses import replace

from monolayer.errors import validate_whole
from monolayer.training.checkpoints import BankState
from monolayer.training.loop import BankTraining


class BestEpoch:
    """The best epoch so far of a bank with one member.

    Args:
        patience: epochs without a lower loss after which training stops.

    Raises:
        BadInput: if ``patience`` is not a whole number of 1 or above.
    """

    def __init__(self, patience: int) -> None:
        self._patience = validate_whole("patience", patience, 1)
        self._loss = math.inf
        self._state: BankState | None = None

    @property
    def epoch(self) -> int:
        """The best epoch, counted from 1; 0 if no loss was finite."""
        return self._state.epoch if self._state else 0

    def update(self, training: BankTraining) -> bool:
        """Compare the last epoch with the best; True if training should stop."""
        loss = training.histories[0][-1].val_loss
        if loss is not None and loss < self._loss:
            state = training.make_state()
            self._loss, self._state = loss, replace(state, weights=state.weights.copy(), bias=state.bias.copy())
        return training.epoch - self.epoch >= self._patience

    def restore(self, training: BankTraining) -> None:
        """Set the weights to those of the best epoch."""
        if self._state:
            training.bank.weights[:], training.bank.bias[:] = self._state.weights, self._state.bias
