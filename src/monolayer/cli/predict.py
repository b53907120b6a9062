"""``monolayer predict``: classes and probabilities of image files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monolayer.cli import options as opt
from monolayer.cli.console import print_json, print_table
from monolayer.errors import BadInput

if TYPE_CHECKING:
    from monolayer.network import OneLayer


def predict(
    network: Annotated[Path, typer.Argument(help="A run's folder, or a network.safetensors file.")],
    images: Annotated[list[Path], typer.Argument(help="Image files, or folders of them.")],
    as_json: opt.AsJson = False,
) -> None:
    """Say which class each image is, and with what probability.

    Example: monolayer predict runs/a photos/
    """
    from monolayer.data.images import find_images
    from monolayer.folder import load_network

    loaded = load_network(network)
    files = [file for path in images for file in find_images(path)]
    predictions = [_predict_file(loaded, file) for file in files]
    if as_json:
        print_json({"predictions": predictions})
        return
    reading = "softmax probability" if loaded.loss == "cross_entropy" else "probability (its own sigmoid)"
    rows = [[p["file"], p["class"], f"{p['probability']:.3f}"] for p in predictions]
    print_table(f"Images: {len(rows)}", ["file", "class", reading], rows)


def _predict_file(network: OneLayer, file: Path) -> dict[str, Any]:
    from monolayer.data.images import read_image

    if network.image_shape is None:
        raise BadInput("This network was not trained on images, so it cannot classify image files.")
    features = read_image(file, network.image_shape, float(network.metadata.get("pixel_max", "255")))
    probabilities = network.compute_probabilities(features[None])[0]
    best = int(probabilities.argmax())
    return {
        "file": str(file),
        "class": network.class_names[best],
        "probability": float(probabilities[best]),
        "probabilities": {name: float(p) for name, p in zip(network.class_names, probabilities, strict=True)},
    }
