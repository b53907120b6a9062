"""The exact solver: the minimum of a recipe's convex cost, with which the distance of a run from it is measured.

The cost of one layer is convex in W and b, so L-BFGS finds its minimum whatever it starts from. Pixels are strongly
correlated, and on them as they are it needs hundreds of passes. Here it works in the variables U = W L and sqrt(c) b
with L L' = c (S + floor I) + 2 l2 I, where S is the correlation matrix of (a sample of) the features and c the mean
curvature of the loss: in these the Hessian is close to the identity, and some dozens of passes suffice.

Where l2 is 0 and the training rows are separable, there is no minimum: the cost falls to 0 as W grows without bound.

Every pass multiplies blocks of rows in float32 and adds them up in float64.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from monolayer._typing import Array
from monolayer.data.dataset import Rows
from monolayer.data.scaler import Scaler
from monolayer.engine.bank import Bank
from monolayer.engine.native import open_native_engine
from monolayer.engine.select import uses_native
from monolayer.errors import BadInput
from monolayer.progress import SILENCE, Progress
from monolayer.recipe.losses import LOSSES, Loss, compute_cost, get_loss
from monolayer.recipe.recipe import Recipe
from monolayer.threads import count_cores

# A block of 500 rows of CIFAR-10 is 6 MB of float32: large enough for the products, small enough for the cache.
BLOCK = 500
# Rows of the preconditioner's sample: it need not be exact, and three times the dimensions are enough.
SAMPLE_PER_FEATURE = 3
# Added to the variance of every direction, a feature's own being 1. Pixels of photographs need less: on
# CIFAR-10 cross-entropy takes 17 passes with .03 and 35 with 1. Digits, whose rare pixels are large, need more: their
# sigmoids with l2 .0001 take 31 passes with 1, 60 with .1 and 108 with .01.
FLOOR = 0.1
# Where l2 is 0 the descent follows flat directions to their end: on CIFAR-10 cross-entropy converges in 77 passes with
# .003; sigmoids had not converged in 71 with .1.
FLAT_FLOOR = 0.003
# Lower bound of the mean curvature: rows that are all well separated have next to none in float32.
LEAST_CURVATURE = 1e-9
# A proven gap of this share of the cost ends the descent.
CLOSE = 3e-4


@dataclass(frozen=True, eq=False)
class Problem:
    """What is minimised: the mean loss on these rows + l2 * sum(W**2).

    Args:
        rows: to minimise on.
        scaler: of their features.
        loss: its name.
        l2: the penalty.
        correlation: the result of :func:`correlate`, if it was computed before; (D, D) float64.
    """

    rows: Rows
    scaler: Scaler
    loss: str
    l2: float
    correlation: Array | None = None


@dataclass(frozen=True, eq=False)
class Optimum:
    """Where the solver ended.

    Args:
        weights: W, (K, D) float64, of standardised features.
        bias: b, (K,) float64.
        cost: at W and b.
        gradient_norm: Euclidean norm of the cost's gradient by W and b: the certificate, 0 at the minimum.
        gap: how far the cost may lie above the minimum. Half the squared gradient in the preconditioner's metric, an
            estimate; where l2 is above 0, what its curvature proves, if that is more.
        passes: evaluations of cost and gradient.
        is_separable: l2 is 0 and the loss of every row falls to 0 as W and b grow, so that the cost has no minimum.
    """

    weights: Array
    bias: Array
    cost: float
    gradient_norm: float
    gap: float
    passes: int
    is_separable: bool = False


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
        start: where to begin; the minimum does not depend on it, the number of passes does.
        max_passes: passes over the rows at the most.
        tolerance: stop when the cost's estimated distance to the minimum falls below this; what l2 proves of it may be
            3 in 10,000 of the cost, if that is more.
        progress: is advanced with every pass.

    Raises:
        BadInput: if the loss is not smooth.
    """
    check_solvable(problem.loss)
    objective = _Objective(problem, progress, max_passes, tolerance)
    found = objective.look(*start)
    while not objective.is_near and not found.is_separable and objective.passes < max_passes:
        # The curvature changes on the way: after each descent, gap and preconditioner are those of the new point.
        further = objective.look(*objective.descend(found))
        if further.cost >= found.cost:
            return replace(found, passes=further.passes)
        found = further
    return found


def check_solvable(loss: str) -> None:
    """Raise BadInput if the solver cannot minimise this loss."""
    if not get_loss(loss).is_smooth:
        smooth = ", ".join(known.name for known in LOSSES.values() if known.is_smooth)
        raise BadInput(
            f"The loss {loss} is not smooth, and the exact solver needs second derivatives; accepted are {smooth}."
        )


class _Objective:
    """Cost and gradient in preconditioned variables."""

    def __init__(self, problem: Problem, progress: Progress, max_passes: int, tolerance: float) -> None:
        self.problem, self.progress, self.max_passes, self.tolerance = problem, progress, max_passes, tolerance
        self.loss: Loss = get_loss(problem.loss)
        self.y = problem.rows.y
        self.n_classes = problem.rows.dataset.n_classes
        self.passes = 0
        self.is_near = False
        self.sample = _take_sample(problem)
        self.correlation = correlate(problem) if problem.correlation is None else problem.correlation
        self.factor, self.root = np.eye(0), 1.0
        self.norm = self.gap = math.inf

    def look(self, weights: Array, bias: Array) -> Optimum:
        """Cost and gap at this point by its own curvature, which also becomes the preconditioner's."""
        curvature = _compute_curvature(self.sample, weights, bias)
        self.factor, self.root = _factorise(self.correlation, curvature, self.problem.l2), math.sqrt(curvature)
        cost, _ = self.evaluate(self.pack(weights, bias))
        is_separable = not self.problem.l2 and all(
            bool(self.loss.find_separated(scores, labels).all())
            for scores, labels in _iterate_scores(self.problem, weights, bias)
        )
        return Optimum(weights, bias, cost, self.norm, min(self.gap, cost), self.passes, is_separable)

    def descend(self, start: Optimum) -> tuple[Array, Array]:
        """(W, b) after L-BFGS from here, until the gap is small or the passes are used up."""
        from scipy.optimize import minimize

        left = self.max_passes - self.passes
        found = minimize(
            self.evaluate,
            self.pack(start.weights, start.bias),
            jac=True,
            method="L-BFGS-B",
            callback=lambda intermediate_result: self._stop_when_near(),
            # scipy's own stopping tests are turned off: in float32 they would stop on rounding.
            options={"maxcor": 20, "maxfun": left, "maxiter": left, "ftol": 0.0, "gtol": 0.0},
        )
        return self.unpack(found.x)

    def pack(self, weights: Array, bias: Array) -> Array:
        """(W, b) as one vector in the preconditioned variables."""
        U = np.asarray(weights, np.float64) @ self.factor
        return np.concatenate([U.ravel(), self.root * np.asarray(bias, np.float64)])

    def unpack(self, point: Array) -> tuple[Array, Array]:
        """(W, b) of a vector."""
        from scipy.linalg import solve_triangular

        U = point[: -self.n_classes].reshape(self.n_classes, -1)
        weights = solve_triangular(self.factor, U.T, lower=True, trans="T", check_finite=False).T
        return weights, point[-self.n_classes :] / self.root

    def evaluate(self, point: Array) -> tuple[float, Array]:
        """Cost, and its gradient in the preconditioned variables."""
        from scipy.linalg import solve_triangular

        cost, by_weights, by_bias = compute_cost_and_gradient(self.problem, self.loss, self.y, *self.unpack(point))
        by_U = solve_triangular(self.factor, by_weights.T, lower=True, check_finite=False).T
        gradient = np.concatenate([by_U.ravel(), by_bias / self.root])
        self.passes += 1
        squared = float((by_weights**2).sum()), float((by_bias**2).sum())
        estimated = float(gradient @ gradient) / 2
        # A cost with a curvature of at least 2 l2 is at most |gradient|**2 / (4 l2) above its minimum.
        proven = squared[0] / (4 * self.problem.l2) if self.problem.l2 else 0.0
        self.norm, self.gap = math.sqrt(sum(squared)), max(estimated, proven)
        self.is_near = estimated < self.tolerance and proven < max(self.tolerance, CLOSE * cost)
        self.progress.advance("exact optimum", min(self.passes, self.max_passes), self.max_passes, "passes")
        return cost, gradient

    def _stop_when_near(self) -> None:
        """End the minimisation: scipy stops when its callback raises StopIteration."""
        if self.is_near:
            raise StopIteration


def compute_cost_and_gradient(
    problem: Problem, loss: Loss, y: Array, weights: Array, bias: Array
) -> tuple[float, Array, Array]:
    """Cost, its gradient by W (K, D) and by b (K,), all float64, in one pass over the rows."""
    bank = Bank((Recipe(str(loss)),), weights.astype(np.float32), bias.astype(np.float32), problem.scaler)
    if uses_native(bank, problem.rows.dataset):
        with open_native_engine(bank, None, count_cores()) as engine:
            losses, by_weights, by_bias = engine.sum_gradients(problem.rows)
        total = float(losses[0])
    else:
        total, by_weights, by_bias = _sum_in_numpy(bank, problem, loss, y)
    n = len(y)
    cost = compute_cost(total / n, problem.l2, float((weights**2).sum()))
    return cost, by_weights / n + 2 * problem.l2 * weights, by_bias / n


def _sum_in_numpy(bank: Bank, problem: Problem, loss: Loss, y: Array) -> tuple[float, Array, Array]:
    W, b = bank.weights, bank.bias
    total, by_weights, by_bias = 0.0, np.zeros(W.shape), np.zeros(b.shape)
    for z, labels in _iterate_standardised(problem, y):
        scores = z @ W.T + b
        residual = loss.compute_residual(scores, labels)
        total += float(loss.compute_loss(scores, labels).sum(dtype=np.float64))
        by_weights += residual.T @ z
        by_bias += residual.sum(axis=0, dtype=np.float64)
    return total, by_weights, by_bias


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


def _take_sample(problem: Problem) -> Problem:
    """The problem on rows spread evenly over the training rows."""
    rows = problem.rows
    stride = max(1, len(rows) // (SAMPLE_PER_FEATURE * len(problem.scaler.mean)))
    return replace(problem, rows=Rows(rows.dataset, rows.index[::stride]))


def correlate(problem: Problem) -> Array:
    """S: the mean of z z' over rows spread evenly over the problem's, (D, D) float64; its loss and l2 do not matter."""
    sample = _take_sample(problem)
    S = np.zeros((len(sample.scaler.mean),) * 2)
    for z, _ in _iterate_standardised(sample, sample.rows.y):
        S += z.T @ z
    return S / len(sample.rows)


def _factorise(correlation: Array, curvature: float, l2: float) -> Array:
    """Lower L with L L' = c (S + floor I) + 2 l2 I, the floor being lower where l2 is 0."""
    metric = correlation * curvature
    metric[np.diag_indices(len(metric))] += (FLOOR if l2 else FLAT_FLOOR) * curvature + 2 * l2
    # Column by column, as LAPACK reads it: otherwise every triangular solve copies the whole.
    return np.asfortranarray(np.linalg.cholesky(metric))


def _compute_curvature(problem: Problem, weights: Array, bias: Array) -> float:
    """Mean over rows and classes of the second derivative of the loss by a score, at these weights."""
    loss, total = get_loss(problem.loss), 0.0
    for scores, _ in _iterate_scores(problem, weights, bias):
        total += float(loss.compute_curvature(scores).mean(axis=1).sum(dtype=np.float64))
    return max(total / len(problem.rows) / loss.compute_divisor(len(bias)), LEAST_CURVATURE)


def _iterate_scores(problem: Problem, weights: Array, bias: Array) -> Iterator[tuple[Array, Array]]:
    """Blocks of (scores (at most BLOCK, K) float32, labels)."""
    W, b = weights.astype(np.float32), bias.astype(np.float32)
    for z, labels in _iterate_standardised(problem, problem.rows.y):
        yield z @ W.T + b, labels
