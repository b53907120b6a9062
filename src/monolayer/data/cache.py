"""The cache: decoded datasets as memory-mappable ``.npy`` files, a folder each, written whole or not at all.

Of two processes that fetch at once the first to finish keeps its folder, and the other uses that: there is no lock that
could be left behind.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import platformdirs

from monolayer.data.dataset import Array, Dataset
from monolayer.data.sources.content import Batch, Content
from monolayer.data.sources.formats.npz import DAMAGES
from monolayer.errors import BadData
from monolayer.files import delete_old_drafts, delete_whole_folder, open_whole_folder

MANIFEST = "content.json"
FORMAT = 1


def find_cache_folder() -> Path:
    """``MONOLAYER_CACHE``, else the platform's folder for caches, such as ``~/.cache/monolayer``."""
    named = os.environ.get("MONOLAYER_CACHE")
    return Path(named).expanduser() if named else Path(platformdirs.user_cache_dir("monolayer", appauthor=False))


def open_cached(folder: Path) -> Content | None:
    """The arrays in a cache folder, memory-mapped and read-only; None if there is no such folder.

    Dtypes and dimensions are checked here; counts and content are the caller's, who knows what to expect.

    Raises:
        BadData: if the folder is damaged; the text names the file.
    """
    if not os.path.isdir(folder):  # unlike Path.is_dir, False where the way there is barred
        return None
    source = _read_manifest(folder / MANIFEST)
    return Content(_map_batch(folder, "train"), _map_batch(folder, "test"), source)


def store(dataset: Dataset, folder: Path, *, replace: bool) -> None:
    """Write a dataset and its test file into ``folder``: all of it or nothing.

    Args:
        dataset: features and labels, with ``test``.
        folder: the final place. What is there already stays, as another process may have it open, unless:
        replace: what is there is known to be damaged, and goes.

    Raises:
        OSError: if the place cannot be written to, or the disk is full; nothing is left behind.
    """
    delete_old_drafts(folder.parent)
    with open_whole_folder(folder, replace=False) as draft:
        _write(dataset, draft)
        if replace:
            delete_whole_folder(folder)


def _read_manifest(path: Path) -> str:
    try:
        manifest = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BadData(f"{path}: damaged ({error}).") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise BadData(f"{path}: not written by this version of monolayer.")
    return str(manifest.get("source"))


def _map_batch(folder: Path, part: str) -> Batch:
    return _map_array(folder / f"{part}_X.npy", "uint8", 2), _map_array(folder / f"{part}_y.npy", "int64", 1)


def _map_array(path: Path, dtype: str, ndim: int) -> npt.NDArray[Any]:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except DAMAGES as error:
        raise BadData(f"{path}: damaged ({error}).") from error
    if not isinstance(array, np.memmap) or array.dtype != dtype or array.ndim != ndim:
        raise BadData(f"{path}: damaged (not {dtype} with {ndim} dimensions).")
    return array


def _write(dataset: Dataset, folder: Path) -> None:
    if dataset.test is None:
        raise BadData(f"{dataset.name}: the cache keeps datasets with a test file.")
    for part, rows in (("train", dataset), ("test", dataset.test)):
        _write_array(folder / f"{part}_X.npy", rows.X)
        _write_array(folder / f"{part}_y.npy", rows.y)
    manifest = {"format": FORMAT, "name": dataset.name, "source": dataset.source, "sha256": dataset.sha256}
    with (folder / MANIFEST).open("w", encoding="utf-8") as text:
        json.dump(manifest, text, indent=2)
        text.flush()
        os.fsync(text.fileno())


def _write_array(path: Path, array: Array) -> None:
    with path.open("wb") as file:
        np.save(file, array, allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())  # else a power cut may leave the folder in place and its files empty
