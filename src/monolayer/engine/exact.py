"""The exact solver: the convex optimum of a recipe's cost, to say how far a run stopped from it.

The cost of one layer is convex in W and b, so L-BFGS finds its minimum whatever it starts from. Pixels are strongly
correlated, and on them as they are it needs hundreds of passes. Here it works in the variables U = W L with
L L' = c S + 2 l2 I, where S is the correlation matrix of (a sample of) the features and c the mean curvature of the
loss: in these the Hessian is close to the identity, and some dozens of passes arrive.

Every pass multiplies blocks of rows in float32 and adds them up in float64.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from monolayer.data.scaler import Scaler
from monolayer.data.splits import Rows
from monolayer.losses import Loss, compute_cost, get_loss
from monolayer.progress import SILENCE, Progress

Array = npt.NDArray[Any]
# A block of 500 rows of CIFAR-10 is 6 MB of float32: large enough for the products, small enough for the cache.
BLOCK = 500
# Rows that the preconditioner looks at: it need not be exact, only close, and three times the dimensions are.
SAMPLE_PER_FEATURE = 3
# Keeps the preconditioner positive definite where l2 is 0: no direction is trusted to be flatter than this.
MIN_CURVATURE = 1e-6


@dataclass(frozen=True)
class Problem:
    """What is minimised: the mean loss on these rows + l2 * sum(W**2)."""

    rows: Rows
    scaler: Scaler
    loss: str
    l2: float


@dataclass(frozen=True, eq=False)
class Optimum:
    """The minimum of a problem, as far as it was reached.

    Args:
        weights: W, (K, D) float64, of standardised features.
        bias: b, (K,) float64.
        cost: at W and b.
        gradient_norm: Euclidean norm of the cost's gradient by W and b: the certificate, 0 at the minimum.
        gap: estimate of the cost still above the minimum: half the squared gradient in the preconditioner's metric.
        passes: evaluations of cost and gradient.
    """

    weights: Array
    bias: Array
    cost: float
    gradient_norm: float
    gap: float
    passes: int


def solve_exactly(
    problem: Problem,
    start: tuple[Array, Array],
    *,
    max_passes: int = 200,
    tolerance: float = 1e-6,
    progress: Progress = SILENCE,
) -> Optimum:
    """Minimise the cost from a start (W (K, D), b (K,)) by preconditioned L-BFGS (Liu and Nocedal 1989, by scipy).

    Args:
        problem: rows, scaler, loss and l2.
        start: where to begin; the answer does not depend on it, the number of passes does.
        max_passes: passes over the rows at the most.
        tolerance: stop when the cost's estimated distance to the minimum falls below this.
        progress: told of every pass.
    """
    from scipy.optimize import minimize

    objective = _Objective(problem, start, progress, max_passes)
    found = minimize(
        objective.evaluate,
        objective.pack(*start),
        jac=True,
        method="L-BFGS-B",
        callback=lambda intermediate_result: objective.stop_when_near(tolerance),
        # scipy's own tests on the decrease of the cost are turned off: in float32 they would fire on rounding.
        options={"maxcor": 20, "maxfun": max_passes, "maxiter": max_passes, "ftol": 0.0, "gtol": 0.0},
    )
    return objective.describe(found.x)


class _Objective:
    """Cost and gradient in preconditioned variables, remembering the best point that was met."""

    def __init__(self, problem: Problem, start: tuple[Array, Array], progress: Progress, max_passes: int) -> None:
        self.problem, self.progress, self.max_passes = problem, progress, max_passes
        self.loss: Loss = get_loss(problem.loss)
        self.y = problem.rows.y
        self.n_classes = len(start[1])
        self.passes = 0
        self.gap = float("inf")
        self.factor = _factorise(problem, start)

    def pack(self, weights: Array, bias: Array) -> Array:
        """(W, b) as one vector in the preconditioned variables."""
        return np.concatenate([(np.asarray(weights, np.float64) @ self.factor).ravel(), np.asarray(bias, np.float64)])

    def unpack(self, point: Array) -> tuple[Array, Array]:
        """(W, b) of a vector."""
        from scipy.linalg import solve_triangular

        U = point[: -self.n_classes].reshape(self.n_classes, -1)
        return solve_triangular(self.factor, U.T, lower=True, trans="T", check_finite=False).T, point[-self.n_classes :]

    def evaluate(self, point: Array) -> tuple[float, Array]:
        """Cost, and its gradient in the preconditioned variables."""
        from scipy.linalg import solve_triangular

        cost, by_weights, by_bias = compute_cost_and_gradient(self.problem, self.loss, self.y, *self.unpack(point))
        gradient = np.concatenate(
            [solve_triangular(self.factor, by_weights.T, lower=True, check_finite=False).T.ravel(), by_bias]
        )
        self.passes += 1
        self.gap = float(gradient @ gradient) / 2
        self.progress.advance("exact optimum", min(self.passes, self.max_passes), self.max_passes, "passes")
        return cost, gradient

    def stop_when_near(self, tolerance: float) -> None:
        """Scipy's way to end a minimisation from its callback."""
        if self.gap < tolerance:
            raise StopIteration

    def describe(self, point: Array) -> Optimum:
        weights, bias = self.unpack(point)
        cost, by_weights, by_bias = compute_cost_and_gradient(self.problem, self.loss, self.y, weights, bias)
        norm = float(np.sqrt((by_weights**2).sum() + (by_bias**2).sum()))
        return Optimum(weights, bias, cost, norm, self.gap, self.passes)


def compute_cost_and_gradient(
    problem: Problem, loss: Loss, y: Array, weights: Array, bias: Array
) -> tuple[float, Array, Array]:
    """Cost, its gradient by W (K, D) and by b (K,), all float64, in one pass over the rows."""
    W, b = weights.astype(np.float32), bias.astype(np.float32)
    total, by_weights, by_bias = 0.0, np.zeros(weights.shape), np.zeros(bias.shape)
    for z, labels in _iterate_standardised(problem, y):
        scores = z @ W.T + b
        residual = loss.compute_residual(scores, labels)
        total += float(loss.compute_loss(scores, labels).sum(dtype=np.float64))
        by_weights += residual.T @ z
        by_bias += residual.sum(axis=0, dtype=np.float64)
    n = len(y)
    cost = compute_cost(total / n, problem.l2, float((weights**2).sum()))
    return cost, by_weights / n + 2 * problem.l2 * weights, by_bias / n


def _iterate_standardised(problem: Problem, y: Array) -> Iterator[tuple[Array, Array]]:
    """Blocks of (z (at most BLOCK, D) float32, labels); z is overwritten by the next block."""
    mean = problem.scaler.mean.astype(np.float32)
    inverse_std = (1 / problem.scaler.std).astype(np.float32)
    z = np.empty((BLOCK, len(mean)), np.float32)
    for i, block in enumerate(problem.rows.iterate_blocks(BLOCK)):
        out = z[: len(block)]
        np.subtract(block, mean, out=out, dtype=np.float32)
        out *= inverse_std
        yield out, y[i * BLOCK : (i + 1) * BLOCK]


def _factorise(problem: Problem, start: tuple[Array, Array]) -> Array:
    """Lower L with L L' = c S + 2 l2 I: S from rows spread evenly over the training rows, c at the start's scores."""
    rows, D = problem.rows, len(problem.scaler.mean)
    stride = max(1, len(rows) // (SAMPLE_PER_FEATURE * D))
    sample = Problem(Rows(rows.dataset, rows.index[::stride]), problem.scaler, problem.loss, problem.l2)
    S, curvature, n = np.zeros((D, D)), 0.0, 0
    for z, labels in _iterate_standardised(sample, sample.rows.y):
        S += z.T @ z
        curvature += _sum_curvature(problem.loss, z @ start[0].T.astype(np.float32) + start[1].astype(np.float32))
        n += len(labels)
    metric = S * (curvature / n / n)
    metric[np.diag_indices(D)] += 2 * problem.l2 + MIN_CURVATURE
    # Column by column, as LAPACK reads it: otherwise every triangular solve copies the whole.
    return np.asfortranarray(np.linalg.cholesky(metric))


def _sum_curvature(name: str, scores: Array) -> float:
    """Sum over rows of the mean over classes of d2loss/dscore2: p (1 - p), divided by K where the loss is."""
    p = get_loss(name).compute_probabilities(scores)
    mean = float((p * (1 - p)).mean(axis=1).sum(dtype=np.float64))
    return mean / scores.shape[1] if name == "multiple_bce" else mean
