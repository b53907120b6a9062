"""Successive halving: all recipes train a little, the better ones go on.

Jamieson and Talwalkar, *Non-stochastic best arm identification and hyperparameter optimization* (AISTATS 2016): after
each rung one recipe in FACTOR is kept, and the rungs lie a factor FACTOR apart. A recipe that goes on is not trained
again from its start: it is the same network, in the same bank, with a schedule made for all of its epochs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from monolayer.errors import BadInput
from monolayer.training.loop import BankTraining

FACTOR = 4


@dataclass(frozen=True)
class Rung:
    """A pause in which recipes are let go.

    Args:
        share: of a recipe's epochs that are done then.
        n_kept: how many recipes go on.
    """

    share: float
    n_kept: int

    def count_epochs(self, epochs: int) -> int:
        """Epochs done at this rung by a recipe of so many epochs."""
        # Rounded before it is rounded up: 40 epochs times 0.1 + 0.2 is not 13 of them.
        return max(1, math.ceil(round(epochs * self.share, 9)))

    def to_dict(self) -> dict[str, float]:
        """As JSON holds it."""
        return {"share": self.share, "n_kept": self.n_kept}


def plan_rungs(n_recipes: int, epochs: int, factor: int = FACTOR) -> tuple[Rung, ...]:
    """The rungs for so many recipes; 36 recipes of 40 epochs: 9 go on after 3 epochs, and 2 of these after 10.

    Args:
        n_recipes: how many begin.
        epochs: of the shortest recipe.
        factor: one in so many goes on, 2 or more.

    Raises:
        BadInput: if the factor is below 2.
    """
    if not isinstance(factor, int) or factor < 2:
        raise BadInput(f"The factor of successive halving is {factor}; accepted is a whole number of 2 or above.")
    n_rungs = 0
    while factor ** (n_rungs + 1) <= min(n_recipes, epochs):
        n_rungs += 1
    return tuple(Rung(1 / factor ** (n_rungs - k), n_recipes // factor ** (k + 1)) for k in range(n_rungs))


def keep_best(trainings: Sequence[BankTraining], n: int) -> None:
    """Let all members of these banks go but the n of them with the highest validation accuracy, lower loss first."""
    ranked = sorted(
        (_rank(training, member), place, member)
        for place, training in enumerate(trainings)
        for member in training.alive
    )
    kept = {(place, member) for _, place, member in ranked[:n]}
    for place, training in enumerate(trainings):
        training.retain([member for member in training.alive if (place, member) in kept])


def _rank(training: BankTraining, member: int) -> tuple[float, float]:
    row = training.histories[member][-1]
    if row.val_accuracy is None or row.val_loss is None:
        raise BadInput(f"Successive halving needs validation accuracies, but epoch {row.epoch} has none.")
    return -row.val_accuracy, row.val_loss
