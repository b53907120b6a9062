"""Split off rows for validation or test: by file order, at random and stratified by class, or by whole groups."""

import itertools
import warnings
from typing import Protocol

import numpy as np

from monolayer._typing import Array
from monolayer.errors import BadInput

# Groups are divided into folds, and some of the folds are split off. Each fold takes time, so there are at most
# MAX_FOLDS; the share of the rows may differ from the requested share by SHARE_MISS of it.
MAX_FOLDS, SHARE_MISS = 20, 0.02


class Labels(Protocol):
    """Labels and groups of rows: y (n,) int or (n, K) 0 or 1, K class names, and groups (n,) or None."""

    @property
    def y(self) -> Array:
        """Labels, (n,) or (n, K)."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """K names."""

    @property
    def groups(self) -> Array | None:
        """(n,) values; rows with equal values stay together."""


def cut_rows(labels: Labels, left: Array, size: int, seed: int | None, what: str) -> tuple[Array, Array]:
    """Split off ``size`` rows for validation or test.

    Args:
        labels: of all rows.
        left: the rows to choose from, (m,) int64 positions in file order.
        size: how many, fewer than m.
        seed: of the random choice; None takes the last rows.
        what: ``validation`` or ``test``, for messages.

    Returns:
        (the other rows, the rows split off), both int64 in file order.

    Raises:
        BadInput: if no rows would be left, or the classes or groups cannot be divided in this proportion.
    """
    if size >= len(left):
        raise BadInput(f"{size} {what} rows leave no training rows; {what} rows must be fewer than {len(left)}.")
    if size == 0:
        return left, left[:0]
    if labels.groups is not None:
        return _cut_groups(labels, left, size, seed, what)
    if seed is None:
        return left[: len(left) - size], left[len(left) - size :]
    from sklearn.model_selection import train_test_split  # imported here: it takes a second

    drawn, alone, strata = _separate_single(left, _list_strata(labels, left))
    _check_proportion(labels, left, len(drawn), size, what)
    rest, cut = train_test_split(drawn, test_size=size, random_state=seed, stratify=strata)
    return np.sort(np.concatenate([rest, alone]) if len(alone) else rest), np.sort(cut)


def _cut_groups(labels: Labels, left: Array, size: int, seed: int | None, what: str) -> tuple[Array, Array]:
    """Whole groups, with about ``size`` rows and about the proportions of the classes."""
    if seed is None:
        raise BadInput(f"Groups stay together, so {what} rows are drawn at random; set a seed (--split-seed).")
    from sklearn.model_selection import StratifiedGroupKFold

    groups, n_folds = np.asarray(labels.groups)[left], max(2, round(len(left) / size))
    n_groups = len(np.unique(groups))
    if n_groups < n_folds:
        least = -(-2 * len(left) // (2 * n_groups + 1))
        accepted = f"accepted are {least:,} rows or more" if n_groups > 1 else "accepted are 2 groups or more"
        raise BadInput(
            f"{size} {what} rows need {n_folds} folds of groups, and there are {n_groups} groups; {accepted}."
        )
    strata = _list_strata(labels, left)
    most = int(np.bincount(strata).max())
    if most < n_folds:
        strata = np.zeros_like(strata)  # no class has a row for each fold, so rows are not stratified
        most = len(left)
    n_folds, n_cut = _choose_folds(size / len(left), n_folds, min(n_groups, most))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # about classes with fewer rows than folds
        drawn = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed).split(left, strata, groups)
        cut = np.sort(np.concatenate([places for _, places in itertools.islice(drawn, n_cut)]))
    return np.delete(left, cut), left[cut]


def _choose_folds(share: float, n_least: int, n_most: int) -> tuple[int, int]:
    """(folds, number of folds to split off): the fewest folds near the share, else those nearest to it."""
    folds = [(n, min(n - 1, max(1, round(n * share)))) for n in range(2, max(n_least, min(n_most, MAX_FOLDS)) + 1)]
    misses = [abs(cut / n - share) for n, cut in folds]
    near = [pair for pair, miss in zip(folds, misses, strict=True) if miss <= SHARE_MISS * share]
    return near[0] if near else folds[int(np.argmin(misses))]


def _list_strata(labels: Labels, left: Array) -> Array:
    """The class of each row, (n,) int64; of several labels per row, the index of their combination."""
    if labels.y.ndim == 1:
        return np.asarray(labels.y[left], dtype=np.int64)
    strata: Array = np.unique(labels.y[left], axis=0, return_inverse=True)[1].reshape(-1)
    return strata


def _separate_single(left: Array, strata: Array) -> tuple[Array, Array, Array]:
    """(rows to stratify, the only rows of their strata, the strata of the former); the only rows go to training."""
    single = np.flatnonzero(np.bincount(strata) == 1)
    if not len(single):
        return left, left[:0], strata
    is_single = np.isin(strata, single)
    return left[~is_single], left[is_single], strata[~is_single]


def _check_proportion(labels: Labels, left: Array, n_drawn: int, size: int, what: str) -> None:
    """Raise BadInput unless each class that can be divided gets a row on both sides."""
    counts = np.bincount(_list_strata(labels, left))
    counts, strata = counts[counts > 0], np.flatnonzero(counts)
    n_strata = int((counts > 1).sum())
    if n_drawn and n_strata <= size <= n_drawn - n_strata:
        return
    fewest = int(counts.argmin())
    name = "a set of labels" if labels.y.ndim == 2 else f"class {labels.class_names[strata[fewest]]!r}"
    option = f"--{'val' if what == 'validation' else what}-size"
    accepted = f"{n_strata:,} to {n_drawn - n_strata:,} rows ({option})" if n_drawn else "2 rows a class or more"
    raise BadInput(
        f"{size} {what} rows cannot be drawn in proportion to the classes: each of {n_strata or len(counts):,} needs a "
        f"row there and one to train on, and {name} has {counts[fewest]:,} of {len(left):,}; accepted are {accepted}."
    )
