"""Small features and labels for the estimators' tests."""

import numpy as np


def make_rows(n=120, n_features=6, n_classes=3, *, dtype="float64", seed=0):
    """(X, y): classes that overlap, features of unlike scales and means."""
    rng = np.random.default_rng(seed)
    y = np.concatenate([np.arange(n_classes), rng.integers(0, n_classes, n - n_classes)])
    X = rng.standard_normal((n_classes, n_features))[y] + rng.standard_normal((n, n_features))
    return (X * np.geomspace(0.1, 30, n_features) + np.linspace(-5, 50, n_features)).astype(dtype), y


def make_several_labels(n=120, n_features=6, n_classes=4, seed=0):
    """(X, Y): Y (n, K) 0 or 1, rows without any label among them."""
    X, _ = make_rows(n, n_features, seed=seed)
    rng = np.random.default_rng(seed + 1)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    return X, (Z @ rng.standard_normal((n_features, n_classes)) + rng.standard_normal((n, n_classes)) > 0.5).astype(int)
