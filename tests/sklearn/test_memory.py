"""No copy of the features as a whole: what learning, answering and searching take besides them.

NumPy tells tracemalloc of every array, so this counts bytes that are asked for, whatever the system makes of them.
"""

import tracemalloc

import numpy as np
import pytest

from monolayer.sklearn import FusedSearchCV, OneLayerClassifier

N, D, K = 60_000, 784, 10  # 47 MB of bytes, 188 MB in float32
# Blocks that are centred in float64, the rows that the rate is found on, weights of folds: none by the features' size.
MOST = 45e6


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (N, D), dtype=np.uint8), rng.integers(0, K, N)


@pytest.fixture(params=["uint8", "float16", "float32", "mapped"])
def features(request, rows, tmp_path):
    if request.param == "mapped":
        np.save(tmp_path / "X.npy", rows[0].astype(np.float32))
        return np.load(tmp_path / "X.npy", mmap_mode="r")
    return rows[0].astype(request.param, copy=False)


def measure_peak(task):
    tracemalloc.start()
    try:
        task()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_nothing_takes_memory_by_the_size_of_the_features(features, rows):
    y = rows[1]
    classifier = OneLayerClassifier(epochs=1, batch_size=1000)
    search = FusedSearchCV(OneLayerClassifier(epochs=1, batch_size=1000), {"l2": [0.0, 0.1]}, cv=2, refit=False)
    half = slice(N // 2)
    peaks = {
        "fit": measure_peak(lambda: classifier.fit(features, y)),
        "partial_fit": measure_peak(lambda: OneLayerClassifier().partial_fit(features[half], y[half], range(K))),
        "predict_proba": measure_peak(lambda: classifier.predict_proba(features)),
        "search": measure_peak(lambda: search.fit(features, y)),
    }
    assert max(peaks.values()) < MOST < features.nbytes, peaks
