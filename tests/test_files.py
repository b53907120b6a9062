import errno
import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load

from monolayer.errors import BadInput
from monolayer.files import (
    DAY_S,
    DISK_ERRORS,
    DRAFT,
    delete_old_drafts,
    delete_whole_folder,
    explain_os_error,
    name_draft,
    open_whole_folder,
    pack_tensors,
    write_whole,
)


def make_error(number, kind=OSError):
    return kind(number, os.strerror(number))


@pytest.mark.parametrize("fsync", [False, True])
@pytest.mark.parametrize("content", [b"", b"new", bytes(range(256)) * 1000])
def test_a_file_is_written_and_replaced(tmp_path, content, fsync):
    for before in (None, b"old and longer than what follows" * 10_000):
        path = tmp_path / f"file-{before is None}"
        if before is not None:
            path.write_bytes(before)
        write_whole(path, content, fsync=fsync)
        assert path.read_bytes() == content
    assert len(os.listdir(tmp_path)) == 2


def test_it_is_whole_and_on_the_disk_before_it_stands_in_its_place(tmp_path, monkeypatch):
    path, seen, fsync, replace = tmp_path / "file", [], os.fsync, Path.replace
    path.write_bytes(b"old")

    def look_at_fsync(number):
        seen.append(("fsync", os.fstat(number).st_size, path.read_bytes()))
        fsync(number)

    def look_at_replace(self, target):
        seen.append(("replace", len(self.read_bytes()), path.read_bytes()))
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", look_at_fsync)
    monkeypatch.setattr(Path, "replace", look_at_replace)
    write_whole(path, b"x" * 100_000, fsync=True)
    assert seen == [("fsync", 100_000, b"old"), ("replace", 100_000, b"old")]
    assert path.read_bytes() == b"x" * 100_000


def test_only_what_must_last_is_waited_for(tmp_path, monkeypatch):
    waited = []
    monkeypatch.setattr(os, "fsync", waited.append)
    write_whole(tmp_path / "a", b"a")
    assert not waited
    write_whole(tmp_path / "b", b"b", fsync=True)
    assert len(waited) == 1


FAILURES = [make_error(errno.ENOSPC), make_error(errno.EIO), KeyboardInterrupt(), MemoryError()]


@pytest.mark.parametrize("old", [None, b"old"])
@pytest.mark.parametrize("error", FAILURES, ids=repr)
@pytest.mark.parametrize("step", ["fsync", "replace", "write"])
def test_what_fails_on_the_way_leaves_no_part_and_the_old_file_as_it_was(tmp_path, monkeypatch, step, error, old):
    path = tmp_path / "file"
    if old is not None:
        path.write_bytes(old)

    def fail(*_):
        raise error

    if step == "fsync":
        monkeypatch.setattr(os, "fsync", fail)
    elif step == "replace":
        monkeypatch.setattr(Path, "replace", fail)
    else:
        monkeypatch.setattr(Path, "open", lambda self, mode: HalfWritten(self, error))
    with pytest.raises(type(error)) as raised:
        write_whole(path, b"new content", fsync=True)
    assert raised.value is error
    monkeypatch.undo()
    assert os.listdir(tmp_path) == ([] if old is None else ["file"])
    assert old is None or path.read_bytes() == old


class HalfWritten:
    """A file that takes half of what is written, and then the disk is full."""

    def __init__(self, path, error):
        self._path, self._error = path, error

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def write(self, content):
        with open(self._path, "wb") as file:  # Path.open is the one that was replaced
            file.write(content[: len(content) // 2])
        raise self._error


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/dev/full is Linux's")
def test_a_disk_that_is_really_full_is_one_sentence_and_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    monkeypatch.setattr("monolayer.files.name_draft", lambda path: tmp_path / "draft")
    (tmp_path / "draft").symlink_to("/dev/full")
    with (
        pytest.raises(BadInput, match=r"file: cannot be written \(No space left on device\)\.$"),
        explain_os_error(path),
    ):
        write_whole(path, b"new" * 10_000)
    assert os.listdir(tmp_path) == ["file"]
    assert path.read_bytes() == b"old"


def test_files_of_ones_own_beside_it_stay_and_what_a_kill_left_is_in_nobodys_way(tmp_path):
    (tmp_path / "file.part").write_bytes(b"mine")
    (tmp_path / f".file.0{DRAFT}").write_bytes(b"half")
    write_whole(tmp_path / "file", b"new")
    assert sorted(os.listdir(tmp_path)) == [f".file.0{DRAFT}", "file", "file.part"]
    assert (tmp_path / "file").read_bytes() == b"new"
    assert (tmp_path / "file.part").read_bytes() == b"mine"


@pytest.mark.parametrize("number", sorted(DISK_ERRORS))
def test_the_disks_trouble_is_one_sentence_with_the_place_the_cause_and_what_to_do(tmp_path, number):
    path, error = tmp_path / "out", make_error(number)
    with pytest.raises(BadInput) as raised, explain_os_error(path, "; go on with --resume"):
        raise error
    assert str(raised.value) == f"{path}: cannot be written ({os.strerror(number)}); go on with --resume."
    assert raised.value.__cause__ is error


def test_a_folder_that_is_not_there_is_the_disks_trouble(tmp_path):
    path = tmp_path / "none" / "file"
    message = r"none/file: cannot be written \(No such file or directory\)\.$"
    with pytest.raises(BadInput, match=message), explain_os_error(path):
        write_whole(path, b"new")


@pytest.mark.parametrize(
    "error",
    [
        make_error(errno.ECONNRESET, ConnectionResetError),
        make_error(errno.EPIPE, BrokenPipeError),
        make_error(errno.ETIMEDOUT, TimeoutError),
        OSError("without a number"),
        ValueError("no system error"),
        KeyboardInterrupt(),
        BadInput("told already"),
    ],
    ids=repr,
)
def test_other_trouble_passes_through_as_it_is(tmp_path, error):
    with pytest.raises(type(error)) as raised, explain_os_error(tmp_path):
        raise error
    assert raised.value is error


def test_without_trouble_nothing_is_told(tmp_path):
    with explain_os_error(tmp_path):
        write_whole(tmp_path / "file", b"new")
    assert os.listdir(tmp_path) == ["file"]


def test_tensors_are_packed_into_the_same_bytes_whatever_the_order_of_the_texts():
    tensors = {"b": np.arange(6, dtype=np.float32).reshape(2, 3), "a": np.array([True, False]), "c": np.zeros(0)}
    texts = {f"text {i}": "x" * i for i in range(12)}
    packed = pack_tensors(tensors, texts)
    for _ in range(10):  # the library draws an order each time
        assert pack_tensors(dict(reversed(tensors.items())), dict(reversed(texts.items()))) == packed
    found = load(packed)
    assert set(found) == set(tensors)
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype
        np.testing.assert_array_equal(found[name], tensor)


def test_tensors_that_are_views_are_packed_as_they_look():
    X = np.arange(24, dtype=np.float64).reshape(4, 6)
    for view in (X.T, X[::2, 1::2], X[:, ::-1]):
        np.testing.assert_array_equal(load(pack_tensors({"X": view}, {"key": "value"}))["X"], view)


def test_what_is_packed_is_a_safetensors_file_with_its_texts(tmp_path):
    from safetensors import safe_open

    texts = {"name": "Zürich – «ß»", "quote": '"\\\n', "empty": ""}
    (tmp_path / "file").write_bytes(pack_tensors({"x": np.ones(3, np.float16)}, texts))
    with safe_open(tmp_path / "file", framework="numpy") as file:
        assert file.metadata() == texts
        np.testing.assert_array_equal(file.get_tensor("x"), np.ones(3, np.float16))


def test_drafts_stand_hidden_beside_their_place_and_have_names_of_their_own(tmp_path):
    names = {name_draft(tmp_path / "out") for _ in range(50)}
    assert len(names) == 50
    assert all(name.parent == tmp_path and name.name.startswith(".out.") for name in names)


def test_only_old_drafts_of_this_folder_are_swept(tmp_path):
    """The folder's name may hold what a pattern would take for its own."""
    path, now = tmp_path / "grid[1]*", time.time()
    old, young, foreign, other = (name_draft(tmp_path / name) for name in (path.name, path.name, "grid1", "grid[1]"))
    for folder, age in ((old, 1.1), (young, 0.9), (foreign, 9), (other, 9)):
        folder.mkdir()
        (folder / "file").write_bytes(b"x")
        os.utime(folder, (now - age * DAY_S,) * 2)
    kept = tmp_path / f".{path.name}.notes"
    kept.write_bytes(b"mine")
    os.utime(kept, (now - 9 * DAY_S,) * 2)
    delete_old_drafts(tmp_path, path.name)
    assert set(tmp_path.iterdir()) == {young, foreign, other, kept}
    delete_old_drafts(tmp_path)
    assert set(tmp_path.iterdir()) == {young, kept}


def fill_folder(path, text, error=None, **options):
    with open_whole_folder(path, **options) as folder:
        (folder / "file").write_text(text)
        if error:
            raise error


@pytest.mark.parametrize("replace", [True, False])
def test_a_folder_appears_whole_or_not_at_all(tmp_path, replace):
    with pytest.raises(KeyboardInterrupt):
        fill_folder(tmp_path / "deep" / "out", "half", KeyboardInterrupt(), replace=replace)
    assert os.listdir(tmp_path / "deep") == []
    fill_folder(tmp_path / "deep" / "out", "whole", replace=replace)
    assert os.listdir(tmp_path / "deep") == ["out"]
    assert (tmp_path / "deep" / "out" / "file").read_text() == "whole"


@pytest.mark.parametrize(("replace", "text"), [(True, "ours"), (False, "theirs")])
def test_a_folder_that_is_there_by_then_is_replaced_or_kept(tmp_path, replace, text):
    with open_whole_folder(tmp_path / "out", replace=replace) as folder:
        (folder / "file").write_text("ours")
        fill_folder(tmp_path / "out", "theirs")
    assert (tmp_path / "out" / "file").read_text() == text
    assert os.listdir(tmp_path) == ["out"]


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EBUSY, errno.EIO, errno.ESTALE])
@pytest.mark.parametrize("older", [True, False])
def test_finished_work_is_kept_where_it_cannot_be_put_in_place(tmp_path, monkeypatch, number, older):
    if older:
        fill_folder(tmp_path / "out", "older")
    rename = Path.rename

    def fail(path, target):
        if Path(target).name == "out" and (path / "file").read_text() == "new":
            raise OSError(number, os.strerror(number))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(BadInput, match="the finished results are in ") as caught:
        fill_folder(tmp_path / "out", "new")
    kept = Path(str(caught.value).split("results are in ")[1].rstrip("."))
    assert (kept / "file").read_text() == "new"
    assert sorted(os.listdir(tmp_path)) == sorted([kept.name, *(["out"] if older else [])])
    if older:
        assert (tmp_path / "out" / "file").read_text() == "older"


@pytest.mark.skipif(sys.platform == "win32", reason="a folder with an open file cannot be renamed there")
def test_a_folder_is_deleted_in_one_step_and_only_if_it_is_there(tmp_path, monkeypatch):
    fill_folder(tmp_path / "out", "old")
    monkeypatch.setattr("shutil.rmtree", lambda path, ignore_errors: None)
    delete_whole_folder(tmp_path / "out")
    [left] = os.listdir(tmp_path)
    assert left.endswith(DRAFT), "what a kill leaves is a draft"
    delete_whole_folder(tmp_path / "out")
