"""Memory-mapped arrays: pages that were read count as this process's memory until they are given back."""

from __future__ import annotations

import mmap
import tokenize
import zipfile
import zlib
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
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
# A smaller file may as well stay: reading its pages again costs a fault each.
LARGE = 256 * 2**20
# Pages are given back after so many bytes of a pass.
STRIDE = 64 * 2**20
# A row that is touched may bring all of its neighbourhood with it: the system keeps files in pieces of up to this size.
NEIGHBOURHOOD = 2 * 2**20
# Rows from anywhere in the file after which pages are given back, or after a batch that has more: 128 bring 256 MiB of
# neighbourhoods at the worst.
SCATTERED = 128


def find_map(array: Array) -> mmap.mmap | None:
    """The mapped file that an array is a view of, or None."""
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    return base if isinstance(base, mmap.mmap) else None


def is_large(array: Array) -> bool:
    """Whether an array is a view of a file that is mapped for reading only, and large."""
    mapped = find_map(array)
    return mapped is not None and len(mapped) > LARGE and not array.flags.writeable


def give_back(array: Array) -> None:
    """Let go of the pages of a large mapped file: they count no more, and come again when they are asked for."""
    if is_large(array) and hasattr(mmap, "MADV_DONTNEED"):
        find_map(array).madvise(mmap.MADV_DONTNEED)  # type: ignore[union-attr]


def count_rows(array: Array) -> int:
    """Rows (n, D) that lie side by side, after which a pass gives pages back: STRIDE bytes, at least 1."""
    return max(1, STRIDE // _count_bytes(array))


def read_rows(array: Array, index: Array) -> Array:
    """A copy in memory of these rows, (n, D); ``index`` rises. Pages are given back as they have been read."""
    rows, source = np.empty((len(index), *array.shape[1:]), array.dtype), array.view(np.ndarray)
    cuts = [0, *_cut_by_neighbourhood(index * _count_bytes(array)), len(index)]
    for start, stop in pairwise(cuts):
        rows[start:stop] = source[index[start:stop]]
        give_back(array)
    return rows


def _cut_by_neighbourhood(places: Array) -> list[int]:
    """Where to stop on the way through these bytes of the file, so that no part brings more than STRIDE with it."""
    steps = np.diff(places // NEIGHBOURHOOD, prepend=0) != 0
    parts = np.cumsum(steps) // (STRIDE // NEIGHBOURHOOD)
    return (1 + np.flatnonzero(np.diff(parts))).tolist()


def _count_bytes(array: Array) -> int:
    return max(1, int(np.prod(array.shape[1:])) * array.itemsize)
