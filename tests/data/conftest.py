"""Small content in the shape of CIFAR-10, an environment apart from the user's, and a server on the loopback."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from monolayer.data import cifar10
from monolayer.data.sources.content import Content

ROWS_A_BATCH = 3
Answer = Callable[[BaseHTTPRequestHandler], None]


class Told:
    """A Progress that records its calls."""

    def __init__(self) -> None:
        self.message: list[str] = []
        self.advances: list[tuple[str, float, float | None, str]] = []

    def info(self, text: str) -> None:
        self.message.append(text)

    def advance(self, task: str, done: float, total: float | None, unit: str = "") -> None:
        self.advances.append((task, done, total, unit))


@pytest.fixture
def result() -> Told:
    return Told()


@pytest.fixture(autouse=True)
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home, a working folder and a cache of the test's own; returns the place of the cache."""
    for name in ("home", "work"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("MONOLAYER_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MONOLAYER_DATA", raising=False)
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "cache"


@pytest.fixture
def small() -> Content:
    """Fifteen training and three test images of noise."""
    rng = np.random.default_rng(0)

    def make(n: int) -> tuple[np.ndarray, np.ndarray]:
        return rng.integers(0, 256, (n, 3072), dtype=np.uint8), rng.integers(0, 10, n, dtype=np.int64)

    return Content(make(5 * ROWS_A_BATCH), make(ROWS_A_BATCH), "small")


@pytest.fixture
def small_is_expected(small: Content, monkeypatch: pytest.MonkeyPatch) -> Content:
    """Let ``small`` pass for CIFAR-10, and no source of the network be asked."""
    test = cifar10._make_part(small.test, "")
    sha256 = cifar10._make_part(small.train, "", test).sha256
    expected = cifar10.Expected(len(small.train[0]), len(small.test[0]), sha256)
    monkeypatch.setattr(cifar10, "EXPECTED", expected)
    monkeypatch.setattr(cifar10, "MIRRORS", ())
    return small


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], str]]:
    """Start a server on the loopback that gives one answer to every GET; returns its address."""
    servers: list[tuple[ThreadingHTTPServer, threading.Thread]] = []

    def start(respond: Answer) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                try:
                    respond(self)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True  # the client has had enough

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()
