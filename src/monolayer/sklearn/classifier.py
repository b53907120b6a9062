"""OneLayerClassifier: a one-layer network with scikit-learn's habits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted

from monolayer.checks.learning_rate import check_diverged
from monolayer.data.dataset import Dataset
from monolayer.engine.bank import Bank, Fold, make_bank, resume_bank
from monolayer.engine.batches import make_batch_order
from monolayer.errors import BadInput
from monolayer.findings import Finding
from monolayer.network import OneLayer
from monolayer.recipe.losses import LOSSES, compute_chance_loss, compute_log_softmax, get_loss
from monolayer.recipe.recipe import Recipe
from monolayer.sklearn import validation
from monolayer.sklearn.callbacks import CallbackSupportMixin, FitTasks, with_callbacks
from monolayer.sklearn.early_stopping import Best
from monolayer.sklearn.problem import Problem, make_fold, make_recipe, read_problem
from monolayer.sklearn.validation import Targets
from monolayer.training.history import HISTORY_COLUMNS
from monolayer.training.loop import BankTraining, TrainOptions
from monolayer.training.run import make_network

Array = npt.NDArray[Any]
# Rows after which a stream's learning rate stays what it is. Of 1 to 784 features, normal and lognormal, in calls of 1
# and 10 rows, rates that were settled after 300 are 0.6 to 1.8 times what such calls bear, after 30 up to 2.8 times.
ENOUGH_ROWS = 300


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

    The parameters are the fields of :class:`monolayer.Recipe`, and some that are scikit-learn's habits. C-contiguous
    arrays of float64, float32, float16 and uint8 stay what they are, memory-mapped or not: they are never copied as a
    whole. Arrays of bool and of integers of 8 and 16 bits become float32, which holds them exactly; all else float64.

    Args:
        loss: one of ``monolayer.recipe.losses.LOSSES``, such as ``cross_entropy``; ``multiple_bce`` has a sigmoid for
            each class (one sigmoid for two classes) and also learns several labels a row, y being an indicator matrix
            (n, K).
        learning_rate: step size; ``auto`` takes what the features bear, 1 / their largest curvature (see
            ``monolayer.training.stable_rate``), kept as ``learning_rate_``.
        l2: weight of sum(W**2) in the cost, W being the weights of standardised features.
        batch_size: rows in a mini-batch.
        epochs: passes over the rows.
        schedule: learning rate by epoch: ``constant``, ``step:EVERY:FACTOR``, ``exponential:FACTOR``, ``cosine``.
        flip: probability that an image is mirrored each time it is met; needs ``image_shape``.
        init_std: standard deviation of the weights at the start.
        seed: of the weights and of the order of the batches.
        dtype: ``float32`` or ``float64``, of weights and arithmetic; ``auto``: float64 for float64 features.
        shuffle: ``full``, or ``block:ROWS:BLOCKS`` for features larger than memory.
        standardize: whether features are standardised by mean and deviation of the rows of ``fit``, within the
            arithmetic.
        class_weight: None, ``balanced``, or a dictionary label -> weight; multiplied into the sample weights.
        early_stopping: whether to end when the loss on ``X_val`` has not fallen for ``patience`` epochs, and to go back
            to the epoch where it was lowest.
        patience: epochs.
        train_every: evaluate the training rows after every so many epochs, for ``history_``; 0: after the last only.
        warm_start: whether ``fit`` goes on from the weights that are there.
        image_shape: (channels, height, width) where a row is an image.
        random_state: where it is given, the seed is drawn from it (None: ``seed`` is the seed).

    Attributes:
        classes_: (K,) labels.
        coef_: (K, D), or (1, D) for two classes, of the features as they come.
        intercept_: (K,) or (1,).
        network_: the :class:`monolayer.OneLayer`, which can be saved and exported.
        history_: of the last ``fit``: a column by name, a value an epoch; ``pandas.DataFrame(history_)`` is a table.
        learning_rate_: the rate before the schedule.
        n_iter_: epochs done.
        best_epoch_: the epoch whose weights these are: ``n_iter_``, or an earlier one with ``early_stopping``.
        findings_: what was noticed, such as ML013: weights that shift the probabilities.
        n_features_in_, feature_names_in_: as scikit-learn has them.

    Rows of ``sample_weight`` 0 are not there: batches are cut from all rows, and such rows left out of them. The other
    weights multiply their rows' gradients, divided by the mean weight. Where one batch holds all rows, fitting with
    whole weights is fitting the rows repeated; smaller batches are other batches then, and the result is near it.

    ``multiple_bce`` answers ``predict_proba`` with its sigmoids divided by their sum, so that a row's probabilities sum
    to 1, and with the sigmoids themselves where rows have several labels.
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
        tags.classifier_tags.multi_label = self.loss in LOSSES and LOSSES[self.loss].is_multi_label
        return tags

    @with_callbacks
    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, X_val: Any = None, y_val: Any = None) -> Self:
        """Learn from X (n, D) and y (n,) labels, or (n, K) 0 and 1.

        Args:
            X: features.
            y: labels.
            sample_weight: (n,), 0 or above.
            X_val: features of validation rows, measured after each epoch.
            y_val: their labels.

        Raises:
            ValueError: if the rows or parameters are not as they should be; the text says which.
        """
        given = X, y, sample_weight
        X, y = validation.read_rows(self, X, y, reset=True)
        weights = validation.read_weights(sample_weight, X)
        targets = validation.read_targets(y, self.loss, present=weights > 0)
        problem = read_problem(self, X, targets, weights, self._read_val(X_val, y_val, targets))
        recipe = make_recipe(self, problem)
        best = self._choose_best(problem)
        options = TrainOptions(self.train_every)
        training = BankTraining(self._make_bank(recipe, problem), problem.splits, options)
        tasks = FitTasks(self, recipe.epochs, *given)
        self._train(training, problem, tasks, best)
        self._keep(training, problem, best)
        tasks.end()
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """One pass over these rows in mini-batches: a step for each ``batch_size`` of them.

        A first call begins as ``fit`` does; later ones go on, with the schedule's rate for as many epochs as there were
        calls. Features are standardised by all rows so far: the weights are rewritten for the new mean and deviation,
        which does not change what the network says. ``epochs`` calls with all rows do what ``fit`` does.

        Where ``learning_rate`` is ``auto``, few rows cannot say what is borne: until ENOUGH_ROWS have been met, each
        call's rows have their say, by their number. Where ``dtype`` is ``auto``, it is the first call's.

        Args:
            X: features (n, D).
            y: labels (n,), or (n, K) 0 and 1.
            classes: all labels that there will ever be; asked for at the first call, unless rows have several labels.
            sample_weight: (n,), 0 or above; divided by the mean of this call's.

        Raises:
            ValueError: as ``fit`` does; if the first call has no classes; if ``class_weight`` is ``balanced``.
        """
        is_first = not hasattr(self, "network_")
        if self.class_weight == "balanced":
            raise BadInput("class_weight='balanced' needs all rows at once; give partial_fit a dictionary of weights.")
        X, y = validation.read_rows(self, X, y, reset=is_first)
        weights = validation.read_weights(sample_weight, X)
        targets = validation.read_targets(y, self.loss, self._choose_classes(y, classes, is_first))
        problem = read_problem(self, X, targets, weights)
        if is_first:
            recipe = make_recipe(self, problem)
            start = make_network(self._make_bank(recipe, problem), 0, problem.splits.dataset, {})
            self._adopt(start, problem, recipe, 0)
            self._order = make_batch_order(recipe, problem.n_scores, X.shape[1])
        else:
            problem = replace(problem, moments=self._moments.merge(problem.moments))
            recipe = self._make_next_recipe(problem, self._moments.n_rows)
        bank = self._take_up(recipe, problem)
        loss = self._step(bank, problem)
        self._adopt(
            make_network(bank, 0, problem.splits.dataset, self.network_.metadata), problem, recipe, self.n_iter_ + 1
        )
        self.findings_ = (*_check_diverged(recipe, [loss], problem), *problem.findings)
        return self

    def decision_function(self, X: Any) -> Array:
        """Scores (n, K); (n,) for two classes, above 0 where it is the second."""
        scores = self._compute_scores(X)
        if scores.shape[1] == 1 and not self._is_multi_label:
            return scores[:, 0]
        return np.asarray(scores[:, 1] - scores[:, 0]) if self._is_binary_softmax else scores

    def predict(self, X: Any) -> Array:
        """Labels (n,): the class of the highest score; of several labels a row (n, K), those whose score is above 0."""
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
        """Logarithms of the probabilities (n, K), also of those too small for :meth:`predict_proba`."""
        scores = self._compute_scores(X)
        with np.errstate(all="ignore"):
            if scores.shape[1] == 1 and not self._is_multi_label:
                scores = np.hstack([-scores, scores])
            reading = get_loss(self.network_.loss).readings[0]
            logarithms = reading.compute_log_probabilities(scores)
            # Two sigmoids of one score sum to 1 as they are, and those of several labels need not.
            is_done = reading.sums_to_one or self._is_multi_label or len(self.network_.bias) == 1
            return logarithms if is_done else compute_log_softmax(logarithms)

    @property
    def coef_(self) -> Array:
        """Weights of the features as they come: (K, D), or (1, D) for two classes."""
        coef = self.network_.weights / self.network_.std
        return np.asarray((coef[1] - coef[0])[None] if self._is_binary_softmax else coef)

    @property
    def intercept_(self) -> Array:
        """What is added to X @ coef_.T: (K,), or (1,) for two classes."""
        network = self.network_
        bias = network.bias - network.weights @ (network.mean / network.std)
        return np.asarray((bias[1] - bias[0])[None] if self._is_binary_softmax else bias)

    def _adopt(self, network: OneLayer, problem: Problem, recipe: Recipe, n_epochs: int) -> Self:
        """Take a network that was trained on this problem as what ``fit`` has learnt."""
        for name, value in self._describe(network, problem, n_epochs).items():
            setattr(self, name, value)
        self.learning_rate_, self._moments, self.findings_ = recipe.learning_rate, problem.moments, problem.findings
        self.best_epoch_ = n_epochs
        return self

    @property
    def _is_binary_softmax(self) -> bool:
        return len(self.network_.bias) == 2 and not self._is_multi_label

    def _compute_scores(self, X: Any) -> Array:
        check_is_fitted(self)
        with np.errstate(all="ignore"):  # a network that diverged answers too
            scores: Array = self.network_.compute_scores(validation.read_features(self, X))
            return scores

    def _read_val(self, X_val: Any, y_val: Any, targets: Targets) -> Dataset | None:
        if (X_val is None) != (y_val is None):
            raise BadInput(
                f"{'X_val' if X_val is None else 'y_val'} is missing: validation takes both X_val and y_val."
            )
        if X_val is None:
            return None
        X_val, y_val = validation.read_rows(self, X_val, y_val, reset=False)
        val = validation.read_targets(y_val, self.loss, targets.classes, name="y_val")
        if val.y.shape[1:] != targets.y.shape[1:]:
            raise BadInput(f"y_val has shape {np.shape(y_val)}, which does not go with y.")
        return validation.make_dataset(X_val, val, self.image_shape)

    def _choose_best(self, problem: Problem) -> Best | None:
        if not self.early_stopping:
            return None
        if problem.splits.val is None:
            raise BadInput("early_stopping needs validation rows: fit(X, y, X_val=..., y_val=...).")
        return Best(self.patience)

    def _choose_classes(self, y: Any, classes: Any, is_first: bool) -> Array | None:
        """The classes of a partial_fit."""
        if type_of_target(y) == "multilabel-indicator":
            return None
        if is_first and classes is None:
            raise BadInput("classes is missing: the first call of partial_fit takes all labels that there will be.")
        if is_first:
            return np.unique(classes)
        if classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise BadInput(
                f"classes are {np.unique(classes).tolist()!r}; accepted are those of the first call, "
                f"{self.classes_.tolist()!r}."
            )
        return np.asarray(self.classes_)

    def _make_bank(self, recipe: Recipe, problem: Problem) -> Bank:
        """A bank of one, at its start or, with a warm start, where the last fit has come to."""
        if self.warm_start and hasattr(self, "network_"):
            return self._take_up(recipe, problem)
        fold = make_fold(self, problem)
        return make_bank([recipe], fold.scaler, problem.n_scores, _leave_out_plain(fold))

    def _take_up(self, recipe: Recipe, problem: Problem) -> Bank:
        """A bank of one that says what the network says, by the scaler of this problem."""
        self._check_goes_on(problem)
        fold = make_fold(self, problem)
        network = self.network_.rescale(fold.scaler.mean, fold.scaler.std)
        return replace(resume_bank([recipe], [network]), folds=_leave_out_plain(fold))

    def _check_goes_on(self, problem: Problem) -> None:
        """Raise BadInput unless the network can go on with this problem."""
        K, D = self.network_.weights.shape
        targets, n_features = problem.targets, problem.splits.dataset.X.shape[1]
        found = _name_kind(n_features, targets.n_scores, targets.classes, targets.is_multi_label)
        accepted = _name_kind(D, K, self.classes_, self._is_multi_label)
        if found != accepted:
            raise BadInput(f"These rows have {found}; to go on, accepted is what was learnt from: {accepted}.")

    def _train(self, training: BankTraining, problem: Problem, tasks: FitTasks, best: Best | None) -> None:
        """All epochs, with a stop between any two where somebody watches or waits for one."""
        dataset = problem.splits.dataset
        step = 1 if tasks.is_watched or best else training.epochs
        while training.can_continue(training.epochs):
            is_asked = tasks.run(
                "epoch",
                lambda: training.run(training.epoch + step),
                lambda: self._describe(make_network(training.bank, 0, dataset, {}), problem, training.epoch),
            )
            if (best and best.is_over(training)) or is_asked:
                break

    def _keep(self, training: BankTraining, problem: Problem, best: Best | None) -> None:
        """The fitted attributes, from where the training stands."""
        history, recipe, dataset = training.collect_histories()[0], training.bank.recipes[0], problem.splits.dataset
        if best:
            best.restore(training)
        network = make_network(training.bank, 0, dataset, {"recipe": recipe.to_json()})
        self._adopt(network, problem, recipe, training.epoch)
        self.best_epoch_ = best.epoch if best else training.epoch
        self._order = training.order
        self.history_ = {name: [getattr(row, name) for row in history] for name in HISTORY_COLUMNS}
        losses = [row.train_loss for row in history if row.train_loss is not None]
        self.findings_ = (*_check_diverged(recipe, losses, problem), *problem.findings)

    def _make_next_recipe(self, problem: Problem, n_before: int) -> Recipe:
        """What a later partial_fit trains: of what ``auto`` stands for, some is known from this many rows before."""
        is_known = self.learning_rate != "auto" or n_before >= ENOUGH_ROWS
        recipe = make_recipe(self, problem, self.learning_rate_ if is_known else None)
        if self.dtype == "auto":
            recipe = recipe.replace(dtype=self.network_.weights.dtype.name)
        if is_known:
            return recipe
        # Rates are one over curvatures, whose mean it is; the first row, which is its own mean, has no say.
        before, now = n_before - 1, np.count_nonzero(problem.weights)
        curvature = (before / self.learning_rate_ + now / recipe.learning_rate) / (before + now)
        return recipe.replace(learning_rate=1 / curvature)

    def _step(self, bank: Bank, problem: Problem) -> float:
        """One pass over the rows, at the rate of as many epochs as there were calls; their loss after it."""
        training = BankTraining(bank, problem.splits, TrainOptions())
        training.order, training.epoch = self._order, min(self.n_iter_, bank.recipes[0].epochs - 1)
        training.run(training.epoch + 1)
        loss = training.histories[0][-1].train_loss
        return float("nan") if loss is None else loss

    def _describe(self, network: OneLayer, problem: Problem, n_epochs: int) -> dict[str, Any]:
        """The fitted attributes that predicting needs."""
        return {
            "network_": network,
            "classes_": problem.targets.classes,
            "_is_multi_label": problem.targets.is_multi_label,
            "n_features_in_": network.weights.shape[1],
            "n_iter_": n_epochs,
        }


def _check_diverged(recipe: Recipe, losses: list[float], problem: Problem) -> list[Finding]:
    return check_diverged(recipe, losses, compute_chance_loss(recipe.loss, problem.n_scores))


def _leave_out_plain(fold: Fold) -> tuple[Fold, ...]:
    """No fold where every row weighs the same."""
    return () if fold.is_mask and fold.sample_weight.all() else (fold,)


def _name_kind(n_features: int, n_scores: int, classes: Array, is_multi_label: bool) -> str:
    """What rows must have in common for a network to go on with them."""
    labels = "several labels" if is_multi_label else "a label"
    return f"{n_features} features, {n_scores} scores, and {labels} each of {classes.tolist()!r}"
