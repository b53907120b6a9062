"""How the axes of a sweep are written on the command line."""

from __future__ import annotations

from typing import Any

from monolayer.errors import BadInput


def parse_axes(grid: list[str]) -> dict[str, tuple[Any, ...]]:
    """Axes by field name from words such as ``learning-rate=0.001,0.01``.

    Raises:
        BadInput: if a word is no axis, names no field or one twice, or a value cannot be read.
    """
    from monolayer.recipe import Recipe

    defaults = Recipe().to_dict()
    axes: dict[str, tuple[Any, ...]] = {}
    for word in grid:
        name, texts = _parse_axis(word)
        if name not in defaults:
            raise BadInput(f"--grid {word!r}: a recipe has no field {name!r}; it has {', '.join(defaults)}.")
        if name in axes:
            raise BadInput(f"--grid names {name} twice; list all its values in one, such as {name}=1,2,3.")
        axes[name] = tuple(_read_value(name, text, type(defaults[name])) for text in texts)
    return axes


def _parse_axis(word: str) -> tuple[str, list[str]]:
    name, equals, text = word.partition("=")
    if not equals or not text.strip():
        raise BadInput(f"--grid {word!r} is not NAME=VALUE,VALUE,... (such as learning-rate=0.001,0.01).")
    return name.strip().replace("-", "_"), [value.strip() for value in text.split(",")]


def _read_value(name: str, text: str, kind: type) -> Any:
    """The value as the field's type, which is that of its default."""
    if kind is str:
        return text.replace("-", "_") if name == "loss" else text
    try:
        return kind(text)
    except ValueError:
        wanted = "a whole number" if kind is int else "a number"
        raise BadInput(f"--grid {name}: {text!r} is not {wanted}.") from None
