"""Transformers by name, as ``--features`` takes them: ``pixels``, ``hog``, ``patches:1600,filters=random``."""

from __future__ import annotations

from typing import Any

from monolayer.errors import BadInput
from monolayer.features.base import ImageTransformer
from monolayer.features.saving import KINDS

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
