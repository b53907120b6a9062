"""ML001, ML005, ML006: whether the learning rate was too high, vanished too early, or had more to do."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from monolayer.checks.thresholds import ARRIVED, DESCENT, LEAST_EPOCHS, OSCILLATION, UPWARD, VANISHED
from monolayer.findings import Finding, report
from monolayer.recipe.recipe import Recipe
from monolayer.training.run import DIVERGED_RATIO, is_divergent

TOO_HIGH, VANISHED_EARLY, DESCENDING = "ML001", "ML005", "ML006"


def check_diverged(recipe: Recipe, losses: Sequence[float], start: float) -> list[Finding]:
    """ML001 if the run diverged; else nothing.

    Its loss is no number any more, or ended far above where it started, or was beyond all measure after an epoch.

    Args:
        recipe: the run's recipe.
        losses: mean training loss after each evaluated epoch.
        start: the loss of a network that says nothing: log K, or log 2 for sigmoids.
    """
    if not is_divergent(losses, start):
        return []
    is_high_at_end = not math.isfinite(losses[-1]) or losses[-1] > DIVERGED_RATIO * start
    seen = f"ended at {losses[-1]:.4g}" if is_high_at_end else f"was {max(losses):.4g} after an epoch"
    return [
        report(
            TOO_HIGH,
            "issue",
            f"The run diverged: training loss {seen}; knowing nothing costs {start:.4g}.",
            f"Take a learning rate well below {recipe.learning_rate:g}, or scale the features.",
        )
    ]


def check_rate(recipe: Recipe, losses: Sequence[float], costs: Sequence[float | None], start: float) -> Finding:
    """ML001: whether the rate was so high that the run diverged, or that its cost goes up and down at the end.

    Args:
        recipe: the run's recipe.
        losses: mean training loss after each evaluated epoch.
        costs: training cost after each epoch; None where it was not evaluated.
        start: the loss of a network that says nothing.
    """
    diverged = check_diverged(recipe, losses, start)
    if diverged:
        return diverged[0]
    followed = _follow(costs)
    if followed is None:
        return report(TOO_HIGH, "skipped", f"It takes {LEAST_EPOCHS} epochs with training rows evaluated to see it.")
    changes = np.diff(followed[len(followed) // 2 :])
    upward, spread = float((changes > 0).mean()), float(changes.std())
    share = spread / max(start - min(followed), 1e-12)
    seen = (
        f"In the second half of the epochs {upward:.0%} of the steps go up, and the cost changes by {share:.2%} of all "
        "that was gained from one epoch to the next (standard deviation)."
    )
    if upward >= UPWARD and share >= OSCILLATION:
        return report(TOO_HIGH, "tip", seen, "Take a smaller learning rate, or one that decays.")
    return report(TOO_HIGH, "passed", seen)


def check_vanished(
    rates: Sequence[float], distance: float | None, start: float, optimal: float | None, *, is_solvable: bool = True
) -> Finding:
    """ML005: whether the rate had fallen to nothing while the cost was still far above the convex optimum.

    Args:
        rates: learning rate of each epoch.
        distance: cost at the end above the optimal cost; None where the optimum was not computed.
        start: the cost of a network that says nothing.
        optimal: the optimal cost.
        is_solvable: whether the optimum of this loss can be computed.
    """
    fallen = rates[-1] / rates[0]
    if fallen > VANISHED * (1 + 1e-9):  # a rate divided by ten twice is a hundredth, to rounding
        return report(VANISHED_EARLY, "not applicable", f"The rate ended at {fallen:.3g} times what it began with.")
    if distance is None or optimal is None or not math.isfinite(distance):
        return report(
            VANISHED_EARLY,
            "skipped",
            f"The rate ended at {fallen:.1g} times what it began with; whether the descent had arrived is not known.",
            "Compute the optimum with `train --certify`." if is_solvable else "",
        )
    left = distance / max(start - optimal, 1e-12)
    seen = f"The rate ended at {fallen:.1g} times what it began with, and {left:.1%} of what there was to gain is left."
    if left > ARRIVED:
        advice = "A flat curve is no arrival here: decay later or less, or train longer, and look at validation."
        return report(VANISHED_EARLY, "issue", seen, advice)
    return report(VANISHED_EARLY, "passed", seen)


def check_descending(rates: Sequence[float], costs: Sequence[float | None], start: float) -> Finding:
    """ML006: whether the training cost was still falling when the epochs ended.

    Args:
        rates: learning rate of each epoch.
        costs: training cost after each epoch; None where it was not evaluated.
        start: the cost of a network that says nothing.
    """
    followed = _follow(costs)
    if followed is None or rates[-1] <= VANISHED * rates[0] * (1 + 1e-9):
        reason = (
            f"It takes {LEAST_EPOCHS} epochs with training rows evaluated to see it."
            if followed is None
            else "The rate has vanished, so the cost stands still whatever there is to gain."
        )
        return report(DESCENDING, "skipped" if followed is None else "not applicable", reason)
    last = max(len(followed) // 4, 2)
    fall = followed[-1 - last] - followed[-1]
    share = fall / max(start - min(followed), 1e-12)
    noise = float(np.diff(followed[len(followed) // 2 :]).std()) / max(start - min(followed), 1e-12)
    seen = (
        f"In the last {last} epochs the training cost fell by {share:.1%} of all that was gained; from epoch to epoch "
        f"it varies by {noise:.1%} (standard deviation)."
    )
    if share > DESCENT and share > 2 * noise:
        advice = "More epochs, or a larger rate, would lower the training cost; look at validation whether it helps."
        return report(DESCENDING, "tip", seen, advice)
    return report(DESCENDING, "passed", seen)


def _follow(costs: Sequence[float | None]) -> list[float] | None:
    """The costs if every epoch was evaluated, there are enough of them, and all are numbers."""
    numbers = [cost for cost in costs if cost is not None and math.isfinite(cost)]
    return numbers if len(numbers) == len(costs) >= LEAST_EPOCHS else None
