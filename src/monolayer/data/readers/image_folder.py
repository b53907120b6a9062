"""A folder of images, a folder a class; or such folders below train, val and test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from monolayer.data.images import SUFFIXES
from monolayer.data.readers.decoding import Decoder, FigureBlock, Sizes, Tally
from monolayer.data.readers.rows import PARTS, DataOptions, ProgressLine, Raw, find_part
from monolayer.errors import BadData


@dataclass(frozen=True)
class _File:
    """An image file and its class."""

    picture: FigureBlock
    label: str


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
    """Image files of a class, sorted; hidden ones are left out."""
    return sorted(
        file
        for file in folder.iterdir()
        if file.suffix.lower() in SUFFIXES and not file.name.startswith(".") and file.is_file()
    )


def read_image_folder(path: Path, options: DataOptions, progress_line: ProgressLine) -> dict[str, Raw]:
    """Images as uint8 rows, classes by the names of their folders, in their order.

    Raises:
        BadData: if a folder is empty, an image cannot be read, or images are of several sizes.
    """
    files = _list_parts(path)
    names = tuple(sorted({file.label for part in files.values() for file in part}))
    if len(names) < 2:
        raise BadData(f"{path}: holds {len(names)} class; accepted are 2 folders of images or more, one a class.")
    sizes, readable = Sizes(options), {}
    for part, found in files.items():
        read = sizes.add((file.picture for file in found), progress_line)
        readable[part] = [file for file, is_readable in zip(found, read, strict=True) if is_readable]
    shape, tally = sizes.agree(str(path)), Tally(progress_line.progress, sizes.n)
    found_rows, places = {}, {name: place for place, name in enumerate(names)}
    for part, kept in readable.items():
        decoder = Decoder(len(kept), shape, options, progress_line)
        read = decoder.add((file.picture for file in kept), tally)
        rows = [file for file, is_read in zip(kept, read, strict=True) if is_read]
        if rows:
            progress_line.on_files(part, [file.picture.where for file in rows])
            labels = [places[file.label] for file in rows]
            found_rows[part] = Raw(decoder.rows, np.array(labels), class_names=names, image_shape=shape, pixel_max=255)
    return found_rows


def _list_parts(path: Path) -> dict[str, list[_File]]:
    """Files by part: of folders called train, val and test, else all are training files."""
    folders: dict[str, Path] = {}
    for folder in list_folders(path):
        if part := find_part(folder.name):
            if part in folders:
                both = f"{folders[part].name} and {folder.name}"
                raise BadData(f"{path}: has folders {both}; accepted is one of {part} rows.")
            folders[part] = folder
    # A folder called train that holds images itself is a class like any other.
    is_divided = "train" in folders and not find_class_images(folders["train"])
    if is_divided:
        _check_beside(path, folders)
    roots = {part: folders[part] for part in PARTS if part in folders} if is_divided else {"train": path}
    return {part: _list_files(root) for part, root in roots.items()}


def _check_beside(path: Path, parts: Mapping[str, Path]) -> None:
    """Raise BadData if there are images beside the parts, which would be left out."""
    others = [folder for folder in list_folders(path) if folder not in parts.values()]
    left = [folder.name for folder in others if find_class_images(folder) or is_image_folder(folder)]
    if left:
        beside = " and ".join(folder.name for folder in parts.values())
        names = "; ".join(f"{part} ({', '.join(names[1:])})" for part, names in PARTS.items())
        raise BadData(
            f"{path}: {', '.join(left)} beside {beside} hold images and are no parts; accepted names are {names}."
        )


def _list_files(root: Path) -> list[_File]:
    """The files below a folder of class folders."""
    found = [
        _File(FigureBlock(str(file), file), folder.name)
        for folder in list_folders(root)
        for file in find_class_images(folder)
    ]
    for folder in list_folders(root):
        shown = folder.name.encode("utf-8", "backslashreplace").decode()
        if shown != folder.name:
            raise BadData(
                f"{root}: the name of its folder {shown} is no UTF-8; accepted are names that are, one a class."
            )
    if not found:
        raise BadData(f"{root}: holds no folders of images; accepted is a folder a class with {', '.join(SUFFIXES)}.")
    empty = [folder for folder in list_folders(root) if not find_class_images(folder)]
    if empty:
        raise BadData(f"{empty[0]}: holds no images; accepted are files ending in {', '.join(SUFFIXES)}.")
    return found
