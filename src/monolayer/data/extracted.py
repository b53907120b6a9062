"""Features of all images of a dataset, made once: a folder of memory-mapped float16 in the cache, found again by hash.

The hash is of the transformer's parameters, the images, and which of them are learnt from; labels change it, since they
are in a dataset's hash, but not the features.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError

from monolayer.data.cache import find_cache_folder, make_unfinished, move_into_place, sweep_unfinished
from monolayer.data.dataset import Dataset
from monolayer.data.splits import Rows, Splits
from monolayer.errors import BadData, BadInput
from monolayer.features.base import ImageTransformer
from monolayer.features.saving import TRANSFORMER, load_transformer, save_transformer
from monolayer.files import tell_trouble
from monolayer.progress import SILENCE, Progress

Array = npt.NDArray[Any]
MANIFEST = "content.json"
FORMAT = 1
DTYPE = np.dtype(np.float16)


@dataclass(frozen=True)
class Extracted:
    """Features in place of images.

    Args:
        splits: the same rows for training, validation and test; openings of the test rows are shared.
        transformer: what made them, as it has learnt.
        folder: where they are kept.
    """

    splits: Splits
    transformer: ImageTransformer
    folder: Path


def extract_features(
    splits: Splits,
    transformer: ImageTransformer,
    *,
    flips: bool = False,
    folder: Path | None = None,
    progress: Progress = SILENCE,
) -> Extracted:
    """Learn features from the training images, without labels, and make those of all images; or find both again.

    Args:
        splits: images; only the training rows are learnt from.
        transformer: one of :mod:`monolayer.features`, learnt or not: it learns here, and stays as it is.
        flips: whether the mirrored images' features of the training file are made too, so that a recipe's flips can
            choose between them; they take as long and as much of the disk once more.
        folder: of all such features; None: ``features`` in :func:`monolayer.data.cache.find_cache_folder`.
        progress: told how far it is.

    Raises:
        BadInput: if the rows are no images, a parameter is not accepted, or the disk has no room for the features.
        BadData: if what was made before is damaged.
    """
    images = splits.dataset
    if images.image_shape is None or images.pixel_max is None:
        raise BadInput(f"{images.name}: is no set of images whose lit pixels have a known value; features need these.")
    own = type(transformer)(**{**transformer.get_params(), **_read_kind(images)})
    place = (folder or find_cache_folder() / "features") / hash_request(splits, own, flips=flips)
    if not place.is_dir():
        with tell_trouble(place):
            _make(splits, own, flips, place, progress)
    return _open(splits, place)


def hash_request(splits: Splits, transformer: ImageTransformer, *, flips: bool) -> str:
    """What a folder of features is called: the beginning of a SHA-256 of what they are made from."""
    words = [FORMAT, type(transformer).__name__, transformer.describe(), splits.dataset.sha256, flips]
    digest = hashlib.sha256(json.dumps(words, sort_keys=True).encode())
    digest.update(np.asarray(splits.train.index, "<i8").tobytes())
    return digest.hexdigest()[:32]


def _read_kind(images: Dataset) -> dict[str, Any]:
    return {"image_shape": images.image_shape, "pixel_max": images.pixel_max}


def _make(splits: Splits, transformer: ImageTransformer, flips: bool, place: Path, progress: Progress) -> None:
    X, index = splits.train.locate()
    transformer.fit(X if index is None else X[index])
    place.parent.mkdir(parents=True, exist_ok=True)
    sweep_unfinished(place)
    _check_room(splits, transformer, flips, place)
    with make_unfinished(place) as unfinished:
        for name, part in _list_parts(splits.dataset).items():
            _write(part, transformer, flips and name == "train", unfinished / f"{name}.npy", progress)
        save_transformer(transformer, unfinished / TRANSFORMER)
        words = {"format": FORMAT, "images": splits.dataset.sha256, "transformer": transformer.sha256, "flips": flips}
        (unfinished / MANIFEST).write_text(json.dumps(words, indent=2))
        move_into_place(unfinished, place)


def _list_parts(dataset: Dataset) -> dict[str, Dataset]:
    parts = {"train": dataset, "val": dataset.val, "test": dataset.test}
    return {name: part for name, part in parts.items() if part is not None}


def _check_room(splits: Splits, transformer: ImageTransformer, flips: bool, place: Path) -> None:
    n_rows = sum(len(part.X) for part in _list_parts(splits.dataset).values()) + flips * len(splits.dataset.X)
    needed, free = n_rows * transformer.n_features_out * DTYPE.itemsize, shutil.disk_usage(place.parent).free
    if needed > free:
        raise BadInput(
            f"{place.parent}: {needed / 1e9:.1f} GB of features are to be kept there, and {free / 1e9:.1f} GB are "
            "free; make room, ask for fewer features, or name another place with MONOLAYER_CACHE."
        )


def _write(part: Dataset, transformer: ImageTransformer, flips: bool, path: Path, progress: Progress) -> None:
    """Block by block, and not through a map, whose pages would count as this process's memory."""
    shape = ((1 + flips) * len(part.X), transformer.n_features_out)
    header = {"descr": np.lib.format.dtype_to_descr(DTYPE), "fortran_order": False, "shape": shape}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for block in _iterate(part, transformer, flips, progress):
            file.write(block.astype(DTYPE).data)
        file.flush()
        os.fsync(file.fileno())


def _iterate(part: Dataset, transformer: ImageTransformer, flips: bool, progress: Progress) -> Iterator[Array]:
    yield from transformer.iterate(part.X, progress=progress)
    if flips:
        yield from transformer.iterate(part.X, mirrored=True, progress=progress)


def _open(splits: Splits, place: Path) -> Extracted:
    try:
        words = json.loads((place / MANIFEST).read_bytes())
        arrays = {name: np.load(place / f"{name}.npy", mmap_mode="r") for name in _list_parts(splits.dataset)}
        transformer = load_transformer(place / TRANSFORMER)
        if words["transformer"] != transformer.sha256:
            raise ValueError("another transformer than the features were made by")
        parts = {
            name: _replace_images(part, arrays[name], transformer) for name, part in _list_parts(splits.dataset).items()
        }
    except (OSError, ValueError, KeyError, SafetensorError, BadData) as error:
        raise BadData(f"{place}: damaged features ({error}); delete the folder to have them made again.") from None
    sha256 = hashlib.sha256(f"{words['images']} {words['transformer']} {words['flips']}".encode()).hexdigest()
    whole = replace(parts["train"], test=parts.get("test"), val=parts.get("val"), known_sha256=sha256)
    return Extracted(_replace_rows(splits, whole), transformer, place)


def _replace_images(part: Dataset, both: Array, transformer: ImageTransformer) -> Dataset:
    n = len(part.X)
    if both.shape not in ((n, transformer.n_features_out), (2 * n, transformer.n_features_out)) or both.dtype != DTYPE:
        raise ValueError(f"features of shape {both.shape}, {both.dtype.name}")
    return replace(
        part,
        X=both[:n],
        both_ways=both if len(both) > n else None,
        image_shape=None,
        pixel_max=None,
        columns=(),
        test=None,
        val=None,
        source=f"{part.source}; {transformer} of them",
        known_sha256="",
    )


def _replace_rows(splits: Splits, features: Dataset) -> Splits:
    """The same rows of the features; the parts of the images say which dataset they belong to."""
    images, parts = splits.dataset, _list_parts(features)
    homes = {id(part): parts[name] for name, part in _list_parts(images).items()}

    def move(rows: Rows) -> Rows:
        return Rows(homes[id(rows.dataset)], rows.index)

    return replace(
        splits, train=move(splits.train), val=None if splits.val is None else move(splits.val), _test=move(splits._test)
    )
