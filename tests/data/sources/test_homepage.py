from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from monolayer.data.sources import homepage
from monolayer.data.sources.content import Content
from monolayer.data.sources.download import Patience, SourceFailed
from tests.data.cifar_files import assert_same, make_binary, write_tar

QUICK = Patience(connect_s=1, silence_s=1)
Serve = Callable[[Callable[[BaseHTTPRequestHandler], None]], str]


@pytest.fixture
def archive(small: Content, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """The bytes of a home page's archive with little in it, which passes for the genuine one."""
    raw = write_tar(tmp_path / "cifar-10-binary.tar.gz", make_binary(small), "cifar-10-batches-bin").read_bytes()
    monkeypatch.setattr(homepage, "MD5", hashlib.md5(raw).hexdigest())
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return raw


def play(serve: Serve, monkeypatch: pytest.MonkeyPatch, raw: bytes) -> None:
    def predict_rows(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(raw)))
        request.end_headers()
        request.wfile.write(raw)

    monkeypatch.setattr(homepage, "URL", serve(predict_rows) + "/cifar-10-binary.tar.gz")


def test_the_archive_is_fetched_and_decoded(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, archive: bytes, small: Content, told, tmp_path: Path
) -> None:
    play(serve, monkeypatch, archive)
    found = homepage.fetch(told, QUICK)
    assert_same(found, small)
    assert found.source.startswith("home page (http://127.0.0.1:")
    assert told.advances[-1] == ("home page", len(archive), len(archive), "B")
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.mark.parametrize("change", [lambda raw: raw[:-1], lambda raw: raw[:99] + b"!" + raw[100:], lambda _: b"<html>"])
def test_other_bytes_are_refused_and_nothing_is_left(
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
    archive: bytes,
    told,
    tmp_path: Path,
    change: Callable[[bytes], bytes],
) -> None:
    play(serve, monkeypatch, change(archive))
    with pytest.raises(SourceFailed, match="the archive is not the genuine one"):
        homepage.fetch(told, QUICK)
    assert list((tmp_path / "temporary").iterdir()) == []
