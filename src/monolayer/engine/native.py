"""The compiled part of the native engine: whether it is there, and which instruction set it is to use."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from monolayer.errors import BadInput

if TYPE_CHECKING:
    from types import ModuleType


def load_native() -> ModuleType:
    """The compiled module.

    Raises:
        ImportError: if it is not there.
    """
    from monolayer.engine import _native

    return _native


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
