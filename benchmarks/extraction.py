"""Features of CIFAR-10's images by learned patches. Prints one JSON object.

Filters are patches that were drawn, so that their learning, which happens once, is not in the time.
"""

from __future__ import annotations

import json
import time

import monolayer as ml
from benchmarks.limit import PATCHES
from monolayer.features import PatchFeatures

WARM_UP = 128  # images, not counted


def main() -> None:
    X = ml.load("cifar10").X
    transformer = PatchFeatures(PATCHES.filters, filters="random", n_patches=20_000).fit(X[: PATCHES.images])
    for _ in transformer.iterate(X[:WARM_UP]):
        pass
    start = time.perf_counter()
    for _ in transformer.iterate(X[: PATCHES.images]):  # a block leaves as it is made: they are not kept
        pass
    print(json.dumps({"seconds": time.perf_counter() - start}))


if __name__ == "__main__":
    main()
