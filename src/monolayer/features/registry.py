"""The kinds of features by name: their command-line notation, and transformers saved as safetensors without pickle."""

import json
import pkgutil
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from monolayer import features
from monolayer._typing import Array
from monolayer.errors import BadData, BadInput
from monolayer.features.base import ImageTransformer
from monolayer.files import pack_tensors, write_whole

TRANSFORMER = "transformer.safetensors"
FORMAT = "monolayer-transformer-1"


def _find_kinds() -> dict[str, type[ImageTransformer]]:
    """The transformers of every module beside this one, by the names of their kinds."""
    names = [found.name for found in pkgutil.iter_modules(features.__path__, f"{features.__name__}.")]
    modules = [import_module(name) for name in names if name != __name__]
    classes = [value for module in modules for value in vars(module).values() if isinstance(value, type)]
    return {one.kind: one for one in classes if issubclass(one, ImageTransformer) and one is not ImageTransformer}


KINDS = _find_kinds()
ACCEPTED = f"{', '.join(one.usage for one in KINDS.values())}, with words such as patches:1600,by=random,pool=3"


def save_transformer(transformer: ImageTransformer, path: Path) -> None:
    """Write a fitted transformer."""
    words = {"format": FORMAT, "transformer": describe_transformer(transformer)}
    write_whole(path, pack_tensors(transformer.get_tensors(), words), fsync=True)


def load_transformer(path: Path) -> ImageTransformer:
    """The transformer that :func:`save_transformer` wrote.

    Raises:
        BadData: if the file does not exist, or was not written by monolayer.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            words = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is not a dict
        if words.get("format") != FORMAT:
            raise ValueError(f"its format is {words.get('format')!r}")
        return make_transformer(words["transformer"], tensors)
    except OSError as error:
        raise BadData(f"{path}: cannot be read as a transformer ({error.strerror or error}).") from None
    except (SafetensorError, KeyError, ValueError, BadInput) as error:
        raise BadData(f"{path}: is not a transformer saved by monolayer ({error}).") from None


def describe_transformer(transformer: ImageTransformer) -> str:
    """Its kind and its parameters, as JSON.

    Raises:
        BadInput: if its class is not in ``KINDS``, so that it could not be loaded again.
    """
    if type(transformer) not in KINDS.values():
        accepted = ", ".join(one.__name__ for one in KINDS.values())
        raise BadInput(f"{type(transformer).__name__} cannot be saved; accepted are {accepted}.")
    return json.dumps({"kind": transformer.kind, "parameters": transformer.to_dict()}, sort_keys=True)


def make_transformer(text: str, tensors: Mapping[str, Array]) -> ImageTransformer:
    """The transformer that :func:`describe_transformer` described, with these tensors.

    Raises:
        BadInput, KeyError, ValueError: if there is no such transformer, or the tensors do not fit it.
    """
    words = json.loads(text)
    try:
        parameters = {**words["parameters"], "image_shape": tuple(words["parameters"]["image_shape"])}
        return KINDS[words["kind"]](**parameters).restore(tensors)
    except TypeError as error:  # an unknown parameter, or one of another type
        raise ValueError(str(error)) from None


def is_spec(text: str) -> bool:
    """Whether a text is the notation of a kind of features, and not the name of an array."""
    return text.partition(":")[0] in KINDS


def parse_features(text: str) -> ImageTransformer:
    """The transformer, not yet fitted, of a text such as ``patches:1600,by=random``.

    Raises:
        BadInput: if the kind is unknown, or a word is not accepted.
    """
    name, _, rest = text.partition(":")
    if name not in KINDS:
        raise BadInput(f"--features {text!r} is not a kind of features; accepted are {ACCEPTED}.")
    words, parameters = KINDS[name].words, dict[str, Any]()
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
