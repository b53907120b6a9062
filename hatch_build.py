"""Builds the compiled engine while the package is built; where that fails, the package is pure Python.

With ``MONOLAYER_NATIVE=required`` in the environment a build that fails is an error; with ``off`` nothing is built.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

VARIABLE = "MONOLAYER_NATIVE"
CHOICES = ("", "required", "off")
COMPILERS = ("c++", "g++", "clang++")
ENGINE = "monolayer/engine"


class NativeBuildHook(BuildHookInterface[Any]):
    """Puts the extension into the wheel, or beside its Python where the installation is editable."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """What builds it; not brought where there is no compiler, so that an installation does not depend on it."""
        choice = read_choice()
        is_wanted = choice == "required" or (choice != "off" and has_compiler())
        return list(self.metadata.config["dependency-groups"]["native"]) if is_wanted else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build, and tell hatchling where the file belongs.

        Raises:
            ValueError: if the variable holds something else than what is accepted.
            OSError: if the build is required and its tools are not there.
            subprocess.CalledProcessError: if the build is required and fails.
        """
        choice = read_choice()
        if choice == "off":
            return
        self._made = TemporaryDirectory()
        try:
            built = build(Path(self.root), Path(self._made.name))
        except (OSError, subprocess.CalledProcessError) as error:
            if choice == "required":
                raise
            self.app.display_warning(f"The compiled engine was not built, the NumPy engine does its work: {error}")
            built = None
        if version == "editable":
            put_beside(built, Path(self.root, "src", ENGINE))
        elif built is not None:
            build_data["force_include"][str(built)] = f"{ENGINE}/{built.name}"
            build_data["pure_python"], build_data["infer_tag"] = False, True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what was built: the wheel has it now."""
        if hasattr(self, "_made"):
            self._made.cleanup()


def read_choice() -> str:
    """What the environment asks for: nothing, ``required`` or ``off``.

    Raises:
        ValueError: if it is something else.
    """
    choice = os.environ.get(VARIABLE, "")
    if choice not in CHOICES:
        raise ValueError(f"{VARIABLE} is {choice!r}; accepted are required, off, or nothing.")
    return choice


def has_compiler() -> bool:
    """Whether there is a C++ compiler: the one that CXX names, or one of the usual names."""
    named = os.environ.get("CXX", "").split()[:1]
    return any(shutil.which(name) for name in named or COMPILERS)


def build(root: Path, folder: Path) -> Path:
    """Build in an empty folder; the extension's file.

    Raises:
        OSError: if there is no compiler, or no CMake.
        subprocess.CalledProcessError: if configuring or compiling fails.
    """
    if not has_compiler():
        raise FileNotFoundError(f"there is no C++ compiler named {os.environ.get('CXX') or ', '.join(COMPILERS)}.")
    cmake, made, ready = find_cmake(), str(folder / "build"), folder / "ready"
    python = f"-DPython_EXECUTABLE={sys.executable}"
    for words in (
        ["-S", str(root), "-B", made, python, *translate_architectures(os.environ.get("ARCHFLAGS", ""))],
        ["--build", made, "--parallel", str(os.cpu_count() or 1)],
        ["--install", made, "--prefix", str(ready)],
    ):
        # Whoever builds reads the path of the wheel from stdout.
        subprocess.run([cmake, *words], check=True, stdout=sys.stderr)
    return next(ready.iterdir())


def find_cmake() -> str:
    """The CMake of the Python package of this name, which is new enough; the machine's own where that is not there."""
    try:
        from cmake import CMAKE_BIN_DIR
    except ImportError:
        return "cmake"
    return str(Path(CMAKE_BIN_DIR) / "cmake")


def translate_architectures(flags: str) -> list[str]:
    """CMake's word for the ``-arch NAME`` by which builders of wheels for macOS say what they build for."""
    names = [name for flag, name in pairwise(flags.split()) if flag == "-arch"]
    return [f"-DCMAKE_OSX_ARCHITECTURES={';'.join(names)}"] if names else []


def put_beside(built: Path | None, engine: Path) -> None:
    """Put the file into the engine's folder; what was built there for this Python before, of other sources, goes."""
    place = engine / f"_native{sysconfig.get_config_var('EXT_SUFFIX')}"
    place.unlink(missing_ok=True)  # and not written over: a process may be computing with it
    if built is not None:
        shutil.copy2(built, place)
