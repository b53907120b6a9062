"""NumPy's ``.npy`` files, memory-mapped: one with its labels in a file beside it, or a folder of several."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from monolayer._typing import Array
from monolayer.data.memmap import NPY_ERRORS
from monolayer.data.options import DataOptions
from monolayer.data.readers.base import TABLE_OPTIONS, Raw, ReadCallbacks, find_part, list_visible_files
from monolayer.data.readers.named_arrays import (
    FEATURES,
    LABELS,
    NamedArrays,
    NamedArraysReader,
    add_columns,
    name_classes,
)
from monolayer.errors import BadData


class NpyReader(NamedArraysReader):
    """A file of features, ``NAME.npy``, with its labels beside it: NAME_labels.npy, labels.npy or y.npy.

    The labels of ``train_X.npy`` are in train_y.npy or train_labels.npy.
    """

    kind = "an .npy file with its labels beside it"
    accepted = ".npy with labels beside it"
    suffixes = (".npy",)
    options = TABLE_OPTIONS

    @contextmanager
    def open(self, path: Path) -> Iterator[NamedArrays]:
        """The only array, with the name of its file."""
        yield NamedArrays(path, (path.stem,), lambda name: open_npy(path))

    def read(self, path: Path, options: DataOptions, callbacks: ReadCallbacks) -> Mapping[str, Raw]:
        """The features of the file, and the labels beside it."""
        beside = {file.stem: file for file in list_visible_files(path.parent, ".npy") if file != path}
        names = (Path(options.label).stem,) if options.label else _list_label_names(path.stem)
        label = next((name for name in names if name in beside), None)
        if label is None:
            *others, last = [f"{name}.npy" for name in names if name in {names[0], "labels", "y"}]
            wanted = f"{', '.join(others)} or {last}" if others else last
            raise BadData(f"{path}: has no labels beside it; accepted is a file {wanted} in the same folder.")
        source = NamedArrays(path, tuple(beside), lambda name: open_npy(beside[name]))
        raw = Raw(open_npy(path), np.asarray(open_npy(beside[label])))
        return name_classes({"train": add_columns(raw, "train", source, options)}, source)

    def _choose_features(self, source: NamedArrays, name: str | None) -> str:
        return source.names[0]


class NpyFolderReader(NamedArraysReader):
    """A folder of ``.npy`` files, such as X.npy and y.npy."""

    kind = "a folder of .npy files"
    accepted = "of .npy files"
    priority = 1

    def accepts(self, path: Path) -> bool:
        """Whether a folder holds ``.npy`` files."""
        return path.is_dir() and bool(list_visible_files(path, ".npy"))

    def find_files(self, folder: Path) -> list[Path]:
        """The folder itself, whose arrays belong together."""
        return [folder] if self.accepts(folder) else []

    @contextmanager
    def open(self, path: Path) -> Iterator[NamedArrays]:
        """The arrays, with the names of their files."""
        files = {file.stem: file for file in list_visible_files(path, ".npy")}
        yield NamedArrays(path, tuple(files), lambda name: open_npy(files[name]))


READERS = (NpyReader(), NpyFolderReader())


def open_npy(path: Path) -> Array:
    """An array, memory-mapped and read-only.

    Raises:
        BadData: if it is not an array, or holds Python objects.
    """
    try:
        array: Any = np.load(path, mmap_mode="r", allow_pickle=False)
    except NPY_ERRORS as error:
        raise BadData(f"{path}: cannot be read as an array ({explain_npy_error(error)}).") from None
    if not isinstance(array, np.ndarray):
        array.close()
        raise BadData(f"{path}: is not an .npy file but an archive of several; rename it to .npz.")
    return array


def explain_npy_error(error: BaseException) -> str:
    """NumPy's reason, without its advice to allow pickles."""
    text = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
    return "it holds Python objects, or is not an .npy file" if "allow_pickle" in text or "objects" in text else text


def _list_label_names(stem: str) -> tuple[str, ...]:
    """Possible names of the labels of ``STEM.npy``, the most likely first."""
    for base in FEATURES:
        lower = stem.lower()
        if lower.endswith(f"_{base}") and find_part(lower.removesuffix(f"_{base}")):
            return tuple(f"{stem[: -len(base)]}{name}" for name in LABELS)
        if lower.startswith(f"{base}_") and find_part(lower.removeprefix(f"{base}_")):
            return tuple(f"{name}{stem[len(base) :]}" for name in LABELS)
    return (f"{stem}_labels", f"{stem}_y", *LABELS)
