"""ML021: whether the compiled engine is installed."""

from monolayer.findings import Check, Finding

NOT_COMPILED = Check("ML021", "The compiled engine is missing", "installation", "the installed package")


def check_engine(missing: str, chosen: str) -> list[Finding]:
    """ML021 if there is no compiled engine and the NumPy engine was not chosen; otherwise nothing.

    It describes the installation and not the run, so a run with a compiled engine reports no outcome.

    Args:
        missing: why there is none, as a sentence; empty if there is one.
        chosen: the engine that was chosen by name, such as ``numpy``; empty if none was.
    """
    if not missing or chosen == "numpy":
        return []
    evidence = f"{missing} The NumPy engine is used: it is slower, and its results are the same except for rounding."
    advice = (
        "Install a C++ compiler (GCC 12 or newer, or Clang) and reinstall monolayer with MONOLAYER_NATIVE=required in "
        "the environment, which shows why a build fails; or set MONOLAYER_ENGINE=numpy to hide this tip."
    )
    return [NOT_COMPILED.make_finding("tip", evidence, advice)]
