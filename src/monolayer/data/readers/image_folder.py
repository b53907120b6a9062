"""A folder of images with one folder per class; or such folders within train, val and test."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from monolayer.data.images import SUFFIXES, find_images
from monolayer.data.options import DataOptions
from monolayer.data.readers.base import IMAGE_OPTIONS, PARTS, Raw, ReadCallbacks, Reader, find_part
from monolayer.data.readers.decoding import CommonShape, Decoder, EncodedImage, ImageProgress
from monolayer.errors import BadData


class ImageFolderReader(Reader):
    """A folder of images; the classes are the names of its folders."""

    kind = "a folder of images"
    accepted = "of images (a folder a class)"
    options = IMAGE_OPTIONS
    holds_features = False
    holds_images = True

    def accepts(self, path: Path) -> bool:
        """Whether a folder holds images, or folders of images."""
        return path.is_dir() and bool(_list_images(path) or _holds_classes(path))

    def find_files(self, folder: Path) -> list[Path]:
        """All image files in the folder and its subfolders."""
        return find_images(folder)

    def read(self, path: Path, options: DataOptions, callbacks: ReadCallbacks) -> Mapping[str, Raw]:
        """Images as uint8 rows, in the order of the names of their classes.

        Raises:
            BadData: if a folder is empty, an image cannot be read, or images have several sizes.
        """
        if not _holds_classes(path):
            raise BadData(f"{path}: holds images, but no folders; accepted is a folder of images for each class.")
        files = _list_parts(path)
        names = tuple(sorted({file.parent.name for part in files.values() for file in part}))
        if len(names) < 2:
            raise BadData(f"{path}: holds {len(names)} class; accepted are 2 folders of images or more, one a class.")
        common, readable = CommonShape(options, callbacks), {}
        for part, listed in files.items():
            readable[part] = _select(listed, common.add(EncodedImage(str(file), file) for file in listed))
        shape, progress = common.get(str(path)), ImageProgress(callbacks.progress, common.n)
        found, codes = {}, {name: code for code, name in enumerate(names)}
        for part, kept in readable.items():
            decoder = Decoder(len(kept), shape, options, callbacks)
            rows = _select(kept, decoder.add((EncodedImage(str(file), file) for file in kept), progress))
            if rows:
                callbacks.on_files(part, list(map(str, rows)))
                labels = np.array([codes[file.parent.name] for file in rows])
                found[part] = Raw(decoder.rows, labels, class_names=names, image_shape=shape, pixel_max=255)
        return found


READERS = (ImageFolderReader(),)


def _select(files: list[Path], is_readable: list[bool]) -> list[Path]:
    return [file for file, is_selected in zip(files, is_readable, strict=True) if is_selected]


def _list_folders(path: Path) -> list[Path]:
    """The folders in a folder, sorted; hidden ones are left out."""
    return sorted(folder for folder in path.iterdir() if folder.is_dir() and not folder.name.startswith("."))


def _list_images(folder: Path) -> list[Path]:
    """The image files in a folder, sorted; hidden ones are left out."""
    files = (file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES and not file.name.startswith("."))
    return sorted(file for file in files if file.is_file())


def _holds_classes(path: Path) -> bool:
    """Whether a folder holds folders of images, or parts that do."""
    folders = _list_folders(path)
    inner = (one for folder in folders if find_part(folder.name) for one in _list_folders(folder))
    return any(map(_list_images, folders)) or any(map(_list_images, inner))


def _list_parts(path: Path) -> dict[str, list[Path]]:
    """Image files by part: of the folders train, val and test if there are any, else all are training files."""
    folders: dict[str, Path] = {}
    for folder in _list_folders(path):
        if part := find_part(folder.name):
            if part in folders:
                both = f"{folders[part].name} and {folder.name}"
                raise BadData(f"{path}: has folders {both}; accepted is one of {part} rows.")
            folders[part] = folder
    # A folder called train that holds images itself is a class like any other.
    if "train" not in folders or _list_images(folders["train"]):
        return {"train": _list_class_files(path)}
    _check_other_folders(path, folders)
    return {part: _list_class_files(folders[part]) for part in PARTS if part in folders}


def _check_other_folders(path: Path, parts: Mapping[str, Path]) -> None:
    """Raise BadData if images in other folders than those of the parts would be left out."""
    others = [folder for folder in _list_folders(path) if folder not in parts.values()]
    left = [folder.name for folder in others if _list_images(folder) or _holds_classes(folder)]
    if left:
        beside = " and ".join(folder.name for folder in parts.values())
        names = "; ".join(f"{part} ({', '.join(names[1:])})" for part, names in PARTS.items())
        raise BadData(
            f"{path}: {', '.join(left)} beside {beside} hold images and are not parts; accepted names are {names}."
        )


def _list_class_files(root: Path) -> list[Path]:
    """The image files in the folders of the classes."""
    by_folder = {folder: _list_images(folder) for folder in _list_folders(root)}
    for folder in by_folder:
        shown = folder.name.encode("utf-8", "backslashreplace").decode()
        if shown != folder.name:
            raise BadData(f"{root}: the name of its folder {shown} is not UTF-8; accepted are names in UTF-8.")
    suffixes = ", ".join(SUFFIXES)
    if not any(by_folder.values()):
        raise BadData(f"{root}: holds no folders of images; accepted is one folder per class with files {suffixes}.")
    if empty := [folder for folder, files in by_folder.items() if not files]:
        raise BadData(f"{empty[0]}: holds no images; accepted are files ending in {suffixes}.")
    return [file for files in by_folder.values() for file in files]
