"""The python format: six pickles of plain containers and one NumPy array each. No pickle is executed.

A pickle can call any function of any module. Here each name that a genuine batch needs is replaced with a stand-in
that only records its arguments, and every other name is refused; the array is then made from the recorded arguments.
So not even NumPy's reconstruction runs on bytes from outside.

Source: https://docs.python.org/3/library/pickle.html#restricting-globals
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from typing import Any

import numpy as np

from monolayer.data.sources.content import (
    N_FEATURES,
    TEST_BATCH,
    TRAIN_BATCHES,
    Batch,
    Content,
    Pixels,
    join_batches,
    make_batch,
)
from monolayer.errors import BadData

NAMES = (*TRAIN_BATCHES, TEST_BATCH)
ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): "array",
    ("numpy._core.multiarray", "_reconstruct"): "array",
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): "dtype",
    ("_codecs", "encode"): "encode",  # how protocol 2 writes bytes from Python 3
}
# The exceptions that the unpickler raises on a hostile or damaged stream.
PICKLE_ERRORS = (
    pickle.UnpicklingError,
    ArithmeticError,
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
)


def read(members: Mapping[str, bytes], where: str) -> Content:
    """Content of the six pickled members.

    Raises:
        BadData: naming the member, and the row where there is one.
    """
    train = [parse_batch(members[name], f"{where}: {name}") for name in TRAIN_BATCHES]
    return Content(join_batches(train), parse_batch(members[TEST_BATCH], f"{where}: {TEST_BATCH}"), where)


def parse_batch(raw: bytes, where: str) -> Batch:
    """Pixels (n, 3072) uint8 and labels (n,) int64 of one pickled batch.

    Raises:
        BadData: if the pickle names anything that a batch does not need, or does not hold a batch.
    """
    content = _unpickle(raw, where)
    if not isinstance(content, dict):
        raise BadData(f"{where}: the pickle holds a {type(content).__name__}; accepted is a dict with data and labels.")
    entries = {_as_text(key): value for key, value in content.items()}
    labels = entries.get("labels")
    if not isinstance(labels, list) or not all(type(label) is int and abs(label) < 2**31 for label in labels):
        raise BadData(f"{where}: the pickle's 'labels' are not a list of integers.")
    return make_batch(_make_pixels(entries.get("data"), where), np.array(labels, dtype=np.int64), where)


class _Standin:
    """Replaces a NumPy name in a pickle: records arguments and state, and does nothing."""

    __slots__ = ("args", "name", "state")

    def __init__(self, name: str, args: tuple[Any, ...] = ()) -> None:
        self.name, self.args = name, args
        self.state: Any = None

    def __call__(self, *args: Any) -> _Standin:
        return _Standin(self.name, args)

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _RestrictedUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> _Standin:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it refers to {module}.{name}, which no batch of CIFAR-10 needs")
        return _Standin(ALLOWED[module, name])


def _unpickle(raw: bytes, where: str) -> object:
    try:
        return _RestrictedUnpickler(io.BytesIO(raw), encoding="bytes").load()
    except PICKLE_ERRORS as error:
        raise BadData(f"{where}: refused to read the pickle: {error}.") from error


def _make_pixels(data: object, where: str) -> Pixels:
    """The array of a stand-in, whose state is (version, shape, dtype, Fortran order, bytes)."""
    state = data.state if isinstance(data, _Standin) and data.name == "array" else None
    if not isinstance(state, tuple) or len(state) != 5:
        raise BadData(f"{where}: the pickle's 'data' is not a NumPy array.")
    _, shape, dtype, is_fortran, content = state
    raw = _as_bytes(content)
    plain = isinstance(dtype, _Standin) and dtype.name == "dtype" and _as_text(dtype.args[:1]) in ("u1", "uint8")
    if not plain or is_fortran is not False or raw is None or shape != (len(raw) // N_FEATURES, N_FEATURES):
        raise BadData(f"{where}: the pickle's 'data' is not a uint8 array of shape (n, {N_FEATURES}) in C order.")
    if len(raw) % N_FEATURES:
        raise BadData(f"{where}: the pickle's 'data' ends in the middle of row {len(raw) // N_FEATURES}.")
    return np.frombuffer(raw, dtype=np.uint8).reshape(-1, N_FEATURES)


def _as_text(value: object) -> str:
    """A text, or bytes decoded as ASCII, alone or as the only item of a tuple; else the empty text."""
    if isinstance(value, tuple) and len(value) == 1:
        value = value[0]
    if isinstance(value, str):
        return value
    raw = _as_bytes(value)
    return "" if raw is None else raw.decode("ascii", errors="replace")


def _as_bytes(value: object) -> bytes | None:
    """Bytes, or the value of a recorded ``_codecs.encode(text, "latin1")``; else None."""
    if isinstance(value, _Standin) and value.name == "encode" and len(value.args) == 2:
        text, encoding = value.args
        if isinstance(text, str) and encoding == "latin1":
            return text.encode("latin1", errors="replace")
    return value if isinstance(value, bytes) else None
