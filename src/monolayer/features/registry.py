"""Transformers as safetensors: what they have learnt as tensors, their name and parameters as JSON; no pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from monolayer.errors import BadData, BadInput
from monolayer.features.base import Array, ImageTransformer
from monolayer.features.hog import HOGFeatures, PixelFeatures
from monolayer.features.patches import PatchFeatures
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
    write_whole(path, pack_tensors(transformer.get_tensors(), words), fsync=True)


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
        raise BadInput(f"{type(transformer).__name__} is none of monolayer.features.registry.KINDS; put it in there.")
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


# What may stand after the name, and which parameter it is: the first is the one that needs no word.
WORDS: dict[str, dict[str, tuple[str, type]]] = {
    "pixels": {},
    "hog": {"cell": ("cell", int), "orientations": ("orientations", int)},
    "patches": {
        "filters": ("n_filters", int),
        "size": ("patch_size", int),
        "stride": ("stride", int),
        "by": ("filters", str),
        "activation": ("activation", str),
        "pool": ("pool", int),
        "seed": ("random_state", int),
    },
}
ACCEPTED = "pixels, hog[:CELL], and patches[:FILTERS], with words such as patches:1600,by=random,pool=3"


def is_spec(text: str) -> bool:
    """Whether a text names a transformer, and not an array of features."""
    return text.partition(":")[0] in KINDS


def parse_features(text: str) -> ImageTransformer:
    """The transformer that a text such as ``patches:1600,by=random`` names, which has learnt nothing yet.

    Raises:
        BadInput: if there is none, or a word is not accepted.
    """
    name, _, rest = text.partition(":")
    if name not in WORDS:
        raise BadInput(f"--features {text!r} is no kind of features; accepted are {ACCEPTED}.")
    words, parameters = WORDS[name], dict[str, Any]()
    for i, piece in enumerate(rest.split(",") if rest else []):
        word, has_word, value = piece.strip().partition("=")
        if not has_word and i == 0 and words:
            word, value = next(iter(words)), piece.strip()
        if word not in words:
            takes = f"{name} takes {', '.join(words)}" if words else f"{name} takes none"
            raise BadInput(f"--features {text!r} has no word {word!r}; {takes}.")
        parameter, kind = words[word]
        try:
            parameters[parameter] = kind(value)
        except ValueError:
            raise BadInput(f"--features {text!r}: {word} is {value!r}; accepted is a whole number.") from None
    return KINDS[name](**parameters)
