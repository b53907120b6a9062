"""Certificate: how far a run stopped from the convex optimum of its own cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from monolayer.data.scaler import Scaler
from monolayer.data.splits import Splits
from monolayer.engine.exact import Optimum, Problem, solve_exactly
from monolayer.evaluate.metrics import Metrics, Tally, make_finite
from monolayer.losses import get_loss
from monolayer.network import BLOCK, OneLayer
from monolayer.progress import SILENCE, Progress
from monolayer.training import Run


@dataclass(frozen=True)
class Certificate:
    """What the exact solver says of a run.

    Args:
        cost: of the run, on its training rows.
        optimal_cost: the lowest that its recipe's loss and l2 allow, as far as the solver came.
        gradient_norm: of the cost at the solver's end, 0 at the optimum itself.
        gap: estimate of what the solver's cost still lies above the minimum.
        passes: passes over the training rows that the solver took.
        val: what the optimum scores on the validation rows, or None where there are none.
    """

    cost: float
    optimal_cost: float
    gradient_norm: float
    gap: float
    passes: int
    val: Metrics | None

    @property
    def distance(self) -> float:
        """Cost of the run above the optimal cost."""
        return self.cost - self.optimal_cost

    def to_dict(self) -> dict[str, Any]:
        """The certificate as JSON holds it."""
        return {
            "cost": make_finite(self.cost),
            "optimal_cost": self.optimal_cost,
            "distance": make_finite(self.distance),
            "gradient_norm": self.gradient_norm,
            "gap_estimate": self.gap,
            "passes": self.passes,
            "val": self.val.to_dict() if self.val else None,
        }


def certify(run: Run, splits: Splits, *, progress: Progress = SILENCE) -> Certificate:
    """Solve the run's own problem exactly, from where the run stopped; the test rows stay sealed.

    A run with flips minimises the cost over mirrored images too; what is solved is the problem without them.

    Args:
        run: a trained run.
        splits: what it was trained on.
        progress: told of every pass of the solver.
    """
    network, recipe = run.network, run.recipe
    problem = Problem(splits.train, Scaler(network.mean, network.std), recipe.loss, recipe.l2)
    start = network.weights.astype(np.float64), network.bias.astype(np.float64)
    if not np.isfinite(start[0]).all():  # a diverged run ends nowhere; the optimum does not depend on the start
        start = np.zeros_like(start[0]), np.zeros_like(start[1])
    optimum = solve_exactly(problem, start, progress=progress)
    cost = run.evaluation["train"].cost
    val = _score(optimum, run, splits)
    return Certificate(cost, optimum.cost, optimum.gradient_norm, optimum.gap, optimum.passes, val)


def _score(optimum: Optimum, run: Run, splits: Splits) -> Metrics | None:
    """What the optimum scores on the validation rows."""
    if splits.val is None:
        return None
    network = OneLayer(
        weights=optimum.weights,
        bias=optimum.bias,
        mean=run.network.mean,
        std=run.network.std,
        loss=run.recipe.loss,
        class_names=run.network.class_names,
    )
    tally = Tally(1)
    y = splits.val.y
    for i, block in enumerate(splits.val.iterate_blocks(BLOCK)):
        labels = y[i * BLOCK : (i + 1) * BLOCK]
        tally.add([(get_loss(run.recipe.loss), slice(0, 1))], network.compute_scores(block)[None], labels)
    norms = np.array([(optimum.weights**2).sum()])
    return tally.compute_metrics(np.array([run.recipe.l2]), norms)[0]
