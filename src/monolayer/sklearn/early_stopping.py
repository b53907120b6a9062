"""Early stopping: the epoch whose validation loss is lowest, and how long ago it was."""

from __future__ import annotations

import math
from dataclasses import replace

from monolayer.sklearn.validation import check_count
from monolayer.training.checkpoints import BankState
from monolayer.training.loop import BankTraining


class Best:
    """The best epoch of a bank of one so far.

    Args:
        patience: epochs without a lower loss after which training is over.

    Raises:
        BadInput: if that is no whole number of 1 or above.
    """

    def __init__(self, patience: int) -> None:
        self._patience = check_count("patience", patience, 1)
        self._loss = math.inf
        self._state: BankState | None = None

    @property
    def epoch(self) -> int:
        """The best epoch, 1 being the first; 0 where no loss was a number."""
        return self._state.epoch if self._state else 0

    def is_over(self, training: BankTraining) -> bool:
        """Take in the epoch that was just trained; whether it is time to stop."""
        loss = training.histories[0][-1].val_loss
        if loss is not None and loss < self._loss:
            state = training.make_state()
            self._loss, self._state = loss, replace(state, weights=state.weights.copy(), bias=state.bias.copy())
        return training.epoch - self.epoch >= self._patience

    def restore(self, training: BankTraining) -> None:
        """Go back to the weights of the best epoch."""
        if self._state:
            training.bank.weights[:], training.bank.bias[:] = self._state.weights, self._state.bias
