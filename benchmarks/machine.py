"""The machine and versions of a session, without which its seconds cannot be compared with others."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from joblib import cpu_count

LIBRARIES = ("numpy", "torch", "scikit-learn")


def describe_machine() -> tuple[str, ...]:
    """The processor, its cores, and the versions that matter, in the order in which to print them."""
    libraries = [f"{name} {text}" for name in LIBRARIES if (text := _find_version(name))]
    return (f"{_find_processor()} with {cpu_count()} cores", f"Python {platform.python_version()}", *libraries)


def _find_processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _find_version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
