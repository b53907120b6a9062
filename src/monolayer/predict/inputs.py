"""What a network can be asked about: image files, folders of them, and files of features, a block of rows at a time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from monolayer.data import images
from monolayer.data.readers.unlabelled import NAMING, READERS, TABLES, Expected, is_features, iterate_features
from monolayer.errors import BadData, BadInput
from monolayer.network import OneLayer

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows to be answered.

    Args:
        places: where each row is from: its ``file``, and in a file of features its ``row``, from 0.
        X: features, (n, D), finite.
        n_resized: how many are of image files that had another height or width than the network's.
    """

    places: list[dict[str, Any]]
    X: Array
    n_resized: int = 0


@dataclass(frozen=True)
class Chosen:
    """What is read of files of features.

    Args:
        ignored: names of the columns of tables that are no features.
        features: the array, tensor or column that holds them; None: the one that the network was trained on.
    """

    ignored: tuple[str, ...] = ()
    features: str | None = None

    def check(self, files: Sequence[Path]) -> None:
        """Raise BadInput if a file has nothing that could be meant."""
        for option, is_given, suffixes in (
            ("--ignore", bool(self.ignored), TABLES),
            ("--features", self.features is not None, NAMING),
        ):
            wrong = [file for file in files if file.suffix.lower() not in suffixes and not file.is_dir()]
            if is_given and wrong:
                raise BadInput(f"{option} means nothing to {wrong[0]}; it goes with {', '.join(suffixes)}.")


def find_files(paths: Iterable[Path], network: OneLayer) -> list[Path]:
    """The files that are meant: each file itself, and of each folder what the network can take.

    That is, for a network of images, the images below it, sorted; else its Parquet files, or itself if it holds
    ``.npy`` files.

    Raises:
        BadInput: if there is no such path, or a folder holds nothing of that kind.
    """
    return [file for path in paths for file in _find_in(path, network)]


def _find_in(path: Path, network: OneLayer) -> list[Path]:
    if not path.is_dir():
        if not path.exists():
            raise BadInput(f"{path}: there is no such file or folder.")
        return [path]
    inside = [file for file in sorted(path.glob("*")) if file.is_file() and not file.name.startswith(".")]
    arrays = [path] if any(file.suffix == ".npy" for file in inside) else []
    features, pictures = [file for file in inside if file.suffix == ".parquet"] or arrays, images.find_images(path)
    found = (pictures or features) if network.input_shape else (features or pictures)
    if not found:
        accepted = f"files ending in {', '.join(images.SUFFIXES)}, " if network.input_shape else ""
        nothing = "no image" if network.input_shape else "no file of features"
        raise BadInput(f"{path}: holds {nothing}; accepted are {accepted}Parquet files, and .npy files.")
    return found


def iterate_rows(network: OneLayer, files: Sequence[Path], chosen: Chosen | None = None) -> Iterator[Rows]:
    """The rows of files of features, and of images, in the order of the files.

    Args:
        network: which is to be asked.
        files: a folder, or a file whose suffix is in :data:`monolayer.data.readers.unlabelled.READERS`, holds features;
            every other file is an image.
        chosen: what is read of files of features.

    Raises:
        BadInput: if the network was not trained on images and a file is one.
        BadData: if a file cannot be read, or holds other features than the network takes.
    """
    chosen = chosen or Chosen()
    chosen.check(files)
    expected = make_expected(network, chosen)
    pictures: list[Path] = []
    for file in files:
        if is_features(file):
            yield from _read_images(network, pictures, expected.n_rows)
            pictures = []
            start = 0
            for block in iterate_features(file, expected):
                yield Rows([{"file": str(file), "row": start + i} for i in range(len(block))], block)
                start += len(block)
        else:
            pictures.append(file)
    yield from _read_images(network, pictures, expected.n_rows)


def make_expected(network: OneLayer, chosen: Chosen) -> Expected:
    """What the network takes, as far as its metadata says; those of earlier versions say less."""
    words = network.metadata
    return Expected(
        network.n_inputs,
        network.input_shape,
        chosen.ignored,
        columns=() if chosen.features else tuple(json.loads(words.get("columns", "[]"))),
        asked=chosen.features or json.loads(words.get("reading", "{}")).get("features"),
        pixel_max=images.parse_pixel_max(words),
    )


def read_image(network: OneLayer, file: Path) -> tuple[Array, bool]:
    """One image file as features (D,), float32, in the unit of the training data, and whether it was resized for it.

    Raises:
        BadInput: if the network was not trained on images, or on images of an unknown unit.
        BadData: if it cannot be read as an image.
    """
    if network.input_shape is None:
        if file.suffix.lower() not in images.SUFFIXES:
            raise BadInput(f"{file}: is no file of features; accepted are files ending in {', '.join(READERS)}.")
        raise BadInput(f"{file}: this network was not trained on images, so it cannot classify image files.")
    try:
        return images.read_image(file, network.input_shape, images.parse_pixel_max(network.metadata))
    except BadData as error:
        if file.suffix.lower() in images.SUFFIXES:
            raise
        raise BadData(f"{str(error)[:-1]}; accepted are images, and files ending in {', '.join(READERS)}.") from None


def find_doubt(network: OneLayer, rows: Rows) -> str:
    """A sentence where features look as if they were scaled otherwise than the training data; else empty."""
    if network.metadata.get("features_dtype") != "uint8" or rows.X.dtype.kind != "f" or rows.X.max() > 1:
        return ""
    highest = images.parse_pixel_max(network.metadata)
    whole = "whole numbers" if highest is None else f"whole numbers up to {highest:g}"
    return (
        f"{rows.places[0]['file']} holds no number above 1, but the network was trained on {whole}; it takes "
        "features as they were in training, not scaled."
    )


def describe_resizing(network: OneLayer, n_resized: int) -> str:
    """A sentence where images were resized for a network whose training images were not; else empty."""
    if not n_resized or network.input_shape is None or "resize" in json.loads(network.metadata.get("reading", "{}")):
        return ""
    _, height, width = network.input_shape
    size, were = f"{height} x {width}", "1 image was" if n_resized == 1 else f"{n_resized:,} images were"
    return (
        f"{were} resized to {size} pixels (height x width); the network learned from images that were {size} already, "
        "so it may answer resized ones worse."
    )


def _read_images(network: OneLayer, files: Sequence[Path], n_rows: int) -> Iterator[Rows]:
    left = iter(files)
    while some := list(islice(left, n_rows)):
        read = [read_image(network, file) for file in some]
        X = np.stack([features for features, _ in read])
        yield Rows([{"file": str(file)} for file in some], X, sum(is_resized for _, is_resized in read))
