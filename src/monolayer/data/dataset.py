"""Dataset and Splits: features and labels, and training, validation and sealed test rows of them."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from monolayer._typing import Array
from monolayer.data.memmap import count_rows, give_back, is_large, read_rows
from monolayer.data.splitting import cut_rows
from monolayer.errors import BadData, BadInput
from monolayer.features.normalize import NORMALIZATIONS, compute_row_norms

if TYPE_CHECKING:
    from monolayer.features.base import ImageTransformer

FEATURE_DTYPES = ("uint8", "float16", "float32", "float64")
# The share of the rows that are test rows if the dataset has no test file.
DEFAULT_TEST_SHARE = 0.2
# The assignment holds out 1,000 of 50,000 images; of a small dataset it is a sixth of the rows.
DEFAULT_VAL_SIZE, DEFAULT_VAL_SHARE = 1000, 6
MAX_SEED = 2**32  # scikit-learn's limit


@dataclass(frozen=True, eq=False)
class Dataset:
    """Features and labels, in memory or memory-mapped, with their provenance.

    Args:
        X: features, (n, D), uint8, float16, float32 or float64, which are not converted. Images are channel-major
            (all red, all green, all blue).
        y: labels, (n,), integers from 0 to K - 1; or several per row, (n, K), 0 or 1, for multiple BCE.
        class_names: K names, in the order of the labels.
        name: short name, such as ``cifar10``.
        image_shape: (channels, height, width) where a row is an image, else None.
        source: where the content was read, in words.
        test: the dataset's test file, if it has one.
        known_sha256: the value of :attr:`sha256`, if it is known.
        pixel_max: the value of a fully lit pixel, where rows are images; None: unknown, so that networks cannot take
            image files.
        val: the dataset's validation file, if it has one.
        split_seed: default seed of :meth:`split`; None: rows are divided by file order.
        reading: path and options of :func:`monolayer.load`, if the data was read from a path.
        columns: names of the D features, where they are columns of a table.
        groups: (n,) values; rows with equal values stay together when rows are divided at random.
        normalize: ``l2`` divides each row by its length before any other use; ``none``.
        both_ways: where rows are features of images: (2 n, D), X and then the features of the mirrored images; for each
            row of an epoch a recipe's flips choose one of the two.
        transformer: the transformer that computed the features of images; it is saved with networks.

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
        """SHA-256 of the decoded content, see :func:`compute_sha256`; computed when it is first needed.

        For features of images it is that of the images, since the rows are the same.
        """
        both = self.X if self.both_ways is None else self.both_ways
        return self.known_sha256 or compute_sha256(both, self.y, self.test, self.val)

    @cached_property
    def row_scales(self) -> Array | None:
        """The factor of each row, (n,) float32: 1 / its length, and 1 for a row of zeros; None without normalisation.

        One pass over the file, when it is first needed.
        """
        if self.normalize == "none":
            return None
        scales, stride = np.empty(len(self.X), np.float32), count_rows(self.X)
        for start in range(0, len(self.X), stride):
            scales[start : start + stride] = 1 / compute_row_norms(self.X[start : start + stride])
            give_back(self.X)
        return scales

    @property
    def has_flips(self) -> bool:
        """Whether rows can be mirrored: images, and features that were computed for both orientations."""
        return self.image_shape is not None or self.both_ways is not None

    @property
    def parts(self) -> dict[str, Dataset]:
        """The dataset itself as ``train``, and its validation and test file as ``val`` and ``test``, if there are."""
        parts = {"train": self, "val": self.val, "test": self.test}
        return {name: part for name, part in parts.items() if part is not None}

    @property
    def n_classes(self) -> int:
        """Number of classes K."""
        return len(self.class_names)

    @property
    def is_multi_label(self) -> bool:
        """Whether a row can have several labels, or none."""
        return self.y.ndim == 2

    def split(
        self, val: float = 0, *, seed: int | None = None, train: int | None = None, test: float | None = None
    ) -> Splits:
        """Divide the rows into training, validation and test rows; see :func:`monolayer.data.dataset.make_splits`."""
        return make_splits(self, val_size=val, seed=seed, train_size=train, test_size=test)


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows of a dataset, without a copy.

    Args:
        dataset: the dataset.
        index: the positions of the rows in it, (n,) int64.
    """

    dataset: Dataset
    index: Array

    def __len__(self) -> int:
        return len(self.index)

    def __repr__(self) -> str:
        """One line, without the arrays."""
        return f"<{len(self):,} rows of {self.dataset!r}>"

    @property
    def y(self) -> Array:
        """Labels, (n,) int64."""
        return np.asarray(self.dataset.y[self.index], dtype=np.int64)

    @property
    def scales(self) -> Array | None:
        """The factor of each row, (n,) float32; None without normalisation."""
        scales = self.dataset.row_scales
        return None if scales is None else scales[self.index]

    def take_labels(self, order: Array) -> Array:
        """Labels at these positions, (n,) or (n, K) int64."""
        return np.asarray(self.dataset.y[self.index[order]], dtype=np.int64)

    def locate(self) -> tuple[Array, Array | None]:
        """(X, positions): row i is X[positions[i]], or X[i] where positions is None. X is a view, never a copy."""
        # A plain array over the same memory: indexing a numpy.memmap takes 30 microseconds more each time.
        X = self.dataset.X.view(np.ndarray)
        first, n = int(self.index[0]), len(self)
        if np.array_equal(self.index, np.arange(first, first + n)):
            return X[first : first + n], None
        return X, self.index

    def gather(self, order: Array, mirrored: Array | None, *, in_memory: bool) -> tuple[Array, Array, Array | None]:
        """(X, places, mirrored): row ``order[i]`` is ``X[places[i]]``, mirrored if ``mirrored[i]``.

        Args:
            order: positions among these rows, (n,).
            mirrored: which of them are mirrored, (n,) bool, or None. For features of both orientations the returned
                places choose between these, and the returned ``mirrored`` is None.
            in_memory: whether X is a copy in memory, for which each row is read once, in ascending order.
        """
        both = self.dataset.both_ways
        if both is not None and mirrored is not None:
            X, places, mirrored = both.view(np.ndarray), self.index[order] + len(self.dataset.X) * mirrored, None
        elif in_memory:
            X, places = self.dataset.X, self.index[order]
        else:
            X, index = self.locate()
            places = order if index is None else index[order]
        if in_memory:
            wanted, places = np.unique(places, return_inverse=True)
            X = read_rows(X, wanted)
        return X, places, mirrored

    def iterate_blocks(self, size: int) -> Iterator[Array]:
        """The features in blocks, (at most size, D), in order; views if the rows are adjacent and not normalised."""
        scales = self.scales
        for start, block in zip(range(0, len(self), size), self._iterate_raw(size), strict=True):
            yield block if scales is None else block * scales[start : start + size, None]

    def _iterate_raw(self, size: int) -> Iterator[Array]:
        X, positions = self.locate()
        stride = -(-count_rows(X) // size) * size
        for start in range(0, len(self), size):
            if positions is None:
                yield X[start : start + size]
                if not (start + size) % stride:
                    give_back(X)
            else:
                places = positions[start : start + size]
                yield read_rows(X, places) if is_large(X) and (np.diff(places) > 0).all() else X[places]
        give_back(X)


@dataclass(frozen=True)
class Opening:
    """One opening of the test rows: when (UTC, ISO 8601) and why."""

    when: str
    why: str

    def __str__(self) -> str:
        return f"{self.when}: {self.why}"


@dataclass(frozen=True, eq=False)
class Splits:
    """Training, validation and test rows of one dataset; test rows are opened by :meth:`~monolayer.Splits.open_test`.

    Args:
        train: training rows.
        val: validation rows, or None.
        openings: of the test rows, in order of time.
        request: the arguments of :func:`make_splits`, by name.
    """

    train: Rows
    val: Rows | None
    _test: Rows
    openings: list[Opening] = field(default_factory=list)
    request: dict[str, float | None] = field(default_factory=dict)

    def __repr__(self) -> str:
        """One line, without the arrays."""
        n_val = 0 if self.val is None else len(self.val)
        counts = f"{len(self.train):,} training, {n_val:,} validation and {self.n_test:,} test rows"
        return f"<Splits of {self.dataset!r}: {counts}>"

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the data and of the indices of the training, validation and test rows."""
        digest = hashlib.sha256(self.dataset.sha256.encode())
        if self.dataset.normalize != "none":
            digest.update(self.dataset.normalize.encode())
        for rows in (self.train, self.val, self._test):
            # With the number of rows: else another division of the same sequence would have the same bytes.
            index = np.zeros(0, "<i8") if rows is None else np.asarray(rows.index, "<i8")
            digest.update(len(index).to_bytes(8, "little") + index.tobytes())
        return digest.hexdigest()

    @property
    def identity(self) -> str:
        """The fingerprint, and the hash of the transformer of features of images: equal for equal training data."""
        transformer = self.dataset.transformer
        return self.fingerprint if transformer is None else f"{self.fingerprint} {transformer.sha256}"

    @property
    def dataset(self) -> Dataset:
        """The dataset of the training rows."""
        return self.train.dataset

    @property
    def n_test(self) -> int:
        """Number of test rows; counting does not open them."""
        return len(self._test)

    def count_overlaps(self) -> dict[tuple[str, str], int]:
        """How many rows are in two parts, by the parts' names; counting does not open the test rows."""
        parts = {"training": self.train, "validation": self.val, "test": self._test}
        return {
            (first, second): len(np.intersect1d(a.index, b.index))
            for (first, a), (second, b) in itertools.combinations(parts.items(), 2)
            if a is not None and b is not None and a.dataset is b.dataset
        }

    def divides_like(self, other: Splits) -> bool:
        """Whether the same places are for training, validation and test there; comparing does not open the test."""
        pairs = ((self.train, other.train), (self.val, other.val), (self._test, other._test))
        return all(
            (a is None and b is None) or (a is not None and b is not None and np.array_equal(a.index, b.index))
            for a, b in pairs
        )

    def open_test(self, reason: str, *, again: bool = False) -> Rows:
        """The test rows; the opening is recorded in ``openings``.

        Args:
            reason: why they are opened.
            again: allow another opening. Settings that are changed after the test rows were opened, and evaluated on
                them again, are fitted to them.

        Raises:
            BadInput: if they were opened before, and ``again`` is False.
        """
        if self.openings and not again:
            raise BadInput(
                f"The test rows were opened before ({self.openings[-1]}); to open them once more, and have it "
                "recorded, ask for it by name: --again (again=True)."
            )
        # The only use of a clock below training: an opening is recorded with its time.
        self.openings.append(Opening(datetime.now(UTC).isoformat(timespec="seconds"), reason))
        return self._test


def compute_sha256(X: Array, y: Array, test: Dataset | None = None, val: Dataset | None = None) -> str:
    """SHA-256 of the decoded content: dtype and shape of X, its bytes, labels as int64; then of test and validation.

    Where features have both orientations, X is ``both_ways``.
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
            f"the training rows {train.X.dtype.name} {train.X.shape[1:]}; accepted are the same shape and dtype."
        )


def _check_both_ways(dataset: Dataset) -> None:
    both, X = dataset.both_ways, dataset.X
    if both is None or both.shape != (2 * len(X), X.shape[1]) or both.dtype != X.dtype:
        raise BadData(f"{dataset.name}: both_ways must be {X.dtype.name} of shape {(2 * len(X), X.shape[1])}.")
    if dataset.image_shape is not None or dataset.normalize != "none":
        raise BadInput(f"{dataset.name}: both_ways is for features that are not images and are not normalised.")


def _check_features(X: Array, name: str) -> None:
    if X.ndim != 2 or 0 in X.shape:
        raise BadData(f"{name}: X must have shape (n, D) with at least one row and one feature, not {X.shape}.")
    if X.dtype.name not in FEATURE_DTYPES:
        raise BadData(f"{name}: X is {X.dtype.name}; accepted are {', '.join(FEATURE_DTYPES)} (X.astype).")


def _check_names(names: tuple[str, ...], name: str) -> None:
    twice = [one for one, n in Counter(names).items() if n > 1]
    if twice:
        raise BadData(f"{name}: class_names hold {twice[0]!r} more than once; accepted are names that differ.")


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
            f"{name}: several labels per row must have shape {(len(X), n_classes)} to go with X, not {y.shape}."
        )
    if y.dtype.kind not in "biu" or not ((y == 0) | (y == 1)).all():
        raise BadData(f"{name}: several labels per row must be 0 or 1, as integers or booleans.")


def choose_val_size(dataset: Dataset) -> int:
    """The default number of validation rows; 0 if the dataset has a validation file."""
    return 0 if dataset.val is not None else min(DEFAULT_VAL_SIZE, len(dataset.X) // DEFAULT_VAL_SHARE)


def make_splits(
    dataset: Dataset,
    *,
    val_size: float = 0,
    seed: int | None = None,
    train_size: int | None = None,
    test_size: float | None = None,
) -> Splits:
    """Divide a dataset's rows.

    Sizes are numbers of rows, or below 1 shares of the rows of the training file. A validation or test file of the
    dataset is used as it is. Without a seed, here or in the dataset, rows are divided by file order: test rows are the
    last ``test_size`` rows (a fifth); validation rows are the last ``val_size`` rows before them; training rows are the
    first ``train_size`` of the rest (all). With a seed they are drawn at random, stratified by class; if the dataset
    has groups, whole groups are drawn, as close to this as they allow. The other rows stay in file order.

    Raises:
        BadInput: if a size is negative, exceeds the number of rows, or leaves no training rows.
    """
    sizes = {"val_size": val_size, "train_size": train_size, "test_size": test_size}
    counts = {name: _count_rows(name, size, len(dataset.X)) for name, size in sizes.items()}
    seed = dataset.split_seed if seed is None else seed
    if seed is not None and not 0 <= seed < MAX_SEED:
        raise BadInput(f"The seed of the split is {seed}; accepted is a whole number from 0 to {MAX_SEED - 1}.")
    left = np.arange(len(dataset.X), dtype=np.int64)
    left, test = _take_test(dataset, left, counts["test_size"], seed)
    left, val = _take_val(dataset, left, counts["val_size"] or 0, seed)
    n_train = counts["train_size"]
    if n_train is not None and not 1 <= n_train <= len(left):
        raise BadInput(f"train_size is {n_train}; accepted are 1 to {len(left)}, the rows left to train on.")
    return Splits(
        train=Rows(dataset, left[:n_train]),
        val=val,
        _test=test,
        request={"val_size": val_size, "seed": seed, "train_size": train_size, "test_size": test_size},
    )


def _count_rows(name: str, size: float | None, n: int) -> int | None:
    """A size as a number of rows out of n."""
    if size is None:
        return None
    is_number = isinstance(size, int | float | np.integer | np.floating) and 0 <= size < np.inf
    if not is_number or (size >= 1 and size != int(size)):
        raise BadInput(f"{name} is {size!r}; accepted is a whole number of 0 or above, or a share of the rows below 1.")
    return int(size) if size >= 1 or size == 0 else max(1, round(size * n))


def _take_val(dataset: Dataset, left: Array, size: int, seed: int | None) -> tuple[Array, Rows | None]:
    if dataset.val is not None:
        if size:
            raise BadInput(f"val_size is {size}, but {dataset.name} has a validation file; leave val_size out.")
        return left, Rows(dataset.val, np.arange(len(dataset.val.X), dtype=np.int64))
    left, val = cut_rows(dataset, left, size, seed, "validation")
    return left, Rows(dataset, val) if len(val) else None


def _take_test(dataset: Dataset, left: Array, test_size: int | None, seed: int | None) -> tuple[Array, Rows]:
    if dataset.test is not None:
        n_test = len(dataset.test.X) if test_size is None else test_size
        if not 1 <= n_test <= len(dataset.test.X):
            raise BadInput(f"test_size is {n_test}; accepted are 1 to {len(dataset.test.X)}, the test file's rows.")
        return left, Rows(dataset.test, np.arange(n_test, dtype=np.int64))
    n_test = round(DEFAULT_TEST_SHARE * len(left)) if test_size is None else test_size
    left, test = cut_rows(dataset, left, n_test, seed, "test")
    if not len(test):
        raise BadInput("test_size is 0; accepted is 1 or above, since this dataset has no test file.")
    return left, Rows(dataset, test)
