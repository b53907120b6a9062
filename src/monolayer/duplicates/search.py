"""Find duplicate images in two datasets or in one: equal, mirrored, recoloured, shifted or scaled.

docs/leakage.md describes the method and its measurements.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np

from monolayer._typing import Array
from monolayer.data.dataset import Dataset, Rows
from monolayer.duplicates.alignment import SIDE, compute_similarity
from monolayer.duplicates.candidates import BLOCK, Candidates, find_candidates, learn_min_cosine, sample_rows
from monolayer.duplicates.constants import LEAST_SIDE, N_QUERIES
from monolayer.duplicates.fingerprints import compute_fingerprints, learn_whitening, load_images
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
    ours = Rows(first, np.arange(len(first.y)))
    others = ours if second is None else Rows(second, np.arange(len(second.y)))
    found = [pair for pair in find_equal(ours, others) if second is not None or pair.first != pair.second]
    if obstacle := name_obstacle(first):
        progress.info(obstacle)
    else:
        found += _Search(first, progress).find(second, threshold, block)
    return merge(found)


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

    def find(self, second: Dataset | None, threshold: float | None, block: int) -> list[Duplicate]:
        """The pairs at or above the threshold."""
        least = self.learn_threshold() if threshold is None else threshold
        fingerprints = None if second is None else self._compute_fingerprints(second)
        others = self._first if second is None else second
        report = self._report("comparing", len(others.X))
        pairs = find_candidates(self._fingerprints, fingerprints, self._cosine, block=block, on_progress=report)
        similarity = self._align(pairs, others, "aligning")
        kept = np.flatnonzero(similarity >= least)
        pairs, labels = pairs.take(kept), self._first.y
        columns = (column.tolist() for column in (pairs.first, pairs.second, similarity[kept], pairs.mirrored))
        return [
            Duplicate(i, j, round(value, 4), mirrored, (int(labels[i]), int(others.y[j])))
            for i, j, value, mirrored in zip(*columns, strict=True)
        ]

    def learn_threshold(self) -> float:
        """Learn the threshold from the training images."""
        n = len(self._first.X)
        queries = sample_rows(n, N_QUERIES)
        found = find_candidates(self._fingerprints, self._fingerprints[:, queries], self._cosine)
        found = found.take(np.flatnonzero(found.first != queries[found.second]))  # without each image and itself
        pairs = replace(found, second=queries[found.second])
        similarity = self._align(pairs, self._first, "learning the threshold")
        return compute_threshold(similarity, found.second, n / len(queries))

    def _compute_fingerprints(self, dataset: Dataset) -> Array:
        return compute_fingerprints(dataset, self._whitening, self._report("fingerprints", len(dataset.X)))

    def _align(self, pairs: Candidates, second: Dataset, task: str) -> Array:
        """Similarity of candidates, (m,) float32, with two threads: NumPy releases the interpreter lock."""
        report = self._report(task, len(pairs.first))
        parts = [np.zeros(0, dtype=np.float32)]
        chunks = (slice(start, start + _CHUNK) for start in range(0, len(pairs.first), _CHUNK))
        with ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as threads:
            for part in threads.map(lambda rows: self._align_chunk(pairs, second, rows), chunks):
                parts.append(part)
                report(sum(map(len, parts)))
        return np.concatenate(parts)

    def _align_chunk(self, pairs: Candidates, second: Dataset, rows: slice) -> Array:
        ours, others = load_images(self._first, pairs.first[rows], SIDE), load_images(second, pairs.second[rows], SIDE)
        flip = pairs.mirrored[rows, None, None, None]
        return compute_similarity(np.where(flip, ours[..., ::-1], ours), others, self._unit)

    def _report(self, task: str, total: int) -> Callable[[int], None]:
        return lambda done: self._progress.advance(task, done, total)


def find_equal(first: Rows, second: Rows) -> list[Duplicate]:
    """Each second row that equals a first row byte for byte, with the earliest of these."""
    digests = list(_digest(first))
    earliest = dict(reversed([(digest, row) for row, digest in digests]))
    labels, other_labels = first.dataset.y, second.dataset.y
    return [
        Duplicate(earliest[digest], row, 1.0, False, (int(labels[earliest[digest]]), int(other_labels[row])))
        for row, digest in (digests if second is first else _digest(second))
        if digest in earliest
    ]


def _digest(rows: Rows) -> Iterator[tuple[int, bytes]]:
    return zip(rows.index.tolist(), digest_rows(rows.dataset.X[row] for row in rows.index), strict=True)


def digest_rows(rows: Iterable[Array]) -> Iterator[bytes]:
    """A digest of each row's bytes: 16 bytes for a row in memory, not the row."""
    return (blake2b(row.tobytes(), digest_size=16).digest() for row in rows)


def merge(pairs: Iterable[Duplicate]) -> list[Duplicate]:
    """Each pair of rows once, with the similarity of its first occurrence, the most similar first."""
    merged: dict[tuple[int, int], Duplicate] = {}
    for pair in pairs:
        merged.setdefault((pair.first, pair.second), pair)
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
