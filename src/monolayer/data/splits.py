"""Splits: training, validation and sealed test rows."""

from __future__ import annotations

import hashlib
import itertools
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from monolayer.data.dataset import Dataset
from monolayer.data.mapped import count_rows, give_back, is_large, read_rows
from monolayer.errors import BadInput

Array = npt.NDArray[Any]
# A dataset without a test file of its own gives up this share of its rows.
DEFAULT_TEST_SHARE = 0.2
# The assignment holds out 1,000 of 50,000 images; a small dataset gives up a sixth of its rows.
DEFAULT_VAL_SIZE, DEFAULT_VAL_SHARE = 1000, 6
# Groups are dealt into lots, and some of these are cut off: at most so many, as each takes time; so near to the share.
MOST_LOTS, SHARE_MISS = 20, 0.02
MAX_SEED = 2**32  # scikit-learn's limit


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows of a dataset: nothing is copied.

    Args:
        dataset: where the rows are.
        index: which they are, (n,) int64, in the dataset's own order.
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
        """What each row is multiplied by where it is used, (n,) float32; None without normalisation."""
        scales = self.dataset.row_scales
        return None if scales is None else scales[self.index]

    def take_labels(self, order: Array) -> Array:
        """Labels at these positions, (n,) or (n, K) int64."""
        return np.asarray(self.dataset.y[self.index[order]], dtype=np.int64)

    def locate(self) -> tuple[Array, Array | None]:
        """(X, positions): row i is X[positions[i]], or X[i] where positions is None. X is a view, never a copy."""
        # A plain array over the same memory: indexing a numpy.memmap costs some 30 microseconds more each time.
        X = self.dataset.X.view(np.ndarray)
        first, n = int(self.index[0]), len(self)
        if np.array_equal(self.index, np.arange(first, first + n)):
            return X[first : first + n], None
        return X, self.index

    def meet(self, order: Array, mirrored: Array | None, *, in_memory: bool) -> tuple[Array, Array, Array | None]:
        """(X, places, mirrored): where the rows at these positions are found, (n,), and which are still to be mirrored.

        Args:
            order: positions, (n,).
            mirrored: which of them are to be mirrored, (n,) bool, or None. Features have both ways to choose from.
            in_memory: whether X is to be a copy in memory; a file is read forwards then, each row once.
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
        """The rows' features, (at most size, D), in order; a view where they lie side by side, unless normalised."""
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
                yield read_rows(X, places) if is_large(X) and _rises(places) else X[places]
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
    """Training, validation and test rows of one dataset; the test rows are behind :meth:`~monolayer.Splits.open_test`.

    Args:
        train: rows to learn from.
        val: rows to choose settings by, or None.
        openings: of the test rows, the first one first.
        request: what :func:`make_splits` was asked for, by its arguments' names, so that it can be asked again.
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
        """SHA-256 of the data and of which rows are for training, validation and test."""
        digest = hashlib.sha256(self.dataset.sha256.encode())
        if self.dataset.normalize != "none":
            digest.update(self.dataset.normalize.encode())
        for rows in (self.train, self.val, self._test):
            # With the number of rows, or two cuts of the same rows in another place would be the same bytes.
            index = np.zeros(0, "<i8") if rows is None else np.asarray(rows.index, "<i8")
            digest.update(len(index).to_bytes(8, "little") + index.tobytes())
        return digest.hexdigest()

    @property
    def identity(self) -> str:
        """The fingerprint, and of features of images what made them: where it is equal, networks are."""
        transformer = self.dataset.transformer
        return self.fingerprint if transformer is None else f"{self.fingerprint} {transformer.sha256}"

    @property
    def dataset(self) -> Dataset:
        """The dataset that the training rows belong to."""
        return self.train.dataset

    @property
    def n_test(self) -> int:
        """Number of test rows; counting does not open them."""
        return len(self._test)

    def count_overlaps(self) -> dict[tuple[str, str], int]:
        """How many rows stand in two parts, by the parts' names; counting does not open the test rows."""
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
            again: whether they may have been opened before. Settings that are changed after a look at the test rows,
                and judged by them once more, are fitted to them.

        Raises:
            BadInput: if they have been opened before and this is not said to be one time more.
        """
        if self.openings and not again:
            raise BadInput(
                f"The test rows were opened before ({self.openings[-1]}); to open them once more, and have it "
                "recorded, ask for it by name: --again (again=True)."
            )
        # The one clock below training: a seal that does not say when it was broken is none.
        self.openings.append(Opening(datetime.now(UTC).isoformat(timespec="seconds"), reason))
        return self._test


def _cut_groups(dataset: Dataset, left: Array, size: int, seed: int | None, what: str) -> tuple[Array, Array]:
    """Whole groups, about so many rows and in about the classes' proportions."""
    if seed is None:
        raise BadInput(f"Groups stay together, so {what} rows are drawn at random; name a seed (--split-seed).")
    from sklearn.model_selection import StratifiedGroupKFold

    groups, n_folds = np.asarray(dataset.groups)[left], max(2, round(len(left) / size))
    n_groups = len(np.unique(groups))
    if n_groups < n_folds:
        least = -(-2 * len(left) // (2 * n_groups + 1))
        accepted = f"accepted are {least:,} rows or more" if n_groups > 1 else "accepted are 2 groups or more"
        raise BadInput(
            f"{size} {what} rows ask for {n_folds} lots of groups, and there are {n_groups} groups; {accepted}."
        )
    kinds = _find_kinds(dataset, left)
    most = int(np.bincount(kinds).max())
    if most < n_folds:
        kinds = np.zeros_like(kinds)  # no class has a row for each lot: there is nothing to draw in proportion to
        most = len(left)
    n_folds, n_cut = _choose_lots(size / len(left), n_folds, min(n_groups, most))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of classes with fewer rows than lots: as near as may be
        drawn = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed).split(left, kinds, groups)
        cut = np.sort(np.concatenate([places for _, places in itertools.islice(drawn, n_cut)]))
    return np.delete(left, cut), left[cut]


def _choose_lots(share: float, n_least: int, n_most: int) -> tuple[int, int]:
    """(lots, how many of them are cut off): the fewest that come near the share, else those that come nearest."""
    lots = [(n, min(n - 1, max(1, round(n * share)))) for n in range(2, max(n_least, min(n_most, MOST_LOTS)) + 1)]
    misses = [abs(cut / n - share) for n, cut in lots]
    near = [pair for pair, miss in zip(lots, misses, strict=True) if miss <= SHARE_MISS * share]
    return near[0] if near else lots[int(np.argmin(misses))]


def _find_kinds(dataset: Dataset, left: Array) -> Array:
    """The class of each row, (n,) int64; of several labels a row, which of them it has together."""
    if not dataset.is_multi_label:
        return np.asarray(dataset.y[left], dtype=np.int64)
    kinds: Array = np.unique(dataset.y[left], axis=0, return_inverse=True)[1].reshape(-1)
    return kinds


def _part_with_lonely(left: Array, kinds: Array) -> tuple[Array, Array, Array]:
    """(rows that can be drawn in proportion, the others, the kinds of the first): a kind's only row is trained on."""
    lonely = np.flatnonzero(np.bincount(kinds) == 1)
    if not len(lonely):
        return left, left[:0], kinds
    is_lonely = np.isin(kinds, lonely)
    return left[~is_lonely], left[is_lonely], kinds[~is_lonely]


def _check_proportion(dataset: Dataset, left: Array, n_drawn: int, size: int, what: str) -> None:
    """Raise BadInput if not every class that can be drawn gets a row on either side."""
    counts = np.bincount(_find_kinds(dataset, left))
    counts, kinds = counts[counts > 0], np.flatnonzero(counts)
    n_kinds = int((counts > 1).sum())
    if n_drawn and n_kinds <= size <= n_drawn - n_kinds:
        return
    fewest = int(counts.argmin())
    name = "a set of labels" if dataset.is_multi_label else f"class {dataset.class_names[kinds[fewest]]!r}"
    option = f"--{'val' if what == 'validation' else what}-size"
    accepted = f"{n_kinds:,} to {n_drawn - n_kinds:,} rows ({option})" if n_drawn else "2 rows a class or more"
    raise BadInput(
        f"{size} {what} rows cannot be drawn in proportion to the classes: each of {n_kinds or len(counts):,} needs a "
        f"row there and one to train on, and {name} has {counts[fewest]:,} of {len(left):,}; accepted are {accepted}."
    )


def _rises(places: Array) -> bool:
    return bool((np.diff(places) > 0).all())


def choose_val_size(dataset: Dataset) -> int:
    """How many rows to hold out for validation where nobody says; none where the dataset has validation rows."""
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

    Sizes are numbers of rows, or below 1 shares of the training file's. Rows that the dataset has for validation or
    test are used as they are. Without a seed, named here or by the dataset, everything else goes by file order: test
    rows are the last ``test_size`` rows (a fifth); validation is the last ``val_size`` rows before them; training is
    the first ``train_size`` of the rest (all). With a seed they are drawn at random in proportion to the classes, and
    where the dataset has groups, whole groups, as near to that as these allow; the rest stay in file order.

    Raises:
        BadInput: if a size is negative, or leaves no rows to train on, or asks for more rows than there are.
    """
    sizes = {"val_size": val_size, "train_size": train_size, "test_size": test_size}
    counts = {name: _count_rows(name, size, len(dataset.X)) for name, size in sizes.items()}
    seed = dataset.split_seed if seed is None else seed
    if seed is not None and not 0 <= seed < MAX_SEED:
        raise BadInput(f"The seed of the split is {seed}; accepted is a whole number from 0 to {MAX_SEED - 1}.")
    left = np.arange(len(dataset.X), dtype=np.int64)
    left, test = _take_test(dataset, left, counts["test_size"], seed)
    left, val = _take_val(dataset, left, counts["val_size"] or 0, seed)
    return Splits(
        train=Rows(dataset, _take_train(left, counts["train_size"])),
        val=val,
        _test=test,
        request={"val_size": val_size, "seed": seed, "train_size": train_size, "test_size": test_size},
    )


def _count_rows(name: str, size: float | None, n: int) -> int | None:
    """A size as a number of rows of n."""
    if size is None:
        return None
    is_number = isinstance(size, int | float | np.integer | np.floating) and 0 <= size < np.inf
    if not is_number or (size >= 1 and size != int(size)):
        raise BadInput(f"{name} is {size!r}; accepted is a whole number of 0 or above, or a share of the rows below 1.")
    return int(size) if size >= 1 or size == 0 else max(1, round(size * n))


def _take_val(dataset: Dataset, left: Array, size: int, seed: int | None) -> tuple[Array, Rows | None]:
    if dataset.val is not None:
        if size:
            raise BadInput(f"val_size is {size}, but {dataset.name} has validation rows of its own; leave it out.")
        return left, Rows(dataset.val, np.arange(len(dataset.val.X), dtype=np.int64))
    left, val = _cut(dataset, left, size, seed, "validation")
    return left, Rows(dataset, val) if len(val) else None


def _take_test(dataset: Dataset, left: Array, test_size: int | None, seed: int | None) -> tuple[Array, Rows]:
    if dataset.test is not None:
        n_test = len(dataset.test.X) if test_size is None else test_size
        if not 1 <= n_test <= len(dataset.test.X):
            raise BadInput(f"test_size is {n_test}; accepted are 1 to {len(dataset.test.X)}, the test file's rows.")
        return left, Rows(dataset.test, np.arange(n_test, dtype=np.int64))
    n_test = round(DEFAULT_TEST_SHARE * len(left)) if test_size is None else test_size
    left, test = _cut(dataset, left, n_test, seed, "test")
    if not len(test):
        raise BadInput("test_size is 0; accepted is 1 or above, since this dataset has no test file of its own.")
    return left, Rows(dataset, test)


def _take_train(left: Array, train_size: int | None) -> Array:
    if train_size is not None and not 1 <= train_size <= len(left):
        raise BadInput(f"train_size is {train_size}; accepted are 1 to {len(left)}, the rows left to train on.")
    return left[:train_size]


def _cut(dataset: Dataset, left: Array, size: int, seed: int | None, what: str) -> tuple[Array, Array]:
    """(the rest, the rows cut off), both in file order."""
    if size >= len(left):
        raise BadInput(f"{size} {what} rows leave no training rows; {what} rows must be fewer than {len(left)}.")
    if size == 0:
        return left, left[:0]
    if dataset.groups is not None:
        return _cut_groups(dataset, left, size, seed, what)
    if seed is None:
        return left[: len(left) - size], left[len(left) - size :]
    from sklearn.model_selection import train_test_split  # here: it takes a second that splits by file order never need

    drawn, alone, kinds = _part_with_lonely(left, _find_kinds(dataset, left))
    _check_proportion(dataset, left, len(drawn), size, what)
    rest, cut = train_test_split(drawn, test_size=size, random_state=seed, stratify=kinds)
    return np.sort(np.concatenate([rest, alone]) if len(alone) else rest), np.sort(cut)
