from dataclasses import replace

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from monolayer.errors import BadData, BadInput
from monolayer.evaluate.probabilities import apply_temperature
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
    with pytest.raises(BadData, match="none: there is no such run or network"):
        OneLayer.load(missing)
    for path in (broken, foreign):
        with pytest.raises(BadData, match="is not a network saved by monolayer"):
            OneLayer.load(path)


def test_a_folder_is_loaded_like_its_file(network, tmp_path):
    network.save(tmp_path / "network.safetensors")
    np.testing.assert_array_equal(OneLayer.load(tmp_path).weights, network.weights)
    np.testing.assert_array_equal(OneLayer.load(str(tmp_path)).bias, network.bias)
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadData, match=r"network\.safetensors: there is no such run or network"):
        OneLayer.load(tmp_path / "empty")


@pytest.mark.parametrize("loss", ["cross_entropy", "multiple_bce"])
@pytest.mark.parametrize("temperature", [0.5, 2.5])
def test_a_temperature_changes_probabilities_alone(network, tmp_path, loss, temperature):
    plain = replace(network, loss=loss)
    warm = replace(plain, temperature=temperature)
    X = np.random.default_rng(3).random((50, 4)).astype(np.float32) * 100
    np.testing.assert_array_equal(warm.compute_scores(X), plain.compute_scores(X))
    np.testing.assert_array_equal(warm.predict(X), plain.predict(X))
    reading = {"cross_entropy": "softmax", "multiple_bce": "sigmoid"}[loss]
    expected = apply_temperature(plain.compute_scores(X), temperature, reading)
    np.testing.assert_allclose(warm.compute_probabilities(X), expected, rtol=1e-4, atol=1e-6)
    warm.save(tmp_path / "warm.safetensors")
    assert OneLayer.load(tmp_path / "warm.safetensors").temperature == temperature


def test_a_file_of_an_earlier_version_has_no_temperature(network, tmp_path):
    network.save(tmp_path / "new.safetensors")
    with safe_open(tmp_path / "new.safetensors", "numpy") as file:
        header = {name: text for name, text in file.metadata().items() if name != "temperature"}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is no dictionary
    save_file(tensors, tmp_path / "old.safetensors", header)
    assert OneLayer.load(tmp_path / "old.safetensors").temperature == 1
    for wrong in ("0", "-1", "Infinity", "NaN", '"hot"', "null", "{"):
        save_file(tensors, tmp_path / "wrong.safetensors", {**header, "temperature": wrong})
        with pytest.raises(BadData, match="is not a network saved by monolayer"):
            OneLayer.load(tmp_path / "wrong.safetensors")


@pytest.mark.parametrize("temperature", [0, -1.0, np.inf, np.nan, "1", None])
def test_a_temperature_that_is_none_is_refused(network, temperature):
    with pytest.raises(BadInput, match=r"temperature is .*; accepted is a number above 0"):
        replace(network, temperature=temperature)


def test_what_is_no_number_is_refused_by_its_place(network):
    X = np.zeros((1500, 4))
    X[1200, 3] = np.nan
    for ask in (network.compute_scores, network.compute_probabilities, network.predict):
        with pytest.raises(BadInput, match=r"X\[1200, 3\] is nan; accepted are finite numbers"):
            ask(X)
    for wrong, name in ((np.zeros((2, 4), bool), "bool"), (np.zeros((2, 4), complex), "complex128"),
                        (np.full((2, 4), "1"), "str32"), (np.full((2, 4), None), "object")):  # fmt: skip
        with pytest.raises(BadInput, match=f"X is {name}; accepted are integers and floats"):
            network.predict(wrong)
    lost = replace(network, weights=np.full_like(network.weights, np.nan))
    assert np.isnan(lost.compute_scores(np.zeros((1, 4)))).all()
