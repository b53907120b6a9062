"""The threads of the compiled engine under the thread sanitizer.

Not named like the tests that `make sanitize` runs: that loads another sanitizer into every process.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = [ROOT / "src/native/team.cpp", ROOT / "tests/engine/team_races.cpp"]
# Memory that is laid out too freely leaves the sanitizer no room; setarch holds it still.
STILL = ["setarch", "-R"] if shutil.which("setarch") else []


def build(folder, *words):
    """The program under the sanitizer; skips where there is no compiler, or none with this sanitizer."""
    compiler = os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
    built = None
    if compiler:
        options = ["-std=c++20", "-O1", "-g", "-fsanitize=thread", "-pthread", f"-I{ROOT / 'src/native'}", *words]
        command = [*compiler.split(), *options, *map(str, SOURCES), "-o", str(folder / "races")]
        built = subprocess.run(command, capture_output=True, text=True, check=False)
    if built is None or built.returncode:
        message = "there is no C++ compiler" if built is None else built.stderr
        give_up = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        give_up(f"Cannot be built with the sanitizer: {message}")
    return [*STILL, str(folder / "races")]


def test_teams_of_every_size_have_no_races(tmp_path):
    done = subprocess.run(build(tmp_path), capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_sanitizer_would_see_one(tmp_path):
    command = build(tmp_path, "-DMONOLAYER_RACE")
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode != 0
    assert "data race" in done.stderr
