"""Memory-mapped arrays: read them without keeping their pages in memory."""

import mmap
import tokenize
import zipfile
import zlib
from itertools import pairwise
from typing import Any

import numpy as np

from monolayer._typing import Array

# The exceptions that NumPy raises on damaged .npy and .npz files, depending on where the damage is.
NPY_ERRORS = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    SyntaxError,
    ArithmeticError,
    MemoryError,
    NotImplementedError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
# The pages of smaller files stay: reading them again costs a page fault each.
LARGE = 256 * 2**20
# Pages are released after this number of bytes of a pass.
STRIDE = 64 * 2**20
# Reading a row may load a neighbourhood of this size: the largest page of the system's cache of files.
NEIGHBOURHOOD = 2 * 2**20
# Pages are released after this number of scattered rows, or a larger batch: 128 load up to 256 MiB of neighbourhoods.
SCATTERED = 128


def find_map(array: Array) -> mmap.mmap | None:
    """The memory-mapped file that an array is a view of, or None."""
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    return base if isinstance(base, mmap.mmap) else None


def is_large(array: Array) -> bool:
    """Whether an array is a view of a large file, memory-mapped for reading only."""
    mapped = find_map(array)
    return mapped is not None and len(mapped) > LARGE and not array.flags.writeable


def give_back(array: Array) -> None:
    """Release the pages of a large memory-mapped file; they are read again when they are needed."""
    if is_large(array) and hasattr(mmap, "MADV_DONTNEED"):
        find_map(array).madvise(mmap.MADV_DONTNEED)  # type: ignore[union-attr]


def count_rows(array: Array) -> int:
    """Number of adjacent rows of (n, D) after which a pass releases pages: STRIDE bytes, at least 1."""
    return max(1, STRIDE // _count_bytes(array))


def read_rows(array: Array, index: Array) -> Array:
    """A copy of these rows, (n, D); ``index`` is ascending. Pages are released as they have been read."""
    rows, source = np.empty((len(index), *array.shape[1:]), array.dtype), array.view(np.ndarray)
    cuts = [0, *_cut_by_neighbourhood(index * _count_bytes(array)), len(index)]
    for start, stop in pairwise(cuts):
        rows[start:stop] = source[index[start:stop]]
        give_back(array)
    return rows


def _cut_by_neighbourhood(places: Array) -> list[int]:
    """Where to cut these ascending positions, in bytes, so that no part loads more than STRIDE."""
    steps = np.diff(places // NEIGHBOURHOOD, prepend=0) != 0
    parts = np.cumsum(steps) // (STRIDE // NEIGHBOURHOOD)
    return (1 + np.flatnonzero(np.diff(parts))).tolist()


def _count_bytes(array: Array) -> int:
    return max(1, int(np.prod(array.shape[1:])) * array.itemsize)
