"""Networks of any kind for the tests of exports."""

import numpy as np

from monolayer.network import OneLayer


def make_network(
    n_classes=3, n_features=5, *, loss="cross_entropy", dtype="uint8", temperature=1.0, shift=100.0, seed=0
):
    """A network whose features have means near ``shift`` and deviations near 1 (near 40 for pixels)."""
    rng = np.random.default_rng(seed)
    std = rng.uniform(30, 50, n_features) if dtype == "uint8" else rng.uniform(0.5, 2, n_features)
    return OneLayer(
        weights=(rng.standard_normal((n_classes, n_features)) / n_features**0.5).astype(np.float32),
        bias=rng.standard_normal(n_classes).astype(np.float32),
        mean=shift + rng.standard_normal(n_features),
        std=std,
        loss=loss,
        class_names=tuple(f"clàss {k}" for k in range(n_classes)),
        metadata={"features_dtype": dtype, "dataset": "made", "licence": "CC0-1.0"},
        temperature=temperature,
    )


def make_rows(network, n=200, seed=1):
    """Rows like those that it was trained on, in their dtype."""
    dtype = network.metadata["features_dtype"]
    X = network.mean + network.std * np.random.default_rng(seed).standard_normal((n, len(network.mean)))
    return X.round().clip(0, 255).astype(dtype) if dtype == "uint8" else X.astype(dtype)


def compute_allowed(network, X):
    """What single precision may be off, (n,): 1e-5 of a row's largest score, or eight roundings of all its terms."""
    z = np.abs((X.astype(np.float64) - network.mean) / network.std)
    terms = (z @ np.abs(network.weights.astype(np.float64)).T + np.abs(network.bias)) / network.temperature
    largest = np.maximum(np.abs(compute_scores(network, X)).max(axis=1), 1)
    return np.maximum(1e-5 * largest, 8 * 2.0**-24 * terms.max(axis=1))


def compute_scores(network, X):
    """By the definition, in float64."""
    z = (X.astype(np.float64) - network.mean) / network.std
    return (z @ network.weights.astype(np.float64).T + network.bias) / network.temperature
