from __future__ import annotations

import os
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monolayer.data.sources.content import Content
from monolayer.data.sources.formats import pickled
from monolayer.errors import BadData
from tests.data.cifar_files import assert_same, make_pickled

PIXELS = np.arange(2 * 3072, dtype=np.uint8).reshape(2, 3072)


def dump(content: Any, protocol: int = 2) -> bytes:
    return pickle.dumps(content, protocol)


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_a_genuine_batch_is_read(small: Content, protocol: int) -> None:
    assert_same(pickled.read(make_pickled(small, protocol), "folder"), small)


def test_a_batch_of_python_2_is_read() -> None:
    """The bytes that Python 2's cPickle wrote: byte strings throughout, the array as a string."""
    raw = (
        b"\x80\x02}q\x01(U\x04dataq\x02cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\nq\x04K\x00\x85"
        b"U\x01b\x87Rq\x05(K\x01K\x01M\x00\x0c\x86cnumpy\ndtype\nq\x06U\x02u1K\x00K\x01\x87Rq\x07(K\x03U\x01|NNN"
        b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T\x00\x0c\x00\x00"
        + bytes(3072)
        + b"tbU\x06labelsq\x08]q\x09K\x06au."
    )
    X, y = pickled.parse_batch(raw, "data_batch_1")
    assert X.shape == (1, 3072)
    assert y.tolist() == [6]


class Attack:
    def __init__(self, function: Any, *args: Any) -> None:
        self.call = (function, args)

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize(
    "attack",
    [
        Attack(os.system, "touch owned"),
        Attack(eval, "open('owned', 'w')"),
        Attack(getattr, np.ndarray, "tofile"),
        Attack(open, "owned", "w"),
    ],
)
def test_nothing_is_called(attack: Attack) -> None:
    with pytest.raises(BadData, match=r"data_batch_1: refused to read the pickle: it refers to .* no batch of"):
        pickled.parse_batch(dump({b"data": attack, b"labels": []}), "data_batch_1")
    assert os.listdir() == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([1, 2], "holds a list"),
        ({b"labels": [1, 2]}, "'data' is not a NumPy array"),
        ({b"data": PIXELS}, "'labels' are not a list of integers"),
        ({b"data": PIXELS, b"labels": [1, "2"]}, "'labels' are not a list of integers"),
        ({b"data": PIXELS, b"labels": [1, 2**70]}, "'labels' are not a list of integers"),
        ({b"data": PIXELS, b"labels": [1]}, "accepted are 2 integers"),
        ({b"data": PIXELS, b"labels": [1, 10]}, "row 1 has label 10"),
        ({b"data": PIXELS.astype(np.float32), b"labels": [1, 2]}, "not a uint8 array"),
        ({b"data": PIXELS.T, b"labels": [1, 2]}, "not a uint8 array"),
        ({b"data": PIXELS[:, :3000], b"labels": [1, 2]}, "not a uint8 array"),
        ({b"data": np.array([{}], dtype=object), b"labels": [1]}, "not a uint8 array"),
    ],
)
def test_what_is_no_batch_is_refused_with_its_reason(content: Any, reason: str) -> None:
    with pytest.raises(BadData, match=reason):
        pickled.parse_batch(dump(content), "data_batch_1")


@given(st.data())
def test_a_damaged_pickle_raises_bad_data_or_reads(data: st.DataObject) -> None:
    raw = bytearray(dump({b"data": PIXELS[:1], b"labels": [1]}))
    for _ in range(data.draw(st.integers(1, 3))):
        where = data.draw(st.integers(0, 200) | st.integers(len(raw) - 60, len(raw) - 1))
        raw[where] = data.draw(st.integers(0, 255))
    raw = raw[: data.draw(st.integers(0, len(raw)) | st.just(len(raw)))]
    try:
        X, y = pickled.parse_batch(bytes(raw), "data_batch_1")
    except BadData:
        return
    assert (X.shape, y.shape) == ((1, 3072), (1,))


@given(st.binary(max_size=300))
def test_noise_never_raises_anything_but_bad_data(raw: bytes) -> None:
    with pytest.raises(BadData):
        pickled.parse_batch(raw, "noise")
