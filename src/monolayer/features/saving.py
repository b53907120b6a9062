"""Transformers as safetensors: what they have learnt as tensors, their name and parameters as JSON; no pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open

from monolayer.errors import BadData, BadInput
from monolayer.features.base import Array, ImageTransformer
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
    words = {"format": FORMAT, "transformer": describe_transformer(transformer)}
    write_whole(path, pack_tensors(transformer.get_tensors(), words), is_lasting=True)


def load_transformer(path: Path) -> ImageTransformer:
    """What :func:`save_transformer` wrote.

    Raises:
        BadData: if there is no such file, or it is not one of ours.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            words = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dict
        if words.get("format") != FORMAT:
            raise ValueError(f"its format is {words.get('format')!r}")
        return make_transformer(words["transformer"], tensors)
    except OSError as error:
        raise BadData(f"{path}: cannot be read as a transformer ({error.strerror or error}).") from None
    except (SafetensorError, KeyError, ValueError, BadInput) as error:
        raise BadData(f"{path}: is no transformer saved by monolayer ({error}).") from None


def describe_transformer(transformer: ImageTransformer) -> str:
    """Its kind and its parameters, as JSON.

    Raises:
        BadInput: if it is none of ``KINDS``, so that no file could bring it back.
    """
    kind = next((name for name, made in KINDS.items() if made is type(transformer)), None)
    if kind is None:
        raise BadInput(f"{type(transformer).__name__} is none of monolayer.features.saving.KINDS; put it in there.")
    return json.dumps({"kind": kind, "parameters": transformer.describe()}, sort_keys=True)


def make_transformer(text: str, tensors: Mapping[str, Array]) -> ImageTransformer:
    """The transformer that :func:`describe_transformer` described, and that has learnt these tensors.

    Raises:
        BadInput, KeyError, ValueError: if there is no such transformer, or these are not its tensors.
    """
    words = json.loads(text)
    try:
        parameters = {**words["parameters"], "image_shape": tuple(words["parameters"]["image_shape"])}
        return KINDS[words["kind"]](**parameters).restore(tensors)
    except TypeError as error:  # a parameter that is none, or of another kind
        raise ValueError(str(error)) from None
