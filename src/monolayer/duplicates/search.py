"""Find duplicate images in two datasets or in one: equal, mirrored, recoloured, shifted or scaled.

docs/leakage.md describes the method and its measurements.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from monolayer._typing import Array
from monolayer.data.dataset import Dataset
from monolayer.duplicates.alignment import SIDE, compute_similarity
from monolayer.duplicates.candidates import BLOCK, Candidates, find_candidates, learn_min_cosine, sample_rows
from monolayer.duplicates.constants import LEAST_SIDE, N_QUERIES
from monolayer.duplicates.fingerprints import Fingerprints, learn_whitening, resample
from monolayer.duplicates.threshold import compute_threshold
from monolayer.errors import BadInput
from monolayer.progress import SILENCE, Progress

_CHUNK = 1000  # candidates between two reports of progress


@dataclass(frozen=True)
class Duplicate:
    """Two rows that show the same photograph.

    Args:
        first: row of the first dataset, in its own order.
        second: row of the second; of the first too, and above ``first``, where one dataset was searched.
        similarity: 1 for rows equal byte for byte, else that of :func:`monolayer.duplicates.alignment.correlate_edges`.
        mirrored: whether one is the other's mirror image.
        labels: the labels of both.
    """

    first: int
    second: int
    similarity: float
    mirrored: bool
    labels: tuple[int, int]


@dataclass(frozen=True, eq=False)
class _Matches:
    """Pairs without labels: rows (m,) int64, mirrored (m,) bool, similarity (m,) float32."""

    pairs: Candidates
    similarity: Array


def find_duplicates(
    first: Dataset,
    second: Dataset | None = None,
    *,
    threshold: float | None = None,
    block: int = BLOCK,
    progress: Progress = SILENCE,
) -> list[Duplicate]:
    """Find pairs of rows that show the same photograph, the most similar first.

    Rows that are equal byte for byte are found in any dataset; each is paired with the earliest equal one. Other
    duplicates are found among images that are large enough, see :func:`name_obstacle`.

    Args:
        first: the training rows; the whitening and the threshold are learnt from them only.
        second: the rows to compare with them, such as the test rows; None finds pairs within ``first``.
        threshold: the similarity from which a pair counts, above 0; by default it is learnt.
        block: rows compared at a time; the memory grows with its square, the result does not depend on it.
        progress: receives the progress of the search.

    Raises:
        BadInput: if the two datasets' rows differ in shape, or an option is out of range.
    """
    _check(first, second, threshold, block)
    found = [_find_equal(first, second)]
    obstacle = name_obstacle(first)
    if obstacle:
        progress.info(obstacle)
    else:
        found.append(_Search(first, progress).find(second, threshold, block))
    return _merge(found, first, first if second is None else second)


def name_obstacle(dataset: Dataset) -> str:
    """Why only equal rows can be found in a dataset, as a sentence; empty if all duplicates can be found."""
    shape = dataset.image_shape
    if shape is None:
        return f"{dataset.name}: the rows are not images, so only rows that are equal byte for byte are found."
    if min(shape[1:]) < LEAST_SIDE:
        return (
            f"{dataset.name}: images of {shape[1]} x {shape[2]} pixels are too small to distinguish near-duplicates "
            f"from similar images ({LEAST_SIDE} x {LEAST_SIDE} are needed), so only rows that are equal byte for byte "
            "are found."
        )
    return ""


def learn_threshold(first: Dataset, *, progress: Progress = SILENCE) -> float:
    """The similarity threshold that :func:`find_duplicates` learns from a training dataset of images."""
    return _Search(first, progress).learn_threshold()


class _Search:
    """One search among the images of a training dataset, with the whitening that was learnt from them."""

    def __init__(self, first: Dataset, progress: Progress) -> None:
        self._first, self._progress = first, progress
        self._whitening = learn_whitening(first, self._report("whitening", len(first.X)))
        self._fingerprints = self._compute_fingerprints(first)
        self._cosine = learn_min_cosine(self._fingerprints)
        # A fixed sample is enough, since this is only a unit.
        self._unit = float(first.X[sample_rows(len(first.X), N_QUERIES)].std(dtype=np.float64)) or 1.0

    def find(self, second: Dataset | None, threshold: float | None, block: int) -> _Matches:
        """The pairs at or above the threshold."""
        least = self.learn_threshold() if threshold is None else threshold
        fingerprints = None if second is None else self._compute_fingerprints(second)
        n = len(self._first.X if second is None else second.X)
        report = self._report("comparing", n)
        pairs = find_candidates(self._fingerprints, fingerprints, self._cosine, block=block, on_progress=report)
        similarity = self._align(pairs, self._first if second is None else second, "aligning")
        return _select(pairs, similarity, np.flatnonzero(similarity >= least))

    def learn_threshold(self) -> float:
        """Learn the threshold from the training images."""
        queries = sample_rows(len(self._fingerprints), N_QUERIES)
        found = find_candidates(self._fingerprints, self._fingerprints.take(queries), self._cosine)
        others = np.flatnonzero(found.first != queries[found.second])  # an image is not a duplicate of itself
        query = found.second[others]
        pairs = Candidates(found.first[others], queries[query], found.mirrored[others])
        similarity = self._align(pairs, self._first, "learning the threshold")
        return compute_threshold(similarity, query, len(self._fingerprints) / len(queries))

    def _compute_fingerprints(self, dataset: Dataset) -> Fingerprints:
        return self._whitening.compute_fingerprints(dataset, self._report("fingerprints", len(dataset.X)))

    def _align(self, pairs: Candidates, second: Dataset, task: str) -> Array:
        """Similarity of candidates, (m,) float32, with two threads: NumPy releases the interpreter lock."""
        report = self._report(task, len(pairs))
        parts = [np.zeros(0, dtype=np.float32)]
        with ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as threads:
            for part in threads.map(lambda rows: self._align_chunk(pairs, second, rows), _cut(len(pairs))):
                parts.append(part)
                report(sum(map(len, parts)))
        return np.concatenate(parts)

    def _align_chunk(self, pairs: Candidates, second: Dataset, rows: slice) -> Array:
        ours = _load_images(self._first, pairs.first[rows])
        flip = pairs.mirrored[rows, None, None, None]
        return compute_similarity(
            np.where(flip, ours[..., ::-1], ours), _load_images(second, pairs.second[rows]), self._unit
        )

    def _report(self, task: str, total: int) -> Callable[[int], None]:
        return lambda done: self._progress.advance(task, done, total)


def _cut(n: int) -> Iterator[slice]:
    return (slice(start, start + _CHUNK) for start in range(0, n, _CHUNK))


def _load_images(dataset: Dataset, rows: Array) -> Array:
    assert dataset.image_shape is not None  # noqa: S101  (name_obstacle ensures it)
    return resample(dataset.X[rows], dataset.image_shape, SIDE)


def _find_equal(first: Dataset, second: Dataset | None) -> _Matches:
    """Rows equal byte for byte, each with the earliest equal one of the first dataset."""
    digests = list(digest_rows(first.X))
    if second is None:
        pairs = [(i, j) for i, j in pair_equal(enumerate(digests), enumerate(digests)) if i != j]
    else:
        pairs = pair_equal(enumerate(digests), enumerate(digest_rows(second.X)))
    rows = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    mirrored = np.zeros(len(rows), dtype=bool)
    return _Matches(Candidates(rows[:, 0], rows[:, 1], mirrored), np.ones(len(rows), dtype=np.float32))


def pair_equal(first: Iterable[tuple[int, bytes]], second: Iterable[tuple[int, bytes]]) -> list[tuple[int, int]]:
    """Each second (row, digest) with the earliest first row of the same digest, if there is one."""
    earliest: dict[bytes, int] = {}
    for row, digest in first:
        earliest.setdefault(digest, row)
    return [(earliest[digest], row) for row, digest in second if digest in earliest]


def digest_rows(rows: Iterable[Array]) -> Iterator[bytes]:
    """A digest of each row's bytes: 16 bytes for a row in memory, not the row."""
    return (blake2b(row.tobytes(), digest_size=16).digest() for row in rows)


def _select(pairs: Candidates, similarity: Array, kept: Array) -> _Matches:
    return _Matches(Candidates(pairs.first[kept], pairs.second[kept], pairs.mirrored[kept]), similarity[kept])


def _merge(found: list[_Matches], first: Dataset, second: Dataset) -> list[Duplicate]:
    """All pairs once; equal rows keep their similarity of 1, whatever the alignment gives."""
    merged: dict[tuple[int, int], Duplicate] = {}
    for part in found:
        columns = (part.pairs.first, part.pairs.second, part.similarity, part.pairs.mirrored)
        for i, j, similarity, mirrored in zip(*(column.tolist() for column in columns), strict=True):
            labels = (int(first.y[i]), int(second.y[j]))
            merged.setdefault((i, j), Duplicate(i, j, round(similarity, 4), mirrored, labels))
    return sorted(merged.values(), key=lambda pair: (-pair.similarity, pair.first, pair.second))


def _check(first: Dataset, second: Dataset | None, threshold: float | None, block: int) -> None:
    if second is not None and (second.X.shape[1], second.image_shape) != (first.X.shape[1], first.image_shape):
        raise BadInput(
            f"{second.name} has rows of {second.X.shape[1]} features (image_shape {second.image_shape}), "
            f"{first.name} of {first.X.shape[1]} ({first.image_shape}); duplicates need rows of one shape."
        )
    if threshold is not None and not 0 < threshold <= 1:
        raise BadInput(f"threshold is {threshold}; accepted is a number above 0, up to 1.")
    if block < 1:
        raise BadInput(f"block is {block}; accepted is a whole number of 1 or above.")
