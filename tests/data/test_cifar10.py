from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from monolayer.data import cache, cifar10
from monolayer.data.cifar10 import EXPECTED, load_cifar10
from monolayer.data.dataset import Dataset, compute_sha256
from monolayer.data.sources.content import Content
from monolayer.data.sources.download import SourceFailed, TimeLimits, TooSlow
from monolayer.errors import BadData, BadInput, DataUnavailable
from monolayer.progress import Progress
from tests.data.cifar_files import make_binary, make_pickled, write_folder, write_tar


@pytest.fixture
def folder(small_is_expected: Content, tmp_path: Path) -> Path:
    return write_folder(tmp_path / "cifar-10-batches-bin", make_binary(small_is_expected))


def test_a_named_folder_fills_the_cache_which_then_answers(folder: Path, apart: Path, result) -> None:
    first = load_cifar10(folder)
    assert isinstance(first.X, np.memmap)
    shutil.rmtree(folder)
    second = load_cifar10(progress=result)
    assert result.message == []
    assert second.sha256 == first.sha256 == compute_sha256(second.X, second.y, second.test)
    assert first.source == second.source == f"the copy in {folder}"
    assert second.test is not None
    assert (second.X.shape, second.test.X.shape) == ((15, 3072), (3, 3072))
    assert os.listdir(apart) == ["cifar10"]


def test_the_variable_names_a_copy(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONOLAYER_DATA", str(folder))
    assert load_cifar10().source == f"the copy in {folder}"


@pytest.mark.usefixtures("small_is_expected")
def test_a_named_path_that_is_not_there_is_an_error_even_with_a_cache(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_cifar10(folder)
    with pytest.raises(BadInput, match="nowhere: no such file or folder"):
        load_cifar10(tmp_path / "nowhere")
    monkeypatch.setenv("MONOLAYER_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(BadInput, match=r"nowhere \(from MONOLAYER_DATA\): no such file or folder"):
        load_cifar10()


def test_a_named_copy_is_checked_even_where_the_cache_could_answer(folder: Path) -> None:
    load_cifar10(folder)
    (folder / "data_batch_1.bin").write_bytes(b"\x0a" * 3073)
    with pytest.raises(BadData, match=r"data_batch_1\.bin: row 0 has label 10; accepted are 0 to 9"):
        load_cifar10(folder)


def test_a_named_copy_that_is_wrong_is_an_error_and_nothing_else_is_given(
    folder: Path, apart: Path, small_is_expected: Content, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cifar10, "MIRRORS", (Played("network", small_is_expected, AssertionError("was tried")),))
    batch = folder / "data_batch_1.bin"
    raw = bytearray(batch.read_bytes())
    raw[100] ^= 1
    batch.write_bytes(raw)
    expected = cifar10.EXPECTED.sha256
    with pytest.raises(BadData, match=rf"{folder}: not the content of CIFAR-10; .* [0-9a-f]{{64}}, .* {expected}"):
        load_cifar10(folder)
    assert not apart.exists()


def test_another_number_of_images_is_refused(folder: Path) -> None:
    batch = folder / "test_batch.bin"
    batch.write_bytes(batch.read_bytes()[:3073])
    with pytest.raises(BadData, match=r"15 training and 1 test images; CIFAR-10 has 15 and 3"):
        load_cifar10(folder)


@pytest.mark.parametrize("name", ["train_X.npy", "test_y.npy", "content.json"])
@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_damaged_cache_is_told_and_made_anew(folder: Path, apart: Path, result, name: str, damage: str) -> None:
    load_cifar10(folder)
    path = apart / "cifar10" / name
    raw = path.read_bytes()
    flipped = raw[:-9] + bytes([raw[-9] ^ 1]) + raw[-8:] if name != "content.json" else b"[]"
    path.write_bytes(raw[:-1] if damage == "cut" else flipped)
    again = load_cifar10(folder, progress=result)
    assert again.sha256 == cifar10.EXPECTED.sha256
    assert len(result.message) == 1
    assert result.message[0].startswith("The cache is damaged and will be written again: ")
    assert path.read_bytes() == raw


def test_a_read_only_cache_is_read_and_left_as_it_is(folder: Path, apart: Path, result) -> None:
    load_cifar10(folder)
    places = [apart, apart / "cifar10", *(apart / "cifar10").iterdir()]
    for place in places:
        place.chmod(place.stat().st_mode & 0o555)
    before = [place.stat().st_mtime_ns for place in places]
    try:
        assert isinstance(load_cifar10(folder, progress=result).X, np.memmap)
    finally:
        for place in places:
            place.chmod(place.stat().st_mode | 0o200)
    assert result.message == []
    assert [place.stat().st_mtime_ns for place in places] == before


def test_where_the_cache_cannot_be_written_the_data_stay_in_memory(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, result
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("MONOLAYER_CACHE", str(tmp_path / "file" / "cache"))
    loaded = load_cifar10(folder, progress=result)
    assert not isinstance(loaded.X, np.memmap)
    assert len(result.message) == 1
    assert "cannot be written (Not a directory); CIFAR-10 is kept in memory instead" in result.message[0]


def test_a_damaged_cache_that_cannot_be_written_does_not_hinder(
    folder: Path, apart: Path, monkeypatch: pytest.MonkeyPatch, result
) -> None:
    load_cifar10(folder)
    (apart / "cifar10" / "train_X.npy").write_bytes(b"")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(cache, "store", refuse)
    assert load_cifar10(folder, progress=result).sha256 == cifar10.EXPECTED.sha256
    assert result.message[0].startswith("The cache is damaged and will be written again: ")
    assert "Permission denied" in result.message[1]


def test_a_copy_that_keras_left_is_used(small_is_expected: Content, tmp_path: Path, result) -> None:
    place = tmp_path / "home/.keras/datasets/cifar-10-batches-py"
    write_folder(place, make_pickled(small_is_expected))
    assert load_cifar10(progress=result).source == f"the copy in {place}"
    assert result.message == [f"CIFAR-10: reading the copy in {place}"]


def test_a_spoilt_copy_is_told_and_passed_over(small_is_expected: Content, tmp_path: Path, result) -> None:
    write_folder(tmp_path / "work/data/cifar-10-batches-py", {"data_batch_1": b"noise"})
    write_tar(tmp_path / "work/data/cifar-10-binary.tar.gz", make_binary(small_is_expected))
    assert load_cifar10(progress=result).source.endswith("cifar-10-binary.tar.gz")
    assert "this copy cannot be used" in result.message[1]


class Played:
    """A mirror that fails at its first calls, and then returns content."""

    def __init__(self, name: str, content: Content, *failures: BaseException) -> None:
        self.name, self.content, self.failures, self.asked = name, content, list(failures), []

    def is_usable(self) -> bool:
        return True

    def fetch(self, _: Progress, limits: TimeLimits) -> Content:
        self.asked.append(limits)
        if self.failures:
            raise self.failures.pop(0)
        return self.content


def play(monkeypatch: pytest.MonkeyPatch, *mirrors: Played) -> None:
    monkeypatch.setattr(cifar10, "MIRRORS", mirrors)


def test_the_first_source_that_answers_is_taken(
    small_is_expected: Content, monkeypatch: pytest.MonkeyPatch, result
) -> None:
    wrong = Content(small_is_expected.train, small_is_expected.train, "wrong")
    one, two = Played("one", small_is_expected, SourceFailed("the server answered 404")), Played("two", wrong)
    three, four = Played("three", small_is_expected), Played("four", small_is_expected)
    play(monkeypatch, one, two, three, four)
    assert load_cifar10(progress=result).sha256 == cifar10.EXPECTED.sha256
    assert [len(source.asked) for source in (one, two, three, four)] == [1, 1, 1, 0]
    assert result.message[1] == "CIFAR-10: one failed: the server answered 404"
    assert result.message[3].startswith("CIFAR-10: two failed: two: 15 training and 15 test images")


def test_a_slow_source_is_set_aside_and_taken_when_nothing_else_answers(
    small_is_expected: Content, monkeypatch: pytest.MonkeyPatch, result
) -> None:
    slow = Played("slow", small_is_expected, TooSlow("70 kB/s, which would take 40 more minutes"))
    play(monkeypatch, slow, Played("gone", small_is_expected, OSError("disk full")))
    assert load_cifar10(progress=result).sha256 == cifar10.EXPECTED.sha256
    assert [limits.total_s for limits in slow.asked] == [300, None]
    assert "CIFAR-10: slow is slow (70 kB/s, which would take 40 more minutes)" in result.message[1]


def test_a_slow_source_is_left_alone_when_another_answers(
    small_is_expected: Content, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Played("slow", small_is_expected, TooSlow("70 kB/s"))
    play(monkeypatch, slow, Played("quick", small_is_expected))
    load_cifar10()
    assert len(slow.asked) == 1


def test_in_the_end_each_source_is_listed_with_its_reason(
    small_is_expected: Content, monkeypatch: pytest.MonkeyPatch, apart: Path
) -> None:
    slow = Played("slow", small_is_expected, TooSlow("70 kB/s"), SourceFailed("the server stopped sending"))
    play(monkeypatch, slow, Played("gone", small_is_expected, SourceFailed("the server answered 404")))
    with pytest.raises(DataUnavailable) as caught:
        load_cifar10()
    text = str(caught.value)
    assert "\n  slow: the server stopped sending\n  gone: the server answered 404\n" in text
    assert "MONOLAYER_DATA" in text
    assert not apart.exists()


@pytest.mark.cifar10
def test_the_real_content_is_the_published_one(cifar10: Dataset) -> None:
    assert cifar10.sha256 == EXPECTED.sha256
    assert cifar10.y[:10].tolist() == [6, 9, 9, 4, 1, 1, 2, 7, 8, 3]
    assert np.bincount(cifar10.y).tolist() == [5000] * 10
    assert cifar10.test is not None
    assert np.bincount(cifar10.test.y).tolist() == [1000] * 10
    channels = cifar10.X.reshape(-1, 3, 1024)
    count = channels.shape[0] * channels.shape[2]
    sums = channels.sum(axis=(0, 2), dtype=np.int64)
    squares = np.stack([np.bincount(channels[:, c].ravel(), minlength=256) @ np.arange(256) ** 2 for c in range(3)])
    mean = sums / count
    np.testing.assert_allclose(mean / 255, [0.49139968, 0.48215841, 0.44653091], atol=5e-9)
    std = np.sqrt(squares / count - mean**2) / 255
    np.testing.assert_allclose(std, [0.24703223, 0.24348513, 0.26158784], atol=5e-9)


@pytest.mark.cifar10
def test_the_cache_is_opened_in_place(cifar10: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONOLAYER_CACHE", str(tmp_path / "real"))
    cache.store(cifar10, tmp_path / "real" / "cifar10", replace=False)
    cached = load_cifar10()
    assert cached.sha256 == EXPECTED.sha256
    assert isinstance(cached.X, np.memmap)
