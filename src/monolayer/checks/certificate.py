"""Certificate: the distance of a run from the convex optimum of its cost."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from monolayer._typing import Array
from monolayer.checks.thresholds import REMAINING, VANISHED
from monolayer.data.dataset import Splits
from monolayer.data.scaler import Scaler
from monolayer.engine.exact import Optimum, Problem, correlate, solve_exactly
from monolayer.evaluate.metrics import Metrics, format_loss, make_finite
from monolayer.evaluate.predictions import predict_rows
from monolayer.evaluate.significance import compute_mcnemar
from monolayer.progress import SILENCE, Progress
from monolayer.recipe.losses import compute_chance_loss
from monolayer.training.run import Run

SIGNIFICANT = 0.05
UNSURE = 0.01  # with a gap of more than this share of the cost, the solver has not converged


@dataclass(frozen=True)
class OnValidation:
    """The run and its optimum on the same validation rows.

    Args:
        run: metrics of the run.
        optimum: metrics of the optimum.
        p_value: of the exact McNemar test between the two.
    """

    run: Metrics
    optimum: Metrics
    p_value: float

    def describe(self) -> str:
        """Which of them is better, in a sentence."""
        accuracies = f"{100 * self.run.accuracy:.1f} % for the run, {100 * self.optimum.accuracy:.1f} % for its optimum"
        if self.p_value >= SIGNIFICANT:
            verdict = "The two are not significantly different on validation"
        elif self.run.accuracy > self.optimum.accuracy:
            verdict = "The run is better on validation"
        else:
            verdict = "The optimum is better on validation"
        return f"{verdict}: {accuracies} (exact McNemar test, p = {self.p_value:.2g}, {self.run.n:,} rows)."


@dataclass(frozen=True)
class Certificate:
    """The distance of a run to the optimum, computed by the exact solver.

    Args:
        cost: of the run, on its training rows.
        optimal_cost: the lowest that its recipe's loss and l2 allow; an upper bound if the solver did not converge.
        gradient_norm: of the cost at the solver's end, 0 at the optimum itself.
        gap: how far the solver's cost may lie above the minimum, see :class:`monolayer.engine.exact.Optimum`.
        passes: passes over the training rows that the solver took.
        start_cost: the cost of a network whose scores are all 0, from which the possible gain is counted.
        rate_share: the learning rate of the last epoch beside that of the first.
        val: the run and the optimum on the validation rows, or None without such rows or without an optimum.
        is_separable: no network has the lowest cost, 0: the training rows are separable, and l2 is 0.
    """

    cost: float
    optimal_cost: float
    gradient_norm: float
    gap: float
    passes: int
    start_cost: float
    rate_share: float
    val: OnValidation | None
    is_separable: bool = False

    @property
    def has_converged(self) -> bool:
        """Whether the solver converged, so that the distance to the optimum is known."""
        return self.is_separable or self.gap <= UNSURE * self.optimal_cost

    @property
    def distance(self) -> float:
        """Cost of the run above the optimal cost."""
        return self.cost - self.optimal_cost

    @property
    def left(self) -> float:
        """The part of the possible gain that the run did not reach, as a share."""
        return self.distance / max(self.start_cost - self.optimal_cost, 1e-12)

    @property
    def ending(self) -> str:
        """How the descent ended: ``arrived``, ``rate vanished``, ``under way``, ``diverged``, or ``not known``."""
        if not math.isfinite(self.distance):
            return "diverged"
        if not self.has_converged:
            return "not known"
        if self.left <= REMAINING:
            return "arrived"
        # Two divisions of a rate by ten give a hundredth only up to rounding.
        return "rate vanished" if self.rate_share <= VANISHED * (1 + 1e-9) else "under way"

    def describe(self) -> str:
        """How the run ended, and which of the two is better on validation, in sentences."""
        remaining = f"{self.left:.1%} of the possible reduction in cost remains"
        endings = {
            "diverged": "The run diverged.",
            "arrived": f"The run converged; {remaining}.",
            "rate vanished": f"The learning rate vanished before the run converged; {remaining}.",
            "not known": "The distance of the run to the optimum is not known.",
            "under way": f"The run had not converged; {remaining}.",
        }
        return " ".join([endings[self.ending], *([self.val.describe()] if self.val else [])])

    def describe_optimum(self) -> str:
        """The lowest cost that the solver found, in a sentence."""
        norm = f"gradient norm {self.gradient_norm:.1e}"
        if self.is_separable:
            return (
                "The training rows are linearly separable and l2 is 0, so the cost tends to 0 as the weights "
                "grow, and there is no optimal network; the run stopped "
                f"{format_loss(self.distance)} above it."
            )
        if not self.has_converged:
            return f"Not solved in {self.passes} exact passes: the optimum lies below {self.optimal_cost:.4f} ({norm})."
        return (
            f"The lowest cost that this loss and l2 allow is {self.optimal_cost:.4f} ({norm} after {self.passes} exact "
            f"passes); the run stopped {format_loss(self.distance)} above it."
        )

    def to_dict(self) -> dict[str, Any]:
        """The certificate as in JSON; what is unknown because the solver did not converge is None."""
        is_known = self.has_converged
        return {
            "converged": is_known,
            "is_separable": self.is_separable,
            "cost": make_finite(self.cost),
            "optimal_cost": self.optimal_cost,
            "distance": make_finite(self.distance) if is_known else None,
            "gradient_norm": self.gradient_norm,
            "gap_estimate": self.gap,
            "passes": self.passes,
            "left": make_finite(self.left) if is_known else None,
            "ending": self.ending,
            "val": self.val.optimum.to_dict() if self.val else None,
            "p_value": self.val.p_value if self.val else None,
            "description": f"{self.describe_optimum()} {self.describe()}",
        }


def certify(run: Run, splits: Splits, *, progress: Progress = SILENCE) -> Certificate:
    """Solve the run's problem exactly, starting at its weights; the test rows stay sealed.

    A run with flips minimises the cost over mirrored images too; what is solved is the problem without them.

    Args:
        run: a trained run.
        splits: what it was trained on.
        progress: is advanced with every pass of the solver.
    """
    return certify_all({"run": run}, splits, lambda: progress)["run"]


def certify_all(runs: Mapping[str, Run], splits: Splits, begin: Callable[[], Progress]) -> dict[str, Certificate]:
    """Certificates of runs on the same rows: runs that share loss and l2 have the same optimum, solved once.

    Where the solver did not converge, a run of lower cost is solved again from its own weights.

    Args:
        runs: by any name.
        splits: what all of them were trained on, with one scaler.
        begin: returns the progress object for each run's solution.
    """
    optima: dict[tuple[str, float], Optimum] = {}
    certificates, correlation = {}, None
    for name, run in runs.items():
        scaler, progress = Scaler(run.network.mean, run.network.std), begin()
        problem = Problem(splits.train, scaler, run.recipe.loss, run.recipe.l2, correlation)
        if correlation is None:
            correlation = correlate(problem)
        key = problem.loss, problem.l2
        if key not in optima or run.evaluation["train"].cost < optima[key].cost:
            optima[key] = solve_exactly(replace(problem, correlation=correlation), _find_start(run), progress=progress)
        certificates[name] = _write(run, splits, optima[key])
    return certificates


def _find_start(run: Run) -> tuple[Array, Array]:
    """The weights of the run, or zeros for one that diverged; the optimum does not depend on the start."""
    weights, bias = run.network.weights.astype(np.float64), run.network.bias.astype(np.float64)
    return (weights, bias) if np.isfinite(weights).all() else (np.zeros_like(weights), np.zeros_like(bias))


def _write(run: Run, splits: Splits, optimum: Optimum) -> Certificate:
    recipe = run.recipe
    rates = [row.learning_rate for row in run.history]
    certificate = Certificate(
        cost=run.evaluation["train"].cost,
        optimal_cost=0.0 if optimum.is_separable else optimum.cost,
        gradient_norm=optimum.gradient_norm,
        gap=optimum.gap,
        passes=optimum.passes,
        start_cost=compute_chance_loss(recipe.loss, splits.dataset.n_classes),
        rate_share=rates[-1] / rates[0],
        val=None,
        is_separable=optimum.is_separable,
    )
    is_there = certificate.has_converged and not optimum.is_separable
    return replace(certificate, val=_compare(optimum, run, splits)) if is_there else certificate


def _compare(optimum: Optimum, run: Run, splits: Splits) -> OnValidation | None:
    """The run and its optimum on the validation rows."""
    if splits.val is None:
        return None
    network = replace(run.network, weights=optimum.weights, bias=optimum.bias)
    predictions = predict_rows(network, splits.val)
    correct = run.val_correct if run.val_correct is not None else predict_rows(run.network, splits.val).correct
    return OnValidation(
        run.evaluation["val"],
        predictions.compute_metrics(network, run.recipe.l2),
        compute_mcnemar(correct, predictions.correct).p_value,
    )
