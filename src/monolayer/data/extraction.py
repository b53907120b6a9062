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
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from monolayer._typing import Array
from monolayer.data.cache import find_cache_folder
from monolayer.data.dataset import Dataset, Rows, Splits
from monolayer.data.memmap import NPY_ERRORS, count_rows, give_back
from monolayer.errors import BadData, BadInput, MissingPackage
from monolayer.features.base import ImageTransformer
from monolayer.features.registry import TRANSFORMER, describe_transformer, load_transformer, save_transformer
from monolayer.files import delete_old_drafts, explain_os_error, open_whole, open_whole_folder, write_whole
from monolayer.progress import SILENCE, Progress

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
    """Features to extract.

    Args:
        splits: the images.
        transformer: a copy for these images, not yet fitted.
        flips: whether features of the mirrored training images are included.
        root: parent of the folder of the features.
    """

    splits: Splits
    transformer: ImageTransformer
    flips: bool
    root: Path

    @classmethod
    def prepare(cls, splits: Splits, transformer: ImageTransformer, flips: bool, root: Path | None) -> _Extraction:
        """Check images and parameters; where only the features with flips exist, these are chosen.

        Raises:
            BadInput: as :func:`extract_features`.
        """
        images = splits.dataset
        if images.image_shape is None or images.pixel_max is None:
            raise BadInput(
                f"{images.name}: does not hold images with a known value of a lit pixel; features need these."
            )
        if images.normalize != "none":
            raise BadInput(f"{images.name}: has normalize {images.normalize}; features need images without it.")
        datasets = set(map(id, images.parts.values()))
        if not {id(rows.dataset) for rows in (splits.train, splits.val, splits._test) if rows is not None} <= datasets:
            raise BadInput(f"{images.name}: its rows belong to several datasets; accepted are rows of one dataset.")
        kind = {"image_shape": images.image_shape, "pixel_max": images.pixel_max}
        copy = type(transformer)(**{**transformer.get_params(), **kind})
        copy.prepare(images.X)
        copy.check_number(len(splits.train))
        extraction = cls(splits, copy, flips, root or find_cache_folder() / "features")
        with_flips = replace(extraction, flips=True)
        return with_flips if with_flips.exists and not extraction.exists else extraction

    @property
    def parts(self) -> dict[str, Dataset]:
        """The datasets of the images by part."""
        return self.splits.dataset.parts

    def count_rows(self, name: str) -> int:
        """Number of rows of a part's file; those of the mirrored training images follow the others."""
        return (1 + (self.flips and name == "train")) * len(self.parts[name].X)

    @property
    def n_bytes(self) -> int:
        """Size of the features."""
        return sum(map(self.count_rows, self.parts)) * self.transformer.n_features_out * DTYPE.itemsize

    def describe(self) -> dict[str, Any]:
        """The content of the hash and of the manifest."""
        kind = describe_transformer(self.transformer)
        made = {"format": FORMAT, "transformer": kind, "version": self.transformer.version, "flips": self.flips}
        index = np.asarray(self.splits.train.index, "<i8").tobytes() if self.transformer.learns else b""
        return {**made, "images": self.splits.dataset.sha256, "learnt from": hashlib.sha256(index).hexdigest()}

    @cached_property
    def folder(self) -> Path:
        """The folder of the features, named by the beginning of the SHA-256 of :meth:`describe`."""
        return self.root / hashlib.sha256(json.dumps(self.describe(), sort_keys=True).encode()).hexdigest()[:32]

    @property
    def exists(self) -> bool:
        """Whether the features have been extracted."""
        return os.path.isdir(self.folder)  # unlike Path.is_dir, False if a parent folder cannot be read


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
    extraction = _Extraction.prepare(splits, transformer, flips, folder)
    if not extraction.exists:
        with explain_os_error(extraction.folder):
            _extract(extraction, progress)
    return _open(extraction, flips)


def check_features(
    splits: Splits, transformers: Iterable[ImageTransformer], *, flips: bool = False, folder: Path | None = None
) -> None:
    """Check that all these features can be extracted, without extracting them.

    Args: as of :func:`extract_features`.

    Raises:
        BadInput: if the rows are not images, a parameter is not accepted, there are too few images to learn from, or
            the disk has too little space for all features that do not exist yet.
    """
    extractions = [_Extraction.prepare(splits, transformer, flips, folder) for transformer in transformers]
    if missing := [one for one in extractions if not one.exists]:
        _check_space(sum(one.n_bytes for one in missing), missing[0].root)


def _extract(extraction: _Extraction, progress: Progress) -> None:
    start, root, transformer = time.perf_counter(), extraction.root, extraction.transformer
    root.mkdir(parents=True, exist_ok=True)
    delete_old_drafts(root)
    _check_space(extraction.n_bytes, root)
    train = extraction.splits.train
    transformer.learn(train.dataset.X, train.index, progress)
    give_back(train.dataset.X)
    with open_whole_folder(extraction.folder, replace=False) as draft:
        for name, part in extraction.parts.items():
            n_rows = extraction.count_rows(name)
            header = {
                "descr": np.lib.format.dtype_to_descr(DTYPE),
                "fortran_order": False,
                "shape": (n_rows, transformer.n_features_out),
            }
            # Block by block: the pages of a memory map would count as memory of this process.
            with open_whole(draft / f"{name}.npy", fsync=True) as file:
                np.lib.format.write_array_header_1_0(file, header)
                for block in _iterate_features(transformer, part.X, n_rows > len(part.X), progress):
                    file.write(block.data)
        save_transformer(transformer, draft / TRANSFORMER)
        seconds = time.perf_counter() - start
        manifest = {**extraction.describe(), "sha256": transformer.sha256, "seconds": seconds}
        write_whole(draft / MANIFEST, json.dumps(manifest, indent=2).encode(), fsync=True)
    if extraction.n_bytes >= REPORTED:
        progress.info(f"{extraction.n_bytes / 1e9:.1f} GB of features are kept in {root}")


def _iterate_features(transformer: ImageTransformer, X: Array, flips: bool, progress: Progress) -> Iterator[Array]:
    """Features in float16 of images (n, D), then those of the mirrored images."""
    for mirrored in (False, True)[: 1 + flips]:
        done = 0
        for block in transformer.iterate(X, mirrored=mirrored, progress=progress):
            with np.errstate(over="ignore"):  # checked below
                short = block.astype(DTYPE)
            if not np.isfinite(short).all():
                largest, value = np.finfo(DTYPE).max, np.abs(block).max()
                raise BadInput(f"A feature is {value:g}; accepted are finite ones up to {largest:g}, in float16.")
            yield short
            done += len(block)
            if done >= count_rows(X):
                give_back(X)
                done = 0


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


def _open(extraction: _Extraction, flips: bool) -> Extracted:
    folder, images = extraction.folder, extraction.splits.dataset
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        transformer = load_transformer(folder / TRANSFORMER)
        seconds = float(manifest.pop("seconds"))
        if manifest != {**extraction.describe(), "sha256": transformer.sha256}:
            raise ValueError("they are of other images or another transformer")
        parts = {name: _open_part(extraction, name, transformer) for name in extraction.parts}
    except MissingPackage:
        raise
    except (*NPY_ERRORS, AttributeError, TypeError, BadData) as error:
        raise BadData(
            f"{folder}: damaged features ({error}); delete the folder, and they are computed again."
        ) from None
    both_ways = parts["train"].both_ways if flips else None  # which may exist though it was not requested
    test, val = parts.get("test"), parts.get("val")
    whole = replace(parts["train"], test=test, val=val, both_ways=both_ways, known_sha256=images.sha256)
    by_images = {id(part): whole.parts[name] for name, part in extraction.parts.items()}

    def move(rows: Rows) -> Rows:
        return Rows(by_images[id(rows.dataset)], rows.index)

    train, val_rows, test_rows = extraction.splits.train, extraction.splits.val, extraction.splits._test
    splits = replace(
        extraction.splits,
        train=move(train),
        val=None if val_rows is None else move(val_rows),
        _test=move(test_rows),
    )
    return Extracted(splits, transformer, folder, seconds)


def _open_part(extraction: _Extraction, name: str, transformer: ImageTransformer) -> Dataset:
    part = extraction.parts[name]
    both = np.asanyarray(np.load(extraction.folder / f"{name}.npy", mmap_mode="r", allow_pickle=False))
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
