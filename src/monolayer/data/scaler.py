"""Scaler: mean and standard deviation of each feature of the training rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from monolayer._typing import Array
from monolayer.data.dataset import Rows, Splits
from monolayer.errors import BadData
from monolayer.threads import count_cores

# 512 rows of CIFAR-10 in float64 are 12 MiB, which stay in the processor's cache.
BLOCK = 512


@dataclass(frozen=True, eq=False)
class Scaler:
    """z = (x - mean) / std, which is not applied to the data: engines fold it into their arithmetic.

    Args:
        mean: (D,) float64, in the unit of the features.
        std: (D,) float64, population standard deviation; 1 for constant features, as in scikit-learn.
    """

    mean: Array
    std: Array


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean and variance of rows, which can be merged with those of others.

    Args:
        n: number of rows, or the sum of their weights.
        mean: (D,) float64.
        variance: (D,) float64, divided by n.
        n_rows: number of rows whose weight is above 0.
    """

    n: float
    mean: Array
    variance: Array
    n_rows: int

    def make_scaler(self) -> Scaler:
        """The scaler of these rows."""
        # The variance of a constant feature is not 0 but the rounding of n_rows additions (scikit-learn's bound).
        std, rounding = np.sqrt(self.variance), self.n_rows * np.finfo(np.float64).eps * np.abs(self.mean)
        return Scaler(self.mean, np.where(std > rounding, std, 1.0))

    def merge(self, other: Moments) -> Moments:
        """The moments of both sets of rows together (Chan, Golub and LeVeque 1983)."""
        n, difference = self.n + other.n, other.mean - self.mean
        share = other.n / n
        within = (1 - share) * self.variance + share * other.variance
        variance = within + share * (1 - share) * difference**2
        return Moments(n, self.mean + share * difference, variance, self.n_rows + other.n_rows)


def fit_scaler(rows: Rows) -> Scaler:
    """Mean and standard deviation of these rows, in two passes over blocks, exact to float64 rounding.

    Two passes, since E[x^2] - E[x]^2 cancels if the mean is large relative to the deviation.

    Raises:
        BadData: if a value is not finite; the text names the feature.
    """
    n, D = len(rows), rows.dataset.X.shape[1]
    total, squares = np.zeros((2, D))

    def add(block: Array, columns: slice) -> None:
        total[columns] += block[:, columns].sum(axis=0, dtype=np.float64)

    def add_squares(block: Array, columns: slice) -> None:
        deviation = block[:, columns] - mean[columns]
        squares[columns] += np.einsum("nd,nd->d", deviation, deviation)

    _map_blocks(rows, add)
    mean = total / n
    _check_finite(mean, rows)
    _map_blocks(rows, add_squares)
    return Moments(n, mean, squares / n, n).make_scaler()


def _map_blocks(rows: Rows, task: Callable[[Array, slice], None]) -> None:
    """Run a task on each block of rows, in two threads for two halves of the columns, which do not change the sums."""
    D = rows.dataset.X.shape[1]
    halves = [slice(0, D // 2), slice(D // 2, D)]
    with ThreadPoolExecutor(min(2, count_cores())) as threads:
        for block in rows.iterate_blocks(BLOCK):
            list(threads.map(task, [block, block], halves))


def fit_checked_scaler(splits: Splits) -> Scaler:
    """The scaler of the training rows, after a check that the other rows are finite too.

    This check does not count as an opening of the test rows.

    Raises:
        BadData: if a value is not finite; the text names the feature and the row.
    """
    scaler = fit_scaler(splits.train)
    for name, rows in (("validation", splits.val), ("test", splits._test)):
        if rows is not None and (found := _find_not_finite(rows)):
            raise BadData(_describe_not_finite(rows, name, *found))
    return scaler


def compute_moments(rows: Rows, sample_weights: Array) -> list[Moments]:
    """Weighted mean and variance for each of several weightings of the rows, in two passes for all.

    Args:
        rows: n of them.
        sample_weights: (F, n), 0 or above; a row of weight 0 is left out.

    Raises:
        BadData: if a value is not finite; the text names the feature.
    """
    totals = sample_weights.sum(axis=1)
    weights = sample_weights / totals[:, None]
    means, variances = np.zeros((2, len(weights), rows.dataset.X.shape[1]))
    for part, block in _iterate_weighted(rows, weights):
        means += part @ block
    _check_finite(means.sum(axis=0), rows)
    for part, block in _iterate_weighted(rows, weights):
        for place, weight in enumerate(part):
            # Without the rows of weight 0, whose squares may overflow.
            present = np.flatnonzero(weight)
            variances[place] += weight[present] @ (block[present] - means[place]) ** 2
    n_rows = np.count_nonzero(weights, axis=1).tolist()
    return [Moments(*found) for found in zip(totals.tolist(), means, variances, n_rows, strict=True)]


def _iterate_weighted(rows: Rows, weights: Array) -> Iterator[tuple[Array, Array]]:
    """Blocks of rows with their weights, (F, size) and (size, D)."""
    for i, block in enumerate(rows.iterate_blocks(BLOCK)):
        yield weights[:, i * BLOCK : (i + 1) * BLOCK], block


def _check_finite(mean: Array, rows: Rows) -> None:
    if not np.isfinite(mean).all():
        feature, row = _find_not_finite(rows) or (int(np.flatnonzero(~np.isfinite(mean))[0]), None)
        raise BadData(_describe_not_finite(rows, "training", feature, row))


def _find_not_finite(rows: Rows) -> tuple[int, int] | None:
    """(feature, row) of the first value that is not finite, if there is one."""
    if rows.dataset.X.dtype.kind != "f" or not len(rows):
        return None
    for i, block in enumerate(rows.iterate_blocks(BLOCK)):
        wrong = ~np.isfinite(block)
        if wrong.any():
            place, feature = (int(found[0]) for found in np.nonzero(wrong))
            return feature, int(rows.index[i * BLOCK + place])
    return None


def _describe_not_finite(rows: Rows, name: str, feature: int, row: int | None) -> str:
    where = "" if row is None else f" (row {row})"
    return (
        f"{rows.dataset.name}: feature {feature} of the {name} rows holds a value that is not finite{where}; accepted "
        "are finite numbers: leave out the row or the feature, or impute the value."
    )
