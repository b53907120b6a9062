"""Candidate pairs: those with similar fingerprints, found among all pairs block by block."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from monolayer._typing import Array
from monolayer.duplicates.constants import CANDIDATES_PER_IMAGE, N_QUERIES
from monolayer.duplicates.fingerprints import Fingerprints

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

    def __len__(self) -> int:
        return len(self.first)


def find_candidates(
    first: Fingerprints,
    second: Fingerprints | None,
    cosine: float,
    *,
    block: int = BLOCK,
    on_progress: Callable[[int], None] = lambda done: None,
) -> Candidates:
    """Find all pairs above a cosine; within one set of fingerprints (second None) each pair once, first < second.

    It needs memory for two blocks of cosines and for the pairs; ``on_progress`` gets the number of second rows done.
    """
    others = first if second is None else second
    found = []
    for start in range(0, len(others), block):
        rows = slice(start, min(start + block, len(others)))
        found += [_search_block(first, others, columns, rows, cosine) for columns in _cut(first, second, rows, block)]
        on_progress(rows.stop)
    i, j, mirrored = (np.concatenate(parts) for parts in zip(*found, strict=True))
    kept = np.flatnonzero(i < j) if second is None else np.arange(len(i))
    order = kept[np.lexsort((i[kept], j[kept]))]
    return Candidates(i[order], j[order], mirrored[order])


def learn_min_cosine(train: Fingerprints) -> float:
    """The cosine above which each training image has about ``CANDIDATES_PER_IMAGE`` others, by a sample of queries."""
    queries = sample_rows(len(train), N_QUERIES // 6)
    best: Array = np.zeros(0, dtype=np.float32)
    n_kept = 1 + CANDIDATES_PER_IMAGE * len(queries)
    for start in range(0, len(train), BLOCK):
        columns = slice(start, start + BLOCK)
        cosines = _compare(train, train.take(queries), columns, slice(None))[0]
        cosines[queries[:, None] == np.arange(len(train))[columns]] = -1.0  # an image and itself
        best = np.concatenate([best, cosines.ravel()])
        best = np.partition(best, max(len(best) - n_kept, 0))[-n_kept:]
    return float(best.min())


def sample_rows(n: int, n_queries: int) -> Array:
    """At most ``n_queries`` of n rows, evenly spaced: always the same ones, of all classes in any file order."""
    return np.unique(np.linspace(0, n - 1, min(n, n_queries)).astype(np.int64))


def _cut(first: Fingerprints, second: Fingerprints | None, rows: slice, block: int) -> Iterator[slice]:
    stop = rows.stop if second is None else len(first)
    return (slice(start, start + block) for start in range(0, stop, block))


def _search_block(
    first: Fingerprints, second: Fingerprints, columns: slice, rows: slice, cosine: float
) -> tuple[Array, Array, Array]:
    best, odd = _compare(first, second, columns, rows)
    flat = np.flatnonzero(best.ravel() > cosine)
    j, i = np.divmod(flat, best.shape[1])
    return i + columns.start, j + rows.start, odd.ravel()[flat] < 0


def _compare(first: Fingerprints, second: Fingerprints, columns: slice, rows: slice) -> tuple[Array, Array]:
    """(the larger of both cosines, the product of the odd parts), each (rows, columns) float32."""
    odd = second.odd[rows] @ first.odd[columns].T
    best = np.abs(odd)
    best += second.even[rows] @ first.even[columns].T
    return best, odd
