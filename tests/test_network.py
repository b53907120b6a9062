from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import save_file

from monolayer.errors import BadData, BadInput
from monolayer.network import OneLayer


@pytest.fixture
def network():
    rng = np.random.default_rng(0)
    return OneLayer(
        weights=rng.standard_normal((3, 4)).astype(np.float32),
        bias=rng.standard_normal(3).astype(np.float32),
        mean=rng.random(4) * 100,
        std=rng.random(4) + 0.5,
        loss="cross_entropy",
        class_names=("ä", "b", "c"),
        image_shape=(1, 2, 2),
        metadata={"dataset": "made"},
    )


def test_scores_are_the_formula_and_predictions_their_maximum(network):
    X = np.random.default_rng(1).integers(0, 255, (2500, 4)).astype(np.uint8)
    expected = (X - network.mean) / network.std @ network.weights.T.astype(float) + network.bias
    np.testing.assert_allclose(network.compute_scores(X), expected, rtol=1e-4, atol=1e-3)
    np.testing.assert_array_equal(network.predict(X), network.compute_scores(X).argmax(axis=1))
    np.testing.assert_allclose(network.compute_probabilities(X).sum(axis=1), 1, rtol=1e-5)


def test_rows_are_divided_by_their_length_first_where_the_network_was_trained_so(network, tmp_path):
    X = np.random.default_rng(1).integers(0, 255, (50, 4)).astype(np.uint8)
    X[7] = 0
    lengths = np.linalg.norm(X.astype(float), axis=1, keepdims=True)
    normal = replace(network, normalize="l2")
    expected = network.compute_scores(X / np.where(lengths > 0, lengths, 1))
    np.testing.assert_allclose(normal.compute_scores(X), expected, rtol=1e-6)
    normal.save(tmp_path / "network.safetensors")
    assert OneLayer.load(tmp_path / "network.safetensors").normalize == "l2"


def test_saved_and_loaded_is_the_same_network(network, tmp_path):
    network.save(tmp_path / "network.safetensors")
    again = OneLayer.load(tmp_path / "network.safetensors")
    for name in ("weights", "bias", "mean", "std"):
        np.testing.assert_array_equal(getattr(again, name), getattr(network, name))
        assert getattr(again, name).dtype == getattr(network, name).dtype
    for name in ("loss", "class_names", "image_shape", "metadata"):
        assert getattr(again, name) == getattr(network, name)


def test_wrong_width_is_refused(network):
    with pytest.raises(BadInput, match=r"X has shape \(2, 5\); accepted is \(n, 4\)"):
        network.compute_scores(np.zeros((2, 5), np.float32))


def test_what_is_no_network_is_refused(tmp_path):
    missing, broken, foreign = (tmp_path / name for name in ("none", "broken", "foreign"))
    broken.write_bytes(b"\x80\x04 no safetensors")
    save_file({"weights": np.zeros((2, 2))}, foreign)
    with pytest.raises(BadData, match="none: cannot be read as a network"):
        OneLayer.load(missing)
    for path in (broken, foreign):
        with pytest.raises(BadData, match="is not a network saved by monolayer"):
            OneLayer.load(path)
