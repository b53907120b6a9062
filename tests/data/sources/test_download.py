from __future__ import annotations

import itertools
import socket
import sys
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from monolayer.data.sources.download import SourceFailed, TimeLimits, TooSlow, TransferProgress, download
from monolayer.progress import SILENCE

BODY = bytes(range(256)) * 1000
QUICK = TimeLimits(connect_s=0.3, silence_s=0.3, probe_s=0.2, total_s=1.0)
Serve = Callable[[Callable[[BaseHTTPRequestHandler], None]], str]


def send(request: BaseHTTPRequestHandler, body: bytes, code: int = 200, length: int | None = None, **more: str) -> None:
    request.send_response(code)
    request.send_header("Content-Length", str(len(body) if length is None else length))
    for name, value in more.items():
        request.send_header(name.replace("_", "-"), value)
    request.end_headers()
    request.wfile.write(body)


def test_bytes_come_as_served(serve: Serve, tmp_path: Path, result) -> None:
    url = serve(lambda request: send(request, BODY, Content_Encoding="gzip"))
    download(url, tmp_path / "file", TransferProgress("home page", QUICK, result))
    assert (tmp_path / "file").read_bytes() == BODY
    assert result.advances[-1] == ("home page", len(BODY), len(BODY), "B")
    done = [advance[1] for advance in result.advances]
    assert done == sorted(done)


def test_what_lay_there_before_is_not_added_to(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    download(serve(lambda request: send(request, BODY)), tmp_path / "file", TransferProgress("", QUICK, SILENCE))
    assert (tmp_path / "file").read_bytes() == BODY


@pytest.mark.parametrize(("code", "n_asked"), [(404, 1), (403, 1), (500, 2), (503, 2)])
def test_a_refusal_is_final_and_a_server_error_is_tried_twice(
    serve: Serve, tmp_path: Path, code: int, n_asked: int
) -> None:
    asked: list[str] = []

    def respond(request: BaseHTTPRequestHandler) -> None:
        asked.append(request.path)
        send(request, b"sorry", code)

    url = serve(respond)
    with pytest.raises(SourceFailed, match=f"the server answered {code}"):
        download(url, tmp_path / "file", TransferProgress("", QUICK, SILENCE))
    assert len(asked) == n_asked


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_a_transfer_that_breaks_off_goes_on_at_the_second_try(serve: Serve, tmp_path: Path, knows_ranges: bool) -> None:
    asked: list[str | None] = []

    def respond(request: BaseHTTPRequestHandler) -> None:
        asked.append(request.headers["Range"])
        if len(asked) == 1:
            send(request, BODY[:100_000], length=len(BODY))
        elif knows_ranges:
            send(request, BODY[100_000:], 206)
        else:
            send(request, BODY)

    download(serve(respond), tmp_path / "file", TransferProgress("", QUICK, SILENCE))
    assert (tmp_path / "file").read_bytes() == BODY
    assert asked[0] is None
    assert asked[1] is not None
    assert asked[1].startswith("bytes=")


def test_a_transfer_that_breaks_off_twice_fails(serve: Serve, tmp_path: Path) -> None:
    url = serve(lambda request: send(request, b"", length=1000))
    with pytest.raises(SourceFailed, match="the connection failed"):
        download(url, tmp_path / "file", TransferProgress("", QUICK, SILENCE))


def test_a_server_that_never_answers_fails_in_time(serve: Serve, tmp_path: Path) -> None:
    url = serve(lambda _: time.sleep(0.8))
    with pytest.raises(SourceFailed, match="the server stopped sending"):
        download(url, tmp_path / "file", TransferProgress("", QUICK, SILENCE))


@pytest.mark.skipif(sys.platform != "linux", reason="only there a full backlog lets a connection hang")
def test_a_connection_that_hangs_fails_in_time(tmp_path: Path) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(full.getsockname())
        start = time.monotonic()
        with pytest.raises(SourceFailed, match="no connection in time"):
            download(
                f"http://127.0.0.1:{full.getsockname()[1]}", tmp_path / "file", TransferProgress("", QUICK, SILENCE)
            )
        assert time.monotonic() - start < 5
        for client in waiting:
            client.close()


def test_a_port_where_nobody_listens_fails_with_a_short_reason(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(SourceFailed, match=r"the connection failed .*refused") as caught:
            download(url, tmp_path / "file", TransferProgress("", QUICK, SILENCE))
    assert "object at" not in str(caught.value)


def drip(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("Content-Length", "100000000")
    request.end_headers()
    for _ in range(100):
        request.wfile.write(bytes(70_000))
        request.wfile.flush()
        time.sleep(0.02)


def test_a_slow_server_is_left_after_its_first_seconds(serve: Serve, tmp_path: Path) -> None:
    with pytest.raises(TooSlow, match=r"kB/s, which would take"):
        download(serve(drip), tmp_path / "file", TransferProgress("", QUICK, SILENCE))


def make_transfer(total_s: float | None, seconds: list[float]) -> TransferProgress:
    return TransferProgress("", TimeLimits(probe_s=8, total_s=total_s), SILENCE, itertools.chain(seconds).__next__)


def test_the_rate_of_the_first_seconds_estimates_the_rest() -> None:
    transfer = make_transfer(300, [0, 4, 8.5])
    transfer.update(0, 170e6)
    transfer.update(280e3, 170e6)
    with pytest.raises(TooSlow, match="70 kB/s, which would take 40 more minutes"):
        transfer.update(595e3, 170e6)


def test_without_a_limit_it_waits() -> None:
    transfer = make_transfer(None, [0, 9])
    transfer.update(0, 170e6)
    transfer.update(1, 170e6)


def test_a_quick_source_is_not_probed_again() -> None:
    transfer = make_transfer(300, [0, 9, 1000])
    transfer.update(0, 170e6)
    transfer.update(90e6, 170e6)
    transfer.update(90e6 + 1, 170e6)


def test_a_source_that_stands_still_is_too_slow() -> None:
    transfer = make_transfer(300, [0, 9])
    transfer.update(100, 170e6)
    with pytest.raises(TooSlow, match="0 kB/s, which would take forever"):
        transfer.update(100, 170e6)
