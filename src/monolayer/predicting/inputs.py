"""What a network can be asked about: image files, folders of them, and files of features, a block of rows at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from monolayer.data import images
from monolayer.data.features import READERS, Expected, iterate_features
from monolayer.errors import BadData, BadInput
from monolayer.network import OneLayer

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows to be answered.

    Args:
        places: where each row is from: its ``file``, and in a file of features its ``row``, from 0.
        X: features, (n, D), finite.
    """

    places: list[dict[str, Any]]
    X: Array


def find_files(paths: Iterable[Path]) -> list[Path]:
    """The files that are meant: each file itself, and the images below each folder, sorted.

    Raises:
        BadInput: if there is no such path, or a folder holds no image.
    """
    return [file for path in paths for file in images.find_images(path)]


def iterate_rows(network: OneLayer, files: Sequence[Path], ignored: Sequence[str] = ()) -> Iterator[Rows]:
    """The rows of files of features, and of images, in the order of the files.

    Args:
        network: which is to be asked.
        files: a suffix of :data:`monolayer.data.features.READERS` is a file of features, everything else an image.
        ignored: names of the columns of CSV files that are no features.

    Raises:
        BadInput: if the network was not trained on images and a file is one.
        BadData: if a file cannot be read, or holds other features than the network takes.
    """
    expected = Expected(network.weights.shape[1], network.image_shape, tuple(ignored))
    pictures: list[Path] = []
    for file in files:
        if file.suffix.lower() in READERS:
            yield from _read_images(network, pictures, expected.n_rows)
            pictures = []
            start = 0
            for block in iterate_features(file, expected):
                yield Rows([{"file": str(file), "row": start + i} for i in range(len(block))], block)
                start += len(block)
        else:
            pictures.append(file)
    yield from _read_images(network, pictures, expected.n_rows)


def read_image(network: OneLayer, file: Path) -> Array:
    """One image file as features (D,), float32, in the unit of the training data.

    Raises:
        BadInput: if the network was not trained on images, or on images of an unknown unit.
        BadData: if it cannot be read as an image.
    """
    if network.image_shape is None:
        raise BadInput(f"{file}: this network was not trained on images, so it cannot classify image files.")
    try:
        return images.read_image(file, network.image_shape, images.parse_pixel_max(network.metadata))
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


def _read_images(network: OneLayer, files: Sequence[Path], n_rows: int) -> Iterator[Rows]:
    left = iter(files)
    while some := list(islice(left, n_rows)):
        yield Rows([{"file": str(file)} for file in some], np.stack([read_image(network, file) for file in some]))
