"""FusedSearchCV: GridSearchCV whose candidates and folds train side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import clone, is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import GridSearchCV, ParameterGrid, check_cv
from sklearn.utils import indexable

from monolayer.errors import BadInput
from monolayer.network import BLOCK
from monolayer.sklearn import validation as validation_module
from monolayer.sklearn.callbacks import FitTasks, with_callbacks
from monolayer.sklearn.classifier import OneLayerClassifier
from monolayer.sklearn.fused import NO_EARLY_STOPPING, Learnt, Place, Reader, collect, group_members, open_training
from monolayer.threads import limit_blas_threads
from monolayer.training.scheduler import Job, run_jobs

Array = npt.NDArray[Any]
Outcome = Learnt | Exception  # or why it could not be trained


class FusedSearchCV(GridSearchCV):  # type: ignore[misc]
    """Drop-in for scikit-learn's GridSearchCV over :class:`OneLayerClassifier`: the same parameters and attributes.

    All candidates train on all folds in banks: networks side by side that meet the same batches in one pass over the
    data. A fold is a mask on that pass: its members meet the batches of all rows without the rows that the fold leaves
    out, standardised by the rows that are left.

    What is equal to what. A candidate on a fold is ``OneLayerClassifier.fit(X, y, sample_weight)`` with the sample
    weights of the fold's training rows and 0 for the others, to the rounding of the arithmetic. Rows that are left out
    have no influence on it, neither their features nor their labels. Its batches are cut from all rows, and larger than
    ``batch_size``, so that about ``batch_size`` of the fold's rows are in each: n / (mean number of training rows of a
    fold) times as large, to a whole number. So it makes as many steps an epoch as ``fit(X[train], y[train])``, which
    GridSearchCV trains: where a batch holds all rows it is that fit to rounding; smaller batches are other batches of
    the same rows, and scores differ as those of two orders of the rows do. The whole number leaves a difference of 5 %
    of the steps at the most from a ``batch_size`` of 10 on, of a sixth at the most below, and folds of unlike sizes one
    of their share. Classes are those of all folds, also on a fold that has no row of one: it has a log loss where
    GridSearchCV's is nan.

    What differs from GridSearchCV: ``estimator`` is a OneLayerClassifier without ``early_stopping``, and no pipeline;
    all cores are used, whatever ``n_jobs`` says; ``fit_time`` is a member's share of its bank's; scorers and splitters
    are handed row numbers for ``X``, which scikit-learn's own do not look at.

    Args:
        estimator: a OneLayerClassifier.
        param_grid, scoring, n_jobs, refit, cv, verbose, pre_dispatch, error_score, return_train_score: GridSearchCV's.
    """

    @with_callbacks
    def fit(self, X: Any, y: Any = None, **params: Any) -> Self:
        """Train all candidates on all folds, choose, and fit the best on all rows.

        Args:
            X: features (n, D), as :meth:`OneLayerClassifier.fit` takes them.
            y: labels.
            params: sample_weight, groups, and what else splitter, scorers and refit take.

        Raises:
            ValueError: if rows, parameters or the grid are not as they should be.
        """
        if not isinstance(self.estimator, OneLayerClassifier):
            kind = type(self.estimator).__name__
            raise BadInput(
                f"estimator is a {kind}; FusedSearchCV accepts a OneLayerClassifier, which scales by itself."
            )
        if self.estimator.early_stopping:
            raise BadInput(NO_EARLY_STOPPING)
        self._validate_params()  # now, and not when GridSearchCV does so after the training
        self._get_scorers()
        X, y = indexable(X, y)
        routed = self._get_routed_params_for_fit(params)
        features, labels = validation_module.read_rows(clone(self.estimator), X, y, reset=True)
        weights = validation_module.read_weights(routed.estimator.fit.get("sample_weight"), features)
        numbers = np.arange(len(features))[:, None]
        splits = self._cut(numbers, labels, routed.splitter.split)
        tasks = FitTasks(self, 1, X, y, routed.estimator.fit.get("sample_weight"))
        only_split = routed.splitter.split.keys() - routed.estimator.fit.keys() - routed.scorer.score.keys()
        with limit_blas_threads():  # products this narrow: its threads wait for each other longer than they compute
            reader = Reader(features, labels, spread_weights(weights, splits), compute_share(splits, len(features)))
            outcomes = self._train(reader, len(splits), tasks)
            # One job, whatever is the default here: stand-ins answer in the order in which they are asked.
            changes = {"n_jobs": 1, "cv": splits, "estimator": make_stand_in(self.estimator, X, features, outcomes)}
            inner = GridSearchCV(**{**self.get_params(deep=False), **changes})
            inner.fit(numbers, labels, **{name: value for name, value in params.items() if name not in only_split})
        self._take_results(inner, outcomes)
        tasks.end()
        return self

    def _cut(self, numbers: Array, labels: Array, split_params: dict[str, Any]) -> list[tuple[Array, Array]]:
        """Numbers of the rows, (training, other), of each fold; a splitter may name them by masks or from the end."""
        cv = check_cv(self.cv, labels, classifier=is_classifier(self.estimator))
        rows = numbers[:, 0]
        return [(rows[train], rows[test]) for train, test in cv.split(numbers, labels, **split_params)]

    def _train(self, reader: Reader, n_splits: int, tasks: FitTasks) -> list[Outcome]:
        """What each candidate has learnt on each fold: all folds of the first candidate first."""
        outcomes: dict[Place, Outcome] = {}
        members = []
        for (number, candidate), split in product(enumerate(ParameterGrid(self.param_grid)), range(n_splits)):
            estimator = clone(self.estimator).set_params(**clone(candidate, safe=False))
            try:
                members.append(reader.make_member(estimator, (number, split)))
            except Exception as error:  # noqa: BLE001 - all that error_score covers
                outcomes[number, split] = error
        trainings = [(bank, open_training(bank)) for bank in group_members(members)]
        tasks.run("bank", lambda: run_jobs([Job(training, training.epochs) for _, training in trainings]))
        for bank, training in trainings:
            outcomes |= {one.member.place: one for one in collect(bank, training)}
        return [outcomes[place] for place in sorted(outcomes)]

    def _take_results(self, inner: GridSearchCV, outcomes: list[Outcome]) -> None:
        """The attributes that GridSearchCV has, with the times that members took."""
        for name, value in vars(inner).items():
            if name.endswith("_") and not name.startswith("_"):
                setattr(self, name, value)
        seconds = [one.seconds if isinstance(one, Learnt) else 0.0 for one in outcomes]
        by_candidate = np.reshape(seconds, (-1, self.n_splits_))
        self.cv_results_["mean_fit_time"][:] = by_candidate.mean(axis=1)
        self.cv_results_["std_fit_time"][:] = by_candidate.std(axis=1)
        if self.scoring is None:  # the inner one's knows the stand-in
            self.scorer_ = check_scoring(self.estimator)


@dataclass(frozen=True, eq=False)
class Passed:
    """What stand-ins answer from.

    Args:
        kind: class of the estimator that they stand for.
        X: features as the caller gave them.
        features: (n, D), as they were read.
        outcomes: what each candidate has learnt on each fold, in the order in which GridSearchCV asks.
    """

    kind: type[OneLayerClassifier]
    X: Any
    features: Array
    outcomes: Iterator[Outcome]


class StandIn:
    """A candidate as GridSearchCV sees it: rows are numbers, fitting looks up, and answers are the member's."""

    passed: Passed

    def fit(self, numbers: Any, y: Any, sample_weight: Any = None, **validation: Any) -> Any:
        """Be the next member; after the last one comes the best candidate, which is one no more: it fits all rows."""
        passed = self.passed
        outcome = next(passed.outcomes, None)
        if isinstance(outcome, Exception):
            raise outcome
        if outcome is None:
            self.__class__ = passed.kind
            return self.fit(passed.X, y, sample_weight, **validation)
        member = outcome.member
        return self._adopt(outcome.network, member.problem, member.recipe, member.recipe.epochs)  # type: ignore[attr-defined]

    def _compute_scores(self, numbers: Any) -> Array:
        rows, network = numbers[:, 0], self.network_  # type: ignore[attr-defined]
        with np.errstate(all="ignore"):  # a member that diverged answers too
            blocks = (self.passed.features[rows[i : i + BLOCK]] for i in range(0, len(rows), BLOCK))
            return np.concatenate([network.compute_scores(block) for block in blocks])


def make_stand_in(estimator: OneLayerClassifier, X: Any, features: Array, outcomes: Sequence[Outcome]) -> Any:
    """The estimator, unfitted, as one that answers from what was trained.

    It is of a class of its own, which GridSearchCV's copies of it share: what they answer from is never copied. The
    class has the estimator's name, which messages show.
    """
    stand_in, passed = clone(estimator), Passed(type(estimator), X, features, iter(outcomes))
    stand_in.__class__ = type(type(estimator).__name__, (StandIn, type(estimator)), {"passed": passed})
    return stand_in


def spread_weights(weights: Array, splits: Sequence[tuple[Array, Array]]) -> Array:
    """Sample weights of each fold, (F, n): those of its training rows, as often as it has them; 0 for the others."""
    return np.stack([weights * np.bincount(train, minlength=len(weights)) for train, _ in splits])


def compute_share(splits: Sequence[tuple[Array, Array]], n: int) -> float:
    """The part of n rows that a fold trains on: the mean of those that train on any."""
    sizes = [len(train) for train, _ in splits if len(train)]
    return float(np.mean(sizes)) / n if sizes else 1.0
