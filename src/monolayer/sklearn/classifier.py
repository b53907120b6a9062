"""OneLayerClassifier: a one-layer network as a scikit-learn estimator."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted

from monolayer._typing import Array
from monolayer.checks.learning_rate import check_diverged
from monolayer.data.dataset import Dataset
from monolayer.engine.bank import Bank, Fold, make_bank, resume_bank
from monolayer.engine.batches import make_batch_order
from monolayer.errors import BadInput, validate_whole
from monolayer.findings import Finding
from monolayer.network import OneLayer
from monolayer.recipe.losses import compute_chance_loss, compute_log_softmax, get_loss
from monolayer.recipe.recipe import Recipe
from monolayer.sklearn import validation
from monolayer.sklearn.callbacks import CallbackSupportMixin, FitTasks, with_callbacks
from monolayer.sklearn.problem import Problem, make_fold, make_problem, make_recipe
from monolayer.sklearn.validation import Targets
from monolayer.training.checkpoints import BankState
from monolayer.training.history import HISTORY_COLUMNS, EpochRow
from monolayer.training.loop import BankTraining
from monolayer.training.options import TrainOptions
from monolayer.training.run import make_network

# Rows after which partial_fit keeps its automatic learning rate. For 1 to 784 features, normal and lognormal, in calls
# of 1 and 10 rows, the rate after 300 rows is 0.6 to 1.8 times the stable rate of such calls, after 30 rows up to 2.8
# times.
ENOUGH_ROWS = 300


class BestEpoch:
    """The best epoch so far of a bank with one member.

    Args:
        patience: epochs without a lower loss after which training stops.

    Raises:
        BadInput: if ``patience`` is not a whole number of 1 or above.
    """

    def __init__(self, patience: int) -> None:
        self._patience = validate_whole("patience", patience, 1)
        self._loss = math.inf
        self._state: BankState | None = None

    @property
    def epoch(self) -> int:
        """The best epoch, counted from 1; 0 if no loss was finite."""
        return self._state.epoch if self._state else 0

    def update(self, training: BankTraining) -> bool:
        """Compare the last epoch with the best; True if training should stop."""
        loss = training.histories[0][-1].val_loss
        if loss is not None and loss < self._loss:
            state = training.make_state()
            self._loss, self._state = loss, replace(state, weights=state.weights.copy(), bias=state.bias.copy())
        return training.epoch - self.epoch >= self._patience

    def restore(self, training: BankTraining) -> None:
        """Set the weights to those of the best epoch."""
        if self._state:
            training.bank.weights[:], training.bank.bias[:] = self._state.weights, self._state.bias


def _has_probabilities(estimator: OneLayerClassifier) -> bool:
    """Whether ``predict_proba`` exists; an unknown loss is reported by ``fit``."""
    loss = estimator.network_.loss if hasattr(estimator, "network_") else estimator.loss
    try:
        has_probabilities = get_loss(loss).has_probabilities
    except BadInput:
        return True
    if not has_probabilities:
        raise AttributeError(f"The loss {loss} defines no probabilities; use decision_function.")
    return True


class OneLayerClassifier(CallbackSupportMixin, ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """One layer, scores = W x + b, trained by mini-batch gradient descent with softmax cross-entropy or K sigmoids.

    The parameters are the fields of :class:`monolayer.Recipe` and some of scikit-learn's. C-contiguous arrays of
    float64, float32, float16 and uint8 are used as they are, memory-mapped or not, and never copied as a whole. Arrays
    of bool and of integers of 8 and 16 bits are converted to float32, which is exact; all others to float64.

    Args:
        loss: loss to minimise, one of ``monolayer.recipe.losses.LOSSES``, such as ``cross_entropy``; ``multiple_bce``
            has a sigmoid for each class (one sigmoid for two classes) and also learns several labels a row, y being an
            indicator matrix (n, K).
        learning_rate: step size of mini-batch gradient descent, before the schedule; ``auto`` takes 1 / the largest
            curvature of the features (see ``monolayer.training.stable_rate``), kept as ``learning_rate_``.
        l2: weight of the sum of squared weights in the cost, of the weights of standardised features.
        batch_size: examples in a mini-batch; the last one of an epoch may be smaller.
        epochs: passes over the training rows.
        schedule: learning rate by epoch, such as ``constant``, ``step:EVERY:FACTOR`` or ``cosine``.
        flip: probability that an image is mirrored left-right each time it is drawn; needs ``image_shape``.
        init_std: standard deviation of the normal distribution of the initial weights.
        seed: seed of the initial weights and of the order of the batches.
        dtype: type of the weights and of the arithmetic: ``float32`` or ``float64``; ``auto``: float64 for float64
            features.
        shuffle: order of the rows: ``full``, or ``block:ROWS:BLOCKS`` for features larger than memory.
        standardize: whether features are standardised by the mean and standard deviation of the rows of ``fit``, as a
            part of the arithmetic.
        class_weight: None, ``balanced``, or a dictionary label -> weight; multiplied with the sample weights.
        early_stopping: whether to stop when the loss on ``X_val`` has not decreased for ``patience`` epochs, and to
            restore the weights of the epoch where it was lowest.
        patience: epochs without improvement, for ``early_stopping``.
        train_every: interval in epochs of evaluating the training rows, for ``history_``; 0: after the last only.
        warm_start: whether ``fit`` continues from the current weights.
        image_shape: (channels, height, width) if a row is an image.
        random_state: if given, the seed is drawn from it instead of ``seed``.

    Attributes:
        classes_: (K,) labels.
        coef_: (K, D) float, or (1, D) for two classes, weights of the features before standardisation.
        intercept_: (K,) or (1,) float.
        network_: the :class:`monolayer.OneLayer`, which can be saved and exported.
        history_: of the last ``fit``: a list of values per column, one per epoch, for ``pandas.DataFrame(history_)``.
        learning_rate_: the learning rate before the schedule.
        n_iter_: epochs done.
        best_epoch_: the epoch of the weights: ``n_iter_``, or an earlier one with ``early_stopping``.
        findings_: findings such as ML013 on weights that shift the probabilities.
        n_features_in_, feature_names_in_: scikit-learn's.

    Rows with ``sample_weight`` 0 are ignored: batches are cut from all rows, and these rows left out of them. The other
    weights, divided by their mean, multiply the gradients of their rows. With one batch of all rows, integer weights
    are equivalent to repeated rows; with smaller batches the result is close to it.

    For ``multiple_bce``, ``predict_proba`` returns the sigmoids divided by their sum, so that a row's probabilities sum
    to 1, and the sigmoids themselves if rows have several labels.
    """

    def __init__(  # noqa: PLR0913 - scikit-learn reads an estimator's parameters off these arguments
        self,
        *,
        loss: str = "cross_entropy",
        learning_rate: float | str = "auto",
        l2: float = 0.0,
        batch_size: int = 100,
        epochs: int = 40,
        schedule: str = "constant",
        flip: float = 0.0,
        init_std: float = 0.01,
        seed: int = 42,
        dtype: str = "auto",
        shuffle: str = "full",
        standardize: bool = True,
        class_weight: Any = None,
        early_stopping: bool = False,
        patience: int = 5,
        train_every: int = 0,
        warm_start: bool = False,
        image_shape: tuple[int, int, int] | None = None,
        random_state: Any = None,
    ) -> None:
        self.loss = loss
        self.learning_rate = learning_rate
        self.l2 = l2
        self.batch_size = batch_size
        self.epochs = epochs
        self.schedule = schedule
        self.flip = flip
        self.init_std = init_std
        self.seed = seed
        self.dtype = dtype
        self.shuffle = shuffle
        self.standardize = standardize
        self.class_weight = class_weight
        self.early_stopping = early_stopping
        self.patience = patience
        self.train_every = train_every
        self.warm_start = warm_start
        self.image_shape = image_shape
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        with suppress(BadInput):  # an unknown loss is refused by fit
            tags.classifier_tags.multi_label = get_loss(str(self.loss)).is_multi_label
        return tags

    @with_callbacks
    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, X_val: Any = None, y_val: Any = None) -> Self:
        """Train the network.

        Args:
            X: array-like (n, D), features.
            y: array-like (n,), labels; or (n, K), 0 and 1.
            sample_weight: array-like (n,), 0 or above.
            X_val: array-like (m, D), features of validation rows, which are evaluated after each epoch.
            y_val: array-like (m,) or (m, K), their labels.

        Raises:
            ValueError: if rows or a parameter are not valid.
        """
        given = X, y, sample_weight
        X, y = validation.validate_rows(self, X, y, reset=True)
        weights = validation.validate_weights(sample_weight, X)
        targets = validation.encode_targets(y, self.loss, present=weights > 0)
        problem = make_problem(self, X, targets, weights, self._make_val(X_val, y_val, targets))
        recipe = make_recipe(self, problem)
        if self.early_stopping and problem.splits.val is None:
            raise BadInput("early_stopping needs validation rows: fit(X, y, X_val=..., y_val=...).")
        best = BestEpoch(self.patience) if self.early_stopping else None
        training = BankTraining(self._make_bank(recipe, problem), problem.splits, TrainOptions(self.train_every))
        tasks = FitTasks(self, recipe.epochs, *given)
        self._train(training, problem, tasks, best)
        history = training.complete_histories()[0]
        if best:
            best.restore(training)
        network = make_network(training.bank, 0, problem.splits.dataset, {"recipe": recipe.to_json()})
        self._set_fitted(network, problem, recipe, training.epoch, history)
        if best:
            self.best_epoch_ = best.epoch
        self._order = training.order
        self.history_ = {name: [getattr(row, name) for row in history] for name in HISTORY_COLUMNS}
        tasks.end()
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Train for one pass over these rows in mini-batches.

        The first call starts as ``fit`` does; each later call continues, with the learning rate of the schedule's next
        epoch. Features are standardised by all rows so far: the weights are converted to the new mean and standard
        deviation, which does not change the predictions. ``epochs`` calls with all rows are equivalent to ``fit``.

        With ``learning_rate="auto"`` the rate is averaged over the calls, weighted by their rows, until ENOUGH_ROWS
        rows have been seen. With ``dtype="auto"`` the dtype is that of the first call.

        Args:
            X: array-like (n, D), features.
            y: array-like (n,), labels; or (n, K), 0 and 1.
            classes: array-like (K,), all labels that will occur; needed in the first call, unless rows have several
                labels.
            sample_weight: array-like (n,), 0 or above; divided by the mean of this call's weights.

        Raises:
            ValueError: if rows or a parameter are not valid, the first call has no classes, or ``class_weight`` is
                ``balanced``.
        """
        is_first = not hasattr(self, "network_")
        if self.class_weight == "balanced":
            raise BadInput("class_weight='balanced' needs all rows at once; give partial_fit a dictionary of weights.")
        X, y = validation.validate_rows(self, X, y, reset=is_first)
        weights = validation.validate_weights(sample_weight, X)
        targets = validation.encode_targets(y, self.loss, self._choose_classes(y, classes, is_first))
        problem = make_problem(self, X, targets, weights)
        if is_first:
            recipe = make_recipe(self, problem)
            start = make_network(self._make_bank(recipe, problem), 0, problem.splits.dataset, {})
            self._set_fitted(start, problem, recipe, 0)
            self._order = make_batch_order(recipe, problem.targets.n_scores, X.shape[1])
        else:
            problem = replace(problem, moments=self._moments.merge(problem.moments))
            recipe = self._make_next_recipe(problem, self._moments.n_rows)
        bank = self._resume_bank(recipe, problem)
        training = BankTraining(bank, problem.splits, TrainOptions())
        training.order, training.epoch = self._order, min(self.n_iter_, recipe.epochs - 1)
        training.run(training.epoch + 1)
        network = make_network(bank, 0, problem.splits.dataset, self.network_.metadata)
        return self._set_fitted(network, problem, recipe, self.n_iter_ + 1, training.histories[0])

    def decision_function(self, X: Any) -> Array:
        """Scores (n, K); for two classes (n,), which are above 0 for the second class."""
        scores = self._compute_scores(X)
        return self._merge_classes(scores.T) if self._is_binary else scores

    def predict(self, X: Any) -> Array:
        """Labels (n,) of the highest score; with several labels per row (n, K), 1 where the score is above 0."""
        scores = self.decision_function(X)
        if self._is_multi_label:
            return (scores > 0).astype(int)
        return np.asarray(self.classes_[(scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)])

    @available_if(_has_probabilities)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> Array:
        """Probabilities (n, K), in the order of ``classes_``."""
        with np.errstate(all="ignore"):
            return np.asarray(np.exp(self.predict_log_proba(X)))

    @available_if(_has_probabilities)  # type: ignore[untyped-decorator]
    def predict_log_proba(self, X: Any) -> Array:
        """Logarithms of the probabilities (n, K), also of those that :meth:`predict_proba` rounds to 0."""
        scores = self._compute_scores(X)
        with np.errstate(all="ignore"):
            reading = get_loss(self.network_.loss).readings[0]
            logarithms = reading.compute_log_probabilities(scores)
            # Two sigmoids of one score sum to 1 as they are, and those of several labels need not.
            is_done = reading.sums_to_one or self._is_multi_label or self._has_one_score
            return logarithms if is_done else compute_log_softmax(logarithms)

    @property
    def coef_(self) -> Array:
        """Weights of the features before standardisation: (K, D), or (1, D) for two classes."""
        coef = self.network_.weights / self.network_.std
        return np.asarray(self._merge_classes(coef)[None] if self._is_binary else coef)

    @property
    def intercept_(self) -> Array:
        """The intercept added to X @ coef_.T: (K,), or (1,) for two classes."""
        network = self.network_
        bias = network.bias - network.weights @ (network.mean / network.std)
        return np.asarray(self._merge_classes(bias)[None] if self._is_binary else bias)

    def _set_fitted(
        self, network: OneLayer, problem: Problem, recipe: Recipe, n_epochs: int, history: Sequence[EpochRow] = ()
    ) -> Self:
        """Set the fitted attributes from a network that was trained on this problem."""
        for name, value in self._describe(network, problem, n_epochs).items():
            setattr(self, name, value)
        self.learning_rate_, self._moments, self.best_epoch_ = recipe.learning_rate, problem.moments, n_epochs
        losses = [row.train_loss for row in history if row.train_loss is not None]
        diverged = check_diverged(recipe, losses, compute_chance_loss(recipe.loss, problem.targets.n_scores))
        self.findings_: tuple[Finding, ...] = (*diverged, *problem.findings)
        return self

    @property
    def _is_binary(self) -> bool:
        return len(self.network_.bias) == 2 and not self._is_multi_label

    @property
    def _has_one_score(self) -> bool:
        """Whether one score is trained for two classes; ``network_`` has that of the first class as its negative."""
        return self._is_binary and get_loss(self.network_.loss).n_binary_scores == 1

    def _merge_classes(self, values: Array) -> Array:
        """What the second of two classes has more than the first, from the scores, weights or bias of both."""
        return np.asarray(values[1] if self._has_one_score else values[1] - values[0])

    def _compute_scores(self, X: Any) -> Array:
        check_is_fitted(self)
        with np.errstate(all="ignore"):  # a diverged network predicts too
            scores: Array = self.network_.compute_scores(validation.validate_features(self, X))
            return scores

    def _make_val(self, X_val: Any, y_val: Any, targets: Targets) -> Dataset | None:
        if (X_val is None) != (y_val is None):
            raise BadInput(
                f"{'X_val' if X_val is None else 'y_val'} is missing: validation takes both X_val and y_val."
            )
        if X_val is None:
            return None
        X_val, y_val = validation.validate_rows(self, X_val, y_val, reset=False)
        val = validation.encode_targets(y_val, self.loss, targets.classes, name="y_val")
        if val.y.shape[1:] != targets.y.shape[1:]:
            raise BadInput(f"y_val has shape {np.shape(y_val)}, which does not fit y.")
        return validation.make_dataset(X_val, val, self.image_shape)

    def _choose_classes(self, y: Any, classes: Any, is_first: bool) -> Array | None:
        """The classes for a call of partial_fit; None for several labels per row."""
        if type_of_target(y) == "multilabel-indicator":
            return None
        if is_first and classes is None:
            raise BadInput("classes is missing: the first call of partial_fit takes all labels that will occur.")
        if is_first:
            return np.unique(classes)
        if classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise BadInput(
                f"classes are {np.unique(classes).tolist()!r}; accepted are those of the first call, "
                f"{self.classes_.tolist()!r}."
            )
        return np.asarray(self.classes_)

    def _make_bank(self, recipe: Recipe, problem: Problem) -> Bank:
        """A bank of one, new or, with ``warm_start``, from the last fit."""
        if self.warm_start and hasattr(self, "network_"):
            return self._resume_bank(recipe, problem)
        fold = make_fold(self, problem)
        return make_bank([recipe], fold.scaler, problem.targets.n_scores, _list_folds(fold))

    def _resume_bank(self, recipe: Recipe, problem: Problem) -> Bank:
        """A bank of one with the network's weights, converted to the scaler of this problem."""
        targets, n_features = problem.targets, problem.splits.dataset.X.shape[1]
        found = _describe_kind(n_features, targets.n_scores, targets.classes, targets.is_multi_label)
        n_scores, D = (1 if self._has_one_score else len(self.network_.bias)), self.network_.weights.shape[1]
        accepted = _describe_kind(D, n_scores, self.classes_, self._is_multi_label)
        if found != accepted:
            raise BadInput(f"These rows have {found}; to continue training, accepted are rows with {accepted}.")
        fold = make_fold(self, problem)
        network = self.network_.rescale(fold.scaler.mean, fold.scaler.std)
        if self._has_one_score:
            network = replace(
                network, weights=network.weights[1:], bias=network.bias[1:], class_names=network.class_names[1:]
            )
        return replace(resume_bank([recipe], [network]), folds=_list_folds(fold))

    def _train(self, training: BankTraining, problem: Problem, tasks: FitTasks, best: BestEpoch | None) -> None:
        """Train all epochs, one at a time if there are callbacks or early stopping."""
        dataset = problem.splits.dataset
        step = 1 if tasks.has_callbacks or best else training.epochs
        while training.can_continue(training.epochs):
            stop = tasks.run(
                "epoch",
                lambda: training.run(training.epoch + step),
                lambda: self._describe(make_network(training.bank, 0, dataset, {}), problem, training.epoch),
            )
            if (best and best.update(training)) or stop:
                break

    def _make_next_recipe(self, problem: Problem, n_before: int) -> Recipe:
        """The recipe of a later call of partial_fit; ``n_before`` rows were seen before."""
        is_known = self.learning_rate != "auto" or n_before >= ENOUGH_ROWS
        recipe = make_recipe(self, problem, self.learning_rate_ if is_known else None)
        if self.dtype == "auto":
            recipe = recipe.replace(dtype=self.network_.weights.dtype.name)
        if is_known:
            return recipe
        # The mean of curvatures, 1 / rate, weighted by rows; the first row, which is its own mean, does not count.
        before, now = n_before - 1, np.count_nonzero(problem.weights)
        curvature = (before / self.learning_rate_ + now / recipe.learning_rate) / (before + now)
        return recipe.replace(learning_rate=1 / curvature)

    def _describe(self, network: OneLayer, problem: Problem, n_epochs: int) -> dict[str, Any]:
        """The fitted attributes that predicting needs."""
        targets = problem.targets
        if targets.n_scores == 1 and not targets.is_multi_label:
            weights, bias = (np.concatenate([-values, values]) for values in (network.weights, network.bias))
            network = replace(network, weights=weights, bias=bias, class_names=tuple(map(str, targets.classes)))
        if hasattr(self, "feature_names_in_"):
            network = network.with_metadata(columns=json.dumps(self.feature_names_in_.tolist()))
        return {
            "network_": network,
            "classes_": targets.classes,
            "_is_multi_label": targets.is_multi_label,
            "n_features_in_": network.weights.shape[1],
            "n_iter_": n_epochs,
        }


def _list_folds(fold: Fold) -> tuple[Fold, ...]:
    """No fold if all rows have the same weight."""
    return () if fold.is_mask and fold.sample_weight.all() else (fold,)


def _describe_kind(n_features: int, n_scores: int, classes: Array, is_multi_label: bool) -> str:
    """The properties that rows must share for a network to be trained further."""
    labels = "several labels" if is_multi_label else "a label"
    return f"{n_features} features, {n_scores} scores, and {labels} each of {classes.tolist()!r}"
