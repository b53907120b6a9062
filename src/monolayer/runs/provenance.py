"""The provenance of a run: command, versions and machine."""

import os
import platform
import shlex
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from threadpoolctl import threadpool_info

from monolayer._version import __version__
from monolayer.engine.select import describe_engine

PACKAGES = ("numpy", "scipy", "scikit-learn", "matplotlib", "pillow", "safetensors")


def collect_provenance(arguments: Sequence[str] | None = None) -> dict[str, str]:
    """Facts by name, in printing order; ``arguments`` is by default ``sys.argv``."""
    return {
        "command": format_command(sys.argv if arguments is None else arguments),
        "versions": ", ".join(
            [
                f"Python {platform.python_version()}",
                f"monolayer {__version__}",
                *(f"{name} {version(name)}" for name in PACKAGES),
            ]
        ),
        "engine": describe_engine(),
        "BLAS": _describe_blas(),
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "processor": f"{_name_processor()}, {os.cpu_count()} cores",
    }


def format_command(arguments: Sequence[str]) -> str:
    """A command line for a shell, without the folder of the program."""
    program, *rest = arguments
    name = "monolayer" if Path(program).name in ("monolayer", "__main__.py") else Path(program).name
    return shlex.join([name, *rest])


def _describe_blas() -> str:
    found = [
        f"{pool['internal_api']} {pool.get('version') or ''} ({pool.get('architecture') or 'unknown'} kernels)"
        for pool in threadpool_info()
        if pool["user_api"] == "blas"
    ]
    return ", ".join(sorted(set(found))) or "unknown"


def _name_processor() -> str:
    """The processor's name, which :mod:`platform` returns on some systems only."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown processor"
