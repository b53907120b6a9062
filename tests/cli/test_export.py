import os

import numpy as np
import onnxruntime
import pytest

from monolayer.network import OneLayer
from tests.exporters.made import make_network, make_rows

NAMES = {"onnx": "a.onnx", "torch": "a.safetensors", "json": "a.json", "safetensors": "a.safetensors"}


@pytest.fixture
def network(tmp_path):
    make_network(temperature=1.7).save(tmp_path / "network.safetensors")
    return tmp_path


@pytest.mark.parametrize("to", NAMES)
def test_a_run_is_exported_and_said_how_to_use(command, network, tmp_path, to):
    out = tmp_path / "made" / NAMES[to]
    out.parent.mkdir()
    result = command("export", network, "--to", to, "--out", out)
    assert result.code == 0
    assert "Read back, it gives the network's scores to within" in result.out
    assert os.listdir(out.parent) == [NAMES[to]]
    again = command("export", network / "network.safetensors", "--to", to, "--out", out.with_stem("b"), "--json")
    assert again.json["n_probes"] == 269
    assert again.json["error"] < 1e-5


def test_the_temperature_goes_with_it(command, network, tmp_path):
    command("export", network, "--to", "onnx", "--out", tmp_path / "a.onnx")
    loaded = OneLayer.load(network)
    X = make_rows(loaded)
    probabilities = onnxruntime.InferenceSession(tmp_path / "a.onnx").run(["probabilities"], {"X": X})[0]
    np.testing.assert_allclose(probabilities, loaded.compute_probabilities(X), atol=1e-5)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--to", "keras", "--out", "a.h5"], "'keras' is not a format; accepted are onnx, json, safetensors, torch."),
        (["--to", "onnx", "--out", "a.json"], "a.json: is not a file name for onnx; accepted is one ending in .onnx."),
        (["--to", "json", "--out", "exists.json"], "exists.json exists; name a new file with --out."),
        (["--to", "json", "--out", "none/a.json"], "is not a folder, so a.json cannot be written to it"),
    ],
)
def test_wrong_words_get_one_sentence_and_write_nothing(command, network, monkeypatch, tmp_path, words, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "exists.json").write_text("mine")
    before = sorted(os.listdir())
    result = command("export", network, *words)
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert result.err.count("\n") == 1
    assert sorted(os.listdir()) == before
    assert (tmp_path / "exists.json").read_text() == "mine"


def test_what_is_no_network_is_refused(command, tmp_path):
    result = command("export", tmp_path, "--to", "json", "--out", tmp_path / "a.json")
    assert result.code == 2
    assert "there is no such run or network" in result.err
