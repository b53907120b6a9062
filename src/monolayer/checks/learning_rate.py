"""ML001, ML005, ML006: whether the learning rate was too high, vanished too early, or was cut off."""

import math
from collections.abc import Sequence

import numpy as np

from monolayer.checks.thresholds import DESCENT, DIVERGED_RATIO, LEAST_EPOCHS, OSCILLATION, REMAINING, UPWARD, VANISHED
from monolayer.findings import Check, Finding
from monolayer.recipe.recipe import Recipe
from monolayer.training.run import is_divergent

TOO_HIGH = Check(
    "ML001",
    "Learning rate too high",
    "run",
    "the training loss and cost of each epoch",
    ("DIVERGED_RATIO", "UPWARD", "OSCILLATION", "LEAST_EPOCHS"),
)
VANISHED_RATE = Check(
    "ML005",
    "Learning rate vanished before the optimum",
    "run",
    "the learning rate of each epoch and the optimal cost",
    ("VANISHED", "REMAINING"),
)
DESCENDING = Check(
    "ML006",
    "Training cost still falling at the last epoch",
    "run",
    "the training cost of each epoch",
    ("DESCENT", "LEAST_EPOCHS"),
)
TOO_FEW_EPOCHS = f"This needs {LEAST_EPOCHS} or more epochs, each evaluated on the training rows."


def check_diverged(recipe: Recipe, losses: Sequence[float], start: float) -> list[Finding]:
    """ML001 if the run diverged: its loss is not finite, ended far above its start, or was extreme; otherwise nothing.

    Args:
        recipe: the run's recipe.
        losses: mean training loss after each evaluated epoch.
        start: the loss of chance predictions: log K, or log 2 for sigmoids.
    """
    if not is_divergent(losses, start):
        return []
    is_high_at_end = not math.isfinite(losses[-1]) or losses[-1] > DIVERGED_RATIO * start
    loss = f"ended at {losses[-1]:.4g}" if is_high_at_end else f"was {max(losses):.4g} after an epoch"
    evidence = f"The run diverged: its training loss {loss}; chance predictions have a loss of {start:.4g}."
    advice = f"Use a learning rate well below {recipe.learning_rate:g}, or scale the features."
    return [TOO_HIGH.make_finding("issue", evidence, advice)]


def check_rate(recipe: Recipe, losses: Sequence[float], costs: Sequence[float | None], start: float) -> Finding:
    """ML001: whether the learning rate was so high that the run diverged, or that its cost oscillates at the end.

    Args:
        recipe: the run's recipe.
        losses: mean training loss after each evaluated epoch.
        costs: training cost after each epoch; None where it was not evaluated.
        start: the loss of chance predictions.
    """
    diverged = check_diverged(recipe, losses, start)
    if diverged:
        return diverged[0]
    curve = _select_curve(costs)
    if curve is None:
        return TOO_HIGH.make_finding("skipped", TOO_FEW_EPOCHS)
    changes = np.diff(curve[len(curve) // 2 :])
    upward, share = float((changes > 0).mean()), _measure_spread(curve, start)
    evidence = (
        f"In the second half of the epochs the cost rises in {upward:.0%} of the steps, and changes from one epoch to "
        f"the next by {share:.2%} of its total decrease (standard deviation)."
    )
    oscillates = upward >= UPWARD and share >= OSCILLATION
    return TOO_HIGH.judge(oscillates, evidence, "Use a smaller learning rate, or one that decays.", "tip")


def check_vanished(rates: Sequence[float], left: float | None, *, is_solvable: bool = True) -> Finding:
    """ML005: whether the learning rate fell to almost zero while the cost was still far above the convex optimum.

    Args:
        rates: learning rate of each epoch.
        left: the share of the possible decrease of the cost that remains; None if the optimum was not computed.
        is_solvable: whether the optimum of this loss can be computed.
    """
    share = rates[-1] / rates[0]
    if not _has_vanished(rates):
        evidence = f"The last learning rate is {share:.3g} times the first."
        return VANISHED_RATE.make_finding("not applicable", evidence)
    evidence = f"The last learning rate is {share:.1g} times the first"
    if left is None or not math.isfinite(left):
        evidence += "; the distance to the optimum was not computed."
        advice = "Compute the optimum with `train --certify`." if is_solvable else ""
        return VANISHED_RATE.make_finding("skipped", evidence, advice)
    evidence += f", and {left:.1%} of the possible decrease of the cost remains."
    advice = (
        "The flat curve does not show convergence: decay later or less, or train longer, and compare the validation "
        "accuracy."
    )
    return VANISHED_RATE.judge(left > REMAINING, evidence, advice)


def check_descending(rates: Sequence[float], costs: Sequence[float | None], start: float) -> Finding:
    """ML006: whether the training cost was still falling after the last epoch.

    Args:
        rates: learning rate of each epoch.
        costs: training cost after each epoch; None where it was not evaluated.
        start: the cost of chance predictions.
    """
    curve = _select_curve(costs)
    if curve is None:
        return DESCENDING.make_finding("skipped", TOO_FEW_EPOCHS)
    if _has_vanished(rates):
        evidence = "The learning rate has vanished, so the cost is constant even if it could still decrease."
        return DESCENDING.make_finding("not applicable", evidence)
    last = max(len(curve) // 4, 2)
    share = (curve[-1 - last] - curve[-1]) / max(start - min(curve), 1e-12)
    noise = _measure_spread(curve, start)
    evidence = (
        f"In the last {last} epochs the training cost fell by {share:.1%} of its total decrease; from one epoch to the "
        f"next it varies by {noise:.1%} (standard deviation)."
    )
    advice = (
        "More epochs or a larger learning rate would lower the training cost; check on validation whether that helps."
    )
    return DESCENDING.judge(share > DESCENT and share > 2 * noise, evidence, advice, "tip")


def _has_vanished(rates: Sequence[float]) -> bool:
    return rates[-1] <= VANISHED * rates[0] * (1 + 1e-9)  # a rate divided by ten twice is a hundredth, to rounding


def _measure_spread(curve: Sequence[float], start: float) -> float:
    """Standard deviation of the changes in the second half, as a share of the total decrease."""
    return float(np.diff(curve[len(curve) // 2 :]).std()) / max(start - min(curve), 1e-12)


def _select_curve(costs: Sequence[float | None]) -> list[float] | None:
    """The costs if every epoch was evaluated, there are enough of them, and all are finite."""
    finite = [cost for cost in costs if cost is not None and math.isfinite(cost)]
    return finite if len(finite) == len(costs) >= LEAST_EPOCHS else None
