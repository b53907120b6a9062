"""Successive halving: all recipes train for a few epochs, and only the best of them continue.

Jamieson and Talwalkar, *Non-stochastic best arm identification and hyperparameter optimization* (AISTATS 2016): at each
rung one recipe in FACTOR is kept, and each rung comes after FACTOR times as many epochs as the one before. A recipe
that is kept is not trained again from its start: its network stays in its bank, and its schedule spans all of its
epochs.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from monolayer.errors import BadInput, validate_whole
from monolayer.training.loop import BankTraining

FACTOR = 4


@dataclass(frozen=True)
class Rung:
    """A point in training at which recipes are dropped.

    Args:
        share: the share of a recipe's epochs that are done by then.
        n_kept: the number of recipes that continue.
    """

    share: float
    n_kept: int

    def count_epochs(self, epochs: int) -> int:
        """Epochs done at this rung, of a recipe with this number of epochs."""
        # Rounded first, so that 40 * (0.1 + 0.2) is 12 and not 13.
        return max(1, math.ceil(round(epochs * self.share, 9)))


def plan_rungs(n_recipes: int, epochs: int, factor: int = FACTOR) -> tuple[Rung, ...]:
    """The rungs for this number of recipes; of 36 recipes with 40 epochs, 9 are kept after 3 epochs and 2 after 10.

    Args:
        n_recipes: the number of recipes at the start.
        epochs: of the recipe with the fewest.
        factor: one recipe in ``factor`` is kept, 2 or more.

    Raises:
        BadInput: if the factor is below 2.
    """
    validate_whole("The factor of successive halving", factor, 2)
    n_rungs = 0
    while factor ** (n_rungs + 1) <= min(n_recipes, epochs):
        n_rungs += 1
    return tuple(Rung(1 / factor ** (n_rungs - k), n_recipes // factor ** (k + 1)) for k in range(n_rungs))


def keep_best(trainings: Sequence[BankTraining], n: int) -> None:
    """Drop all members of these banks except the n most accurate on validation; the lower loss breaks ties."""
    ranked = sorted(
        (_rank(training, member), i, member) for i, training in enumerate(trainings) for member in training.active
    )
    kept = {(i, member) for _, i, member in ranked[:n]}
    for i, training in enumerate(trainings):
        training.retain([member for member in training.active if (i, member) in kept])


def _rank(training: BankTraining, member: int) -> tuple[float, float]:
    row = training.histories[member][-1]
    if row.val_accuracy is None or row.val_loss is None:
        raise BadInput(f"Successive halving needs validation accuracies, but epoch {row.epoch} has none.")
    return -row.val_accuracy, row.val_loss
