from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from monolayer.data.sources import local
from monolayer.data.sources.content import Content
from monolayer.errors import BadData, BadInput
from tests.data.cifar_files import assert_same, make_binary, make_pickled, make_png, write_folder, write_tar

MAKERS: dict[str, Callable[[Content], dict[str, bytes]]] = {
    "binary": make_binary,
    "python": make_pickled,
    "npm": make_png,
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_folders_and_archives_are_read(
    small: Content, tmp_path: Path, make: Callable[[Content], dict[str, bytes]]
) -> None:
    folder = write_folder(tmp_path / "folder", make(small))
    archive = write_tar(tmp_path / "archive.tar.gz", make(small) | {"readme.html": b"hello"})
    for path in (folder, archive):
        found = local.read(path)
        assert_same(found, small)
        assert found.source == f"the copy in {path}"


@pytest.mark.parametrize("inside", ["cifar-10-batches-py", "cifar-10-batches-py-target/cifar-10-batches-py"])
def test_the_folder_around_the_batches_will_do(small: Content, tmp_path: Path, inside: str) -> None:
    write_folder(tmp_path / "data" / inside, make_pickled(small))
    assert_same(local.read(tmp_path / "data"), small)


def test_the_folder_around_an_archive_will_do(small: Content, tmp_path: Path) -> None:
    write_tar(tmp_path / "data" / "cifar-10-binary.tar.gz", make_binary(small))
    assert_same(local.read(tmp_path / "data"), small)


def test_an_npz_is_read(small: Content, tmp_path: Path) -> None:
    (X_train, y_train), (X_test, y_test) = small.train, small.test
    np.savez(tmp_path / "mine.npz", X_train=X_train, y_train=y_train, X_test=X_test, y_test=y_test)
    assert_same(local.read(tmp_path / "mine.npz"), small)


def test_a_path_that_is_not_there_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="nowhere: no such file or folder; accepted is the binary or python archive"):
        local.read(tmp_path / "nowhere")


def test_a_folder_without_cifar10_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="no CIFAR-10 in this folder"):
        local.read(tmp_path)


def test_an_archive_without_cifar10_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"a\.tgz: no CIFAR-10 in this archive"):
        local.read(write_tar(tmp_path / "a.tgz", {"readme.html": b"hello"}))


def test_any_other_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(BadData, match=r"a\.txt: damaged, or not a file that can be read as CIFAR-10"):
        local.read(tmp_path / "a.txt")


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_missing_members_are_named(small: Content, tmp_path: Path, make: Callable[[Content], dict[str, bytes]]) -> None:
    members = make(small)
    missing = next(name for name in members if "data_batch_3" in name)
    del members[missing]
    with pytest.raises(BadData, match=f"folder: misses {missing}."):
        local.read(write_folder(tmp_path / "folder", members))


def test_a_batch_cut_short_is_named(small: Content, tmp_path: Path) -> None:
    members = make_binary(small)
    members["data_batch_2.bin"] = members["data_batch_2.bin"][:-1]
    archive = write_tar(tmp_path / "a.tar.gz", members)
    with pytest.raises(BadData, match=r"a\.tar\.gz: data_batch_2\.bin: 9,218 bytes are not a whole number"):
        local.read(archive)


def test_copies_of_other_libraries_are_found(tmp_path: Path) -> None:
    home, work = tmp_path / "h", tmp_path / "w"
    keras = write_folder(home / ".keras/datasets/cifar-10-batches-py", {"data_batch_1": b""})
    torchvision = write_folder(work / "data/cifar-10-batches-py", {"data_batch_1": b""})
    (work / "data/cifar-10-python.tar.gz").write_bytes(b"")
    (work / "package").mkdir()
    found = list(local.find_copies(home, work))
    assert found == [torchvision, work / "data/cifar-10-python.tar.gz", keras]


def test_an_empty_machine_has_no_copies() -> None:
    assert list(local.find_copies()) == []
