"""Tensors in a safetensors file, memory-mapped in place."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from monolayer._typing import Array
from monolayer.data.options import DataOptions
from monolayer.data.readers.base import Raw, ReadCallbacks
from monolayer.data.readers.named_arrays import NamedArrays, NamedArraysReader
from monolayer.errors import BadData

DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "U8": "u1", "I8": "i1", "I16": "<i2", "I32": "<i4",
          "I64": "<i8", "U16": "<u2", "U32": "<u4", "U64": "<u8", "BOOL": "?"}  # fmt: skip


class SafetensorsReader(NamedArraysReader):
    """A safetensors file. The library itself reads whole tensors into memory."""

    kind = "tensors in a safetensors file"
    accepted = ".safetensors"
    suffixes = (".safetensors",)

    @contextmanager
    def open(self, path: Path) -> Iterator[NamedArrays]:
        """The tensors by name."""
        header, start = _read_header(path)
        names = tuple(name for name in header if name != "__metadata__")
        yield NamedArrays(path, names, lambda name: _map_tensor(path, name, header[name], start))

    def read(self, path: Path, options: DataOptions, callbacks: ReadCallbacks) -> Mapping[str, Raw]:
        """As other named arrays; the metadata may hold ``class_names``, a JSON list."""
        found = super().read(path, options, callbacks)
        written = (_read_header(path)[0].get("__metadata__") or {}).get("class_names")
        if written is None:
            return found
        try:
            class_names = tuple(map(str, json.loads(written)))
        except (TypeError, ValueError):
            raise BadData(f"{path}: class_names is {written!r}; accepted is a JSON list of names.") from None
        return {part: replace(raw, class_names=class_names) for part, raw in found.items()}


READERS = (SafetensorsReader(),)


def _read_header(path: Path) -> tuple[dict[str, Any], int]:
    """The header, and the position in the file where the tensors start."""
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(size)) if 0 < size < path.stat().st_size else None
    except (OSError, ValueError, RecursionError) as error:
        raise BadData(f"{path}: cannot be read as safetensors ({error}).") from None
    if not isinstance(header, dict) or not isinstance(header.get("__metadata__") or {}, dict):
        raise BadData(f"{path}: cannot be read as safetensors (its header is truncated or missing).")
    return header, 8 + size


def _map_tensor(path: Path, name: str, entry: Any, start: int) -> Array:
    try:
        kind, shape, (first, last) = entry["dtype"], tuple(map(int, entry["shape"])), map(int, entry["data_offsets"])
    except (KeyError, TypeError, ValueError):
        raise BadData(f"{path}: the header's entry of {name} is damaged.") from None
    if kind not in DTYPES:
        advice = " (tensor.float() before it is saved)" if kind == "BF16" else ""
        raise BadData(f"{path}: {name} is {kind}; accepted are {', '.join(DTYPES)}{advice}.")
    dtype = np.dtype(DTYPES[kind])
    if first < 0 or min(shape, default=1) < 0 or last - first != prod(shape) * dtype.itemsize:
        raise BadData(f"{path}: the header's entry of {name} is damaged.")
    if start + last > path.stat().st_size:
        raise BadData(f"{path}: is truncated within {name}.")
    if first == last:
        return np.zeros(shape, dtype)
    return np.memmap(path, dtype, "r", offset=start + first, shape=shape)
