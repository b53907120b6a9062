"""Leaked rows: test rows with a duplicate among the training rows, and the accuracy without them."""

from dataclasses import dataclass

import numpy as np

from monolayer._typing import Array
from monolayer.data.dataset import Rows
from monolayer.duplicates.search import Duplicate, find_duplicates, find_equal, merge
from monolayer.evaluate.significance import Bootstrap, Interval
from monolayer.progress import SILENCE, Progress


@dataclass(frozen=True, eq=False)
class Leaked:
    """Test rows with a duplicate among the training rows.

    Args:
        pairs: first is a row of the training rows' dataset, second one of the test rows'.
        mask: (n_test,) bool, whether each test row is in such a pair.
    """

    pairs: tuple[Duplicate, ...]
    mask: Array


def find_leaked(train: Rows, test: Rows, *, progress: Progress = SILENCE) -> Leaked:
    """Search the training rows for duplicates of test rows, in two datasets or in one that was split.

    Args:
        train: training rows; the other rows of their dataset are searched too, but not counted.
        test: test rows.
        progress: receives the progress of the search.
    """
    if train.dataset is test.dataset:
        found = [_order(pair, train) for pair in find_duplicates(train.dataset, progress=progress)]
    else:
        found = find_duplicates(train.dataset, test.dataset, progress=progress)
    trained, tested = set(train.index.tolist()), set(test.index.tolist())
    kept = [pair for pair in found if pair.first in trained and pair.second in tested]
    # The search pairs equal rows with the earliest of all; that may not be a training row where a later one is.
    pairs = tuple(merge([*kept, *find_equal(train, test)]))
    return Leaked(pairs, np.isin(test.index, [pair.second for pair in pairs]))


def _order(pair: Duplicate, train: Rows) -> Duplicate:
    """The pair with a training row first, if it has one."""
    if pair.first in train.index:
        return pair
    return Duplicate(pair.second, pair.first, pair.similarity, pair.mirrored, (pair.labels[1], pair.labels[0]))


def compute_shift(correct: Array, leaked: Array, bootstrap: Bootstrap | None = None) -> Interval:
    """Compute the accuracy without the leaked rows minus that on all, with its bootstrap interval over rows.

    Args:
        correct: (n,) bool.
        leaked: (n,) bool, not all of them true.
        bootstrap: resamples (10,000 by default), seed and confidence.

    Returns:
        The difference in fractions; an interval of width 0 if no row is leaked.
    """
    bootstrap = bootstrap or Bootstrap()
    # There are four kinds of rows, so a resample of rows is one draw from a multinomial.
    kinds = np.bincount(2 * leaked + correct, minlength=4)
    n = len(correct)
    draws = np.random.default_rng(bootstrap.seed).multinomial(n, kinds / n, bootstrap.n_resamples)
    shifts = draws[:, 1] / np.maximum(draws[:, 0] + draws[:, 1], 1) - (draws[:, 1] + draws[:, 3]) / n
    low, high = np.quantile(shifts, bootstrap.tails)
    shift = float(correct[~leaked].mean() - correct.mean())
    return Interval(shift, float(low), float(high), bootstrap.confidence)
