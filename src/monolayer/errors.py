"""The exceptions of this library, as a tree.

MonolayerError                 anything this library raises on purpose
├── BadInput  (ValueError)     what the caller gave is wrong; the message is one sentence (exit code 2)
│   ├── BadData                a file or array has the wrong content
│   └── MissingPackage         an optional package is needed that is not installed
└── DataUnavailable            no source of a dataset answered
"""

from numbers import Integral
from typing import Any


class MonolayerError(Exception):
    """Anything this library raises on purpose; its text is meant for the user."""


class BadInput(MonolayerError, ValueError):
    """Invalid input; the message names it and what is accepted."""


class BadData(BadInput):
    """A file or an array has the wrong content; the text names the file or row."""


class MissingPackage(BadInput):
    """An optional package is needed that is not installed; the text names the extra that installs it."""


class DataUnavailable(MonolayerError):
    """No source of a dataset answered; the text lists each source tried and why it failed."""


def validate_whole(name: str, value: Any, least: int, most: int | None = None) -> int:
    """The value as an int.

    Raises:
        BadInput: if it is not a whole number of at least ``least``, and at most ``most``.
    """
    is_whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not is_whole or value < least or (most is not None and value > most):
        limit = "or above" if most is None else f"to {most}"
        raise BadInput(f"{name} is {value!r}; accepted is a whole number of {least} {limit}.")
    return int(value)
