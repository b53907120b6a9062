"""The axes of a sweep as they are written on the command line and in a config."""

from collections.abc import Mapping
from typing import Any

from monolayer.errors import BadInput
from monolayer.recipe.grid import KINDS, Axis, Range
from monolayer.recipe.losses import get_loss
from monolayer.recipe.recipe import Recipe

USAGE = "NAME=VALUE,VALUE,... (such as learning-rate=0.001,0.01) or NAME=log:LOW:HIGH:N (or linear:LOW:HIGH:N)"


def parse_axes(grid: list[str]) -> dict[str, Axis]:
    """Axes by field name from words such as ``learning-rate=0.001,0.01`` or ``l2=log:1e-5:1e-1:20``.

    A range without N stays a range, to draw from.

    Raises:
        BadInput: if a word is not an axis, names an unknown field or the same one twice, or a value cannot be read.
    """
    defaults = Recipe().to_dict()
    axes: dict[str, Axis] = {}
    for word in grid:
        name, text = _cut(word)
        if name not in defaults:
            raise BadInput(f"--grid {word!r}: a recipe has no field {name!r}; it has {', '.join(defaults)}.")
        if name in axes:
            raise BadInput(f"--grid names {name} twice; list all its values in one, such as {name}=1,2,3.")
        axes[name] = _read_axis(name, text, type(defaults[name]))
    return axes


def format_axes(axes: Mapping[str, Axis]) -> dict[str, Any]:
    """Axes as a config has them: a list of values, or the text of a range; floats keep every digit."""
    return {
        name: list(axis) if isinstance(axis, tuple) else f"{axis.kind}:{axis.low!r}:{axis.high!r}"
        for name, axis in axes.items()
    }


def _cut(word: str) -> tuple[str, str]:
    name, equals, text = word.partition("=")
    if not equals or not text.strip():
        raise BadInput(f"--grid {word!r} is not {USAGE}.")
    return name.strip().replace("-", "_"), text.strip()


def _read_axis(name: str, text: str, kind: type) -> Axis:
    if kind is not str and text.split(":")[0] in KINDS:
        return _read_range(name, text, kind)
    return tuple(_read_value(name, value.strip(), kind) for value in text.split(","))


def _read_range(name: str, text: str, kind: type) -> Axis:
    scale, *words = text.split(":")
    try:
        low, high = float(words[0]), float(words[1])
        n = int(words[2]) if len(words) == 3 else None
    except (ValueError, IndexError):
        words = []
    if len(words) not in (2, 3):
        raise BadInput(f"--grid {name}: {text!r} is not {scale}:LOW:HIGH or {scale}:LOW:HIGH:N.")
    axis = Range(scale, low, high)
    if n is None:
        return axis
    return tuple(dict.fromkeys(kind(round(value) if kind is int else value) for value in axis.spread(n)))


def _read_value(name: str, text: str, kind: type) -> Any:
    """The value as the field's type, which is that of its default."""
    if kind is str:
        return str(get_loss(text)) if name == "loss" else text
    try:
        return kind(text)
    except ValueError:
        wanted = "a whole number" if kind is int else "a number"
        raise BadInput(f"--grid {name}: {text!r} is not {wanted}.") from None
