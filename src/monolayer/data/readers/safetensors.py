"""Tensors in a safetensors file, memory-mapped in place."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

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
        written = _read_header(path)[0].get("__metadata__", {}).get("class_names")
        if written is None:
            return found
        try:
            class_names = json.loads(written)
        except ValueError:
            class_names = None
        if not isinstance(class_names, list):
            raise BadData(f"{path}: class_names is {written!r}; accepted is a JSON list of names.")
        return {part: replace(raw, class_names=tuple(map(str, class_names))) for part, raw in found.items()}


READERS = (SafetensorsReader(),)


def _read_header(path: Path) -> tuple[dict[str, Any], int]:
    """The header, which the library has checked, and the position in the file where the tensors start."""
    try:
        with safe_open(path, framework="np"), path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            pairs: list[tuple[str, Any]] = json.loads(file.read(size), object_pairs_hook=list)
    except (SafetensorError, OSError, ValueError) as error:
        raise BadData(f"{path}: cannot be read as safetensors ({error}).") from None
    names = [name for name, _ in pairs]
    if twice := [name for name in names if names.count(name) > 1]:
        raise BadData(f"{path}: has {twice[0]} more than once; accepted are names that differ.")
    return {name: dict(entry or ()) for name, entry in pairs}, 8 + size  # the metadata may be null


def _map_tensor(path: Path, name: str, entry: dict[str, Any], start: int) -> Array:
    kind, shape, (first, last) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
    if kind not in DTYPES:
        advice = " (tensor.float() before it is saved)" if kind == "BF16" else ""
        raise BadData(f"{path}: {name} is {kind}; accepted are {', '.join(DTYPES)}{advice}.")
    try:
        if first == last:
            return np.zeros(shape, DTYPES[kind])
        return np.memmap(path, DTYPES[kind], "r", offset=start + first, shape=shape)
    except ValueError as error:  # more dimensions than NumPy has
        raise BadData(f"{path}: {name} has a shape that NumPy does not accept ({error}).") from None
