from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from monolayer.data import cache, cifar10
from monolayer.data.dataset import Dataset
from monolayer.data.sources.content import Content
from monolayer.errors import BadData
from monolayer.files import DRAFT
from tests.data.cifar_files import assert_same

FILES = ["content.json", "test_X.npy", "test_y.npy", "train_X.npy", "train_y.npy"]


@pytest.fixture
def dataset(small: Content) -> Dataset:
    return cifar10._make_part(small.train, "a test", cifar10._make_part(small.test, "a test"))


def test_the_folder_is_the_one_named(tmp_path: Path) -> None:
    assert cache.find_cache_folder() == tmp_path / "cache"


@pytest.mark.skipif(sys.platform != "linux", reason="XDG is Linux's")
def test_the_folder_is_else_the_platforms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MONOLAYER_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache.find_cache_folder() == tmp_path / "home" / ".cache" / "monolayer"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.find_cache_folder() == tmp_path / "xdg" / "monolayer"


def test_what_is_stored_is_opened_as_it_was_and_mapped(apart: Path, dataset: Dataset, small: Content) -> None:
    cache.store(dataset, apart / "cifar10", replace=False)
    opened = cache.open_cached(apart / "cifar10")
    assert opened is not None
    assert_same(opened, small)
    assert opened.source == "a test"
    assert isinstance(opened.train[0], np.memmap)
    assert not opened.train[0].flags.writeable
    assert sorted(os.listdir(apart / "cifar10")) == FILES
    assert os.listdir(apart) == ["cifar10"]


def test_an_empty_cache_opens_as_none(apart: Path) -> None:
    assert cache.open_cached(apart / "cifar10") is None


@pytest.mark.skipif(sys.platform == "win32", reason="no such modes there")
def test_others_may_read_what_is_stored(apart: Path, dataset: Dataset) -> None:
    before = os.umask(0o022)
    try:
        cache.store(dataset, apart / "cifar10", replace=False)
    finally:
        os.umask(before)
    assert (apart / "cifar10").stat().st_mode & 0o777 == 0o755
    assert (apart / "cifar10" / "train_X.npy").stat().st_mode & 0o777 == 0o644


def test_the_first_to_store_wins(apart: Path, dataset: Dataset) -> None:
    cache.store(dataset, apart / "cifar10", replace=False)
    first = (apart / "cifar10" / "train_X.npy").stat().st_ino
    cache.store(dataset, apart / "cifar10", replace=False)
    assert (apart / "cifar10" / "train_X.npy").stat().st_ino == first
    assert os.listdir(apart) == ["cifar10"]


def test_a_damaged_folder_is_replaced(apart: Path, dataset: Dataset, small: Content) -> None:
    cache.store(dataset, apart / "cifar10", replace=False)
    (apart / "cifar10" / "train_X.npy").write_bytes(b"")
    cache.store(dataset, apart / "cifar10", replace=True)
    opened = cache.open_cached(apart / "cifar10")
    assert opened is not None
    assert_same(opened, small)
    assert os.listdir(apart) == ["cifar10"]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "noise"])
def test_damage_is_named(apart: Path, dataset: Dataset, name: str, damage: str) -> None:
    cache.store(dataset, apart / "cifar10", replace=False)
    path = apart / "cifar10" / name
    raw = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes({"empty": b"", "cut": raw[: len(raw) - 5], "noise": b"\x80\x04" + raw[2:]}[damage])
    with pytest.raises(BadData, match=f"{name}: "):
        cache.open_cached(apart / "cifar10")


@pytest.mark.parametrize("array", [np.zeros((3, 3072)), np.zeros(3, dtype=np.uint8), np.array(None, dtype=object)])
def test_another_dtype_or_dimension_is_damage(apart: Path, dataset: Dataset, array: np.ndarray) -> None:
    cache.store(dataset, apart / "cifar10", replace=False)
    np.save(apart / "cifar10" / "test_X.npy", array, allow_pickle=True)
    with pytest.raises(BadData, match=r"test_X\.npy: damaged"):
        cache.open_cached(apart / "cifar10")


def test_nothing_is_left_when_the_disk_is_full(apart: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        cache.store(dataset, apart / "cifar10", replace=False)
    assert os.listdir(apart) == []


def test_what_killed_processes_left_goes_after_a_day(apart: Path, dataset: Dataset) -> None:
    old, new = apart / f".cifar10.aaaa{DRAFT}", apart / f".cifar10.bbbb{DRAFT}"
    for left in (old, new):
        left.mkdir(parents=True)
    os.utime(old, (0, 0))
    cache.store(dataset, apart / "cifar10", replace=False)
    assert sorted(os.listdir(apart)) == [new.name, "cifar10"]


FETCH = """
import os, sys, pathlib
from monolayer.data import cifar10
cifar10.EXPECTED = cifar10.Expected(15, 3, sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
top = pathlib.Path(os.environ["MONOLAYER_CACHE"])
for i in range(20):
    os.environ["MONOLAYER_CACHE"] = str(top if sys.argv[3] == "damage" else top / str(i))
    data = cifar10.load_cifar10(pathlib.Path(sys.argv[1]))
    assert data.sha256 == sys.argv[2]
    if sys.argv[3] == "damage":
        (top / "cifar10" / "content.json").unlink(missing_ok=True)
    else:
        assert data.X.filename is not None
"""


@pytest.mark.skipif(sys.platform == "win32", reason="mapped files cannot be renamed there")
@pytest.mark.parametrize("mode", ["fill", "damage"])
def test_two_processes_that_fetch_at_once_do_no_harm(apart: Path, dataset: Dataset, mode: str) -> None:
    """They race for twenty caches, or each spoils the one cache again and again and both make it anew."""
    source = apart.parent / "mine.npz"
    assert dataset.test is not None
    np.savez(source, X_train=dataset.X, y_train=dataset.y, X_test=dataset.test.X, y_test=dataset.test.y)
    command = [sys.executable, "-c", FETCH, str(source), dataset.sha256, mode]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    both = [subprocess.Popen(command, **pipes) for _ in range(2)]
    for process in both:
        assert process.stdout.readline() == "ready\n"
    for process in both:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in both:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    assert list(apart.rglob(f"*{DRAFT}")) == []
    assert {path.parent.name for path in apart.rglob("*.npy")} == {"cifar10"}
