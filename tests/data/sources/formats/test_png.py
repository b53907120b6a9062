from __future__ import annotations

import numpy as np
import pytest

from monolayer.data.sources.content import Content
from monolayer.data.sources.formats import png
from monolayer.errors import BadData
from tests.data.cifar_files import assert_same, encode_png, make_png


def test_pictures_become_channel_major_rows(small: Content) -> None:
    assert_same(png.read(make_png(small), "package"), small)


def test_a_picture_of_another_width_is_refused() -> None:
    with pytest.raises(BadData, match=r"a\.png: RGB, 1000 pixels wide; accepted is RGB, 1024"):
        png.parse_picture(encode_png(np.zeros((2, 1000, 3), dtype=np.uint8)), "a.png")


def test_a_grey_picture_is_refused() -> None:
    with pytest.raises(BadData, match=r"a\.png: L, 1024"):
        png.parse_picture(encode_png(np.zeros((2, 1024), dtype=np.uint8)), "a.png")


@pytest.mark.parametrize("keep", [0.0, 0.1, 0.5, 0.99])
def test_a_picture_cut_short_is_refused(small: Content, keep: float) -> None:
    raw = make_png(small)["test_batch.png"]
    with pytest.raises(BadData, match=r"a\.png: the PNG is damaged or truncated"):
        png.parse_picture(raw[: int(keep * len(raw))], "a.png")


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"[1, 2", "not JSON"),
        (b"\xff", "not JSON"),
        (b'{"a": 1}', "list of integers"),
        (b"[1, 2.5]", "list of integers"),
        (b"[true]", "list of integers"),
        (b"[" * 100_000, "not JSON"),
    ],
)
def test_labels_that_are_no_list_of_integers_are_refused(raw: bytes, reason: str) -> None:
    with pytest.raises(BadData, match=rf"train_lables\.json: .*{reason}"):
        png.parse_labels(raw, "train_lables.json")


def test_labels_of_another_number_are_refused(small: Content) -> None:
    with pytest.raises(BadData, match=r"package: test_lables\.json: labels are .* accepted are 3 integers"):
        png.read(make_png(small) | {"test_lables.json": b"[1, 2]"}, "package")


def test_a_label_out_of_range_is_named_with_its_row(small: Content) -> None:
    with pytest.raises(BadData, match=r"test_lables\.json: row 2 has label 10"):
        png.read(make_png(small) | {"test_lables.json": b"[1, 2, 10]"}, "package")
