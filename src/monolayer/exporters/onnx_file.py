"""ONNX: one Gemm with scaling and temperature folded in, or Sub and Div before it where folding would lose too much."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from monolayer._typing import Array
from monolayer._version import __version__
from monolayer.errors import BadInput
from monolayer.exporters.base import Format, describe_reading
from monolayer.exporters.folding import fold, get_dtype, is_foldable
from monolayer.network import OneLayer
from monolayer.recipe.losses import get_loss

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, ValueInfoProto

Parts = tuple[list[Any], dict[str, Array]]  # nodes, and the constants that they name
OPSET, IR_VERSION = 17, 8  # supported by runtimes since 2022
INPUT, SCORES, PROBABILITIES, LABEL = "X", "scores", "probabilities", "label"


def pack(network: OneLayer) -> bytes:
    """The model's bytes, checked by onnx itself.

    Raises:
        BadInput: if the package onnx is not there.
    """
    _check_installed()
    import onnx

    model = _make_model(network)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def compute_scores(path: Path, X: Array) -> Array:
    """The model's scores by onnx's own reference implementation, which runs the file as it is."""
    import onnx
    from onnx.reference import ReferenceEvaluator

    model = onnx.load_from_string(path.read_bytes())
    onnx.checker.check_model(model, full_check=True)
    (scores,) = ReferenceEvaluator(model).run([SCORES], {INPUT: X})
    return np.asarray(scores)


def describe(network: OneLayer) -> str:
    """Inputs, outputs and form."""
    form = "one Gemm" if is_foldable(network) else "scaling in float64 before the Gemm"
    return (
        f"ONNX opset {OPSET}, {form}; input {INPUT} (n, {len(network.mean)}) {get_dtype(network)}, features as they "
        f"were in training; outputs {', '.join(_list_outputs(network))}"
    )


ONNX = Format("onnx", ".onnx", pack, compute_scores, describe)


def _check_installed() -> None:
    try:
        import onnx  # noqa: F401  # asked for here, needed below
    except ImportError:
        raise BadInput("--to onnx needs the package onnx: pip install 'monolayer[onnx]'.") from None


def _make_model(network: OneLayer) -> ModelProto:
    from onnx import helper

    model = helper.make_model(
        _make_graph(network),
        producer_name="monolayer",
        producer_version=__version__,
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
        doc_string=f"A one-layer network. {describe(network)}. Probabilities: {describe_reading(network)}.",
    )
    helper.set_model_props(model, _list_properties(network))
    return model


def _list_properties(network: OneLayer) -> dict[str, str]:
    """The model's metadata: class names, loss, temperature, and where the network is from."""
    own = {
        "class_names": json.dumps(network.class_names, ensure_ascii=False),
        "loss": network.loss,
        "image_shape": json.dumps(network.image_shape),
        "temperature": json.dumps(network.temperature),
    }
    return dict(sorted({**network.metadata, **own}.items()))


def _make_graph(network: OneLayer) -> GraphProto:
    from onnx import helper, numpy_helper

    nodes, constants = _fold(network) if is_foldable(network) else _keep_apart(network)
    if operator := _find_operator(network):
        nodes.append(helper.make_node(operator[0], [SCORES], [PROBABILITIES], **operator[1]))
    nodes.append(helper.make_node("ArgMax", [SCORES], [LABEL], axis=1, keepdims=0))
    tensors = [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in constants.items()]
    return helper.make_graph(nodes, "one_layer", [_make_input(network)], _make_outputs(network), tensors)


def _find_operator(network: OneLayer) -> tuple[str, dict[str, Any]] | None:
    """The operator that makes probabilities of scores; None if the loss defines none."""
    readings = get_loss(network.loss).readings
    return readings[0].onnx_operator if readings else None


def _list_outputs(network: OneLayer) -> tuple[str, ...]:
    return (SCORES, PROBABILITIES, LABEL) if _find_operator(network) else (SCORES, LABEL)


def _fold(network: OneLayer) -> Parts:
    folded, given = fold(network), INPUT
    nodes = []
    if get_dtype(network) != "float32":
        nodes.append(_cast(INPUT, "features", "FLOAT"))
        given = "features"
    return [*nodes, _gemm(given)], {"weights": folded.weights, "bias": folded.bias}


def _keep_apart(network: OneLayer) -> Parts:
    """As :meth:`OneLayer.compute_scores`: centred in float64, and rounded after that."""
    from onnx import helper

    T = network.temperature
    nodes = [
        _cast(INPUT, "features", "DOUBLE"),
        helper.make_node("Sub", ["features", "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "std"], ["scaled"]),
        _cast("scaled", "z", "FLOAT"),
        _gemm("z"),
    ]
    weights, bias = ((part.astype(np.float64) / T).astype(np.float32) for part in (network.weights, network.bias))
    return nodes, {"mean": network.mean, "std": network.std, "weights": weights, "bias": bias}


def _cast(source: str, target: str, to: str) -> NodeProto:
    from onnx import TensorProto, helper

    return helper.make_node("Cast", [source], [target], to=TensorProto.DataType.Value(to))


def _gemm(source: str) -> NodeProto:
    from onnx import helper

    return helper.make_node("Gemm", [source, "weights", "bias"], [SCORES], transB=1)


def _make_input(network: OneLayer) -> ValueInfoProto:
    from onnx import helper

    dtype, doc = get_dtype(network), "Features as they were in training, not scaled."
    return helper.make_tensor_value_info(INPUT, _element_type(dtype), ["n", len(network.mean)], doc)


def _make_outputs(network: OneLayer) -> list[ValueInfoProto]:
    from onnx import helper

    K = len(network.class_names)
    kinds: dict[str, tuple[str, list[str | int], str]] = {
        SCORES: ("float32", ["n", K], "W z + b, divided by the temperature."),
        PROBABILITIES: ("float32", ["n", K], describe_reading(network)),
        LABEL: ("int64", ["n"], "The class of the highest score, from 0."),
    }
    return [
        helper.make_tensor_value_info(name, _element_type(dtype), shape, doc)
        for name in _list_outputs(network)
        for dtype, shape, doc in [kinds[name]]
    ]


def _element_type(dtype: str) -> int:
    from onnx import helper

    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
