"""The members of a FusedSearchCV's banks: one for each candidate and fold."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, cast

import numpy as np

from monolayer._typing import Array
from monolayer.data.dataset import Rows
from monolayer.data.scaler import Moments, compute_moments
from monolayer.engine.bank import SHARED_FIELDS, Fold, make_bank
from monolayer.errors import BadInput
from monolayer.network import OneLayer
from monolayer.recipe.recipe import Recipe
from monolayer.recipe.shuffle import parse_shuffle
from monolayer.sklearn import validation
from monolayer.sklearn.classifier import OneLayerClassifier
from monolayer.sklearn.problem import Problem, apply_class_weights, find_curvature, make_fold, make_recipe
from monolayer.training.loop import BankTraining
from monolayer.training.options import TrainOptions
from monolayer.training.run import make_network
from monolayer.tuning.plan import count_max_members, divide_evenly

Index = tuple[int, int]
# A bank of one fold skips the rows that the fold leaves out; a bank of several folds reads all rows, a fourth more for
# five folds. That is faster while a fold alone has fewer rows of weights than this: 120 rows compute 110 billion
# operations a second, 600 rows 149 (see MAX_ROWS in tuning/plan.py).
MIN_ROWS_OF_WEIGHTS = 120
QUIET = TrainOptions(train_every=0, val_every=0, evaluate_last=False)


@dataclass(frozen=True, eq=False)
class Member:
    """One candidate on one fold.

    Args:
        index: the numbers of the candidate and of the fold.
        recipe: the recipe.
        fold: weights and scaler; the same object for all members that share them.
        problem: rows and targets; the targets are the same object for all members that share them.
        network: the trained network; None before training.
        seconds: its share of the training time of its bank.
    """

    index: Index
    recipe: Recipe
    fold: Fold
    problem: Problem
    network: OneLayer | None = None
    seconds: float = 0.0


NO_EARLY_STOPPING = "early_stopping is not accepted in a FusedSearchCV: its members train side by side."


class MemberFactory:
    """Makes the members; objects that several of them share are made once.

    Args:
        X: features (n, D).
        y: labels (n,) or (n, K).
        sample_weight: (n,) float64.
        splits: the row numbers of each fold, (training, other).
    """

    def __init__(self, X: Array, y: Array, sample_weight: Array, splits: Sequence[tuple[Array, Array]]) -> None:
        self._X, self._y = X, y
        # Of each fold, (F, n): those of its training rows times their count; 0 for the other rows.
        self._weights = np.stack([sample_weight * np.bincount(train, minlength=len(X)) for train, _ in splits])
        sizes = [len(train) for train, _ in splits if len(train)]
        self._train_fraction = float(np.mean(sizes)) / len(X) if sizes else 1.0
        self._cached: dict[Any, Any] = {}

    def make_member(self, estimator: OneLayerClassifier, index: Index) -> Member:
        """The member of this candidate and fold.

        Raises:
            ValueError: if a parameter is not valid, or does not fit the rows.
        """
        if estimator.early_stopping:
            raise BadInput(NO_EARLY_STOPPING)
        if not self._weights[index[1]].any():
            raise BadInput("The fold has no training row whose sample_weight is above 0.")
        targets = self._cache(("targets", estimator.loss), lambda: self._encode_targets(estimator.loss))
        present = targets.y[self._weights[index[1]] > 0]
        if not targets.is_multi_label and (present == present[0]).all():
            raise BadInput("The fold's training rows hold 1 class only; accepted are 2 classes or more.")
        weighting = (index[1], id(targets), repr(estimator.class_weight), repr(estimator.image_shape))
        problem = self._cache(weighting, lambda: self._make_problem(estimator, targets, index[1]))
        scaled = (*weighting, estimator.standardize)
        fold = self._cache(scaled, lambda: make_fold(estimator, problem))

        def find(recipe: Recipe) -> float:
            key = ("curvature", *scaled, recipe.loss, recipe.batch_size)
            return float(self._cache(key, lambda: find_curvature(problem, fold, recipe)))

        return Member(index, make_recipe(estimator, problem, find=find, share=self._train_fraction), fold, problem)

    def _encode_targets(self, loss: str) -> validation.Targets:
        targets = validation.encode_targets(self._y, loss, present=np.asarray(self._weights.any(axis=0)))
        # The encoding depends on the loss for two classes only: one sigmoid, or two scores.
        return cast("validation.Targets", self._cache(("encoded", targets.y.shape), lambda: targets))

    def _make_problem(self, estimator: OneLayerClassifier, targets: validation.Targets, split: int) -> Problem:
        splits = self._cache(
            ("splits", id(targets), repr(estimator.image_shape)),
            lambda: validation.make_splits(validation.make_dataset(self._X, targets, estimator.image_shape)),
        )
        moments = self._cache("moments", lambda: self._compute_moments(splits.train))
        return apply_class_weights(
            estimator.class_weight, Problem(splits, targets, moments[split], self._weights[split])
        )

    def _compute_moments(self, rows: Rows) -> dict[int, Moments]:
        """The moments of every fold that has rows, in one pass."""
        present = np.flatnonzero(self._weights.any(axis=1))
        return dict(zip(present.tolist(), compute_moments(rows, self._weights[present]), strict=True))

    def _cache(self, key: Any, make: Callable[[], Any]) -> Any:
        if key not in self._cached:
            self._cached[key] = make()
        return self._cached[key]


def group_members(members: Sequence[Member]) -> list[list[Member]]:
    """Group members that share their targets and SHARED_FIELDS into banks of at most MAX_ROWS rows of weights.

    A bank holds members of one fold if these are enough, else of several; of all folds if the features are read from
    the disk, which is then read once per epoch.
    """

    def share(member: Member) -> tuple[Any, ...]:
        return id(member.problem.splits), *(getattr(member.recipe, name) for name in SHARED_FIELDS)

    banks = []
    for _, group in groupby(sorted(members, key=share), key=share):
        banks += _divide(sorted(group, key=lambda member: member.index[1]))
    return banks


def _divide(group: list[Member]) -> list[list[Member]]:
    K, recipe = group[0].problem.n_scores, group[0].recipe
    by_fold = [list(part) for _, part in groupby(group, key=lambda member: member.index[1])]
    is_enough = K * max(map(len, by_fold)) >= MIN_ROWS_OF_WEIGHTS and not parse_shuffle(recipe.shuffle).buffer
    size = count_max_members(recipe, K)
    banks = [bank for part in (by_fold if is_enough else [group]) for bank in divide_evenly(part, size)]
    # Members of one loss side by side: see Bank.group_by_loss.
    return [sorted(bank, key=lambda member: member.recipe.loss) for bank in banks]


def make_training(members: Sequence[Member]) -> BankTraining:
    """The training of a new bank of these members."""
    first = members[0]
    recipes, folds = zip(*((member.recipe, member.fold) for member in members), strict=True)
    bank = make_bank(recipes, first.fold.scaler, first.problem.n_scores, folds)
    return BankTraining(bank, first.problem.splits, QUIET)


def collect(members: Sequence[Member], training: BankTraining) -> dict[Index, Member]:
    """The members of a bank after training, by index."""
    dataset, seconds = training.splits.dataset, training.seconds / len(members)
    return {
        member.index: replace(
            member,
            network=make_network(training.bank, i, dataset, {"recipe": member.recipe.to_json()}),
            seconds=seconds,
        )
        for i, member in enumerate(members)
    }
