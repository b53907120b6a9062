"""The house's own format: the network as it is, to be taken elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy.typing as npt

from monolayer.export.format import Format
from monolayer.network import OneLayer

Array = npt.NDArray[Any]


def compute_scores(path: Path, X: Array) -> Array:
    """What the network that is loaded again gives."""
    network = OneLayer.load(path)
    return network.compute_scores(X) / network.temperature


def describe(network: OneLayer) -> str:
    """How it is loaded."""
    return f"for monolayer.OneLayer.load(FILE); temperature {network.temperature:.4g}"


OWN = Format(".safetensors", OneLayer.pack, compute_scores, describe)
