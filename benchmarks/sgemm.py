"""The rate of the machine: one square float32 product on all cores, the median of several. Prints one JSON object."""

import json
import statistics
import time

import numpy as np

from benchmarks.limit import SGEMM_SIZE

REPEATS = 15


def main() -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((SGEMM_SIZE, SGEMM_SIZE), np.float32) for _ in range(2))
    product = a @ b  # warm-up, not counted
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        np.matmul(a, b, out=product)
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"seconds": statistics.median(seconds)}))


if __name__ == "__main__":
    main()
