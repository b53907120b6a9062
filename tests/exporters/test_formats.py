"""Every format, read as others would read it."""

import json
import math
import os
import sys
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx.reference import ReferenceEvaluator
from safetensors import safe_open

import monolayer as ml
from monolayer.errors import BadInput, MonolayerError
from monolayer.exporters import onnx_file
from monolayer.exporters.formats import FORMATS, export
from monolayer.network import OneLayer
from tests.exporters.made import compute_allowed, compute_scores, make_network, make_rows

NAMES = {"onnx": "a.onnx", "torch": "t.safetensors", "json": "a.json", "safetensors": "a.safetensors"}


def run_onnx(path, X):
    """(scores, probabilities, label) by onnxruntime."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options).run(None, {"X": X})


def check_onnx(path, network, X):
    """Scores to 1e-5 of a row's largest (of 1, where that is smaller) or to float32, and what follows from them."""
    scores, probabilities, label = run_onnx(path, X)
    off = np.abs(scores - compute_scores(network, X)).max(axis=1)
    assert (off <= compute_allowed(network, X)).all()
    off = np.abs(probabilities - network.compute_probabilities(X)).max(
        axis=1
    )  # no probability moves faster than a score
    assert (off <= compute_allowed(network, X)).all()
    np.testing.assert_array_equal(label, scores.argmax(axis=1))
    assert (scores.dtype, probabilities.dtype, label.dtype) == (np.float32, np.float32, np.int64)


@settings(max_examples=60)
@given(
    n_classes=st.integers(2, 12), n_features=st.integers(1, 200),
    loss=st.sampled_from(["cross_entropy", "multiple_bce"]),
    dtype=st.sampled_from(["uint8", "float16", "float32", "float64"]),
    temperature=st.floats(0.2, 5), shift_log=st.floats(-2, 6), seed=st.integers(0, 99),
)  # fmt: skip
def test_onnx_gives_the_networks_answers(
    tmp_path_factory, n_classes, n_features, loss, dtype, temperature, shift_log, seed
):
    shift = min(10**shift_log, {"uint8": 200.0, "float16": 6e4}.get(dtype, math.inf))
    network = make_network(
        n_classes, n_features, loss=loss, dtype=dtype, temperature=temperature, shift=shift, seed=seed
    )
    path = tmp_path_factory.mktemp("onnx") / "a.onnx"
    ml.export_onnx(network, path)
    check_onnx(path, network, make_rows(network))


@pytest.mark.parametrize(("shift", "operators"), [
    (5.0, ["Cast", "Gemm", "Softmax", "ArgMax"]),
    (1e8, ["Cast", "Sub", "Div", "Cast", "Gemm", "Softmax", "ArgMax"]),
])  # fmt: skip
def test_onnx_is_one_gemm_unless_that_would_cancel(tmp_path, shift, operators):
    network = make_network(n_features=30, dtype="float64", shift=shift)
    exported = ml.export_onnx(network, tmp_path / "a.onnx")
    model = onnx.load(tmp_path / "a.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert [node.op_type for node in model.graph.node] == operators
    assert ("one Gemm" in exported.text) is ("Sub" not in operators)
    check_onnx(tmp_path / "a.onnx", network, make_rows(network))


def test_onnx_says_what_it_is(tmp_path):
    network = make_network(temperature=1.5, loss="multiple_bce")
    ml.export_onnx(network, tmp_path / "a.onnx")
    model = onnx.load(tmp_path / "a.onnx")
    properties = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(properties["class_names"]) == list(network.class_names)
    assert {
        "loss": "multiple_bce",
        "temperature": "1.5",
        "dataset": "made",
        "licence": "CC0-1.0",
    }.items() <= properties.items()
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 17)]
    session = onnxruntime.InferenceSession(tmp_path / "a.onnx")
    assert [(i.name, i.type, i.shape) for i in session.get_inputs()] == [("X", "tensor(uint8)", ["n", 5])]
    assert "a sigmoid a class" in model.doc_string
    first = (tmp_path / "a.onnx").read_bytes()
    ml.export_onnx(network, tmp_path / "a.onnx")
    assert (tmp_path / "a.onnx").read_bytes() == first


@pytest.mark.parametrize("loss", ["cross_entropy", "multiple_bce"])
def test_json_is_read_with_plain_python(tmp_path, loss):
    network = make_network(temperature=0.7, loss=loss)
    ml.export_json(network, tmp_path / "a.json")
    content = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    for x in make_rows(network, 20).tolist():
        scores = [
            b + sum(w * f for w, f in zip(row, x, strict=True))
            for row, b in zip(content["weights"], content["bias"], strict=True)
        ]
        e = [math.exp(s) for s in scores]
        p = [v / sum(e) for v in e] if "softmax" in content["probabilities"] else [1 / (1 + 1 / v) for v in e]
        np.testing.assert_allclose(p, network.compute_probabilities(np.array([x]))[0], rtol=1e-4)
        assert (
            content["class_names"][scores.index(max(scores))] == network.class_names[network.predict(np.array([x]))[0]]
        )


def test_torch_is_the_state_of_a_linear_layer(tmp_path):
    network = make_network(temperature=3.0)
    ml.export_torch(network, tmp_path / "a.safetensors")
    with safe_open(tmp_path / "a.safetensors", "numpy") as file:
        assert sorted(file.keys()) == ["bias", "weight"]
        weight, bias, header = file.get_tensor("weight"), file.get_tensor("bias"), file.metadata()
    assert (weight.shape, bias.shape, weight.dtype, bias.dtype) == ((3, 5), (3,), np.float32, np.float32)
    assert header["format"] == "pt"
    assert json.loads(header["class_names"]) == list(network.class_names)
    X = make_rows(network)
    np.testing.assert_allclose(X.astype(np.float32) @ weight.T + bias, compute_scores(network, X), atol=1e-5)


def test_pytorch_loads_it(tmp_path):
    torch = pytest.importorskip("torch")  # no dependency, not even of the tests
    from safetensors.torch import load_file

    network = make_network()
    ml.export_torch(network, tmp_path / "a.safetensors")
    layer = torch.nn.Linear(5, 3)
    layer.load_state_dict(load_file(tmp_path / "a.safetensors"))
    X = make_rows(network)
    np.testing.assert_allclose(layer(torch.tensor(X).float()).detach().numpy(), compute_scores(network, X), atol=1e-5)


def test_the_houses_own_format_is_the_network(tmp_path):
    network = make_network(temperature=3.0)
    export(network, tmp_path / "a.safetensors", "safetensors")
    again = OneLayer.load(tmp_path / "a.safetensors")
    assert (again.temperature, again.metadata, again.class_names) == (3.0, network.metadata, network.class_names)
    np.testing.assert_array_equal(again.weights, network.weights)


def test_every_format_has_a_test_here():
    assert set(FORMATS) == set(NAMES)


@pytest.mark.parametrize("to", ["torch", "json"])
def test_a_format_that_must_fold_refuses_what_cannot_be(tmp_path, to):
    network = make_network(dtype="float64", shift=1e15)
    with pytest.raises(BadInput, match=r"The scaling cannot be folded .*; accepted is --to onnx or safetensors"):
        export(network, tmp_path / NAMES[to], to)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("to", NAMES)
def test_a_file_that_answers_otherwise_is_not_put_in_place(tmp_path, monkeypatch, to):
    network = make_network()
    other = FORMATS[to].pack(make_network(seed=1))
    monkeypatch.setitem(FORMATS, to, type(FORMATS[to])(**{**vars(FORMATS[to]), "pack": lambda _: other}))
    (tmp_path / NAMES[to]).write_text("older")
    with pytest.raises(MonolayerError, match="was not written, since read back its scores are off by"):
        export(network, tmp_path / NAMES[to], to)
    assert os.listdir(tmp_path) == [NAMES[to]]
    assert (tmp_path / NAMES[to]).read_text() == "older"


@pytest.mark.parametrize("to", NAMES)
def test_wrong_input_gets_one_sentence(tmp_path, to):
    network = make_network()
    with pytest.raises(BadInput, match=r"a\.h5: is not a file name for"):
        export(network, tmp_path / "a.h5", to)
    with pytest.raises(BadInput, match=r"cannot be written \(No such file or directory\)"):
        export(network, tmp_path / "none" / NAMES[to], to)
    network.weights[0, 0] = np.nan
    with pytest.raises(BadInput, match="its training diverged; it cannot predict"):
        export(network, tmp_path / NAMES[to], to)
    with pytest.raises(BadInput, match="'keras' is not a format; accepted are onnx, json, safetensors, torch"):
        export(network, tmp_path / "a.h5", "keras")
    assert os.listdir(tmp_path) == []


def test_onnx_is_given_for_by_name_where_it_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(BadInput, match=r"needs the package onnx: pip install 'monolayer\[onnx\]'"):
        ml.export_onnx(make_network(), tmp_path / "a.onnx")


@pytest.mark.parametrize(("suffix", "to"), [("onnx", "onnx"), ("JSON", "json"), ("safetensors", "safetensors")])
def test_the_suffix_chooses_the_format(suffix, to, tmp_path):
    network = make_network()
    by_suffix, by_name = tmp_path / f"a.{suffix}", tmp_path / f"b{FORMATS[to].suffix}"
    assert ml.export(network, by_suffix).path == by_suffix
    ml.export(network, by_name, to)
    assert by_suffix.read_bytes() == by_name.read_bytes()


def test_a_suffix_of_no_format_is_refused(tmp_path):
    with pytest.raises(BadInput, match=r"has the suffix of no format; accepted are \.onnx, \.json, \.safetensors"):
        ml.export(make_network(), tmp_path / "a.pt")


def test_every_loss_has_its_reading_in_onnx():
    from monolayer.recipe.losses import LOSSES

    for loss in LOSSES.values():
        network = make_network(loss=str(loss))
        X = make_rows(network, 5)
        model = onnx.load_from_string(onnx_file.pack(network))
        if not loss.has_probabilities:
            assert [output.name for output in model.graph.output] == ["scores", "label"]
            continue
        (p,) = ReferenceEvaluator(model).run(["probabilities"], {"X": X})
        np.testing.assert_allclose(p, network.compute_probabilities(X), atol=1e-6)


@pytest.mark.cifar10
def test_onnx_on_the_real_images(cifar10, tmp_path):
    run = ml.train(cifar10.split(1000, train=10_000), ml.Recipe(epochs=2, learning_rate=0.01))
    ml.export_onnx(run.network, tmp_path / "a.onnx")
    X = np.asarray(cifar10.test.X[:2000])
    check_onnx(tmp_path / "a.onnx", run.network, X)
    scores, exact = run_onnx(tmp_path / "a.onnx", X)[0], compute_scores(run.network, X)
    assert (np.abs(scores - exact).max(axis=1) / np.maximum(np.abs(exact).max(axis=1), 1)).max() < 1e-5
    np.testing.assert_array_equal(run_onnx(tmp_path / "a.onnx", X)[2], run.network.predict(X))


@pytest.mark.parametrize("to", ["onnx", "torch", "json"])
def test_a_network_that_normalises_rows_is_refused_by_formats_that_would_not(to, tmp_path):
    network = replace(make_network(), normalize="l2")
    with pytest.raises(BadInput, match=f"divides rows by their length .* which {to} would not; use safetensors"):
        export(network, tmp_path / f"n{FORMATS[to].suffix}", to)
    export(network, tmp_path / "n.safetensors", "safetensors")
