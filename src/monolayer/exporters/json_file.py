"""Plain JSON, for any language that can multiply and add."""

import json
from pathlib import Path

import numpy as np

from monolayer._typing import Array
from monolayer.exporters.base import Format, describe_reading, fold_or_refuse
from monolayer.exporters.folding import Folded, get_dtype
from monolayer.network import OneLayer


def pack(network: OneLayer) -> bytes:
    """Weights and bias as decimal numbers of double precision, scaling and temperature folded in, and how to use them.

    Raises:
        BadInput: if folding would lose too much even in double precision.
    """
    folded = fold_or_refuse(network, "float64")
    content = {
        "format": "monolayer-json-1",
        "input": {
            "n_features": len(network.mean),
            "dtype": get_dtype(network),
            "image_shape": network.image_shape,
            "scaling": "none: x is a row of features as they were in training",
        },
        "scores": "s_k = bias[k] + sum_d weights[k][d] * x[d]",
        "probabilities": describe_reading(network),
        "label": "the class of the highest score",
        "class_names": network.class_names,
        "loss": network.loss,
        "temperature": f"{network.temperature!r}, divided into weights and bias already",
        "metadata": network.metadata,
        "bias": folded.bias.tolist(),
        "weights": folded.weights.tolist(),
    }
    return (json.dumps(content, allow_nan=False, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")


def compute_scores(path: Path, X: Array) -> Array:
    """The scores by the formula in the file."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return Folded(np.array(content["weights"]), np.array(content["bias"])).compute_scores(X)


def describe(network: OneLayer) -> str:
    """What the file holds."""
    return f"weights ({', '.join(map(str, network.weights.shape))}), bias, class names and the formulas, as JSON"


JSON = Format("json", ".json", pack, compute_scores, describe)
