"""FusedSearchCV: a GridSearchCV whose candidates and folds train side by side."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Self

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import GridSearchCV, ParameterGrid, check_cv
from sklearn.utils import indexable

from monolayer._typing import Array
from monolayer.errors import BadInput
from monolayer.network import BLOCK
from monolayer.sklearn.callbacks import FitTasks, with_callbacks
from monolayer.sklearn.classifier import OneLayerClassifier
from monolayer.sklearn.members import (
    NO_EARLY_STOPPING,
    Index,
    Member,
    MemberFactory,
    collect,
    group_members,
    make_training,
)
from monolayer.sklearn.validation import validate_rows, validate_weights
from monolayer.threads import limit_blas_threads
from monolayer.training.scheduler import Job, run_jobs

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
        features, labels = validate_rows(clone(self.estimator), X, y, reset=True)
        weights = validate_weights(routed.estimator.fit.get("sample_weight"), features)
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
            outcomes |= collect(bank, training)
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


@dataclass(frozen=True, eq=False)
class Lookup:
    """The data of all :class:`FittedCandidate` objects of one search.

    Args:
        kind: the class of the estimator.
        X: features as passed to ``fit``.
        features: (n, D), validated.
        outcomes: of each candidate on each fold, in the order in which GridSearchCV fits them.
    """

    kind: type[OneLayerClassifier]
    X: Any
    features: Array
    outcomes: Iterator[Outcome]


class FittedCandidate:
    """The estimator that GridSearchCV fits: X holds row numbers, and ``fit`` looks up a trained member."""

    lookup: Lookup

    def fit(self, numbers: Any, y: Any, sample_weight: Any = None, **validation: Any) -> Any:
        """Look up the next member; after the last one, fit the best candidate on all rows as a plain estimator."""
        lookup = self.lookup
        outcome = next(lookup.outcomes, None)
        if isinstance(outcome, Exception):
            raise outcome
        if outcome is None:
            self.__class__ = lookup.kind
            return self.fit(lookup.X, y, sample_weight, **validation)
        return self._set_fitted(outcome.network, outcome.problem, outcome.recipe, outcome.recipe.epochs)  # type: ignore[attr-defined]

    def _compute_scores(self, numbers: Any) -> Array:
        rows, network = numbers[:, 0], self.network_  # type: ignore[attr-defined]
        with np.errstate(all="ignore"):  # a diverged network predicts too
            blocks = (self.lookup.features[rows[i : i + BLOCK]] for i in range(0, len(rows), BLOCK))
            return np.concatenate([network.compute_scores(block) for block in blocks])


def make_candidate(estimator: OneLayerClassifier, X: Any, features: Array, outcomes: Sequence[Outcome]) -> Any:
    """A clone of the estimator that looks up trained members.

    The lookup is an attribute of a new class, which GridSearchCV's clones share, so that it is never copied. The class
    has the estimator's name, which messages show.
    """
    candidate, lookup = clone(estimator), Lookup(type(estimator), X, features, iter(outcomes))
    candidate.__class__ = type(type(estimator).__name__, (FittedCandidate, type(estimator)), {"lookup": lookup})
    return candidate
