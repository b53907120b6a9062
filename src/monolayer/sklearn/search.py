"""FusedSearchCV: a GridSearchCV whose candidates and folds train side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, product
from typing import Any, Self, cast

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import GridSearchCV, ParameterGrid, check_cv
from sklearn.utils import indexable

from monolayer._typing import Array
from monolayer.data.scaler import compute_moments
from monolayer.engine.bank import SHARED_FIELDS, Fold, make_bank
from monolayer.errors import BadInput
from monolayer.network import BLOCK, OneLayer
from monolayer.recipe.recipe import Recipe
from monolayer.recipe.shuffle import parse_shuffle
from monolayer.sklearn import validation
from monolayer.sklearn.callbacks import FitTasks, with_callbacks
from monolayer.sklearn.classifier import OneLayerClassifier
from monolayer.sklearn.problem import Problem, apply_class_weights, find_curvature, make_fold, make_recipe
from monolayer.threads import limit_blas_threads
from monolayer.training.loop import BankTraining
from monolayer.training.options import TrainOptions
from monolayer.training.run import make_network
from monolayer.training.scheduler import Job, run_jobs
from monolayer.tuning.plan import count_max_members, divide_evenly

Index = tuple[int, int]
# A bank of one fold skips the rows that the fold leaves out; a bank of several folds reads all rows, a fourth more for
# five folds. That is faster while a fold alone has fewer rows of weights than this: 120 rows compute 110 billion
# operations a second, 600 rows 149 (see MAX_ROWS in tuning/plan.py).
MIN_ROWS_OF_WEIGHTS = 120
QUIET = TrainOptions(train_every=0, val_every=0, evaluate_last=False)
NO_EARLY_STOPPING = "early_stopping is not accepted in a FusedSearchCV: its members train side by side."


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


Outcome = Member | Exception  # the exception if it could not be trained


class FusedSearchCV(GridSearchCV):  # type: ignore[misc]
    """Drop-in for scikit-learn's GridSearchCV over :class:`OneLayerClassifier`: the same parameters and attributes.

    All candidates train on all folds in banks: networks side by side that share the batches of one pass over the data.
    A fold is a mask on that pass: its members skip the rows that the fold leaves out, and standardise by the rest.

    Equivalence. A candidate on a fold equals ``OneLayerClassifier.fit(X, y, sample_weight)`` with the sample weights of
    the fold's training rows and 0 for the others, up to rounding. Rows that are left out do not influence it, neither
    their features nor their labels. Batches are cut from all rows, and larger than ``batch_size``, so that each holds
    about ``batch_size`` of the fold's rows: n / (mean number of training rows of a fold) times as large, to a whole
    number. So there are as many steps per epoch as in ``fit(X[train], y[train])``, which GridSearchCV trains. With one
    batch of all rows the two are equal up to rounding; smaller batches hold other rows, and scores differ as with
    another order of the rows. The whole number makes a difference of at most 5 % of the steps for a ``batch_size`` of
    10 or more and of at most a sixth below, and folds of different sizes differ in proportion. Classes are those of all
    folds, also on a fold without a row of one: it has a log loss where GridSearchCV's is nan.

    Differences from GridSearchCV. ``estimator`` must be a OneLayerClassifier without ``early_stopping``, and not a
    pipeline; all cores are used and ``n_jobs`` is ignored; ``fit_time`` is a member's share of its bank's time; scorers
    and splitters receive row numbers as ``X``, which scikit-learn's own do not use.

    Args:
        estimator: a OneLayerClassifier.
        param_grid, scoring, n_jobs, refit, cv, verbose, pre_dispatch, error_score, return_train_score: GridSearchCV's.
    """

    @with_callbacks
    def fit(self, X: Any, y: Any = None, **params: Any) -> Self:
        """Train all candidates on all folds, choose the best, and fit it on all rows.

        Args:
            X: array-like (n, D), features as for :meth:`OneLayerClassifier.fit`.
            y: array-like (n,) or (n, K), labels.
            params: sample_weight, groups, and other parameters of splitter, scorers and refit.

        Raises:
            ValueError: if the rows, a parameter or the grid is not valid.
        """
        if not isinstance(self.estimator, OneLayerClassifier):
            kind = type(self.estimator).__name__
            raise BadInput(
                f"estimator is a {kind}; FusedSearchCV accepts a OneLayerClassifier, which standardises the features."
            )
        if self.estimator.early_stopping:
            raise BadInput(NO_EARLY_STOPPING)
        self._validate_params()  # before training, and not in GridSearchCV after it
        self._get_scorers()
        X, y = indexable(X, y)
        routed = self._get_routed_params_for_fit(params)
        features, labels = validation.validate_rows(clone(self.estimator), X, y, reset=True)
        weights = validation.validate_weights(routed.estimator.fit.get("sample_weight"), features)
        numbers = np.arange(len(features))[:, None]
        splits = self._cut(numbers, labels, routed.splitter.split)
        tasks = FitTasks(self, 1, X, y, routed.estimator.fit.get("sample_weight"))
        only_split = routed.splitter.split.keys() - routed.estimator.fit.keys() - routed.scorer.score.keys()
        with limit_blas_threads():  # in products this narrow, BLAS threads wait longer than they compute
            factory = MemberFactory(features, labels, weights, splits)
            outcomes = self._train(factory, len(splits), tasks)
            # One job: candidates are looked up in the order in which they are fitted.
            changes = {"n_jobs": 1, "cv": splits, "estimator": make_candidate(self.estimator, X, features, outcomes)}
            inner = GridSearchCV(**{**self.get_params(deep=False), **changes})
            inner.fit(numbers, labels, **{name: value for name, value in params.items() if name not in only_split})
        self._take_results(inner, outcomes)
        tasks.end()
        return self

    def _cut(self, numbers: Array, labels: Array, split_params: dict[str, Any]) -> list[tuple[Array, Array]]:
        """The row numbers of each fold, (training, other); a splitter may return masks or negative indices."""
        cv = check_cv(self.cv, labels, classifier=is_classifier(self.estimator))
        rows = numbers[:, 0]
        return [(rows[train], rows[test]) for train, test in cv.split(numbers, labels, **split_params)]

    def _train(self, factory: MemberFactory, n_splits: int, tasks: FitTasks) -> list[Outcome]:
        """The outcome of each candidate on each fold: all folds of the first candidate first."""
        outcomes: dict[Index, Outcome] = {}
        members = []
        for (number, candidate), split in product(enumerate(ParameterGrid(self.param_grid)), range(n_splits)):
            estimator = clone(self.estimator).set_params(**clone(candidate, safe=False))
            try:
                members.append(factory.make_member(estimator, (number, split)))
            except Exception as error:  # noqa: BLE001 - all that error_score covers
                outcomes[number, split] = error
        trainings = [(bank, make_training(bank)) for bank in group_members(members)]
        tasks.run("bank", lambda: run_jobs([Job(training, training.epochs) for _, training in trainings]))
        for bank, training in trainings:
            for i, member in enumerate(bank):
                metadata = {"recipe": member.recipe.to_json()}
                network = make_network(training.bank, i, training.splits.dataset, metadata)
                outcomes[member.index] = replace(member, network=network, seconds=training.seconds / len(bank))
        return [outcomes[place] for place in sorted(outcomes)]

    def _take_results(self, inner: GridSearchCV, outcomes: list[Outcome]) -> None:
        """Set the attributes of GridSearchCV, with the members' times."""
        for name, value in vars(inner).items():
            if name.endswith("_") and not name.startswith("_"):
                setattr(self, name, value)
        seconds = [one.seconds if isinstance(one, Member) else 0.0 for one in outcomes]
        by_candidate = np.reshape(seconds, (-1, self.n_splits_))
        self.cv_results_["mean_fit_time"][:] = by_candidate.mean(axis=1)
        self.cv_results_["std_fit_time"][:] = by_candidate.std(axis=1)
        if self.scoring is None:  # not that of the stand-in
            self.scorer_ = check_scoring(self.estimator)


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
        present = np.flatnonzero(self._weights.any(axis=1)).tolist()
        # Those of every fold that has rows, in one pass.
        moments = self._cache("moments", lambda: compute_moments(splits.train, self._weights[present]))
        return apply_class_weights(
            estimator.class_weight, Problem(splits, targets, moments[present.index(split)], self._weights[split])
        )

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
    K, recipe = group[0].problem.targets.n_scores, group[0].recipe
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
    bank = make_bank(recipes, first.fold.scaler, first.problem.targets.n_scores, folds)
    return BankTraining(bank, first.problem.splits, QUIET)


class FittedCandidate:
    """The estimator that GridSearchCV fits: X holds row numbers, and ``fit`` looks up a trained member.

    Its class attributes are the class of the estimator, the features as passed to the search's ``fit`` and validated,
    and the outcomes of each candidate on each fold, in the order in which GridSearchCV fits them.
    """

    _kind: type[OneLayerClassifier]
    _X: Any
    _features: Array
    _outcomes: Iterator[Outcome]

    def fit(self, numbers: Any, y: Any, sample_weight: Any = None, **validation: Any) -> Any:
        """Look up the next member; after the last one, fit the best candidate on all rows as a plain estimator."""
        outcome = next(self._outcomes, None)
        if isinstance(outcome, Exception):
            raise outcome
        if outcome is None:
            X, self.__class__ = self._X, self._kind
            return self.fit(X, y, sample_weight, **validation)
        return self._set_fitted(outcome.network, outcome.problem, outcome.recipe, outcome.recipe.epochs)  # type: ignore[attr-defined]

    def _compute_scores(self, numbers: Any) -> Array:
        rows, network = numbers[:, 0], self.network_  # type: ignore[attr-defined]
        with np.errstate(all="ignore"):  # a diverged network predicts too
            blocks = (self._features[rows[i : i + BLOCK]] for i in range(0, len(rows), BLOCK))
            return np.concatenate([network.compute_scores(block) for block in blocks])


def make_candidate(estimator: OneLayerClassifier, X: Any, features: Array, outcomes: Sequence[Outcome]) -> Any:
    """A clone of the estimator that looks up trained members.

    What it looks up are attributes of a new class, which GridSearchCV's clones share, so that it is never copied. The
    class has the estimator's name, which messages show.
    """
    candidate, kind = clone(estimator), type(estimator)
    shared = {"_kind": kind, "_X": X, "_features": features, "_outcomes": iter(outcomes)}
    candidate.__class__ = type(kind.__name__, (FittedCandidate, kind), shared)
    return candidate
