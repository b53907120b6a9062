"""The inputs of predictions: image files, folders of them, and files of features, read block by block."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from monolayer._typing import Array
from monolayer.data import images
from monolayer.data.readers.base import NetworkInput
from monolayer.data.readers.registry import READERS, find_features_reader, iterate_features, list_suffixes
from monolayer.errors import BadData, BadInput
from monolayer.network import OneLayer


@dataclass(frozen=True, eq=False)
class InputRows:
    """Rows to predict.

    Args:
        places: of each row, its ``file``, and in a file of features its ``row``, counted from 0.
        X: features, (n, D), finite.
        n_resized: number of image files whose height or width differs from the network's.
    """

    places: list[dict[str, Any]]
    X: Array
    n_resized: int = 0


def find_files(paths: Iterable[Path], network: OneLayer) -> list[Path]:
    """The files to read: each file itself, and of each folder the files that the network can take.

    For a network of images these are the images in the folder and its subfolders, sorted; else its Parquet files, or
    the folder itself if it holds ``.npy`` files.

    Raises:
        BadInput: if a path does not exist, or a folder holds no such file.
    """
    return [file for path in paths for file in _find_in(path, network)]


def _find_in(path: Path, network: OneLayer) -> list[Path]:
    if not path.is_dir():
        if not path.exists():
            raise BadInput(f"{path}: there is no such file or folder.")
        return [path]
    is_of_images = network.input_shape is not None
    # Images first for a network of images, features first for others.
    for reader in sorted(READERS, key=lambda reader: reader.holds_features == is_of_images):
        if found := reader.find_files(path):
            return found
    accepted = f"files ending in {', '.join(images.SUFFIXES)}, " if is_of_images else ""
    nothing = "no image" if is_of_images else "no file of features"
    raise BadInput(f"{path}: holds {nothing}; accepted are {accepted}Parquet files, and .npy files.")


def iterate_rows(
    network: OneLayer, files: Sequence[Path], *, ignored: tuple[str, ...] = (), features: str | None = None
) -> Iterator[InputRows]:
    """The rows of files of features, and of images, in the order of the files.

    Args:
        network: its input decides what is read.
        files: a file that no reader takes for features is read as an image.
        ignored: names of the columns of tables that are not features.
        features: name of the array, tensor or column of features; None: the one that the network was trained on.

    Raises:
        BadInput: if an option does not apply to a file, or a file is an image and the network takes none.
        BadData: if a file cannot be read, or holds other features than the network takes.
    """
    readers = {file: find_features_reader(file) for file in files}
    for option, is_given, attribute in (
        ("--ignore", bool(ignored), "can_ignore_columns"),
        ("--features", features is not None, "can_name_features"),
    ):
        wrong = [file for file, reader in readers.items() if not getattr(reader, attribute, False)]
        if is_given and wrong:
            raise BadInput(f"{option} does not apply to {wrong[0]}; it applies to {list_suffixes(attribute)}.")
    metadata = network.metadata  # files of earlier versions have fewer entries
    expected = NetworkInput(
        network.n_inputs,
        network.input_shape,
        ignored,
        columns=() if features else tuple(json.loads(metadata.get("columns", "[]"))),
        features=features or json.loads(metadata.get("reading", "{}")).get("features"),
        pixel_max=images.parse_pixel_max(metadata),
    )
    pictures: list[Path] = []
    for file in files:
        if readers[file] is None:
            pictures.append(file)
            continue
        yield from _read_images(network, pictures, expected.block_size)
        pictures = []
        start = 0
        for block in iterate_features(file, expected):
            yield InputRows([{"file": str(file), "row": start + i} for i in range(len(block))], block)
            start += len(block)
    yield from _read_images(network, pictures, expected.block_size)


def read_image(network: OneLayer, file: Path) -> tuple[Array, bool]:
    """One image file as features (D,), float32, in the range of the training data, and whether it was resized.

    Raises:
        BadInput: if the network was not trained on images, or on images of an unknown range.
        BadData: if it cannot be read as an image.
    """
    if network.input_shape is None:
        if file.suffix.lower() not in images.SUFFIXES:
            raise BadInput(f"{file}: is not a file of features; accepted are files ending in {list_suffixes()}.")
        raise BadInput(f"{file}: this network was not trained on images, so it cannot classify image files.")
    try:
        return images.read_image(file, network.input_shape, images.parse_pixel_max(network.metadata))
    except BadData as error:
        if file.suffix.lower() in images.SUFFIXES:
            raise
        raise BadData(f"{str(error)[:-1]}; accepted are images, and files ending in {list_suffixes()}.") from None


def describe_scaling(network: OneLayer, rows: InputRows) -> str:
    """A warning if features seem to be scaled unlike the training data; else empty."""
    if network.metadata.get("features_dtype") != "uint8" or rows.X.dtype.kind != "f" or rows.X.max() > 1:
        return ""
    highest = images.parse_pixel_max(network.metadata)
    whole = "whole numbers" if highest is None else f"whole numbers up to {highest:g}"
    return (
        f"{rows.places[0]['file']} holds no number above 1, but the network was trained on {whole}; it takes "
        "features as they were in training, unscaled."
    )


def describe_resizing(network: OneLayer, n_resized: int) -> str:
    """A warning if images were resized for a network whose training images were not; else empty."""
    if not n_resized or network.input_shape is None or "resize" in json.loads(network.metadata.get("reading", "{}")):
        return ""
    _, height, width = network.input_shape
    size, were = f"{height} x {width}", "1 image was" if n_resized == 1 else f"{n_resized:,} images were"
    return (
        f"{were} resized to {size} pixels (height x width); the network was trained on images of exactly {size}, "
        "so its predictions for resized images may be worse."
    )


def _read_images(network: OneLayer, files: Sequence[Path], n_rows: int) -> Iterator[InputRows]:
    left = iter(files)
    while some := list(islice(left, n_rows)):
        read = [read_image(network, file) for file in some]
        X = np.stack([features for features, _ in read])
        yield InputRows([{"file": str(file)} for file in some], X, sum(is_resized for _, is_resized in read))
