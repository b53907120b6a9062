"""Leaked rows: test rows with a duplicate among the training rows, and what a network scores without them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from monolayer.data.dataset import Rows
from monolayer.duplicates.search import Duplicate, digest_rows, find_duplicates
from monolayer.evaluate.significance import Bootstrap, Interval
from monolayer.progress import SILENCE, Progress

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Leaked:
    """Test rows that stand among the training rows too.

    Args:
        pairs: first is a row of the training rows' dataset, second one of the test rows'.
        mask: (n_test,) bool, whether each test row has such a pair.
    """

    pairs: tuple[Duplicate, ...]
    mask: Array


def find_leaked(train: Rows, test: Rows, *, progress: Progress = SILENCE) -> Leaked:
    """Search test rows for duplicates of training rows: of two datasets, or of one that was divided.

    Args:
        train: training rows; the rest of their dataset is searched too, but not counted.
        test: test rows.
        progress: hears how the search goes on.
    """
    if train.dataset is test.dataset:
        found = [_order(pair, train) for pair in find_duplicates(train.dataset, progress=progress)]
    else:
        found = find_duplicates(train.dataset, test.dataset, progress=progress)
    trained, tested = set(train.index.tolist()), set(test.index.tolist())
    kept = {(pair.first, pair.second): pair for pair in found if pair.first in trained and pair.second in tested}
    # The search pairs equal rows with the earliest of all, which may be no training row while a later one is.
    for pair in _find_equal(train, test):
        kept.setdefault((pair.first, pair.second), pair)
    pairs = tuple(sorted(kept.values(), key=lambda pair: (-pair.similarity, pair.first, pair.second)))
    return Leaked(pairs, np.isin(test.index, [pair.second for pair in pairs]))


def _find_equal(train: Rows, test: Rows) -> list[Duplicate]:
    """Each test row that is equal byte for byte to a training row, with the earliest of these."""
    earliest: dict[bytes, int] = {}
    for row, content in _digest(train):
        earliest.setdefault(content, row)
    y, other = train.dataset.y, test.dataset.y
    return [
        Duplicate(earliest[content], row, 1.0, False, (int(y[earliest[content]]), int(other[row])))
        for row, content in _digest(test)
        if content in earliest
    ]


def _digest(rows: Rows) -> Iterator[tuple[int, bytes]]:
    X = rows.dataset.X
    return zip(rows.index.tolist(), digest_rows(X[row] for row in rows.index), strict=True)


def _order(pair: Duplicate, train: Rows) -> Duplicate:
    """The pair with a training row first, if it has one."""
    if pair.first in train.index:
        return pair
    return Duplicate(pair.second, pair.first, pair.similarity, pair.mirrored, (pair.labels[1], pair.labels[0]))


def compute_shift(correct: Array, leaked: Array, bootstrap: Bootstrap | None = None) -> Interval:
    """Accuracy without the leaked rows minus accuracy on all, with its bootstrap interval over rows.

    Args:
        correct: (n,) bool.
        leaked: (n,) bool, not all of them true.
        bootstrap: resamples (10,000 unless told), seed and confidence.

    Returns:
        The shift in fractions; no width where no row is leaked.
    """
    bootstrap = bootstrap or Bootstrap()
    # A row is one of four kinds, so a resample of rows is one draw from a multinomial.
    kinds = np.bincount(2 * leaked + correct, minlength=4)
    n = len(correct)
    draws = np.random.default_rng(bootstrap.seed).multinomial(n, kinds / n, bootstrap.n_resamples)
    shifts = draws[:, 1] / np.maximum(draws[:, 0] + draws[:, 1], 1) - (draws[:, 1] + draws[:, 3]) / n
    low, high = np.quantile(shifts, bootstrap.tails)
    shift = float(correct[~leaked].mean() - correct.mean())
    return Interval(shift, float(low), float(high), bootstrap.confidence)
