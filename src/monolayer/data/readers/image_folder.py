"""A folder of images, a folder a class; or such folders below train, val and test."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from monolayer.data.images import DECODING_ERRORS, SUFFIXES, open_upright
from monolayer.data.readers.options import DataOptions
from monolayer.data.readers.raw import PARTS, Raw, find_part
from monolayer.errors import BadData
from monolayer.progress import Progress

Array = npt.NDArray[Any]
# Modes of Pillow that have no colour.
GREY = frozenset({"1", "L", "LA", "I", "I;16", "F"})


def is_image_folder(path: Path) -> bool:
    """Whether a folder holds folders that hold images."""
    return any(find_class_images(folder) for folder in list_folders(path)) or any(
        find_class_images(inner)
        for folder in list_folders(path)
        if find_part(folder.name)
        for inner in list_folders(folder)
    )


def list_folders(path: Path) -> list[Path]:
    """Folders in a folder, sorted; hidden ones are left out."""
    return sorted(folder for folder in path.iterdir() if folder.is_dir() and not folder.name.startswith("."))


def find_class_images(folder: Path) -> list[Path]:
    """Image files of a class, sorted."""
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES and file.is_file())


def read_image_folder(path: Path, options: DataOptions, progress: Progress) -> dict[str, Raw]:
    """Images as uint8 rows, classes by the names of their folders.

    Raises:
        BadData: if a folder is empty, an image cannot be read, or images are of several sizes.
    """
    return read_images(path, options, progress, _refuse)


def _refuse(file: Path, reason: str) -> None:
    raise BadData(f"{file}: cannot be read as an image ({reason}).")


def read_images(
    path: Path, options: DataOptions, progress: Progress, on_unreadable: Callable[[Path, str], None]
) -> dict[str, Raw]:
    """What :func:`read_image_folder` does, leaving out images for which ``on_unreadable`` does not raise."""
    folders = {part: folder for folder in list_folders(path) if (part := find_part(folder.name))}
    # A folder called train that holds images itself is a class like any other.
    is_divided = "train" in folders and not find_class_images(folders["train"])
    roots = {part: folders[part] for part in PARTS if part in folders} if is_divided else {"train": path}
    files = {part: _list_files(root) for part, root in roots.items()}
    names = tuple(sorted({name for part in files.values() for name, _ in part}))
    if len(names) < 2:
        raise BadData(f"{path}: holds {len(names)} class; accepted are 2 folders of images or more, one a class.")
    every = [file for part in files.values() for _, file in part]
    sizes = _measure(every, on_unreadable)
    size, channels = _agree(sizes, options.resize)
    decoded = _decode_all([file for file in every if file in sizes], (*size, channels), progress, on_unreadable)
    shape = (channels, *size)
    return {part: _stack(found, decoded, names, shape) for part, found in files.items()}


def _list_files(root: Path) -> list[tuple[str, Path]]:
    """(class, file) below a folder of class folders."""
    found = [(folder.name, file) for folder in list_folders(root) for file in find_class_images(folder)]
    if not found:
        raise BadData(f"{root}: holds no folders of images; accepted is a folder a class with {', '.join(SUFFIXES)}.")
    empty = [folder for folder in list_folders(root) if not find_class_images(folder)]
    if empty:
        raise BadData(f"{empty[0]}: holds no images; accepted are files ending in {', '.join(SUFFIXES)}.")
    return found


def _measure(files: Sequence[Path], on_unreadable: Callable[[Path, str], None]) -> dict[Path, tuple[int, int, bool]]:
    """(height, width, whether grey) of each file, from its header."""
    found = {}
    for file in files:
        try:
            with Image.open(file) as image:
                found[file] = (image.height, image.width, image.mode in GREY)
        except DECODING_ERRORS as error:
            on_unreadable(file, _describe(error))
    return found


def _agree(sizes: dict[Path, tuple[int, int, bool]], resize: tuple[int, int] | None) -> tuple[tuple[int, int], int]:
    """((height, width), channels) of all."""
    if not sizes:
        raise BadData("None of the images can be read.")
    channels = 1 if all(grey for _, _, grey in sizes.values()) else 3
    if resize is not None:
        return resize, channels
    first, (height, width, _) = next(iter(sizes.items()))
    for file, (other_height, other_width, _) in sizes.items():
        if (other_height, other_width) != (height, width):
            raise BadData(
                f"{file}: is {other_height}x{other_width} pixels, {first} is {height}x{width}; accepted are images of "
                "one size, or --resize HEIGHTxWIDTH."
            )
    return (height, width), channels


def _decode_all(
    files: Sequence[Path],
    shape: tuple[int, int, int],
    progress: Progress,
    on_unreadable: Callable[[Path, str], None],
) -> dict[Path, Array]:
    """Rows by file; Pillow lets go of the interpreter while it decodes, so threads help."""
    rows: dict[Path, Array] = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for i, (file, (row, reason)) in enumerate(
            zip(files, pool.map(lambda f: _decode(f, shape), files), strict=True)
        ):
            if row is None:
                on_unreadable(file, reason)
            else:
                rows[file] = row
            if i % 100 == 0 or i + 1 == len(files):
                progress.advance("reading images", i + 1, len(files), "images")
    return rows


def _decode(file: Path, shape: tuple[int, int, int]) -> tuple[Array | None, str]:
    """(the row, "") or (None, why it cannot be read)."""
    height, width, channels = shape
    try:
        image = open_upright(file, channels)
    except DECODING_ERRORS as error:
        return None, _describe(error)
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(image, np.uint8).reshape(height, width, channels).transpose(2, 0, 1).ravel(), ""


def _stack(
    files: Sequence[tuple[str, Path]], rows: dict[Path, Array], names: tuple[str, ...], shape: tuple[int, int, int]
) -> Raw:
    kept = [(name, file) for name, file in files if file in rows]
    X = np.empty((len(kept), int(np.prod(shape))), np.uint8)
    for i, (_, file) in enumerate(kept):
        X[i] = rows.pop(file)
    return Raw(X, np.array([names.index(name) for name, _ in kept]), class_names=names, image_shape=shape)


def _describe(error: BaseException) -> str:
    return str(error).rstrip(".") or type(error).__name__
