"""The state of a PyTorch ``nn.Linear`` as safetensors: PyTorch is not needed to write it, and no pickle to read it."""

import json
from pathlib import Path

import numpy as np
from safetensors import safe_open

from monolayer._typing import Array
from monolayer.exporters.base import Format, describe_reading, fold_or_refuse
from monolayer.exporters.folding import Folded
from monolayer.files import pack_tensors
from monolayer.network import OneLayer


def pack(network: OneLayer) -> bytes:
    """``weight`` (K, D) and ``bias`` (K,), float32, with scaling and temperature folded in.

    Raises:
        BadInput: if folding would lose too much.
    """
    folded = fold_or_refuse(network)
    header = {
        "format": "pt",  # what safetensors calls tensors of PyTorch
        "loss": network.loss,
        "reading": describe_reading(network),
        "class_names": json.dumps(network.class_names),
        "image_shape": json.dumps(network.image_shape),
        "temperature": json.dumps(network.temperature),
        "metadata": json.dumps(network.metadata, sort_keys=True),
    }
    return pack_tensors({"weight": folded.weights, "bias": folded.bias}, header)


def compute_scores(path: Path, X: Array) -> Array:
    """The scores that ``nn.Linear`` computes from float32 features."""
    with safe_open(path, framework="numpy") as file:
        layer = Folded(file.get_tensor("weight"), file.get_tensor("bias"))
    return layer.compute_scores(X.astype(np.float32))


def describe(network: OneLayer) -> str:
    """How it is loaded."""
    K, D = network.weights.shape
    return (
        f"for nn.Linear({D}, {K}).load_state_dict(safetensors.torch.load_file(FILE)); it takes float32 features, as "
        "they were in training and not scaled"
    )


TORCH = Format("torch", ".safetensors", pack, compute_scores, describe)
