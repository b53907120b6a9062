"""Build the compiled engine while the package is built; if that fails, the package is pure Python.

``MONOLAYER_NATIVE=required`` makes a failed build an error; ``off`` skips the build.
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
    """Puts the extension into the wheel, or beside its Python sources in an editable installation."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """The build tools; none without a compiler, so that the installation does not download them."""
        choice = read_choice()
        is_wanted = choice == "required" or (choice != "off" and has_compiler())
        return list(self.metadata.config["dependency-groups"]["native"]) if is_wanted else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the extension and add it to the wheel.

        Raises:
            ValueError: if the variable has a value that is not accepted.
            OSError: if the build is required and its tools are missing.
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
            self.app.display_warning(f"The compiled engine was not built; the NumPy engine is used instead: {error}")
            built = None
        if version == "editable":
            put_beside(built, Path(self.root, "src", ENGINE))
        elif built is not None:
            build_data["force_include"][str(built)] = f"{ENGINE}/{built.name}"
            build_data["pure_python"], build_data["infer_tag"] = False, True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the build folder; the wheel contains a copy of the extension."""
        if hasattr(self, "_made"):
            self._made.cleanup()


def read_choice() -> str:
    """The value of the environment variable: empty, ``required`` or ``off``.

    Raises:
        ValueError: if it is not one of these.
    """
    choice = os.environ.get(VARIABLE, "")
    if choice not in CHOICES:
        raise ValueError(f"{VARIABLE} is {choice!r}; accepted are required, off, or nothing.")
    return choice


def has_compiler() -> bool:
    """Whether there is a C++ compiler: CXX, or one of the usual names."""
    named = os.environ.get("CXX", "").split()[:1]
    return any(shutil.which(name) for name in named or COMPILERS)


def build(root: Path, folder: Path) -> Path:
    """Build in an empty folder and return the extension's path.

    Raises:
        OSError: if there is no compiler, or no CMake.
        subprocess.CalledProcessError: if configuring or compiling fails.
    """
    if not has_compiler():
        raise FileNotFoundError(f"no C++ compiler named {os.environ.get('CXX') or ', '.join(COMPILERS)} was found.")
    cmake, made, ready = find_cmake(), str(folder / "build"), folder / "ready"
    python = f"-DPython_EXECUTABLE={sys.executable}"
    for words in (
        ["-S", str(root), "-B", made, python, *translate_architectures(os.environ.get("ARCHFLAGS", ""))],
        ["--build", made, "--parallel", str(os.cpu_count() or 1)],
        ["--install", made, "--prefix", str(ready)],
    ):
        # Build front ends read the path of the wheel from stdout.
        subprocess.run([cmake, *words], check=True, stdout=sys.stderr)
    return next(ready.iterdir())


def find_cmake() -> str:
    """The CMake of the Python package ``cmake``, which is new enough, or else the system's CMake."""
    try:
        from cmake import CMAKE_BIN_DIR
    except ImportError:
        return "cmake"
    return str(Path(CMAKE_BIN_DIR) / "cmake")


def translate_architectures(flags: str) -> list[str]:
    """CMake's option for the ``-arch NAME`` flags that builders of wheels for macOS set."""
    names = [name for flag, name in pairwise(flags.split()) if flag == "-arch"]
    return [f"-DCMAKE_OSX_ARCHITECTURES={';'.join(names)}"] if names else []


def put_beside(built: Path | None, engine: Path) -> None:
    """Put the file into the engine's folder, and remove an earlier build for this Python."""
    place = engine / f"_native{sysconfig.get_config_var('EXT_SUFFIX')}"
    place.unlink(missing_ok=True)  # not overwritten, because a process may be using it
    if built is not None:
        shutil.copy2(built, place)
