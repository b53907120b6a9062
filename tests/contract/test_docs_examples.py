"""Every example in the documentation runs as shown, each page as one session in an empty folder."""

import shlex
import subprocess
from types import SimpleNamespace

import numpy as np
import pytest
import typer
from PIL import Image
from sybil.example import SybilFailure

from monolayer.cli.main import app
from monolayer.data import cifar10
from monolayer.data.dataset import Dataset, compute_sha256
from monolayer.data.sources import local
from monolayer.data.sources.content import IMAGE_SHAPE, Content
from monolayer.engine.native import explain_missing
from tests.contract.pages import DOCS, PAGES, Command, Interrupting, Shell, run_page, split_commands


def make_stand_in(n_train=1400, n_test=200):
    """Generated images with the shape of CIFAR-10, so that pages that load it run in a second."""
    rng = np.random.default_rng(0)
    coarse = rng.uniform(0, 255, (n_train + n_test, 3, 8, 8))
    X = np.clip(coarse.repeat(4, axis=2).repeat(4, axis=3) + rng.normal(0, 9, (len(coarse), *IMAGE_SHAPE)), 0, 255)
    X = X.reshape(len(X), -1).astype(np.uint8)
    y = (X[:, :1024].mean(axis=1) // 8 % 10).astype(np.int64)
    return Content((X[:n_train], y[:n_train]), (X[n_train:], y[n_train:]), "made images")


@pytest.fixture(scope="session")
def stand_in():
    return make_stand_in()


@pytest.fixture
def place(stand_in, monkeypatch, tmp_path):
    """An empty folder on a machine without a cache, where the only source of CIFAR-10 is the generated images."""
    X, y = stand_in.test
    test = Dataset(X, y, cifar10.CLASS_NAMES)
    expected = cifar10.Expected(len(stand_in.train[1]), len(y), compute_sha256(*stand_in.train, test))
    monkeypatch.setattr(cifar10, "EXPECTED", expected)
    mirror = SimpleNamespace(name="made images", is_usable=lambda: True, fetch=lambda *_: stand_in)
    monkeypatch.setattr(cifar10, "MIRRORS", (mirror,))
    monkeypatch.setattr(local, "find_copies", lambda: iter(()))
    monkeypatch.setenv("MONOLAYER_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MONOLAYER_DATA", raising=False)
    if explain_missing():  # the pages do not show the finding ML021
        monkeypatch.setenv("MONOLAYER_ENGINE", "numpy")
    monkeypatch.setenv("COLUMNS", "90")
    folder = tmp_path / "place"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(DOCS)))
def test_the_page_runs(page, place, monkeypatch):
    skipped = run_page(page, monkeypatch)
    # PyTorch is the only package in the examples that is not installed.
    assert all("torch" in block for block in skipped)
    for picture in place.rglob("*.png"):
        kept = DOCS / "images" / picture.name
        if kept.exists():
            assert_same_picture(picture, kept)


def assert_same_picture(found, kept):
    """Compare with a tolerance: releases of Matplotlib draw text slightly differently."""
    pixels = [np.asarray(Image.open(path).convert("RGB"), np.float64) for path in (found, kept)]
    assert pixels[0].shape == pixels[1].shape, (
        f"{kept} differs from what its page draws; update it with python -m tests.contract.pages"
    )
    assert np.abs(pixels[0] - pixels[1]).mean() < 4, (
        f"{kept} differs from what its page draws; update it with python -m tests.contract.pages"
    )


@pytest.mark.parametrize(
    "text",
    [
        "```python\n>>> 1 / 3\n0.36\n```\n",
        "```python\n>>> print('a')\nb\n```\n",
        "```console\n$ monolayer audit --train 45.18 --val 79.00:1000\nanother verdict\n```\n",
        "```console\n$ monolayer train nothing\n```\n",
        "```console\n$ monolayer train nothing\nmonolayer: another sentence.\n```\n",
        "```console\n$ monolayer audit --train 45.18 --val 40.00:1000\nmonolayer: a failure.\n```\n",
        "```sh\nfalse\n```\n",
    ],
)
def test_a_different_output_is_detected(text, tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises((AssertionError, SybilFailure, subprocess.CalledProcessError)):
        run_page(page, monkeypatch)


def test_an_equal_output_passes(tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    page.write_text(
        "```python\nthird = 1 / 3\n```\n```python\n>>> third\n0.33\n```\n"
        "```console\n$ monolayer train nothing\nmonolayer: 'nothing' is not a dataset; ...\n```\n"
    )
    assert run_page(page, monkeypatch) == []


def test_commands_are_split_from_their_outputs():
    assert split_commands("$ monolayer fetch \\\n    digits\nfound\n$ ls\n") == [
        Command("monolayer fetch      digits", "found\n"),
        Command("ls", None),
    ]
    assert split_commands("# why\nmkdir a\ncd a\n") == [Command("mkdir a", None), Command("cd a", None)]


def test_variables_and_folders_persist(monkeypatch, tmp_path):
    shell = Shell(monkeypatch)
    (tmp_path / "below").mkdir()
    for line in (f"cd {tmp_path}", "export KEPT=$PWD/here", "cd below"):
        assert shell.run(Command(line, None)) == ""
    assert shell.run(Command('echo "$KEPT"; basename $PWD', None)) == f"{tmp_path}/here\nbelow\n"


def test_an_interruption_comes_at_the_third_epoch(monkeypatch):
    pressed = []
    monkeypatch.setattr("signal.raise_signal", lambda _: pressed.append(terminal.getvalue()))
    terminal = Interrupting()
    for epoch in range(1, 6):
        terminal.write(f"Epoch {epoch}/5\n")
    assert pressed == ["Epoch 1/5\nEpoch 2/5\n"]


def list_help_examples():
    for name, command in typer.main.get_command(app).commands.items():
        for line in command.help.splitlines():
            if line.startswith("Example: "):
                yield name, line.removeprefix("Example: ")


@pytest.mark.parametrize(("name", "line"), list(list_help_examples()))
def test_the_examples_of_the_help_are_accepted(name, line):
    group = typer.main.get_command(app)
    first, second, *words = shlex.split(line.rpartition("| ")[2])  # without a command piped into it
    assert (first, second) == ("monolayer", name)
    group.commands[name].make_context(name, words)
