from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monolayer.data.sources.content import Content
from monolayer.data.sources.formats import binary
from monolayer.errors import BadData
from tests.data.cifar_files import assert_same, make_binary

ROW_BYTES = 3073


@given(st.lists(st.integers(0, 9), min_size=1, max_size=6), st.integers(0, 2**32 - 1))
def test_any_batch_survives_the_way_there_and_back(labels: list[int], seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (len(labels), 3072), dtype=np.uint8)
    raw = b"".join(bytes([label]) + row.tobytes() for label, row in zip(labels, pixels, strict=True))
    X, y = binary.parse_batch(raw, "file")
    assert X.dtype == np.uint8
    assert y.dtype == np.int64
    assert y.tolist() == labels
    np.testing.assert_array_equal(X, pixels)


@given(st.integers(0, 3 * ROW_BYTES).filter(lambda size: size == 0 or size % ROW_BYTES))
def test_any_size_but_whole_rows_is_refused(size: int) -> None:
    with pytest.raises(BadData, match=r"some\.bin: .* not a whole number"):
        binary.parse_batch(bytes(size), "some.bin")


@given(st.integers(1, 5), st.integers(10, 255), st.data())
def test_a_label_out_of_range_is_named_with_its_row(n: int, label: int, data: st.DataObject) -> None:
    row = data.draw(st.integers(0, n - 1))
    raw = bytearray(n * ROW_BYTES)
    raw[row * ROW_BYTES] = label
    with pytest.raises(BadData, match=rf"some\.bin: row {row} has label {label}; accepted are 0 to 9"):
        binary.parse_batch(bytes(raw), "some.bin")


@given(st.binary(max_size=200))
def test_noise_never_raises_anything_but_bad_data(raw: bytes) -> None:
    with pytest.raises(BadData):
        binary.parse_batch(raw, "noise")


def test_content_keeps_the_order_of_batches(small: Content) -> None:
    assert_same(binary.read(make_binary(small), "folder"), small)
