"""Transformers as safetensors: what they have learnt as tensors, their name and parameters as JSON; no pickle."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open

from monolayer.errors import BadData, BadInput
from monolayer.features.base import ImageTransformer
from monolayer.features.hog import HOGFeatures
from monolayer.features.patches import PatchFeatures
from monolayer.features.pixels import PixelFeatures
from monolayer.files import pack_tensors, write_whole

TRANSFORMER = "transformer.safetensors"
FORMAT = "monolayer-transformer-1"
KINDS: dict[str, type[ImageTransformer]] = {
    "pixels": PixelFeatures,
    "hog": HOGFeatures,
    "patches": PatchFeatures,
}


def save_transformer(transformer: ImageTransformer, path: Path) -> None:
    """Write a transformer that has learnt."""
    kind = next(name for name, made in KINDS.items() if made is type(transformer))
    words = {"format": FORMAT, "kind": kind, "parameters": json.dumps(transformer.describe(), sort_keys=True)}
    write_whole(path, pack_tensors(transformer.get_tensors(), words))


def load_transformer(path: Path) -> ImageTransformer:
    """What :func:`save_transformer` wrote.

    Raises:
        BadData: if there is no such file, or it is not one of ours.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            words = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dict
        parameters = json.loads(words["parameters"])
        transformer = KINDS[words["kind"]](**{**parameters, "image_shape": tuple(parameters["image_shape"])})
        return transformer.restore(tensors)
    except OSError as error:
        raise BadData(f"{path}: cannot be read as a transformer ({error.strerror or error}).") from None
    except (SafetensorError, KeyError, ValueError, TypeError, BadInput) as error:
        raise BadData(f"{path}: is no transformer saved by monolayer ({error}).") from None
