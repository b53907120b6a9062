"""The recipe, fold and splits for an estimator's parameters and the rows passed to ``fit``."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from monolayer._typing import Array
from monolayer.checks.class_weights import check_weights
from monolayer.data.dataset import Dataset, Splits
from monolayer.data.scaler import Moments, Scaler, compute_moments
from monolayer.engine.bank import Fold
from monolayer.errors import BadInput, validate_whole
from monolayer.findings import Finding
from monolayer.recipe.recipe import FIELDS, Recipe
from monolayer.sklearn import validation
from monolayer.sklearn.validation import Targets
from monolayer.threads import limit_blas_threads
from monolayer.training.stable_rate import compute_curvature
from monolayer.training.train import check_recipe

SEEDS = 2**31 - 1


@dataclass(frozen=True, eq=False)
class Problem:
    """Validated rows, labels and weights.

    Args:
        splits: training rows, and validation rows if there are any.
        targets: the encoded labels of the training rows.
        moments: mean and variance of the features, weighted by the sample weights.
        weights: (n,) float64, sample weights times class weights.
        findings: on the weights.
    """

    splits: Splits
    targets: Targets
    moments: Moments
    weights: Array
    findings: tuple[Finding, ...] = ()


def make_problem(
    estimator: Any, X: Array, targets: Targets, sample_weight: Array, val: Dataset | None = None
) -> Problem:
    """The problem of these rows and the estimator's parameters."""
    splits = validation.make_splits(validation.make_dataset(X, targets, estimator.image_shape), val)
    with limit_blas_threads():
        moments = compute_moments(splits.train, sample_weight[None])[0]
    return apply_class_weights(estimator.class_weight, Problem(splits, targets, moments, sample_weight))


def apply_class_weights(class_weight: Any, problem: Problem) -> Problem:
    """The problem with its sample weights multiplied by class weights, and the finding on them.

    Raises:
        BadInput: if ``class_weight`` is not valid, or all weights become 0.
    """
    targets, sample_weight = problem.targets, problem.weights
    by_class = validation.compute_class_weights(class_weight, targets, sample_weight)
    if targets.is_multi_label:
        return problem
    y = targets.y.ravel()
    weights = sample_weight * by_class[y]
    if not weights.any():
        raise BadInput(f"class_weight is {class_weight!r}, which leaves no row a weight above 0.")
    finding = check_weights(y, sample_weight, weights, targets.classes)
    return Problem(problem.splits, targets, problem.moments, weights, (finding,))


def make_fold(estimator: Any, problem: Problem) -> Fold:
    """The weights, and the scaler: the identity without ``standardize``."""
    moments = problem.moments
    unscaled = Scaler(np.zeros_like(moments.mean), np.ones_like(moments.mean))
    return Fold(problem.weights, moments.make_scaler() if estimator.standardize else unscaled)


def find_curvature(problem: Problem, fold: Fold, recipe: Recipe) -> float:
    """The largest curvature of the recipe's loss on these rows."""
    return compute_curvature(problem.splits.train, problem.weights, fold.scaler, recipe, problem.targets.n_scores)


def scale_batch_size(batch_size: int, share: float) -> int:
    """The size of batches of all rows that gives a fold as many steps per epoch as ``batch_size`` gives it alone.

    A fold has this share of the rows. The result is the whole number near batch_size / share that comes closest;
    batches without a row of the fold make no step.
    """
    largest = math.ceil(batch_size / share)

    def miss(size: int) -> float:
        return abs((1 - max(0.0, 1 - share) ** size) / size - share / batch_size)

    return min(range(max(1, largest - 2), largest + 1), key=miss)


def make_recipe(
    estimator: Any,
    problem: Problem,
    rate: float | None = None,
    find: Callable[[Recipe], float] | None = None,
    share: float = 1.0,
) -> Recipe:
    """The recipe for an estimator's parameters on these rows.

    Args:
        estimator: the estimator.
        problem: its rows.
        rate: the learning rate for ``auto`` if it is known.
        find: computes the curvature; by default :func:`find_curvature`.
        share: the fraction of the rows that a fold has, see :func:`scale_batch_size`.

    Raises:
        BadInput: if a parameter is not valid, or does not fit the rows.
    """
    validate_whole("train_every", estimator.train_every, 0)
    fields = {name: getattr(estimator, name) for name in FIELDS}
    rows = problem.splits.train
    if fields["dtype"] == "auto":
        fields["dtype"] = "float64" if rows.dataset.X.dtype == np.float64 else "float32"
    if estimator.random_state is not None:
        fields["seed"] = int(check_random_state(estimator.random_state).randint(SEEDS))
    is_auto = isinstance(estimator.learning_rate, str)
    if is_auto and estimator.learning_rate != "auto":
        raise BadInput(f"learning_rate is {estimator.learning_rate!r}; accepted are a number above 0 and 'auto'.")
    recipe = Recipe.from_dict({**fields, "learning_rate": 1.0} if is_auto else fields)
    recipe = recipe.replace(batch_size=min(scale_batch_size(recipe.batch_size, share), len(rows)))
    if is_auto:
        find = find or partial(find_curvature, problem, make_fold(estimator, problem))
        recipe = recipe.replace(learning_rate=rate or 1 / (find(recipe) + 2 * recipe.l2))
    check_recipe(recipe, problem.splits)
    return recipe
