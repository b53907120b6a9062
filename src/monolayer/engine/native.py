"""The compiled engine, ``monolayer.engine._native``: an extension that an installation may lack."""

from __future__ import annotations

import importlib
from functools import cache
from types import ModuleType

NAME = "monolayer.engine._native"


def find_native() -> ModuleType | None:
    """The extension, or None where it was not built or cannot be loaded. It is looked for once in a process."""
    return _look()[0]


def explain_missing() -> str:
    """Why there is no extension, as a sentence; nothing where there is one."""
    return _look()[1]


@cache
def _look() -> tuple[ModuleType | None, str]:
    try:
        return importlib.import_module(NAME), ""
    except ModuleNotFoundError as error:
        if error.name == NAME:
            return None, "It was not built for this Python."
        return None, f"It was built and cannot be loaded: {error}."
    except ImportError as error:
        return None, f"It was built and cannot be loaded: {error}."
