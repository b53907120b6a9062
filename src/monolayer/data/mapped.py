"""Memory-mapped arrays: pages that were read count as this process's memory until they are given back."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
# A smaller file may as well stay: reading its pages again costs a fault each.
LARGE = 256 * 2**20
# Pages are given back after so many bytes of a pass.
STRIDE = 64 * 2**20
# A row that is touched may bring two megabytes of its neighbours with it.
NEIGHBOURHOOD = 32


def find_map(array: Array) -> mmap.mmap | None:
    """The mapped file that an array is a view of, or None."""
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    return base if isinstance(base, mmap.mmap) else None


def give_back(array: Array) -> None:
    """Let go of the pages of a large mapped file: they count no more, and come again when they are asked for.

    Only pages that are the file's are let go; a mapping that may be written to is left alone.
    """
    mapped = find_map(array)
    if mapped is not None and len(mapped) > LARGE and not array.flags.writeable and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


def read_rows(array: Array, index: Array) -> Array:
    """A copy in memory of these rows, (n, D); ``index`` rises."""
    rows, source = np.empty((len(index), *array.shape[1:]), array.dtype), array.view(np.ndarray)
    step = count_rows(array, scattered=True)
    for start in range(0, len(index), step):
        rows[start : start + step] = source[index[start : start + step]]
        give_back(array)
    return rows


def count_rows(array: Array, *, scattered: bool = False) -> int:
    """Rows (n, D) after which a pass gives pages back: STRIDE bytes; fewer where they do not lie side by side."""
    rows = STRIDE // max(1, int(array.shape[1]) * array.itemsize)
    return max(1, rows // NEIGHBOURHOOD if scattered else rows)
