"""How the axes of a sweep are written on the command line."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from monolayer.errors import BadInput
from monolayer.recipe import Recipe

# Field types are written as annotations in recipe.py; these are the ones that are not plain text.
_READERS: dict[str, Any] = {"int": int, "float": float}
_TYPES = {field.name: str(field.type) for field in fields(Recipe)}


def parse_axes(grid: list[str]) -> dict[str, tuple[Any, ...]]:
    """Axes by field name from words such as ``learning-rate=0.001,0.01``.

    Raises:
        BadInput: if a word is no axis, names no field or one twice, or a value cannot be read.
    """
    axes: dict[str, tuple[Any, ...]] = {}
    for word in grid:
        name, values = _parse_axis(word)
        if name in axes:
            raise BadInput(f"--grid names {name} twice; list all its values in one, such as {name}=1,2,3.")
        axes[name] = values
    return axes


def _parse_axis(word: str) -> tuple[str, tuple[Any, ...]]:
    name, equals, text = word.partition("=")
    name = name.strip().replace("-", "_")
    if not equals or not text.strip():
        raise BadInput(f"--grid {word!r} is not NAME=VALUE,VALUE,... (such as learning-rate=0.001,0.01).")
    if name not in _TYPES:
        raise BadInput(f"--grid {word!r}: a recipe has no field {name!r}; it has {', '.join(_TYPES)}.")
    return name, tuple(_read_value(name, value.strip()) for value in text.split(","))


def _read_value(name: str, text: str) -> Any:
    reader = _READERS.get(_TYPES[name])
    if reader is None:
        return text.replace("-", "_") if name == "loss" else text
    try:
        return reader(text)
    except ValueError:
        kind = "a whole number" if reader is int else "a number"
        raise BadInput(f"--grid {name}: {text!r} is not {kind}.") from None
