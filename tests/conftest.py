"""What all tests share: the real CIFAR-10, fetched once and then cached, and the command."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import hypothesis
import pytest

from monolayer.cli.main import main
from monolayer.data.cifar10 import load_cifar10
from monolayer.data.dataset import Dataset
from monolayer.engine.native import explain_missing, find_native
from monolayer.engine.select import ENGINES
from monolayer.errors import MonolayerError

# On a shared machine the time of one example has no meaning.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def no_figure_is_left() -> Iterator[None]:
    """pyplot holds figures until they are closed, and warns at twenty: a test must not be the one that is counted."""
    yield
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close("all")


@pytest.fixture(scope="session")
def cifar10() -> Dataset:
    """The real CIFAR-10 from the user's cache, or fetched into it; tests that use it bear the marker ``cifar10``."""
    try:
        return load_cifar10()
    except MonolayerError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI must have CIFAR-10: {error}")
        pytest.skip(f"CIFAR-10 is not to be had: {error}")


@pytest.fixture(scope="session")
def native() -> ModuleType:
    """The compiled part of the native engine."""
    found = find_native()
    if found is None and os.environ.get("CI") == "true":
        pytest.fail(f"CI must have the native engine. {explain_missing()}")
    if found is None:
        pytest.skip(explain_missing())
    return found


@pytest.fixture(scope="module", params=ENGINES)
def each_engine(request: pytest.FixtureRequest) -> Iterator[str]:
    """The tests of a module, once for each engine."""
    if request.param == "native":
        request.getfixturevalue("native")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MONOLAYER_ENGINE", request.param)
        yield request.param


@dataclass
class Result:
    """What a command left: its exit code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., Result]:
    """command(*words) -> Result: the command in this process, through main() as people do, in an empty folder."""
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.chdir(place)

    def run(*words: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["monolayer", *map(str, words)])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return run
