"""FusedSearchCV: GridSearchCV whose candidates and folds train side by side."""

from __future__ import annotations

from collections.abc import Sequence
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
from monolayer.sklearn import reading
from monolayer.sklearn.callbacks import FitTasks, with_callbacks
from monolayer.sklearn.classifier import OneLayerClassifier
from monolayer.sklearn.fused import Learnt, Reader, collect, group_members, open_training
from monolayer.turns import Job, run_jobs

Array = npt.NDArray[Any]
Place = tuple[str, int]


class FusedSearchCV(GridSearchCV):  # type: ignore[misc]
    """Drop-in for scikit-learn's GridSearchCV over :class:`OneLayerClassifier`: the same parameters and attributes.

    All candidates train on all folds in banks: networks side by side that meet the same batches in one pass over the
    data. A fold is a mask on that pass: its members meet the batches of all rows without the rows that the fold leaves
    out, standardised by the rows that are left.

    What is equal to what. A candidate on a fold is ``OneLayerClassifier.fit(X, y, sample_weight)`` with the sample
    weights of the fold's training rows and 0 for the others, to the rounding of the arithmetic. Rows that are left out
    have no influence on it, neither their features nor their labels. It is ``fit(X[train], y[train])``, which
    GridSearchCV trains, to rounding where a batch holds all rows; smaller batches are other batches of the same rows,
    and scores differ as those of two seeds do. Classes are those of all rows, also on a fold that has no row of one.

    What differs from GridSearchCV: ``estimator`` is a OneLayerClassifier without ``early_stopping``; all cores are
    used, whatever ``n_jobs`` says; ``fit_time`` is a member's share of its bank's; scorers and splitters are handed row
    numbers for ``X``, which scikit-learn's own do not look at.

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
        X, y = indexable(X, y)
        routed = self._get_routed_params_for_fit(params)
        features, labels = reading.read_rows(clone(self.estimator), X, y, reset=True)
        weights = reading.read_weights(routed.estimator.fit.get("sample_weight"), features)
        numbers = np.arange(len(features))[:, None]
        cv = check_cv(self.cv, labels, classifier=is_classifier(self.estimator))
        splits = list(cv.split(numbers, labels, **routed.splitter.split))
        reader = Reader(features, labels, spread_weights(weights, splits))
        tasks = FitTasks(self, 1, X=X, y=y, metadata={"sample_weight": routed.estimator.fit.get("sample_weight")})
        learnt = self._train(reader, len(splits), tasks)
        stand_in = make_stand_in(self.estimator, Passed(X, features, splits, self._name_params(), learnt))
        inner = GridSearchCV(**{**self.get_params(deep=False), "n_jobs": None, "cv": splits, "estimator": stand_in})
        only_split = routed.splitter.split.keys() - routed.estimator.fit.keys() - routed.scorer.score.keys()
        inner.fit(numbers, labels, **{name: value for name, value in params.items() if name not in only_split})
        self._take_results(inner, learnt)
        tasks.end()
        return self

    def _name_params(self) -> tuple[str, ...]:
        """Names of the parameters that vary."""
        return tuple(sorted({name for candidate in ParameterGrid(self.param_grid) for name in candidate}))

    def _train(self, reader: Reader, n_splits: int, tasks: FitTasks) -> dict[Place, Learnt | ValueError]:
        """What each candidate has learnt on each fold, or why it cannot: by the values that vary and the fold."""
        learnt: dict[Place, Learnt | ValueError] = {}
        members = []
        for candidate, split in product(ParameterGrid(self.param_grid), range(n_splits)):
            estimator = clone(self.estimator).set_params(**candidate)
            place = (describe_params(estimator, self._name_params()), split)
            try:
                members.append(reader.make_member(estimator, place))
            except ValueError as error:
                learnt[place] = error
        trainings = [(bank, open_training(bank)) for bank in group_members(members)]
        tasks.run("bank", lambda: run_jobs([Job(training, training.epochs) for _, training in trainings]), dict)
        for bank, training in trainings:
            learnt |= {one.member.place: one for one in collect(bank, training)}
        return learnt

    def _take_results(self, inner: GridSearchCV, learnt: dict[Place, Learnt | ValueError]) -> None:
        """The attributes that GridSearchCV has, with the times that members took."""
        for name, value in vars(inner).items():
            if name.endswith("_") and not name.startswith("_"):
                setattr(self, name, value)
        names, results = self._name_params(), self.cv_results_
        for i, candidate in enumerate(results["params"]):
            values = describe_params(clone(self.estimator).set_params(**candidate), names)
            found = [learnt[values, split] for split in range(self.n_splits_)]
            seconds = [one.seconds for one in found if isinstance(one, Learnt)] or [0.0]
            results["mean_fit_time"][i], results["std_fit_time"][i] = np.mean(seconds), np.std(seconds)
        if hasattr(self, "best_estimator_"):
            self.best_estimator_.__class__ = type(self.estimator)
        if self.scoring is None:  # the inner one's knows the stand-in
            self.scorer_ = check_scoring(self.estimator)


@dataclass(frozen=True, eq=False)
class Passed:
    """What stand-ins answer from.

    Args:
        X: features as the caller gave them.
        features: (n, D), as they were read.
        splits: (training rows, other rows) of each fold.
        names: of the parameters that vary.
        learnt: by the values that vary and the fold.
    """

    X: Any
    features: Array
    splits: Sequence[tuple[Array, Array]]
    names: tuple[str, ...]
    learnt: dict[Place, Learnt | ValueError]

    def find(self, estimator: OneLayerClassifier, rows: Array) -> Learnt | None:
        """What this candidate has learnt on the fold of these training rows; None if there is no such fold.

        Raises:
            ValueError: if it cannot be trained.
        """
        values = describe_params(estimator, self.names)
        for split, (train, _) in enumerate(self.splits):
            if np.array_equal(rows, train):
                found = self.learnt[values, split]
                if isinstance(found, ValueError):
                    raise found
                return found
        return None


class StandIn:
    """A candidate as GridSearchCV sees it: rows are numbers, fitting looks up, and answers are the member's."""

    passed: Passed

    def fit(self, numbers: Any, y: Any, sample_weight: Any = None, **validation: Any) -> Any:
        """Be the member that was trained on these rows; the best candidate's last fit, on all rows, is a real one."""
        found = self.passed.find(self, numbers[:, 0])  # type: ignore[arg-type]
        if found is None or len(numbers) == len(self.passed.features):
            return super().fit(self.passed.X, y, sample_weight, **validation)  # type: ignore[misc]
        member = found.member
        return self._adopt(found.network, member.problem, member.recipe, member.recipe.epochs)  # type: ignore[attr-defined]

    def _compute_scores(self, numbers: Any) -> Array:
        rows, network = numbers[:, 0], self.network_  # type: ignore[attr-defined]
        with np.errstate(all="ignore"):  # a member that diverged answers too
            blocks = (self.passed.features[rows[i : i + BLOCK]] for i in range(0, len(rows), BLOCK))
            return np.concatenate([network.compute_scores(block) for block in blocks])


def make_stand_in(estimator: OneLayerClassifier, passed: Passed) -> Any:
    """The estimator, unfitted, as one that answers from what was trained.

    It is of a class of its own, which GridSearchCV's copies of it share: what they answer from is never copied.
    """
    stand_in = clone(estimator)
    stand_in.__class__ = type("StandIn", (StandIn, type(estimator)), {"passed": passed})
    return stand_in


def describe_params(estimator: OneLayerClassifier, names: Sequence[str]) -> str:
    """The parameters of these names, all digits of them."""
    return repr([getattr(estimator, name) for name in names])


def spread_weights(weights: Array, splits: Sequence[tuple[Array, Array]]) -> Array:
    """Sample weights of each fold, (F, n): those of its training rows, as often as it has them; 0 for the others."""
    return np.stack([weights * np.bincount(train, minlength=len(weights)) for train, _ in splits])
