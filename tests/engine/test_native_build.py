"""Installing: with a compiler the wheel has the extension and the platform's tag, without one it is pure Python."""

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from zipfile import ZipFile

import pytest
from hatch_build import COMPILERS, has_compiler, read_choice, translate_architectures

from monolayer.engine.native import explain_missing

ROOT = Path(__file__).parents[2]
NO_COMPILER = {"CC": "/nowhere/cc", "CXX": "/nowhere/c++"}
BROKEN = {"CXX": shutil.which("false")}  # it is there, and every call of it fails


def give_up(reason):
    """Skip; but where everything is tested, a machine that has a compiler must have the extension."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


needs_compiler = pytest.mark.skipif(not has_compiler(), reason="there is no C++ compiler here")


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """The unpacked sdist: what people without a clone build from."""
    folder = tmp_path_factory.mktemp("sdist")
    run(ROOT, "-m", "hatchling", "build", "--target", "sdist", "--directory", folder)
    with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
        archive.extractall(folder, filter="data")
    return next(path for path in folder.iterdir() if path.is_dir())


def run(folder, *words, check=True, **environment):
    """Python with the tools of this environment, which fetches nothing."""
    inherited = {name: value for name, value in os.environ.items() if name not in ("MONOLAYER_NATIVE", "PYTHONPATH")}
    return subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=folder, check=check, capture_output=True, text=True, env={**inherited, **environment},
    )  # fmt: skip


def make_wheel(sources, place, check=True, **environment):
    """(the wheel, or None where there is none; what was said on the way)."""
    words = ["--no-build-isolation", "--no-deps", "--no-index", "--verbose", "--wheel-dir", place, sources]
    message = run(place, "-m", "pip", "wheel", *words, check=check, **environment)
    return next(place.glob("*.whl"), None), message.stdout + message.stderr


def list_extensions(wheel):
    return [name for name in ZipFile(wheel).namelist() if name.endswith(".so")]


def find_out(wheel, place):
    """Why the package of this wheel has no compiled engine, told by itself, and where it lies."""
    ZipFile(wheel).extractall(place / "installed")
    code = "from monolayer.engine import native; print(native.__file__); print(native.explain_missing())"
    where, missing = run(place, "-c", code, PYTHONPATH=str(place / "installed")).stdout.splitlines()
    assert where.startswith(str(place))
    return missing


def test_the_sdist_has_the_sources_and_nothing_that_was_built(sources):
    assert {path.name for path in (ROOT / "src" / "native").iterdir()} == {
        path.name for path in (sources / "src" / "native").iterdir()
    }
    assert (sources / "CMakeLists.txt").exists()
    assert (sources / "hatch_build.py").exists()
    assert not list(sources.rglob("*.so"))


@pytest.mark.parametrize(
    ("environment", "result"),
    [(NO_COMPILER, "no C++ compiler named /nowhere/c++"), (BROKEN, "NumPy engine"), ({"MONOLAYER_NATIVE": "off"}, "")],
)
def test_without_a_compiler_the_wheel_is_pure(sources, tmp_path, environment, result):
    wheel, message = make_wheel(sources, tmp_path, **environment)
    assert result in message
    assert wheel.name.endswith("-py3-none-any.whl")
    assert list_extensions(wheel) == []
    assert find_out(wheel, tmp_path) == "It was not built for this Python."


def test_a_build_that_is_required_and_fails_is_an_error(sources, tmp_path):
    wheel, message = make_wheel(sources, tmp_path, check=False, MONOLAYER_NATIVE="required", **NO_COMPILER)
    assert wheel is None
    assert "no C++ compiler named /nowhere/c++" in message


@needs_compiler
def test_with_a_compiler_the_wheel_has_the_extension_and_the_tag_of_the_platform(sources, tmp_path):
    wheel, message = make_wheel(sources, tmp_path, check=False, MONOLAYER_NATIVE="required")
    if wheel is None:
        give_up(f"The extension cannot be built here:\n{message}")
    version = f"cp{sys.version_info.major}{sys.version_info.minor}"
    assert f"-{version}-{version}" in wheel.name
    assert not wheel.name.endswith("-any.whl")
    (extension,) = list_extensions(wheel)
    assert extension.startswith("monolayer/engine/_native.")
    assert find_out(wheel, tmp_path) == ""


@needs_compiler
def test_where_there_is_a_compiler_this_installation_has_it():
    if missing := explain_missing():
        give_up(f"The compiled engine is not there, and there is a compiler. {missing} Say `make native`.")


def test_a_compiler_is_what_cxx_names_or_one_of_the_usual(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    assert not has_compiler()
    (tmp_path / COMPILERS[-1]).touch(mode=0o755)
    assert has_compiler()
    monkeypatch.setenv("CXX", "/nowhere/c++ -m64")
    assert not has_compiler()


def test_architectures_are_those_that_builders_for_macos_name():
    assert translate_architectures("") == []
    assert translate_architectures("-arch arm64 -g") == ["-DCMAKE_OSX_ARCHITECTURES=arm64"]
    assert translate_architectures("-arch x86_64 -arch arm64") == ["-DCMAKE_OSX_ARCHITECTURES=x86_64;arm64"]


def test_a_choice_that_is_none_is_refused(monkeypatch):
    monkeypatch.setenv("MONOLAYER_NATIVE", "maybe")
    with pytest.raises(ValueError, match=r"MONOLAYER_NATIVE is 'maybe'; accepted are required, off, or nothing\."):
        read_choice()
