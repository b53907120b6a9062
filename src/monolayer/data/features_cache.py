"""Features of all images of a dataset, made once: a folder of memory-mapped float16 in the cache, found again by hash.

The hash is of the transformer's parameters and version, the images, and, where it learns, which of them it learns from.
Labels change it, since they are in a dataset's hash, but not the features.
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
from monolayer.data.memmap import count_rows, give_back
from monolayer.data.sources.formats.npz import DAMAGES
from monolayer.errors import BadData, BadInput
from monolayer.features.base import ImageTransformer
from monolayer.features.registry import TRANSFORMER, describe_transformer, load_transformer, save_transformer
from monolayer.files import delete_old_drafts, explain_os_error, open_whole_folder, write_whole
from monolayer.progress import SILENCE, Progress

Array = npt.NDArray[Any]
MANIFEST = "content.json"
FORMAT = 2
DTYPE = np.dtype(np.float16)
MUCH = 10**8  # bytes in the cache that are worth a word


@dataclass(frozen=True)
class Extracted:
    """Features in place of images.

    Args:
        splits: the same rows for training, validation and test; openings of the test rows are shared.
        transformer: what made them, as it has learnt.
        folder: where they are kept.
        seconds: that learning and making them took, when they were made.
    """

    splits: Splits
    transformer: ImageTransformer
    folder: Path
    seconds: float


@dataclass(frozen=True)
class _Request:
    """What is to be made of which images."""

    splits: Splits
    transformer: ImageTransformer
    flips: bool

    @property
    def parts(self) -> dict[str, Dataset]:
        """The datasets of the images, by the names of their files."""
        return list_parts(self.splits.dataset)

    def count_rows(self, name: str) -> int:
        """Rows of a part's file: the mirrored images' follow those of the training file."""
        return (1 + (self.flips and name == "train")) * len(self.parts[name].X)

    def describe(self) -> dict[str, Any]:
        """What goes into the hash and into the folder."""
        kind = describe_transformer(self.transformer)
        made = {"format": FORMAT, "transformer": kind, "version": self.transformer.version, "flips": self.flips}
        index = np.asarray(self.splits.train.index, "<i8").tobytes() if self.transformer.learns else b""
        return {**made, "images": self.splits.dataset.sha256, "learnt from": hashlib.sha256(index).hexdigest()}

    def name_folder(self) -> str:
        """The beginning of a SHA-256 of all that."""
        return hashlib.sha256(json.dumps(self.describe(), sort_keys=True).encode()).hexdigest()[:32]


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
        transformer: one of :mod:`monolayer.features`. It stays as it is: one of the same parameters, but for the shape
            and the unit of the images, which are the dataset's, learns here.
        flips: whether the mirrored images' features of the training file are made too, so that a recipe's flips can
            choose between them; they take as long and as much of the disk once more.
        folder: of all such features; None: ``features`` in :func:`monolayer.data.cache.find_cache_folder`.
        progress: told how far it is.

    Raises:
        BadInput: if the rows are no images, a parameter is not accepted, a feature is too large for float16, or the
            disk has no room for the features.
        BadData: if what was made before is damaged.
    """
    request = _choose_request(_open_request(splits, transformer, flips), folder)
    place = _find_place(request, folder)
    if not os.path.isdir(place):  # unlike Path.is_dir, False where the way there is barred
        with explain_os_error(place):
            _make(request, place, progress)
    return _open(request, place, flips)


def check_features(
    splits: Splits, transformers: Iterable[ImageTransformer], *, flips: bool = False, folder: Path | None = None
) -> None:
    """See that all these features can be made one after the other, and make none.

    Args: as :func:`extract_features` has them.

    Raises:
        BadInput: if the rows are no images, a parameter is not accepted for them, they are too few to learn from, or
            the disk has no room for all the features that are not there yet.
    """
    requests = [_open_request(splits, transformer, flips) for transformer in transformers]
    missing = [one for one in requests if not os.path.isdir(_find_place(_choose_request(one, folder), folder))]
    _check_room(sum(map(_count_bytes, missing)), _find_root(folder))


def _open_request(splits: Splits, transformer: ImageTransformer, flips: bool) -> _Request:
    """What is asked for, by a transformer of the same parameters that has learnt nothing yet."""
    _check_images(splits)
    images = splits.dataset
    kind = {"image_shape": images.image_shape, "pixel_max": images.pixel_max}
    prepared = type(transformer)(**{**transformer.get_params(), **kind})
    prepared.prepare(images.X)
    prepared.check_number(len(splits.train))
    return _Request(splits, prepared, flips)


def _choose_request(request: _Request, folder: Path | None) -> _Request:
    """The request, or where it is not made, the same with flips, if that is: what is more does no harm."""
    with_flips = replace(request, flips=True)
    is_there = [os.path.isdir(_find_place(one, folder)) for one in (request, with_flips)]
    return with_flips if is_there == [False, True] else request


def _find_root(folder: Path | None) -> Path:
    return folder or find_cache_folder() / "features"


def _find_place(request: _Request, folder: Path | None) -> Path:
    return _find_root(folder) / request.name_folder()


def list_parts(dataset: Dataset) -> dict[str, Dataset]:
    """A dataset and its parts, by their names."""
    parts = {"train": dataset, "val": dataset.val, "test": dataset.test}
    return {name: part for name, part in parts.items() if part is not None}


def _check_images(splits: Splits) -> None:
    images = splits.dataset
    if images.image_shape is None or images.pixel_max is None:
        raise BadInput(f"{images.name}: is no set of images whose lit pixels have a known value; features need these.")
    if images.normalize != "none":
        raise BadInput(f"{images.name}: divides rows by their length, and features are of images as they are.")
    homes = set(map(id, list_parts(images).values()))
    if not {id(rows.dataset) for rows in (splits.train, splits.val, splits._test) if rows is not None} <= homes:
        raise BadInput(f"{images.name}: its rows are divided among several datasets; features are made of one.")


def _make(request: _Request, place: Path, progress: Progress) -> None:
    start = time.perf_counter()
    place.parent.mkdir(parents=True, exist_ok=True)
    delete_old_drafts(place.parent)
    _check_room(_count_bytes(request), place.parent)
    train = request.splits.train
    request.transformer.learn(train.dataset.X, train.index, progress)
    give_back(train.dataset.X)
    with open_whole_folder(place, replace=False) as draft:
        for name, part in request.parts.items():
            shape = (request.count_rows(name), request.transformer.n_features_out)
            _write(draft / f"{name}.npy", shape, _iterate(request, part, shape[0], progress))
        save_transformer(request.transformer, draft / TRANSFORMER)
        seconds = time.perf_counter() - start
        words = {**request.describe(), "sha256": request.transformer.sha256, "seconds": seconds}
        write_whole(draft / MANIFEST, json.dumps(words, indent=2).encode(), fsync=True)
    if (kept := _count_bytes(request)) >= MUCH:
        progress.info(f"{kept / 1e9:.1f} GB of features are kept for the next time in {place.parent}")


def _count_bytes(request: _Request) -> int:
    n_rows = sum(map(request.count_rows, request.parts))
    return n_rows * request.transformer.n_features_out * DTYPE.itemsize


def _check_room(needed: int, root: Path) -> None:
    """Raise BadInput unless the disk has that many bytes free, there or where the folder would be made."""
    there = next((place for place in (root, *root.parents) if place.is_dir()), root)
    with explain_os_error(there):
        free = shutil.disk_usage(there).free
    if needed > free:
        raise BadInput(
            f"{root}: {needed / 1e9:.1f} GB of features are to be kept there, and {free / 1e9:.1f} GB are "
            "free; make room, ask for fewer features, or name another place with MONOLAYER_CACHE."
        )


def _write(path: Path, shape: tuple[int, int], blocks: Iterator[Array]) -> None:
    """Block by block, and not through a map, whose pages would count as this process's memory."""
    header = {"descr": np.lib.format.dtype_to_descr(DTYPE), "fortran_order": False, "shape": shape}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for block in blocks:
            file.write(_shorten(block).data)
        file.flush()
        os.fsync(file.fileno())


def _shorten(block: Array) -> Array:
    with np.errstate(over="ignore"):  # said in words
        short = block.astype(DTYPE)
    if not np.isfinite(short).all():
        largest = np.finfo(DTYPE).max
        raise BadInput(f"A feature is {np.abs(block).max():g}; accepted are finite ones up to {largest:g}, in float16.")
    return short


def _iterate(request: _Request, part: Dataset, n_rows: int, progress: Progress) -> Iterator[Array]:
    for mirrored in (False, True)[: n_rows // len(part.X)]:
        done = 0
        for block in request.transformer.iterate(part.X, mirrored=mirrored, progress=progress):
            yield block
            done += len(block)
            if done >= count_rows(part.X):
                give_back(part.X)
                done = 0


def _open(request: _Request, place: Path, flips: bool) -> Extracted:
    try:
        words = json.loads((place / MANIFEST).read_bytes())
        transformer = load_transformer(place / TRANSFORMER)
        seconds = float(words.pop("seconds"))
        if words != {**request.describe(), "sha256": transformer.sha256}:
            raise ValueError("they are of other images, or by another transformer")
        parts = {
            name: _replace_images(request, name, _map(place / f"{name}.npy"), transformer) for name in request.parts
        }
    except (*DAMAGES, AttributeError, TypeError, BadData) as error:
        raise BadData(f"{place}: damaged features ({error}); delete the folder to have them made again.") from None
    images = request.splits.dataset.sha256
    both_ways = parts["train"].both_ways if flips else None  # which may be there for another request
    test, val = parts.get("test"), parts.get("val")
    whole = replace(parts["train"], test=test, val=val, both_ways=both_ways, known_sha256=images)
    return Extracted(_replace_rows(request.splits, whole), transformer, place, seconds)


def _map(path: Path) -> Array:
    return np.asanyarray(np.load(path, mmap_mode="r", allow_pickle=False))


def _replace_images(request: _Request, name: str, both: Array, transformer: ImageTransformer) -> Dataset:
    part = request.parts[name]
    if both.shape != (request.count_rows(name), transformer.n_features_out) or both.dtype != DTYPE:
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
    """The same rows of the features; the parts of the images say which dataset they belong to."""
    parts = list_parts(features)
    homes = {id(part): parts[name] for name, part in list_parts(splits.dataset).items()}

    def move(rows: Rows) -> Rows:
        return Rows(homes[id(rows.dataset)], rows.index)

    return replace(
        splits, train=move(splits.train), val=None if splits.val is None else move(splits.val), _test=move(splits._test)
    )
