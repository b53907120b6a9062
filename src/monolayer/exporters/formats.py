"""Every format by name, and how a file of it is made.

To add a format: a file like those beside this one, and a line in ``FORMATS``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from monolayer.errors import BadInput, MonolayerError
from monolayer.exporters.base import Format
from monolayer.exporters.folding import compute_allowance, compute_error, compute_exact, make_probes
from monolayer.exporters.json_file import JSON
from monolayer.exporters.onnx_file import ONNX
from monolayer.exporters.torch_file import TORCH
from monolayer.files import explain_os_error, open_whole
from monolayer.network import OneLayer
from monolayer.predict.predictions import check_network

Array = npt.NDArray[Any]


def compute_scores(path: Path, X: Array) -> Array:
    """What the network that is loaded again gives."""
    network = OneLayer.load(path)
    return network.compute_scores(X) / network.temperature


def describe(network: OneLayer) -> str:
    """How it is loaded."""
    return f"for monolayer.OneLayer.load(FILE); temperature {network.temperature:.4g}"


OWN = Format(".safetensors", OneLayer.pack, compute_scores, describe)


FORMATS: dict[str, Format] = {"onnx": ONNX, "torch": TORCH, "json": JSON, "safetensors": OWN}


@dataclass(frozen=True)
class Exported:
    """A file that was written.

    Args:
        path: where it is.
        text: what it is, and how it is used.
        n_probes: rows that it was asked about before it was put in place.
        error: the largest difference from the network's scores on them, relative to a row's largest above 1.
    """

    path: Path
    text: str
    n_probes: int
    error: float

    def to_dict(self) -> dict[str, Any]:
        """As ``monolayer export --json`` prints it."""
        return {**vars(self), "path": str(self.path)}


def export_network(network: OneLayer, path: Path | str, to: str) -> Exported:
    """Write a network in another format; the file appears whole, and only if it gives the network's scores.

    Args:
        network: a trained network; its temperature is exported with it.
        path: of the file, which is replaced if it exists.
        to: ``onnx``, ``torch``, ``json`` or ``safetensors``.

    Raises:
        BadInput: if there is no such format, its suffix is another, the network diverged, its scaling cannot be folded
            into a format that has no other form, it normalises rows, or the file cannot be written.
    """
    path = Path(path)
    if to not in FORMATS:
        raise BadInput(f"{to!r} is no format; accepted are {', '.join(FORMATS)}.")
    made = FORMATS[to]
    if path.suffix.lower() != made.suffix:
        raise BadInput(f"{path}: is no name for {to}; accepted is one ending in {made.suffix}.")
    check_network(network)
    if network.normalize != "none" and to != "safetensors":
        raise BadInput(
            f"The network divides rows by their length (normalize l2), which {to} would not; use safetensors."
        )
    if network.transformer is not None and to != "safetensors":
        raise BadInput(
            f"The network takes features of images, by {network.transformer.describe()}, which {to} cannot compute; "
            "use safetensors."
        )
    content, X = made.pack(network), make_probes(network)
    with explain_os_error(path), open_whole(path) as file:
        file.write(content)
        file.flush()
        with np.errstate(all="ignore"):
            error = compute_error(made.compute_scores(Path(file.name), X), compute_exact(network, X))
        if (error > compute_allowance(network, X)).any():
            raise MonolayerError(f"{path}: was not written, since read back its scores are off by {error.max():.1e}.")
    return Exported(path, made.describe(network), len(X), float(error.max()))


def export_onnx(network: OneLayer, path: Path | str) -> Exported:
    """Write a network as ONNX, opset 17: input ``X``, outputs ``scores``, ``probabilities`` and ``label``.

    ``X`` is (n, D), float32 or whatever dtype the features of training had, such as the uint8 of pixels, and takes
    features as they were in training. Scaling and temperature are folded into one Gemm unless that would lose more than
    1e-5 of the scores (``monolayer.exporters.folding``); then they are scaled in float64 before it. ``scores`` and
    ``probabilities`` are (n, K) float32, ``label`` is (n,) int64. Class names and the network's metadata are in the
    model's ``metadata_props``.

    Raises:
        BadInput: if the package onnx is not there, or as ``export_network``.

    Source: https://onnx.ai/onnx/operators/
    """
    return export_network(network, path, "onnx")


def export_torch(network: OneLayer, path: Path | str) -> Exported:
    """Write ``weight`` (K, D) and ``bias`` (K,), float32, as safetensors for a PyTorch ``nn.Linear(D, K)``.

    Scaling and temperature are folded in: the layer takes features as they were in training, as float32.

    Raises:
        BadInput: as ``export_network``.
    """
    return export_network(network, path, "torch")


def export_json(network: OneLayer, path: Path | str) -> Exported:
    """Write weights, bias, class names and the formulas as plain JSON, in double precision, scaling folded in.

    Raises:
        BadInput: as ``export_network``.
    """
    return export_network(network, path, "json")
