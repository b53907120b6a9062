"""Validation of features, labels and weights passed to an estimator."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import _check_sample_weight, assert_all_finite, column_or_1d, validate_data

from monolayer._typing import Array
from monolayer.data.dataset import Dataset, Rows, Splits
from monolayer.errors import BadInput
from monolayer.recipe.losses import LOSSES, get_loss

# Kept as they are; other dtypes become float32 if that is exact, else float64.
DTYPES = [np.float64, np.float32, np.float16, np.uint8]
BLOCK = 4096


@dataclass(frozen=True, eq=False)
class Targets:
    """Encoded labels.

    Args:
        y: (n,) int64, indices into ``classes``; (n, K) uint8 with 0 and 1 for several labels per row; (n, 1) int64 for
            two classes with one sigmoid.
        classes: (K,), the labels; for several labels per row 0 to K - 1.
        is_multi_label: whether a row may have several labels.
    """

    y: Array
    classes: Array
    is_multi_label: bool

    @property
    def n_scores(self) -> int:
        """The number of scores per row."""
        return self.y.shape[1] if self.y.ndim == 2 else len(self.classes)


def validate_features(estimator: Any, X: Any) -> Array:
    """X (n, D), C-contiguous, in a dtype of DTYPES, for predicting; an array that is already so is not copied.

    Raises:
        ValueError: scikit-learn's, for shapes, dtypes and values that are not finite.
    """
    return _check_finite(estimator, validate_data(estimator, X, reset=False, **_choose_dtypes(X)))


def validate_rows(estimator: Any, X: Any, y: Any, *, reset: bool) -> tuple[Array, Array]:
    """X as from :func:`validate_features`, and y as an array, for fitting.

    Args:
        estimator: the estimator.
        X: features.
        y: labels.
        reset: whether the estimator stores the number and names of these features.

    Raises:
        ValueError: scikit-learn's.
    """
    X, y = validate_data(estimator, X, y, reset=reset, multi_output=True, **_choose_dtypes(X))
    return _check_finite(estimator, X), y


def _choose_dtypes(X: Any) -> dict[str, Any]:
    dtype = getattr(X, "dtype", None)
    is_small = isinstance(dtype, np.dtype) and np.can_cast(dtype, np.float32)
    return {"dtype": DTYPES[1:] if is_small else DTYPES, "order": "C", "ensure_all_finite": False}


def _check_finite(estimator: Any, X: Array) -> Array:
    """X, checked block by block: scikit-learn's own check may copy a float16 array."""
    if X.dtype.kind == "f":
        for start in range(0, len(X), BLOCK):
            block = X[start : start + BLOCK]
            if not np.isfinite(block).all():
                assert_all_finite(block, estimator_name=type(estimator).__name__, input_name="X")
    return np.asarray(X)


def encode_targets(
    y: Any, loss: str, classes: Array | None = None, present: Array | None = None, name: str = "y"
) -> Targets:
    """Encode labels.

    Args:
        y: labels (n,), or for a loss that takes several labels a row an indicator matrix (n, K) of 0 and 1, which may
            be sparse.
        loss: the loss of the recipe.
        classes: the classes, if they are known; by default those of ``y``.
        present: (n,) bool, the rows whose labels are used; by default all.
        name: of the parameter, for messages.

    Raises:
        ValueError: if ``y`` does not hold labels.
        BadInput: if there are fewer than two classes, or one that is not among ``classes``.
    """
    check_classification_targets(y)
    if type_of_target(y) == "multilabel-indicator":
        y = y.toarray() if hasattr(y, "toarray") else np.asarray(y)
        if not get_loss(loss).is_multi_label:
            accepted = " or ".join(repr(known.name) for known in LOSSES.values() if known.is_multi_label)
            raise BadInput(
                f"{name} has several labels a row, which loss={loss!r} cannot learn; accepted is {accepted}."
            )
        if not ((y == 0) | (y == 1)).all():
            raise BadInput(f"{name} has {y.shape[1]} columns with values other than 0 and 1; accepted are 0 and 1.")
        return Targets(y.astype(np.uint8), np.arange(y.shape[1]), is_multi_label=True)
    labels = column_or_1d(y, warn=True)
    counted = np.ones(len(labels), bool) if present is None else present
    if classes is None:
        classes = np.unique(labels[counted])
    if len(classes) < 2:
        where = "" if counted.all() else " where sample_weight is above 0"
        raise BadInput(
            f"{name} holds 1 class only ({_name(classes)}){where}; accepted are labels of 2 classes or more."
        )
    places = np.searchsorted(classes, labels).clip(0, len(classes) - 1)
    unknown = (classes[places] != labels) & counted
    if unknown.any():
        raise BadInput(
            f"{name} holds {_name(labels[unknown])}, which is not among the classes; they are {classes.tolist()!r}."
        )
    if len(classes) == 2 and get_loss(loss).n_binary_scores == 1:
        places = places[:, None]  # one score for both
    return Targets(places, classes, is_multi_label=False)


def _name(labels: Array) -> str:
    """The first label as Python writes it."""
    return repr(labels.tolist()[0])


def validate_weights(sample_weight: Any, X: Array) -> Array:
    """Sample weights (n,) float64; ones for None.

    Raises:
        ValueError: if there is not one per row, or one is not finite or below 0.
        BadInput: if all are 0.
    """
    weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    if not weights.any():
        raise BadInput("sample_weight is 0 for every row; accepted are weights of which one at least is above 0.")
    return np.asarray(weights)


def compute_class_weights(class_weight: Any, targets: Targets, sample_weight: Array) -> Array:
    """The weight of each class, (K,) float64; by default 1.

    ``balanced``: sum of all sample weights / (K * sum of the class's), so that all classes have the same total weight.

    Raises:
        BadInput: if ``class_weight`` is neither None, ``balanced`` nor a dictionary of the classes.
    """
    K, labels = len(targets.classes), targets.classes.tolist()
    if class_weight is None:
        return np.ones(K)
    if targets.is_multi_label:
        raise BadInput("class_weight is not accepted if rows have several labels; use sample_weight instead.")
    if isinstance(class_weight, str) and class_weight == "balanced":
        sums = np.bincount(targets.y.ravel(), weights=sample_weight, minlength=K)
        return np.asarray(sample_weight.sum() / (K * np.where(sums > 0, sums, np.inf)))
    if not isinstance(class_weight, Mapping) or not all(
        isinstance(weight, Real) and 0 <= float(weight) < math.inf for weight in class_weight.values()
    ):
        raise BadInput(
            f"class_weight is {class_weight!r}; accepted are None, 'balanced' or a dictionary of labels to finite "
            "numbers of 0 or above."
        )
    unknown = [label for label in class_weight if label not in set(labels)]
    # As in scikit-learn: a fold may lack a class, and a name that is misspelt leaves another class without a weight.
    if unknown and not set(labels) <= set(class_weight):
        raise BadInput(f"class_weight names {unknown[0]!r}, which is not among the classes; they are {labels!r}.")
    return np.array([float(class_weight.get(label, 1.0)) for label in labels])


def make_dataset(X: Array, targets: Targets, image_shape: tuple[int, int, int] | None) -> Dataset:
    """The rows as a dataset, without a copy.

    Raises:
        BadInput: if ``image_shape`` is not valid, or does not fit these rows.
    """
    names = targets.classes[-1:] if targets.n_scores == 1 else targets.classes
    return Dataset(X, targets.y, tuple(map(str, names)), image_shape=_validate_image_shape(image_shape))


def _validate_image_shape(image_shape: Any) -> tuple[int, int, int] | None:
    if image_shape is None:
        return None
    sizes = tuple(image_shape) if isinstance(image_shape, Sequence | np.ndarray) else ()
    if len(sizes) != 3 or not all(isinstance(size, Integral) and int(size) >= 1 for size in sizes):
        raise BadInput(
            f"image_shape is {image_shape!r}; accepted are (channels, height, width), numbers of 1 or above."
        )
    return int(sizes[0]), int(sizes[1]), int(sizes[2])


def make_splits(train: Dataset, val: Dataset | None = None) -> Splits:
    """All rows of ``train`` for training, those of ``val`` for validation, and no test rows."""
    train_index = np.arange(len(train.X), dtype=np.int64)
    val_rows = Rows(val, np.arange(len(val.X), dtype=np.int64)) if val else None
    return Splits(Rows(train, train_index), val_rows, Rows(train, train_index[:0]))
