"""ML021: whether the compiled engine is there, unless it is not wanted."""

from __future__ import annotations

from monolayer.findings import Finding, report

NOT_COMPILED = "ML021"


def check_engine(missing: str, chosen: str) -> list[Finding]:
    """ML021 if there is no compiled engine; else nothing, nor where the NumPy engine was chosen.

    It is of the installation and not of a run, so where all is well a run need not tell of it.

    Args:
        missing: why there is none, as a sentence; nothing where there is one.
        chosen: the engine that was asked for by name, such as ``numpy``; nothing where none was.
    """
    if not missing or chosen == "numpy":
        return []
    seen = f"{missing} The NumPy engine trains instead: the same results, but for rounding, more slowly."
    advice = (
        "Install a C++ compiler (GCC 12 or newer, or Clang) and monolayer again; with MONOLAYER_NATIVE=required in the "
        "environment the installation says what is wrong. Or be content: MONOLAYER_ENGINE=numpy says so."
    )
    return [report(NOT_COMPILED, "tip", seen, advice)]
