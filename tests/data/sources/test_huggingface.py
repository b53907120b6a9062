from __future__ import annotations

import io
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from monolayer.data.sources import huggingface
from monolayer.data.sources.content import Batch, Content
from monolayer.data.sources.download import Patience, SourceFailed
from monolayer.data.sources.formats import parquet
from tests.data.cifar_files import assert_same, encode_png

QUICK = Patience(connect_s=1, silence_s=1)
Serve = Callable[[Callable[[BaseHTTPRequestHandler], None]], str]


def make_file(batch: Batch) -> bytes:
    pyarrow = pytest.importorskip("pyarrow")
    images = [encode_png(row.reshape(3, 32, 32).transpose(1, 2, 0).copy()) for row in batch[0]]
    rows: dict[str, Any] = {"img": [{"bytes": raw, "path": None} for raw in images], "label": batch[1].tolist()}
    file = io.BytesIO()
    pytest.importorskip("pyarrow.parquet").write_table(pyarrow.table(rows), file)
    return file.getvalue()


def test_both_files_are_fetched_and_decoded(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, small: Content, told
) -> None:
    files = {"/train-00000-of-00001.parquet": make_file(small.train)}
    files["/test-00000-of-00001.parquet"] = make_file(small.test)

    def predict_rows(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(files[request.path])))
        request.end_headers()
        request.wfile.write(files[request.path])

    monkeypatch.setattr(huggingface, "URL", serve(predict_rows))
    found = huggingface.fetch(told, QUICK)
    assert_same(found, small)
    assert found.source.startswith("Hugging Face (http://127.0.0.1:")


def test_without_pyarrow_nothing_is_asked(monkeypatch: pytest.MonkeyPatch, told) -> None:
    monkeypatch.setattr(parquet, "is_available", lambda: False)
    with pytest.raises(SourceFailed, match=r"need pyarrow: pip install 'monolayer\[parquet\]'"):
        huggingface.fetch(told, QUICK)
    assert told.advances == []
