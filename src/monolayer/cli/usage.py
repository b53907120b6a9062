"""Usage errors in one line of the project's own style, from what the command line's parser says of them."""

from __future__ import annotations

import re
import sys
from typing import Any

import typer

# The parser's own class of errors; which package has it, and how it words them, depends on typer's version.
UsageError: Any = typer.BadParameter.__base__
LEAST = re.compile(r"(?:equal to |x>=)(-?\d+)")


def describe_usage_error(error: Any) -> str:
    """The error as one sentence, in the form of ``--epochs is 'x'; accepted is a whole number``."""
    said = " ".join(error.format_message().split())
    names = [name for name in getattr(getattr(error, "param", None), "opts", ()) if name.startswith("--")]
    if not names or said.startswith("Missing"):
        return said if said.endswith((".", "?")) else f"{said}."
    reason = " ".join(str(error.message).split()).rstrip(".")
    value, accepted = _find_value(names[0]), _say_accepted(reason)
    return f"{names[0]} is {value!r}; accepted is {accepted}." if accepted and value else f"{names[0]}: {reason}."


def _say_accepted(reason: str) -> str:
    if least := LEAST.search(reason):
        return f"a whole number of {least[1]} or above"
    return "a whole number" if "integer" in reason else "a number" if re.search("float|number", reason) else ""


def _find_value(name: str) -> str:
    """What the command line gives this option; the last counts where it stands twice."""
    value = ""
    for word, following in zip(sys.argv, [*sys.argv[1:], ""], strict=True):
        if word == name:
            value = following
        elif word.startswith(f"{name}="):
            value = word.partition("=")[2]
    return value
