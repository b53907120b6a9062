"""monolayer's own safetensors: everything that ``OneLayer.save`` writes."""

from pathlib import Path

from monolayer._typing import Array
from monolayer.exporters.base import Format
from monolayer.network import OneLayer


def compute_scores(path: Path, X: Array) -> Array:
    """The scores / temperature of the network that is loaded from the file."""
    network = OneLayer.load(path)
    return network.compute_scores(X) / network.temperature


def describe(network: OneLayer) -> str:
    """How the file is loaded."""
    return f"for monolayer.OneLayer.load(FILE); temperature {network.temperature:.4g}"


SAFETENSORS = Format("safetensors", ".safetensors", OneLayer.pack, compute_scores, describe, is_complete=True)
