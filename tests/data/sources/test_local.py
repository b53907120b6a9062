from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from monolayer.data.sources import local
from monolayer.data.sources.content import Batch, Content
from monolayer.errors import BadData, BadInput
from tests.data.cifar_files import assert_same, encode_png, make_binary, make_pickled, make_png, write_folder, write_tar

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


def channel_last(rows: np.ndarray) -> np.ndarray:
    return rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)


def write_npz(path: Path, content: Content, **replaced: object) -> Path:
    arrays = {"X_train": content.train[0], "y_train": content.train[1]}
    arrays |= {"X_test": content.test[0], "y_test": content.test[1]}
    np.savez(path, **(arrays | replaced))
    return path


def test_keras_names_and_shapes_are_read(small: Content, tmp_path: Path) -> None:
    np.savez_compressed(
        tmp_path / "a.npz",
        x_train=channel_last(small.train[0]),
        y_train=small.train[1][:, None].astype(np.uint8),
        x_test=channel_last(small.test[0]),
        y_test=small.test[1][:, None].astype(np.uint8),
    )
    assert_same(local.read(tmp_path / "a.npz"), small)
    path = write_npz(tmp_path / "b.npz", small, X_train=small.train[0].reshape(-1, 3, 32, 32))
    assert_same(local.read(path), small)


@pytest.mark.parametrize(
    ("replaced", "reason"),
    [
        ({"X_test": np.zeros((3, 3072))}, r"test: pixels are float64"),
        ({"X_test": np.zeros((3, 100), dtype=np.uint8)}, r"test: pixels are uint8 \(3, 100\)"),
        ({"X_test": np.zeros((0, 32, 32, 3), dtype=np.uint8)}, r"test: pixels are uint8 \(0, "),
        ({"X_test": np.uint8(3)}, r"features have shape \(\)"),
        ({"y_test": np.array([1, 2, 10])}, "test: row 2 has label 10"),
        ({"y_test": np.array([1, 2, -1])}, "test: row 2 has label -1"),
        ({"y_test": np.array([1.0, 2.0, 3.0])}, "test: labels are float64"),
        ({"y_test": np.eye(3, dtype=np.int64)}, "test: labels are int64"),
        ({"y_test": np.array([{}, {}, {}], dtype=object)}, "y_test cannot be read .it holds Python objects"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    small: Content, tmp_path: Path, replaced: dict[str, np.ndarray], reason: str
) -> None:
    with pytest.raises(BadData, match=rf"a\.npz: {reason}"):
        local.read(write_npz(tmp_path / "a.npz", small, **replaced))


def test_an_npz_without_test_rows_or_truncated_is_refused(small: Content, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", X_train=small.train[0], y_train=small.train[1])
    with pytest.raises(BadData, match=r"a\.npz: has no test rows; accepted is .* X_train, y_train, X_test, y_test"):
        local.read(tmp_path / "a.npz")
    path = write_npz(tmp_path / "b.npz", small)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(BadData, match=r"b\.npz: damaged, or not a file"):
        local.read(path)


def write_shard(path: Path, batch: Batch, **replaced: list[object]) -> None:
    images = [encode_png(row.reshape(3, 32, 32).transpose(1, 2, 0).copy()) for row in batch[0]]
    columns = {"img": [{"bytes": raw, "path": None} for raw in images], "label": batch[1].tolist()} | replaced
    path.parent.mkdir(exist_ok=True)
    pyarrow = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet").write_table(pyarrow.table(columns), path)


def test_hugging_faces_parquet_is_read(small: Content, tmp_path: Path) -> None:
    write_shard(tmp_path / "plain_text/train-00000-of-00001.parquet", small.train)
    write_shard(tmp_path / "plain_text/test-00000-of-00001.parquet", small.test)
    assert_same(local.read(tmp_path / "plain_text"), small)


@pytest.mark.parametrize(
    ("replaced", "reason"),
    [
        ({"label": [1, None, 2]}, "column 'label' has missing values"),
        (
            {"img": [{"bytes": encode_png(np.zeros((8, 8, 3), np.uint8)), "path": None}] * 3},
            "row 0 is 8x8; accepted are images of one size",
        ),
        ({"img": [{"bytes": b"noise", "path": None}] * 3}, "row 0: cannot be read as an image"),
    ],
)
def test_parquet_that_does_not_fit_is_refused(
    small: Content, tmp_path: Path, replaced: dict[str, list[object]], reason: str
) -> None:
    write_shard(tmp_path / "p/train-00000-of-00001.parquet", small.train)
    write_shard(tmp_path / "p/test-00000-of-00001.parquet", small.test, **replaced)
    with pytest.raises(BadData, match=rf"test-00000-of-00001\.parquet: {reason}"):
        local.read(tmp_path / "p")


def test_parquet_without_pyarrow_names_the_extra(
    small: Content, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_shard(tmp_path / "p/train-0.parquet", small.train)
    write_shard(tmp_path / "p/test-0.parquet", small.test)
    monkeypatch.setattr("monolayer.data.readers.parquet.is_available", lambda: False)
    with pytest.raises(BadData, match=r"needs pyarrow: pip install 'monolayer\[parquet\]'"):
        local.read(tmp_path / "p")


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


def test_only_wanted_names_are_read_whatever_folder_they_are_in(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tgz", {"a.bin": b"a", "b.bin": b"b"}, top="../../outside")
    assert local.read_tar(path, {"a.bin"}) == {"a.bin": b"a"}
    assert not (tmp_path.parent / "outside").exists()


def test_links_are_passed_over(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        link = tarfile.TarInfo("a.bin")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    assert local.read_tar(tmp_path / "a.tar", {"a.bin"}) == {}


def test_an_archive_cut_short_is_refused(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tgz", {"a.bin": bytes(range(256)) * 1000})
    path.write_bytes(path.read_bytes()[:800])
    with pytest.raises(BadData, match=r"a\.tgz: the archive is damaged or truncated"):
        local.read_tar(path, {"a.bin"})


def test_a_huge_member_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "MAX_MEMBER_BYTES", 10)
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("a.bin")
        info.size = 11
        archive.addfile(info, io.BytesIO(bytes(11)))
    with pytest.raises(BadData, match=r"a\.bin: 11 bytes; no file of CIFAR-10 has more than 10"):
        local.read_tar(path, {"a.bin"})
    (tmp_path / "a.bin").write_bytes(bytes(11))
    with pytest.raises(BadData, match=r"a\.bin: 11 bytes"):
        local.read_members(tmp_path, {"a.bin"})
