"""ML001: a run whose loss is no number any more, or ended far above where it started."""

from __future__ import annotations

import math

from monolayer.audit.finding import Finding
from monolayer.audit.thresholds import DIVERGED_RATIO
from monolayer.recipe import Recipe

DIVERGED = "ML001"


def check_diverged(recipe: Recipe, losses: list[float], start: float) -> list[Finding]:
    """The finding, or nothing.

    Args:
        recipe: the run's recipe.
        losses: mean training loss after each evaluated epoch.
        start: the loss of a network that says nothing: log K, or log 2 for sigmoids.
    """
    if not losses or (math.isfinite(losses[-1]) and losses[-1] <= DIVERGED_RATIO * start):
        return []
    return [
        Finding(
            code=DIVERGED,
            outcome="issue",
            title="The learning rate is too high: the run diverged",
            evidence=f"Training loss ended at {losses[-1]:.4g}; knowing nothing costs {start:.4g}.",
            advice=f"Take a learning rate well below {recipe.learning_rate:g}, or scale the features.",
        )
    ]
