"""Candidates and folds as members of banks: what FusedSearchCV trains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from monolayer.data.dataset import Rows
from monolayer.data.scaler import Moments, compute_moments
from monolayer.engine.bank import SHARED_FIELDS, Fold, make_bank
from monolayer.errors import BadInput
from monolayer.network import OneLayer
from monolayer.recipe.recipe import Recipe
from monolayer.recipe.shuffle import FULL
from monolayer.sklearn import validation
from monolayer.sklearn.classifier import OneLayerClassifier
from monolayer.sklearn.problem import Problem, find_curvature, make_fold, make_recipe, weigh
from monolayer.training.loop import BankTraining
from monolayer.training.options import TrainOptions
from monolayer.training.run import make_network
from monolayer.tuning.plan import count_max_members

Array = npt.NDArray[Any]
Place = tuple[int, int]
# Members of one fold alone leave out the rows that it leaves out; members of several folds side by side pass over all
# of them, a fourth more for five folds. That pays while a fold alone has fewer rows of weights than this: 120 rows
# compute 110 billion operations a second, 600 rows 149 (see planning.MAX_ROWS).
FEW_ROWS = 120
QUIET = TrainOptions(train_every=0, val_every=0, evaluate_last=False)


@dataclass(frozen=True, eq=False)
class Member:
    """One candidate on one fold.

    Args:
        place: the numbers of the candidate and of the fold.
        recipe: what is trained.
        fold: weights and scaler; one object for all members that share them.
        problem: rows and targets; the targets are one object for all members that share them.
    """

    place: Place
    recipe: Recipe
    fold: Fold
    problem: Problem


@dataclass(frozen=True, eq=False)
class Learnt:
    """What a member has learnt: its network, and the seconds that were its share of its bank's."""

    member: Member
    network: OneLayer
    seconds: float


NO_EARLY_STOPPING = "early_stopping is not accepted in a FusedSearchCV: its members train side by side."


class Reader:
    """Makes members of candidates and folds; what several share is made once.

    Args:
        X: features (n, D).
        y: labels (n,) or (n, K).
        weights: sample weights of each fold's training rows, (F, n); 0 for the others.
        share: the part of all rows that a fold trains on.
    """

    def __init__(self, X: Array, y: Array, weights: Array, share: float) -> None:
        self._X, self._y, self._weights, self._fold_share = X, y, weights, share
        self._shared: dict[Any, Any] = {}

    def make_member(self, estimator: OneLayerClassifier, place: Place) -> Member:
        """This candidate on this fold.

        Raises:
            ValueError: if its parameters do not fit the rows.
        """
        if estimator.early_stopping:
            raise BadInput(NO_EARLY_STOPPING)
        if not self._weights[place[1]].any():
            raise BadInput("The fold has no training row whose sample_weight is above 0.")
        targets = self._share(("targets", estimator.loss), lambda: self._read_targets(estimator.loss))
        weighting = (place[1], id(targets), repr(estimator.class_weight), repr(estimator.image_shape))
        problem = self._share(weighting, lambda: self._read_problem(estimator, targets, place[1]))
        scaled = (*weighting, estimator.standardize)
        fold = self._share(scaled, lambda: make_fold(estimator, problem))

        def find(recipe: Recipe) -> float:
            key = ("curvature", *scaled, recipe.loss, recipe.batch_size)
            return float(self._share(key, lambda: find_curvature(problem, fold, recipe)))

        return Member(place, make_recipe(estimator, problem, find=find, share=self._fold_share), fold, problem)

    def _read_targets(self, loss: str) -> validation.Targets:
        targets = validation.read_targets(self._y, loss, present=np.asarray(self._weights.any(axis=0)))
        # Losses read the same labels the same, but for two classes: one sigmoid, or two scores.
        return cast("validation.Targets", self._share(("read", targets.y.shape), lambda: targets))

    def _read_problem(self, estimator: OneLayerClassifier, targets: validation.Targets, split: int) -> Problem:
        splits = self._share(
            ("splits", id(targets), repr(estimator.image_shape)),
            lambda: validation.make_splits(validation.make_dataset(self._X, targets, estimator.image_shape)),
        )
        moments = self._share("moments", lambda: self._compute_moments(splits.train))
        return weigh(estimator.class_weight, Problem(splits, targets, moments[split], self._weights[split]))

    def _compute_moments(self, rows: Rows) -> dict[int, Moments]:
        """Of every fold that has rows, in one pass."""
        present = np.flatnonzero(self._weights.any(axis=1))
        return dict(zip(present.tolist(), compute_moments(rows, self._weights[present]), strict=True))

    def _share(self, key: Any, make: Callable[[], Any]) -> Any:
        if key not in self._shared:
            self._shared[key] = make()
        return self._shared[key]


def group_members(members: Sequence[Member]) -> list[list[Member]]:
    """Banks: members that share their targets and SHARED_FIELDS, MAX_ROWS rows of weights at the most.

    A bank's members are of one fold where these are enough, else of several; of all folds where features come from the
    disk, which then is read once an epoch.
    """

    def share(member: Member) -> tuple[Any, ...]:
        return id(member.problem.splits), *(getattr(member.recipe, name) for name in SHARED_FIELDS)

    banks = []
    for _, group in groupby(sorted(members, key=share), key=share):
        banks += _divide(sorted(group, key=lambda member: member.place[1]))
    return banks


def _divide(group: list[Member]) -> list[list[Member]]:
    K = group[0].problem.n_scores
    by_fold = [list(part) for _, part in groupby(group, key=lambda member: member.place[1])]
    is_enough = K * max(map(len, by_fold)) >= FEW_ROWS and group[0].recipe.shuffle == FULL
    lots = by_fold if is_enough else [group]
    size = count_max_members(group[0].recipe, K)
    banks = []
    for lot in lots:
        n_banks = -(-len(lot) // size)
        cuts = [round(i * len(lot) / n_banks) for i in range(n_banks + 1)]
        # Members of one loss side by side: see Bank.group_by_loss.
        banks += [sorted(lot[a:b], key=lambda member: member.recipe.loss) for a, b in pairwise(cuts)]
    return banks


def open_training(members: Sequence[Member]) -> BankTraining:
    """A bank of these members at its start."""
    first = members[0]
    recipes, folds = zip(*((member.recipe, member.fold) for member in members), strict=True)
    bank = make_bank(recipes, first.fold.scaler, first.problem.n_scores, folds)
    return BankTraining(bank, first.problem.splits, QUIET)


def collect(members: Sequence[Member], training: BankTraining) -> list[Learnt]:
    """What each member has learnt."""
    dataset, seconds = training.splits.dataset, training.seconds / len(members)
    return [
        Learnt(member, make_network(training.bank, place, dataset, {"recipe": member.recipe.to_json()}), seconds)
        for place, member in enumerate(members)
    ]
