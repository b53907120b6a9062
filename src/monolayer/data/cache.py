"""The cache of decoded datasets: a folder of memory-mappable ``.npy`` files each, written whole or not at all.

If two processes fetch a dataset at once, both use the folder of the first to finish. There is no lock that could be
left behind.
"""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import platformdirs

from monolayer.data.dataset import Dataset
from monolayer.data.memmap import NPY_ERRORS
from monolayer.data.sources.content import Batch, Content
from monolayer.errors import BadData
from monolayer.files import delete_old_drafts, delete_whole_folder, open_whole, open_whole_folder, write_whole

MANIFEST = "content.json"
FORMAT = 1


def find_cache_folder() -> Path:
    """``MONOLAYER_CACHE``, else the platform's folder for caches, such as ``~/.cache/monolayer``."""
    named = os.environ.get("MONOLAYER_CACHE")
    return Path(named).expanduser() if named else Path(platformdirs.user_cache_dir("monolayer", appauthor=False))


def open_cached(folder: Path) -> Content | None:
    """The arrays in a cache folder, memory-mapped and read-only; None if there is no such folder.

    Dtypes and dimensions are checked here; the caller checks counts and content.

    Raises:
        BadData: if the folder is damaged; the text names the file.
    """
    if not os.path.isdir(folder):  # unlike Path.is_dir, False if a parent folder cannot be read
        return None
    source = _read_manifest(folder / MANIFEST)
    return Content(_map_batch(folder, "train"), _map_batch(folder, "test"), source)


def store(dataset: Dataset, folder: Path, *, replace: bool) -> None:
    """Write a dataset and its test file into ``folder``: all of it or nothing.

    Args:
        dataset: features and labels, with ``test``.
        folder: the new folder. One that exists is kept, since another process may have it open.
        replace: whether the folder that exists is damaged, and is deleted.

    Raises:
        OSError: if the folder cannot be written, or the disk is full; nothing is left behind.
    """
    if dataset.test is None:
        raise BadData(f"{dataset.name}: has no test file; accepted are datasets with one.")
    delete_old_drafts(folder.parent)
    with open_whole_folder(folder, replace=False) as draft:
        for part, rows in (("train", dataset), ("test", dataset.test)):
            for name, array in (("X", rows.X), ("y", rows.y)):
                # With fsync: else after a power cut the folder may be there and its files empty.
                with open_whole(draft / f"{part}_{name}.npy", fsync=True) as file:
                    np.save(file, array, allow_pickle=False)
        manifest = {"format": FORMAT, "name": dataset.name, "source": dataset.source, "sha256": dataset.sha256}
        write_whole(draft / MANIFEST, json.dumps(manifest, indent=2).encode(), fsync=True)
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
    except NPY_ERRORS as error:
        raise BadData(f"{path}: damaged ({error}).") from error
    if not isinstance(array, np.memmap) or array.dtype != dtype or array.ndim != ndim:
        raise BadData(f"{path}: damaged (not {dtype} with {ndim} dimensions).")
    return array
