"""Arrays by name: ``.npz`` files, folders of ``.npy`` files (memory-mapped), and safetensors (memory-mapped)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from monolayer.data.options import DataOptions
from monolayer.data.readers.rows import ProgressLine, Raw, find_part
from monolayer.data.sources.formats.npz import DAMAGES
from monolayer.errors import BadData

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


def read_npz(path: Path, options: DataOptions, progress_line: ProgressLine) -> dict[str, Raw]:
    """An ``.npz`` file; no pickle in it is executed, and arrays that are not asked for are not read."""
    with open_named(path) as source:
        return read_named(source, options)


@contextmanager
def open_named(path: Path) -> Iterator[Named]:
    """The arrays of a file, or of a folder of ``.npy`` files, by name; a single ``.npy`` is called as its file.

    Raises:
        BadData: if the file is damaged, here or when an array is opened.
    """
    suffix = path.suffix.lower()
    if path.is_dir():
        files = {file.stem: file for file in sorted(path.glob("*.npy"))}
        yield Named(path, tuple(files), lambda name: open_npy(files[name]))
    elif suffix == ".npz":
        with path.open("rb") as opened, _open_npz(opened, path) as archive:
            yield Named(path, tuple(archive.files), partial(_read_member, archive, path))
    elif suffix == ".safetensors":
        header, start = _read_header(path)
        names = tuple(name for name in header if name != "__metadata__")
        yield Named(path, names, lambda name: _map_tensor(path, name, header[name], start))
    else:
        yield Named(path, (path.stem,), lambda name: open_npy(path))


def _read_member(archive: np.lib.npyio.NpzFile, path: Path, name: str) -> Array:
    try:
        return archive[name]
    except DAMAGES as error:
        raise BadData(f"{path}: {name} cannot be read ({_explain(error)}).") from None


def _open_npz(opened: IO[bytes], path: Path) -> np.lib.npyio.NpzFile:
    """NumPy's archive of a file that is open: by its name, NumPy would leave a damaged one open."""
    try:
        archive = np.load(opened, allow_pickle=False)
    except DAMAGES:
        archive = None
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise BadData(f"{path}: cannot be read as an .npz file (it is none, or is cut off).")
    return archive


def read_npy_folder(path: Path, options: DataOptions, progress_line: ProgressLine) -> dict[str, Raw]:
    """A folder of ``.npy`` files, such as X.npy and y.npy; memory-mapped."""
    with open_named(path) as source:
        return read_named(source, options)


def read_npy(path: Path, options: DataOptions, progress_line: ProgressLine) -> dict[str, Raw]:
    """A file of features, ``NAME.npy``, with its labels beside it: NAME_labels.npy, labels.npy or y.npy.

    Beside ``train_X.npy`` they are in train_y.npy or train_labels.npy.
    """
    beside = {file.stem: file for file in sorted(path.parent.glob("*.npy")) if file != path}
    names = (Path(options.label).stem,) if options.label else _list_label_names(path.stem)
    label = next((name for name in names if name in beside), None)
    if label is None:
        *others, last = [f"{name}.npy" for name in names if name in {names[0], "labels", "y"}]
        wanted = f"{', '.join(others)} or {last}" if others else last
        raise BadData(f"{path}: has no labels beside it; accepted is a file {wanted} in the same folder.")
    source = Named(path, tuple(beside), lambda name: open_npy(beside[name]))
    raw = Raw(open_npy(path), np.asarray(open_npy(beside[label])))
    return _name_classes({"train": _open_beside(raw, "train", source, options)}, source)


def _list_label_names(stem: str) -> tuple[str, ...]:
    """What the labels of ``NAME.npy`` may be called, the likeliest first."""
    for base in FEATURES:
        lower = stem.lower()
        if lower.endswith(f"_{base}") and find_part(lower.removesuffix(f"_{base}")):
            return tuple(f"{stem[: -len(base)]}{name}" for name in LABELS)
        if lower.startswith(f"{base}_") and find_part(lower.removeprefix(f"{base}_")):
            return tuple(f"{name}{stem[len(base) :]}" for name in LABELS)
    return (f"{stem}_labels", f"{stem}_y", *LABELS)


def open_npy(path: Path) -> Array:
    """An array on the disk, memory-mapped and read-only.

    Raises:
        BadData: if it is none, or holds Python objects.
    """
    try:
        array: Any = np.load(path, mmap_mode="r", allow_pickle=False)
    except DAMAGES as error:
        raise BadData(f"{path}: cannot be read as an array ({_explain(error)}).") from None
    if not isinstance(array, np.ndarray):
        array.close()
        raise BadData(f"{path}: is no .npy file but an archive of several; name it .npz.")
    return array


def _explain(error: BaseException) -> str:
    """NumPy's reason, without its advice to open pickles."""
    text = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
    return "it holds Python objects, or is no .npy file" if "allow_pickle" in text or "objects" in text else text


def read_safetensors(path: Path, options: DataOptions, progress_line: ProgressLine) -> dict[str, Raw]:
    """Tensors in a safetensors file, memory-mapped where they lie."""
    header, _ = _read_header(path)
    with open_named(path) as source:
        found = read_named(source, options)
    written = (header.get("__metadata__") or {}).get("class_names")
    if written is None:
        return found
    try:
        class_names = tuple(map(str, json.loads(written)))
    except (TypeError, ValueError):
        raise BadData(f"{path}: class_names is {written!r}; accepted is a JSON list of names.") from None
    return {part: replace(raw, class_names=class_names) for part, raw in found.items()}


def _read_header(path: Path) -> tuple[dict[str, Any], int]:
    """The header of a safetensors file, and where its tensors start."""
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(size)) if 0 < size < path.stat().st_size else None
    except (OSError, ValueError, RecursionError) as error:
        raise BadData(f"{path}: cannot be read as safetensors ({error}).") from None
    if not isinstance(header, dict) or not isinstance(header.get("__metadata__") or {}, dict):
        raise BadData(f"{path}: cannot be read as safetensors (its header is cut off, or none).")
    return header, 8 + size


def _map_tensor(path: Path, name: str, entry: Any, start: int) -> Array:
    try:
        kind, shape, (first, last) = entry["dtype"], tuple(map(int, entry["shape"])), map(int, entry["data_offsets"])
    except (KeyError, TypeError, ValueError):
        raise BadData(f"{path}: what it says of {name} is damaged.") from None
    if kind not in SAFETENSORS:
        advice = " (tensor.float() before it is saved)" if kind == "BF16" else ""
        raise BadData(f"{path}: {name} is {kind}; accepted are {', '.join(SAFETENSORS)}{advice}.")
    dtype = np.dtype(SAFETENSORS[kind])
    if first < 0 or min(shape, default=1) < 0 or last - first != prod(shape) * dtype.itemsize:
        raise BadData(f"{path}: what it says of {name} is damaged.")
    if start + last > path.stat().st_size:
        raise BadData(f"{path}: is cut off within {name}.")
    if first == last:
        return np.zeros(shape, dtype)
    return np.memmap(path, dtype, "r", offset=start + first, shape=shape)


def choose_features(source: Named, asked: str | None, label: str | None = None) -> dict[str, str]:
    """The names of the features by part: those that were asked for, else by the usual names.

    Raises:
        BadData: if there are none; the text says which there may be.
    """
    features = _sort(source.names, (asked,) if asked else FEATURES)
    if not features:
        raise BadData(f"{source.path}: has no features {_describe_choice(source, asked, label)}.")
    return features


def read_named(source: Named, options: DataOptions) -> dict[str, Raw]:
    """Rows by part: features and labels are found by the usual names, or those that were asked for.

    Raises:
        BadData: if there are none; the text says which names there are.
    """
    features = choose_features(source, options.features, options.label)
    labels = _sort(source.names, (options.label,) if options.label else LABELS)
    parts = {}
    for part, name in features.items():
        label = labels.get(part) or (labels.get("train") if len(features) == 1 else None)
        if label is None:
            wanted = f"named {options.label!r}" if options.label else "such as y or labels"
            raise BadData(f"{source.path}: has no labels {wanted} for {name}; it has {', '.join(source.names)}.")
        parts[part] = _open_beside(Raw(source.open(name), np.asarray(source.open(label))), part, source, options)
    return _name_classes(parts, source)


def _describe_choice(source: Named, asked: str | None, label: str | None) -> str:
    """What features were looked for, and which there may be."""
    if asked:
        return f"named {asked!r}; it has {', '.join(source.names) or 'nothing'}"
    no_features = {*_sort(source.names, (label,) if label else LABELS).values(), *CLASS_NAMES}
    others = [name for name in source.names if name not in no_features]
    return f"such as {NAMES}; " + (f"name one (--features) of {', '.join(others)}" if others else "it has nothing else")


def _open_beside(raw: Raw, part: str, source: Named, options: DataOptions) -> Raw:
    """The rows with what --split-by and --group-by name, which may be an array a part, such as train_patient."""
    found: dict[str, Array | None] = {"parts": None, "groups": None}
    for field, wanted, option in (("parts", options.split_by, "split-by"), ("groups", options.group_by, "group-by")):
        if wanted is None:
            continue
        name = _sort(source.names, (wanted,)).get(part)
        if name is None:
            place = f" for the {part} rows" if part != "train" else ""
            names = ", ".join(source.names)
            raise BadData(f"{source.path}: has no array {wanted!r}{place}, which --{option} names; it has {names}.")
        found[field] = np.asarray(source.open(name))
    return replace(raw, parts=found["parts"], groups=found["groups"])


def _name_classes(parts: dict[str, Raw], source: Named) -> dict[str, Raw]:
    """The parts, with the names of the classes where the source has them."""
    named = next((source.open(name) for name in CLASS_NAMES if name in source.names), None)
    if named is None:
        return parts
    texts = tuple(one.decode() if isinstance(one, bytes) else str(one) for one in np.atleast_1d(named).tolist())
    return {part: replace(raw, class_names=texts) for part, raw in parts.items()}


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
