"""Dataset: features, labels and where they came from."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from monolayer.data.mapped import count_rows, give_back
from monolayer.errors import BadData, BadInput
from monolayer.lengths import NORMALIZATIONS, compute_lengths

if TYPE_CHECKING:
    from monolayer.data.splits import Splits
    from monolayer.features.base import ImageTransformer

Array = npt.NDArray[Any]
FEATURE_DTYPES = ("uint8", "float16", "float32", "float64")


@dataclass(frozen=True, eq=False)
class Dataset:
    """Features and labels, in memory or memory-mapped, with their provenance.

    Args:
        X: features, (n, D), uint8, float16, float32 or float64; they stay what they are. Images are channel-major (all
            red, all green, all blue).
        y: labels, (n,), integers from 0 to K - 1; or several a row, (n, K), 0 or 1, which multiple BCE can learn.
        class_names: K names, in the order of the labels.
        name: short name, such as ``cifar10``.
        image_shape: (channels, height, width) where a row is an image, else None.
        source: where the content came from, in words.
        test: the dataset's own test file, where it ships with one.
        known_sha256: what :attr:`sha256` is, where it is known.
        pixel_max: the value of a fully lit pixel, where rows are images; None: not known, so the network
            cannot be asked about image files.
        val: rows that are set apart for validation, where it ships with them.
        split_seed: with which rows are divided where no other is named; None: by file order.
        reading: where it was read and how, if it is data of one's own: ``path``, and options of :func:`monolayer.load`.
        columns: names of the D features, where they are columns of a table.
        groups: (n,) values; rows of one value stay together when rows are divided at random.
        normalize: ``l2``: every row is divided by its length wherever it is used, before anything else; ``none``.
        both_ways: where rows are features of images, and not images: (2 n, D), X and then the features of the same
            images mirrored, of which a recipe's flips choose one at each meeting.
        transformer: what made the features of images; networks that learn from them carry it.

    Raises:
        BadData: if shapes, dtypes or labels do not fit together.
    """

    X: Array
    y: Array
    class_names: tuple[str, ...]
    name: str = "data"
    image_shape: tuple[int, int, int] | None = None
    source: str = "memory"
    test: Dataset | None = None
    known_sha256: str = ""
    pixel_max: float | None = 255.0
    normalize: str = "none"
    val: Dataset | None = None
    groups: Array | None = None
    split_seed: int | None = None
    reading: dict[str, Any] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    both_ways: Array | None = None
    transformer: ImageTransformer | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "class_names", tuple(map(str, self.class_names)))
        object.__setattr__(self, "X", np.asanyarray(self.X))
        object.__setattr__(self, "y", np.asanyarray(self.y))
        _check_features(self.X, self.name)
        _check_names(self.class_names, self.name)
        _check_labels(self.X, self.y, len(self.class_names), self.name)
        if self.image_shape is not None and int(np.prod(self.image_shape)) != self.X.shape[1]:
            raise BadData(
                f"{self.name}: image_shape {self.image_shape} needs {int(np.prod(self.image_shape))} features a row, "
                f"but X has {self.X.shape[1]}."
            )
        if self.normalize not in NORMALIZATIONS:
            raise BadInput(f"normalize is {self.normalize!r}; accepted are {' and '.join(NORMALIZATIONS)}.")
        if self.both_ways is not None:
            _check_both_ways(self)
        if self.groups is not None and np.shape(self.groups) != (len(self.X),):
            raise BadData(f"{self.name}: groups must have shape ({len(self.X)},), not {np.shape(self.groups)}.")
        for name, part in (("validation", self.val), ("test", self.test)):
            if part is not None:
                _check_fit(self, part, name)

    def __repr__(self) -> str:
        """One line, without the arrays."""
        n, D = self.X.shape
        return f"<Dataset {self.name}: {n:,} x {D:,} {self.X.dtype.name}, {self.n_classes} classes>"

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the decoded content, see :func:`compute_sha256`; computed when it is first asked for.

        Of features that were made of images it is the images': a run on either is on the same rows.
        """
        both = self.X if self.both_ways is None else self.both_ways
        return self.known_sha256 or compute_sha256(both, self.y, self.test, self.val)

    @cached_property
    def row_scales(self) -> Array | None:
        """What each row is multiplied by, (n,) float32: 1 / its length; None without normalisation.

        A row of zeros has no direction, and stays what it is. One pass over the file, when it is first asked for.
        """
        if self.normalize == "none":
            return None
        scales, stride = np.empty(len(self.X), np.float32), count_rows(self.X)
        for start in range(0, len(self.X), stride):
            scales[start : start + stride] = 1 / compute_lengths(self.X[start : start + stride])
            give_back(self.X)
        return scales

    @property
    def has_flips(self) -> bool:
        """Whether rows can be met mirrored: images can, and features that were made of both."""
        return self.image_shape is not None or self.both_ways is not None

    @property
    def n_classes(self) -> int:
        """Number of classes K."""
        return len(self.class_names)

    @property
    def is_multi_label(self) -> bool:
        """Whether a row may have several labels, or none."""
        return self.y.ndim == 2

    def split(
        self, val: float = 0, *, seed: int | None = None, train: int | None = None, test: float | None = None
    ) -> Splits:
        """Divide the rows into training, validation and test rows; see :func:`monolayer.data.splits.make_splits`."""
        from monolayer.data.splits import make_splits  # splits builds on this module

        return make_splits(self, val_size=val, seed=seed, train_size=train, test_size=test)


def compute_sha256(X: Array, y: Array, test: Dataset | None = None, val: Dataset | None = None) -> str:
    """SHA-256 of the decoded content: dtype and shape of X, its bytes, labels as int64; then of test and validation.

    Of features of images in both ways X is all of them.
    """
    digest = hashlib.sha256()
    for features, labels in [(X, y), *((part.X, part.y) for part in (test, val) if part is not None)]:
        digest.update(f"{features.dtype.name}{features.shape}".encode())
        stride = count_rows(features)
        for start in range(0, len(features), stride):
            digest.update(np.ascontiguousarray(features[start : start + stride]).data)
            give_back(features)
        digest.update(labels.astype("<i8").data)
    return digest.hexdigest()


def _check_fit(train: Dataset, test: Dataset, name: str) -> None:
    for what in ("class_names", "image_shape", "pixel_max", "normalize"):
        if getattr(train, what) != getattr(test, what):
            raise BadData(f"{train.name}: the {name} rows' {what} differ from the training rows'.")
    if train.X.shape[1:] != test.X.shape[1:] or train.X.dtype != test.X.dtype:
        raise BadData(
            f"{train.name}: the {name} rows are {test.X.dtype.name} {test.X.shape[1:]}, "
            f"the training rows {train.X.dtype.name} {train.X.shape[1:]}; accepted is one kind."
        )


def _check_both_ways(dataset: Dataset) -> None:
    both, X = dataset.both_ways, dataset.X
    if both is None or both.shape != (2 * len(X), X.shape[1]) or both.dtype != X.dtype:
        raise BadData(f"{dataset.name}: both_ways must be {X.dtype.name} of shape {(2 * len(X), X.shape[1])}.")
    if dataset.image_shape is not None or dataset.normalize != "none":
        raise BadInput(f"{dataset.name}: both_ways is for features that are no images and are not normalised.")


def _check_features(X: Array, name: str) -> None:
    if X.ndim != 2 or 0 in X.shape:
        raise BadData(f"{name}: X must have shape (n, D) with at least one row and one feature, not {X.shape}.")
    if X.dtype.name not in FEATURE_DTYPES:
        raise BadData(f"{name}: X is {X.dtype.name}; accepted are {', '.join(FEATURE_DTYPES)} (X.astype).")


def _check_names(names: tuple[str, ...], name: str) -> None:
    twice = [one for one, n in Counter(names).items() if n > 1]
    if twice:
        raise BadData(
            f"{name}: class_names hold {twice[0]!r} more than once; accepted are names that differ, one a class."
        )


def _check_labels(X: Array, y: Array, n_classes: int, name: str) -> None:
    if y.ndim == 2:
        _check_multi_labels(X, y, n_classes, name)
        return
    if y.shape != (len(X),):
        raise BadData(f"{name}: y must have shape ({len(X)},) to go with X, not {y.shape}.")
    if y.dtype.kind not in "iu":
        raise BadData(f"{name}: labels must be integers, not {y.dtype.name}.")
    wrong = np.flatnonzero((y < 0) | (y >= n_classes))
    if wrong.size:
        row = int(wrong[0])
        raise BadData(f"{name}: row {row} has label {int(y[row])}; accepted are 0 to {n_classes - 1}.")


def _check_multi_labels(X: Array, y: Array, n_classes: int, name: str) -> None:
    if y.shape != (len(X), n_classes):
        raise BadData(
            f"{name}: several labels a row must have shape {(len(X), n_classes)} to go with X, not {y.shape}."
        )
    if y.dtype.kind not in "biu" or not ((y == 0) | (y == 1)).all():
        raise BadData(f"{name}: several labels a row must be 0 or 1, as integers or booleans.")
