"""The formats that a network can be exported to, and the functions that write them.

To add a format, write a file like those beside this one and add its :class:`Format` to ``FORMATS``.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from monolayer.errors import BadInput, MonolayerError
from monolayer.exporters.base import Format
from monolayer.exporters.folding import compute_allowance, compute_error, compute_exact, make_probes
from monolayer.exporters.json_file import JSON
from monolayer.exporters.onnx_file import ONNX
from monolayer.exporters.safetensors_file import SAFETENSORS
from monolayer.exporters.torch_file import TORCH
from monolayer.files import explain_os_error, open_whole
from monolayer.network import OneLayer
from monolayer.predict.predictions import check_network

# Of formats with the same suffix, the first is chosen where only a suffix is given.
FORMATS: dict[str, Format] = {made.name: made for made in (ONNX, JSON, SAFETENSORS, TORCH)}


@dataclass(frozen=True)
class Exported:
    """A file that was written.

    Args:
        path: where it is.
        text: what it is, and how it is used.
        n_probes: rows whose scores were computed from the file before it was put in place.
        error: the largest difference from the network's scores on them, relative to a row's largest score where that is
            above 1.
    """

    path: Path
    text: str
    n_probes: int
    error: float

    def to_dict(self) -> dict[str, Any]:
        """As ``monolayer export --json`` prints it."""
        return {**vars(self), "path": str(self.path)}


def export(network: OneLayer, path: Path | str, to: str | None = None) -> Exported:
    """Write a network in another format; the file appears whole, and only if it gives the network's scores.

    Args:
        network: a trained network; its temperature is exported with it.
        path: of the file, which is replaced if it exists.
        to: ``onnx``, ``json``, ``safetensors`` (monolayer's own) or ``torch``; None takes the first of these whose
            files end as the path does.

    Raises:
        BadInput: if there is no such format, its suffix is another, the network diverged, its scaling cannot be folded
            into a format that has no other form, it normalises rows, or the file cannot be written.
    """
    path = Path(path)
    if to is None:
        to = next((name for name, made in FORMATS.items() if made.suffix == path.suffix.lower()), None)
    if to is None:
        suffixes = ", ".join(dict.fromkeys(made.suffix for made in FORMATS.values()))
        raise BadInput(f"{path}: has the suffix of no format; accepted are {suffixes}.")
    if to not in FORMATS:
        raise BadInput(f"{to!r} is not a format; accepted are {', '.join(FORMATS)}.")
    made = FORMATS[to]
    if path.suffix.lower() != made.suffix:
        raise BadInput(f"{path}: is not a file name for {to}; accepted is one ending in {made.suffix}.")
    check_network(network)
    if network.normalize != "none" and not made.is_complete:
        raise BadInput(
            f"The network divides rows by their length (normalize l2), which {to} would not; use safetensors."
        )
    if network.transformer is not None and not made.is_complete:
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
        BadInput: if the package onnx is not there, or as :func:`export`.

    Source: https://onnx.ai/onnx/operators/
    """
    return export(network, path, "onnx")


def export_torch(network: OneLayer, path: Path | str) -> Exported:
    """Write ``weight`` (K, D) and ``bias`` (K,), float32, as safetensors for a PyTorch ``nn.Linear(D, K)``.

    Scaling and temperature are folded in: the layer takes features as they were in training, as float32.

    Raises:
        BadInput: as :func:`export`.
    """
    return export(network, path, "torch")


def export_json(network: OneLayer, path: Path | str) -> Exported:
    """Write weights, bias, class names and the formulas as plain JSON, in double precision, scaling folded in.

    Raises:
        BadInput: as :func:`export`.
    """
    return export(network, path, "json")
