"""The machine's own rates, in GB/s and GFLOP/s: from memory, from the second cache, and of matrix products."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.limit import SGEMM_SIZE, compute_gflops

Array = npt.NDArray[Any]
# Several times any last cache, for each of the arrays.
MEMORY_BYTES = 256 << 20
# Bytes that each core reads from its second cache: enough to make the start of its thread negligible.
CACHE_BYTES = 4 << 30
# Of the triad at once: three such pieces stay in the second cache.
PIECE = 1 << 15
REPEATS = 3


def make_roofs(n_threads: int, second_cache: int) -> dict[str, Callable[[], float]]:
    """By name: rates on all cores, those of one core with `one_` before them."""
    a, b, c = (np.full(MEMORY_BYTES // 4, value, np.float32) for value in (0, 1, 2))
    rng = np.random.default_rng(0)
    left, right = (rng.standard_normal((SGEMM_SIZE, SGEMM_SIZE), np.float32) for _ in range(2))
    n = second_cache // 2 // 8  # two vectors that fill half of it
    return {
        "read": lambda: read_memory(b, c, n_threads),
        "one_read": lambda: read_memory(b, c, 1),
        "triad": lambda: run_triad((a, b, c), n_threads),
        "one_triad": lambda: run_triad((a, b, c), 1),
        "cache": lambda: read_cache(n, n_threads),
        "one_cache": lambda: read_cache(n, 1),
        "sgemm": lambda: multiply(left, right, n_threads),
        "one_sgemm": lambda: multiply(left, right, 1),
    }


def read_memory(b: Array, c: Array, n_threads: int) -> float:
    """GB/s of reading two arrays, by their inner product."""
    parts = [slice(len(b) * i // n_threads, len(b) * (i + 1) // n_threads) for i in range(n_threads)]
    seconds = time_threads(lambda i: np.dot(b[parts[i]], c[parts[i]]), n_threads)
    return (b.nbytes + c.nbytes) / seconds / 1e9


def run_triad(arrays: tuple[Array, Array, Array], n_threads: int) -> float:
    """GB/s of a = b + 3 c, as STREAM counts it: two arrays read and one written."""
    a, b, c = arrays

    def work(number: int) -> None:
        first, last = (len(a) * i // n_threads for i in (number, number + 1))
        for start in range(first, last, PIECE):
            piece = slice(start, min(start + PIECE, last))
            np.multiply(c[piece], 3, out=a[piece])
            np.add(a[piece], b[piece], out=a[piece])

    return 3 * a.nbytes / time_threads(work, n_threads) / 1e9


def read_cache(n: int, n_threads: int) -> float:
    """GB/s of reading two vectors of n floats again and again, each core its own."""
    repeats = CACHE_BYTES // (8 * n)
    # The same vector `repeats` times: NumPy loops over them, so that the product takes all of the time.
    pairs = [[np.ones(n, np.float32) for _ in range(2)] for _ in range(n_threads)]
    stacks = [(np.broadcast_to(b, (repeats, 1, n)), c[:, None]) for b, c in pairs]
    seconds = time_threads(lambda i: np.matmul(*stacks[i]), n_threads)
    return n_threads * repeats * 8 * n / seconds / 1e9


def multiply(left: Array, right: Array, n_threads: int) -> float:
    """GFLOP/s of a square product, a part of the rows for each core."""
    out = np.empty_like(left)
    parts = [slice(len(left) * i // n_threads, len(left) * (i + 1) // n_threads) for i in range(n_threads)]
    return compute_gflops(time_threads(lambda i: np.matmul(left[parts[i]], right, out=out[parts[i]]), n_threads))


def time_threads(work: Callable[[int], object], n_threads: int) -> float:
    """Seconds until all threads are through with their share; the best of REPEATS, since a roof is what can be had."""
    seconds = []
    with ThreadPoolExecutor(n_threads) as threads:
        list(threads.map(work, range(n_threads)))  # warm-up, not counted
        for _ in range(REPEATS):
            start = time.perf_counter()
            list(threads.map(work, range(n_threads)))
            seconds.append(time.perf_counter() - start)
    return min(seconds)
