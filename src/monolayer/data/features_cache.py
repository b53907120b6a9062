"""Features of all images of a dataset, computed once: a folder of memory-mapped float16 in the cache, named by a hash.

The hash is of the transformer's parameters and version, the dataset, and, if the transformer learns, the indices of the
training rows.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from monolayer.data.cache import find_cache_folder
from monolayer.data.dataset import Dataset, Rows, Splits
from monolayer.data.memmap import NPY_ERRORS, count_rows, give_back
from monolayer.errors import BadData, BadInput
from monolayer.features.base import ImageTransformer
from monolayer.features.registry import TRANSFORMER, describe_transformer, load_transformer, save_transformer
from monolayer.files import delete_old_drafts, explain_os_error, open_whole_folder, write_whole
from monolayer.progress import SILENCE, Progress

Array = npt.NDArray[Any]
MANIFEST = "content.json"
FORMAT = 2
DTYPE = np.dtype(np.float16)
REPORTED = 10**8  # bytes in the cache that are reported


@dataclass(frozen=True)
class Extracted:
    """Features in place of images.

    Args:
        splits: features of the same training, validation and test rows; openings of the test rows are shared.
        transformer: the fitted transformer.
        folder: the folder of the features.
        seconds: the time that fitting and computing took.
    """

    splits: Splits
    transformer: ImageTransformer
    folder: Path
    seconds: float


@dataclass(frozen=True)
class _Extraction:
    """Features to extract: the images, the transformer, and whether mirrored images are included."""

    splits: Splits
    transformer: ImageTransformer
    flips: bool

    @property
    def parts(self) -> dict[str, Dataset]:
        """The datasets of the images by part."""
        return list_parts(self.splits.dataset)

    def count_rows(self, name: str) -> int:
        """Number of rows of a part's file; those of the mirrored training images follow the others."""
        return (1 + (self.flips and name == "train")) * len(self.parts[name].X)

    def describe(self) -> dict[str, Any]:
        """The content of the hash and of the manifest."""
        kind = describe_transformer(self.transformer)
        made = {"format": FORMAT, "transformer": kind, "version": self.transformer.version, "flips": self.flips}
        index = np.asarray(self.splits.train.index, "<i8").tobytes() if self.transformer.learns else b""
        return {**made, "images": self.splits.dataset.sha256, "learnt from": hashlib.sha256(index).hexdigest()}

    def name_folder(self) -> str:
        """The beginning of the SHA-256 of :meth:`describe`."""
        return hashlib.sha256(json.dumps(self.describe(), sort_keys=True).encode()).hexdigest()[:32]


def extract_features(
    splits: Splits,
    transformer: ImageTransformer,
    *,
    flips: bool = False,
    folder: Path | None = None,
    progress: Progress = SILENCE,
) -> Extracted:
    """Fit a transformer to the training images, without labels, and compute the features of all images, or reuse both.

    Args:
        splits: images; the transformer is fitted to the training rows only.
        transformer: one of :mod:`monolayer.features`. It is not changed: a copy with the dataset's ``image_shape`` and
            ``pixel_max`` is fitted.
        flips: whether features of the mirrored training images are computed too, so that a recipe's flips can choose
            between both; this doubles time and disk space.
        folder: parent folder; None: ``features`` in :func:`monolayer.data.cache.find_cache_folder`.
        progress: reports the number of images.

    Raises:
        BadInput: if the rows are not images, a parameter is not accepted, a feature is too large for float16, or the
            disk has too little space.
        BadData: if existing features are damaged.
    """
    extraction = _choose_existing(_prepare(splits, transformer, flips), folder)
    place = _find_place(extraction, folder)
    if not os.path.isdir(place):  # unlike Path.is_dir, False if a parent folder cannot be read
        with explain_os_error(place):
            _make(extraction, place, progress)
    return _open(extraction, place, flips)


def check_features(
    splits: Splits, transformers: Iterable[ImageTransformer], *, flips: bool = False, folder: Path | None = None
) -> None:
    """Check that all these features can be extracted, without extracting them.

    Args: as of :func:`extract_features`.

    Raises:
        BadInput: if the rows are not images, a parameter is not accepted, there are too few images to learn from, or
            the disk has too little space for all features that do not exist yet.
    """
    extractions = [_prepare(splits, transformer, flips) for transformer in transformers]
    missing = [one for one in extractions if not os.path.isdir(_find_place(_choose_existing(one, folder), folder))]
    _check_space(sum(map(_count_bytes, missing)), _find_root(folder))


def _prepare(splits: Splits, transformer: ImageTransformer, flips: bool) -> _Extraction:
    """The extraction by a copy of the transformer for these images, not yet fitted."""
    _check_images(splits)
    images = splits.dataset
    kind = {"image_shape": images.image_shape, "pixel_max": images.pixel_max}
    prepared = type(transformer)(**{**transformer.get_params(), **kind})
    prepared.prepare(images.X)
    prepared.check_number(len(splits.train))
    return _Extraction(splits, prepared, flips)


def _choose_existing(extraction: _Extraction, folder: Path | None) -> _Extraction:
    """The extraction; or the same with flips, if only this exists, since it includes the other."""
    with_flips = replace(extraction, flips=True)
    is_there = [os.path.isdir(_find_place(one, folder)) for one in (extraction, with_flips)]
    return with_flips if is_there == [False, True] else extraction


def _find_root(folder: Path | None) -> Path:
    return folder or find_cache_folder() / "features"


def _find_place(extraction: _Extraction, folder: Path | None) -> Path:
    return _find_root(folder) / extraction.name_folder()


def list_parts(dataset: Dataset) -> dict[str, Dataset]:
    """A dataset's training, validation and test file, by part."""
    parts = {"train": dataset, "val": dataset.val, "test": dataset.test}
    return {name: part for name, part in parts.items() if part is not None}


def _check_images(splits: Splits) -> None:
    images = splits.dataset
    if images.image_shape is None or images.pixel_max is None:
        raise BadInput(f"{images.name}: does not hold images with a known value of a lit pixel; features need these.")
    if images.normalize != "none":
        raise BadInput(f"{images.name}: has normalize l2; features are extracted from images that are not normalised.")
    datasets = set(map(id, list_parts(images).values()))
    if not {id(rows.dataset) for rows in (splits.train, splits.val, splits._test) if rows is not None} <= datasets:
        raise BadInput(f"{images.name}: its rows belong to several datasets; accepted are rows of one dataset.")


def _make(extraction: _Extraction, place: Path, progress: Progress) -> None:
    start = time.perf_counter()
    place.parent.mkdir(parents=True, exist_ok=True)
    delete_old_drafts(place.parent)
    _check_space(_count_bytes(extraction), place.parent)
    train = extraction.splits.train
    extraction.transformer.learn(train.dataset.X, train.index, progress)
    give_back(train.dataset.X)
    with open_whole_folder(place, replace=False) as draft:
        for name, part in extraction.parts.items():
            shape = (extraction.count_rows(name), extraction.transformer.n_features_out)
            _write(draft / f"{name}.npy", shape, _iterate(extraction, part, shape[0], progress))
        save_transformer(extraction.transformer, draft / TRANSFORMER)
        seconds = time.perf_counter() - start
        words = {**extraction.describe(), "sha256": extraction.transformer.sha256, "seconds": seconds}
        write_whole(draft / MANIFEST, json.dumps(words, indent=2).encode(), fsync=True)
    if (kept := _count_bytes(extraction)) >= REPORTED:
        progress.info(f"{kept / 1e9:.1f} GB of features are kept in {place.parent}")


def _count_bytes(extraction: _Extraction) -> int:
    n_rows = sum(map(extraction.count_rows, extraction.parts))
    return n_rows * extraction.transformer.n_features_out * DTYPE.itemsize


def _check_space(needed: int, root: Path) -> None:
    """Raise BadInput unless the disk of a folder, which may not exist yet, has this number of bytes free."""
    existing = next((place for place in (root, *root.parents) if place.is_dir()), root)
    with explain_os_error(existing):
        free = shutil.disk_usage(existing).free
    if needed > free:
        raise BadInput(
            f"{root}: {needed / 1e9:.1f} GB of features do not fit there, where {free / 1e9:.1f} GB are "
            "free; free some space, choose fewer features, or set another folder with MONOLAYER_CACHE."
        )


def _write(path: Path, shape: tuple[int, int], blocks: Iterator[Array]) -> None:
    """Write an array block by block; the pages of a memory map would count as memory of this process."""
    header = {"descr": np.lib.format.dtype_to_descr(DTYPE), "fortran_order": False, "shape": shape}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for block in blocks:
            file.write(_convert(block).data)
        file.flush()
        os.fsync(file.fileno())


def _convert(block: Array) -> Array:
    with np.errstate(over="ignore"):  # checked below
        short = block.astype(DTYPE)
    if not np.isfinite(short).all():
        largest = np.finfo(DTYPE).max
        raise BadInput(f"A feature is {np.abs(block).max():g}; accepted are finite ones up to {largest:g}, in float16.")
    return short


def _iterate(extraction: _Extraction, part: Dataset, n_rows: int, progress: Progress) -> Iterator[Array]:
    for mirrored in (False, True)[: n_rows // len(part.X)]:
        done = 0
        for block in extraction.transformer.iterate(part.X, mirrored=mirrored, progress=progress):
            yield block
            done += len(block)
            if done >= count_rows(part.X):
                give_back(part.X)
                done = 0


def _open(extraction: _Extraction, place: Path, flips: bool) -> Extracted:
    try:
        words = json.loads((place / MANIFEST).read_bytes())
        transformer = load_transformer(place / TRANSFORMER)
        seconds = float(words.pop("seconds"))
        if words != {**extraction.describe(), "sha256": transformer.sha256}:
            raise ValueError("they are of other images or another transformer")
        parts = {
            name: _replace_images(extraction, name, _map(place / f"{name}.npy"), transformer)
            for name in extraction.parts
        }
    except (*NPY_ERRORS, AttributeError, TypeError, BadData) as error:
        raise BadData(f"{place}: damaged features ({error}); delete the folder, and they are computed again.") from None
    images = extraction.splits.dataset.sha256
    both_ways = parts["train"].both_ways if flips else None  # which may exist though it was not requested
    test, val = parts.get("test"), parts.get("val")
    whole = replace(parts["train"], test=test, val=val, both_ways=both_ways, known_sha256=images)
    return Extracted(_replace_rows(extraction.splits, whole), transformer, place, seconds)


def _map(path: Path) -> Array:
    return np.asanyarray(np.load(path, mmap_mode="r", allow_pickle=False))


def _replace_images(extraction: _Extraction, name: str, both: Array, transformer: ImageTransformer) -> Dataset:
    part = extraction.parts[name]
    if both.shape != (extraction.count_rows(name), transformer.n_features_out) or both.dtype != DTYPE:
        raise ValueError(f"features of shape {both.shape}, {both.dtype.name}")
    return replace(
        part,
        X=both[: len(part.X)],
        both_ways=both if len(both) > len(part.X) else None,
        image_shape=None,
        pixel_max=None,
        columns=(),
        test=None,
        val=None,
        known_sha256="",
        transformer=transformer,
    )


def _replace_rows(splits: Splits, features: Dataset) -> Splits:
    """The same rows of the features; rows of a part of the images become rows of the same part."""
    parts = list_parts(features)
    by_images = {id(part): parts[name] for name, part in list_parts(splits.dataset).items()}

    def move(rows: Rows) -> Rows:
        return Rows(by_images[id(rows.dataset)], rows.index)

    return replace(
        splits, train=move(splits.train), val=None if splits.val is None else move(splits.val), _test=move(splits._test)
    )
