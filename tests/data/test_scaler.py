import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from monolayer.data.dataset import Dataset
from monolayer.data.scaler import fit_scaler


@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32])
def test_mean_and_deviation_are_scikit_learns_on_training_rows_only(dtype):
    X = np.random.default_rng(0).integers(0, 255, (1500, 7)).astype(dtype)
    X[:, 3] = 9
    dataset = Dataset(X, np.arange(1500) % 2, ("a", "b"))
    train = dataset.split(val=200, test=300).train
    scaler, expected = fit_scaler(train), StandardScaler().fit(X[:1000].astype(np.float64))
    np.testing.assert_allclose(scaler.mean, expected.mean_, rtol=1e-12)
    np.testing.assert_allclose(scaler.std, expected.scale_, rtol=1e-12)


def test_a_large_mean_does_not_swallow_a_small_deviation():
    X = (10_000 + np.random.default_rng(0).standard_normal((4000, 2))).astype(np.float32)
    scaler = fit_scaler(Dataset(X, np.zeros(4000, int), ("a",)).split(test=1000).train)
    np.testing.assert_allclose(scaler.std, X[:3000].astype(np.float64).std(axis=0), rtol=1e-9)
