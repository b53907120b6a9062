"""Candidates: the pairs of fingerprints worth a closer look, out of all pairs, block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from monolayer.duplicates.constants import CANDIDATES_PER_PICTURE, N_PROBES
from monolayer.duplicates.fingerprints import Array, Fingerprints

# Two blocks of cosines, 1,000 x 1,000 float32, stay near the cache; with 500 x 50,000 the search took three times as
# long.
BLOCK = 1000


@dataclass(frozen=True, eq=False)
class Candidates:
    """Pairs in the order of their rows.

    Args:
        first: (m,) int64, rows of the first fingerprints.
        second: (m,) int64, rows of the second.
        mirrored: (m,) bool, whether one resembles the other's mirror image more than the other itself.
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
    tell: Callable[[int], None] = lambda done: None,
) -> Candidates:
    """All pairs above a cosine; within one set of fingerprints (second None) each pair once, first < second.

    Memory is that of two blocks of cosines and of the pairs found; ``tell`` hears how many second rows are done.
    """
    others = first if second is None else second
    found = []
    for start in range(0, len(others), block):
        rows = slice(start, min(start + block, len(others)))
        found += [_search_block(first, others, columns, rows, cosine) for columns in _cut(first, second, rows, block)]
        tell(rows.stop)
    i, j, mirrored = (np.concatenate(parts) for parts in zip(*found, strict=True))
    kept = np.flatnonzero(i < j) if second is None else np.arange(len(i))
    order = kept[np.lexsort((i[kept], j[kept]))]
    return Candidates(i[order], j[order], mirrored[order])


def learn_cosine(train: Fingerprints) -> float:
    """The cosine that leaves about ``CANDIDATES_PER_PICTURE`` training pictures to each, from a sample of probes."""
    probes = pick_probes(len(train), N_PROBES // 6)
    best: Array = np.zeros(0, dtype=np.float32)
    n_kept = 1 + CANDIDATES_PER_PICTURE * len(probes)
    for start in range(0, len(train), BLOCK):
        columns = slice(start, start + BLOCK)
        cosines = _compare(train, train.take(probes), columns, slice(None))[0]
        cosines[probes[:, None] == np.arange(len(train))[columns]] = -1.0  # a picture and itself
        best = np.concatenate([best, cosines.ravel()])
        best = np.partition(best, max(len(best) - n_kept, 0))[-n_kept:]
    return float(best.min())


def pick_probes(n: int, n_probes: int) -> Array:
    """At most ``n_probes`` of n rows, evenly spread: the same ones every time, and all classes in any file order."""
    return np.unique(np.linspace(0, n - 1, min(n, n_probes)).astype(np.int64))


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
    """(the better of both cosines, the odd part's share), each (rows, columns) float32."""
    odd = second.odd[rows] @ first.odd[columns].T
    best = np.abs(odd)
    best += second.even[rows] @ first.even[columns].T
    return best, odd
