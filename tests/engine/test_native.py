"""Looking for the compiled engine, there or not."""

import os
import subprocess
import sys

import pytest

from monolayer.engine import native


@pytest.fixture(autouse=True)
def _look_again():
    """Each test looks for itself, and leaves nothing remembered."""
    native._look.cache_clear()
    yield
    native._look.cache_clear()


def test_where_it_is_there_nothing_is_to_be_explained():
    assert (native.find_native() is None) == bool(native.explain_missing())


def test_one_that_was_not_built_is_told(monkeypatch):
    monkeypatch.setattr(native, "NAME", "monolayer.engine._nothing")
    assert native.find_native() is None
    assert native.explain_missing() == "It was not built for this Python."


@pytest.mark.parametrize(
    ("content", "reason"),
    [("import _no_such_module", "No module named '_no_such_module'"), ("raise ImportError('no symbol')", "no symbol")],
)
def test_one_that_cannot_be_loaded_is_told_in_the_words_of_the_loader(monkeypatch, tmp_path, content, reason):
    (tmp_path / "_broken_engine.py").write_text(content)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(native, "NAME", "_broken_engine")
    assert native.find_native() is None
    assert native.explain_missing() == f"It was built and cannot be loaded: {reason}."


def test_the_package_does_not_load_it():
    code = "import sys, monolayer, monolayer.engine.native; print('monolayer.engine._native' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env={**os.environ, "LD_PRELOAD": ""}
    )
    assert result.stdout == "False\n"
