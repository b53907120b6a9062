"""The compiled engine, ``monolayer.engine._native``: an extension that an installation may lack."""

from __future__ import annotations

import importlib
import os
from functools import cache
from types import ModuleType

from monolayer.errors import BadInput

NAME = "monolayer.engine._native"


def find_native() -> ModuleType | None:
    """The extension, or None where it was not built or cannot be loaded. It is looked for once in a process."""
    return _look()[0]


def choose_instruction_set(native: ModuleType) -> str:
    """The best that this processor has, or the one that MONOLAYER_ISA names.

    Raises:
        BadInput: if that is none of this processor's.
    """
    names: list[str] = native.list_instruction_sets()
    wanted = os.environ.get("MONOLAYER_ISA") or names[0]
    if wanted not in names:
        raise BadInput(f"MONOLAYER_ISA is {wanted!r}; accepted on this processor are {', '.join(names)}.")
    return wanted


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
