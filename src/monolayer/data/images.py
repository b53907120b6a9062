"""Image files of one's own, as rows of features."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from monolayer.errors import BadData

# What Pillow raises for files that are damaged, cut short, or no images at all.
DECODING_ERRORS = (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning)
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".ppm", ".tif", ".tiff")


def find_images(path: Path) -> list[Path]:
    """The image files below a folder, sorted; hidden ones, and those in hidden folders, are left out."""
    found = (file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
    return sorted(file for file in found if not any(part.startswith(".") for part in file.relative_to(path).parts))


def read_image(path: Path, image_shape: tuple[int, int, int], pixel_max: float = 255) -> npt.NDArray[Any]:
    """One image as features (D,), float32, channel-major, 0 to pixel_max, resized to ``image_shape``.

    Args:
        path: the file.
        image_shape: (channels, height, width); 1 channel means grey, 3 red, green and blue.
        pixel_max: the value of a fully lit pixel in the training data.

    Raises:
        BadData: if the file cannot be read as an image.
    """
    channels, height, width = image_shape
    try:
        upright = open_upright(path, channels)
    except DECODING_ERRORS as error:
        raise BadData(f"{path}: cannot be read as an image ({error}).") from None
    if upright.size != (width, height):
        upright = upright.resize((width, height), Image.Resampling.LANCZOS)
    pixels = np.asarray(upright, np.float32).reshape(height, width, channels)
    return pixels.transpose(2, 0, 1).reshape(-1) * np.float32(pixel_max / 255)


def open_upright(file: Path | IO[bytes], channels: int | None) -> Image.Image:
    """An image as it is meant to be seen, 8 bits a channel: 1 channel grey, 3 red, green and blue; None: as it has.

    Raises:
        DECODING_ERRORS: if it cannot be read.
    """
    with Image.open(file) as image:
        is_grey = channels == 1 or (channels is None and not has_colour(image))
        eight = _read_eight_bits(ImageOps.exif_transpose(image))
        if "transparency" in eight.info and eight.mode == "P":
            eight = eight.convert("RGBA")  # as Pillow wants it, which warns otherwise
        return eight.convert("L" if is_grey else "RGB")


def has_colour(image: Image.Image) -> bool:
    """Whether an image's mode has colours; a palette counts as having them."""
    return not (image.mode in ("1", "L", "LA", "La", "F") or image.mode.startswith("I"))


def _read_eight_bits(image: Image.Image) -> Image.Image:
    """A grey picture of 16 bits in 8: Pillow's own conversion would clip all above 255 to white."""
    if not image.mode.startswith("I"):
        return image
    return Image.fromarray((np.asarray(image, np.float64) / 257).round().clip(0, 255).astype(np.uint8))
