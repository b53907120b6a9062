"""Arrays by name: ``.npz`` files, folders of ``.npy`` files (memory-mapped), and safetensors (memory-mapped)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from monolayer.data.readers.options import DataOptions
from monolayer.data.readers.raw import Raw, find_part
from monolayer.data.sources.formats.npz import DAMAGES
from monolayer.errors import BadData
from monolayer.progress import Progress

Array = npt.NDArray[Any]
FEATURES = ("x", "features", "embeddings", "images", "data")
LABELS = ("y", "labels", "label", "targets", "target")
CLASS_NAMES = ("class_names", "label_names")
NAMES = "X and y (or features and labels), each also as train_X, val_X, test_X and so on"
SAFETENSORS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "U8": "u1", "I8": "i1", "I16": "<i2", "I32": "<i4",
               "I64": "<i8", "U16": "<u2", "U32": "<u4", "U64": "<u8", "BOOL": "?"}  # fmt: skip


@dataclass(frozen=True)
class Named:
    """Arrays of a source, by name; opened when they are asked for.

    Args:
        path: the source.
        names: in it.
        open: gives an array by its name.
    """

    path: Path
    names: tuple[str, ...]
    open: Callable[[str], Array]


def read_npz(path: Path, options: DataOptions, progress: Progress) -> dict[str, Raw]:
    """An ``.npz`` file; no pickle in it is executed."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except DAMAGES as error:
        raise BadData(f"{path}: cannot be read as an .npz file ({error}).") from None
    return read_named(Named(path, tuple(arrays), arrays.__getitem__), options)


def read_npy_folder(path: Path, options: DataOptions, progress: Progress) -> dict[str, Raw]:
    """A folder of ``.npy`` files, such as X.npy and y.npy; memory-mapped."""
    files = {file.stem: file for file in sorted(path.glob("*.npy"))}
    return read_named(Named(path, tuple(files), lambda name: open_npy(files[name])), options)


def read_npy(path: Path, options: DataOptions, progress: Progress) -> dict[str, Raw]:
    """A file of features, ``NAME.npy``, with its labels beside it: NAME_labels.npy, labels.npy or y.npy."""
    beside = {file.stem: file for file in sorted(path.parent.glob("*.npy")) if file != path}
    asked = Path(options.label).stem if options.label else None
    candidates = [asked] if asked else [f"{path.stem}_labels", f"{path.stem}_y", *LABELS]
    label = next((name for name in candidates if name in beside), None)
    if label is None:
        wanted = " or ".join(f"{name}.npy" for name in candidates[:1] + ([] if asked else ["labels.npy", "y.npy"]))
        raise BadData(f"{path}: has no labels beside it; accepted is a file {wanted} in the same folder.")
    extra = {name: open_npy(beside[name]) for name in (options.split_by, options.group_by) if name in beside}
    _check_extra(path, options, extra)
    return {"train": _make_raw(open_npy(path), open_npy(beside[label]), options, extra)}


def open_npy(path: Path) -> Array:
    """An array on the disk, memory-mapped and read-only.

    Raises:
        BadData: if it is none, or holds Python objects.
    """
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]
    except DAMAGES as error:
        raise BadData(f"{path}: cannot be read as an array ({error}).") from None


def read_safetensors(path: Path, options: DataOptions, progress: Progress) -> dict[str, Raw]:
    """Tensors in a safetensors file, memory-mapped where they lie."""
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(size)) if size < path.stat().st_size else None
    except (OSError, ValueError) as error:
        raise BadData(f"{path}: cannot be read as safetensors ({error}).") from None
    if not isinstance(header, dict):
        raise BadData(f"{path}: cannot be read as safetensors (its header is cut off).")
    names = tuple(name for name in header if name != "__metadata__")
    found = read_named(Named(path, names, lambda name: _map_tensor(path, name, header[name], 8 + size)), options)
    written = (header.get("__metadata__") or {}).get("class_names")
    return {part: _name_classes(raw, written) for part, raw in found.items()}


def _map_tensor(path: Path, name: str, entry: dict[str, Any], start: int) -> Array:
    if entry["dtype"] not in SAFETENSORS:
        raise BadData(f"{path}: {name} is {entry['dtype']}; accepted are {', '.join(SAFETENSORS)}.")
    first, last = entry["data_offsets"]
    if start + last > path.stat().st_size:
        raise BadData(f"{path}: is cut off within {name}.")
    dtype, shape = np.dtype(SAFETENSORS[entry["dtype"]]), tuple(entry["shape"])
    if first == last:
        return np.zeros(shape, dtype)
    return np.memmap(path, dtype, "r", offset=start + first, shape=shape)


def _name_classes(raw: Raw, written: str | None) -> Raw:
    from dataclasses import replace

    return raw if not written else replace(raw, class_names=tuple(json.loads(written)))


def read_named(source: Named, options: DataOptions) -> dict[str, Raw]:
    """Rows by part: features and labels are found by the usual names, or those that were asked for.

    Raises:
        BadData: if there are none; the text says which names there are.
    """
    features = _sort(source.names, (options.features,) if options.features else FEATURES)
    labels = _sort(source.names, (options.label,) if options.label else LABELS)
    if not features:
        wanted = f"named {options.features!r}" if options.features else f"such as {NAMES}, and --features names none"
        raise BadData(f"{source.path}: has no features {wanted}; it has {', '.join(source.names) or 'nothing'}.")
    extra = {name: source.open(name) for name in (options.split_by, options.group_by) if name in source.names}
    _check_extra(source.path, options, extra)
    parts = {}
    for part, name in features.items():
        label = labels.get(part) or (labels.get("train") if len(features) == 1 else None)
        if label is None:
            wanted = f"named {options.label!r}" if options.label else "such as y or labels"
            raise BadData(f"{source.path}: has no labels {wanted} for {name}; it has {', '.join(source.names)}.")
        parts[part] = _make_raw(source.open(name), source.open(label), options, extra)
    named = next((source.open(name) for name in CLASS_NAMES if name in source.names), None)
    if named is not None:
        from dataclasses import replace

        return {part: replace(raw, class_names=tuple(map(str, named.tolist()))) for part, raw in parts.items()}
    return parts


def _sort(names: Iterable[str], bases: tuple[str, ...]) -> dict[str, str]:
    """Names by part: ``train_X``, ``X_train`` and ``X`` (training) for the base ``x``; the first base that occurs."""
    names = list(names)
    for base in bases:
        found: dict[str, str] = {}
        for name in names:
            part = _match(name, base)
            if part is not None:
                found.setdefault(part, name)
        if found:
            return found
    return {}


def _match(name: str, base: str) -> str | None:
    lower, base = name.lower(), base.lower()
    if lower == base:
        return "train"
    for word in (lower.removesuffix(f"_{base}"), lower.removeprefix(f"{base}_")):
        if word != lower and find_part(word):
            return find_part(word)
    return None


def _check_extra(path: Path, options: DataOptions, extra: dict[str, Array]) -> None:
    for name, option in ((options.split_by, "--split-by"), (options.group_by, "--group-by")):
        if name is not None and name not in extra:
            raise BadData(f"{path}: has no array {name!r}, which {option} names.")


def _make_raw(X: Array, labels: Array, options: DataOptions, extra: dict[str, Array]) -> Raw:
    parts = extra.get(options.split_by or "")
    groups = extra.get(options.group_by or "")
    return Raw(X, np.asarray(labels), parts=parts, groups=None if groups is None else np.asarray(groups))
