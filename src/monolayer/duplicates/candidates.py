"""Candidate pairs: those with similar fingerprints, found among all pairs block by block."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from monolayer._typing import Array
from monolayer.duplicates.constants import CANDIDATES_PER_IMAGE, N_QUERIES

# Two blocks of cosines, 1,000 x 1,000 float32, stay near the cache; with 500 x 50,000 the search took three times as
# long.
BLOCK = 1000


@dataclass(frozen=True, eq=False)
class Candidates:
    """Pairs in the order of their rows.

    Args:
        first: (m,) int64, rows of the first fingerprints.
        second: (m,) int64, rows of the second.
        mirrored: (m,) bool, whether one is more similar to the mirror image of the other than to the other.
    """

    first: Array
    second: Array
    mirrored: Array

    def take(self, kept: Array) -> Candidates:
        """Some of the pairs."""
        return Candidates(self.first[kept], self.second[kept], self.mirrored[kept])


def find_candidates(
    first: Array,
    second: Array | None,
    cosine: float,
    *,
    block: int = BLOCK,
    on_progress: Callable[[int], None] = lambda done: None,
) -> Candidates:
    """Find all pairs of fingerprints above a cosine; within one set (second None) each pair once, first < second.

    It needs memory for two blocks of cosines and for the pairs; ``on_progress`` gets the number of second rows done.
    """
    others = first if second is None else second
    n_first, n_second = first.shape[1], others.shape[1]
    found = []
    for start in range(0, n_second, block):
        stop = min(start + block, n_second)
        for column in range(0, stop if second is None else n_first, block):
            best, odd = _compare(first[:, column : column + block], others[:, start:stop])
            j, i = np.divmod(np.flatnonzero(best > cosine), best.shape[1])
            found.append((i + column, j + start, odd[j, i] < 0))
        on_progress(stop)
    pairs = Candidates(*(np.concatenate(parts) for parts in zip(*found, strict=True)))
    if second is None:
        pairs = pairs.take(np.flatnonzero(pairs.first < pairs.second))
    return pairs.take(np.lexsort((pairs.first, pairs.second)))


def learn_min_cosine(train: Array) -> float:
    """The cosine above which each training image has about ``CANDIDATES_PER_IMAGE`` others, by a sample of queries."""
    n = train.shape[1]
    queries = sample_rows(n, N_QUERIES // 6)
    best: Array = np.zeros(0, dtype=np.float32)
    n_kept = 1 + CANDIDATES_PER_IMAGE * len(queries)
    for start in range(0, n, BLOCK):
        columns = slice(start, start + BLOCK)
        cosines = _compare(train[:, columns], train[:, queries])[0]
        cosines[queries[:, None] == np.arange(n)[columns]] = -1.0  # an image and itself
        best = np.concatenate([best, cosines.ravel()])
        best = np.partition(best, max(len(best) - n_kept, 0))[-n_kept:]
    return float(best.min())


def sample_rows(n: int, n_queries: int) -> Array:
    """At most ``n_queries`` of n rows, evenly spaced: always the same ones, of all classes in any file order."""
    return np.unique(np.linspace(0, n - 1, min(n, n_queries)).astype(np.int64))


def _compare(first: Array, second: Array) -> tuple[Array, Array]:
    """(the larger of both cosines, the product of the odd parts), each (n_second, n_first) float32."""
    odd = second[1] @ first[1].T
    best = np.abs(odd)
    best += second[0] @ first[0].T
    return best, odd
