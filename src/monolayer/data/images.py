"""Image files of one's own, as rows of features."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from monolayer.errors import BadData, BadInput

# What Pillow raises for files that are damaged, cut short, or no images at all.
DECODING_ERRORS = (
    OSError,
    ValueError,
    SyntaxError,
    TypeError,
    LookupError,
    ArithmeticError,
    struct.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".ppm", ".tif", ".tiff")


def find_images(path: Path) -> list[Path]:
    """The image files below a folder, sorted; hidden ones, and those in hidden folders, are left out."""
    found = (file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
    return sorted(file for file in found if not any(part.startswith(".") for part in file.relative_to(path).parts))


def read_image(
    path: Path, image_shape: tuple[int, int, int], pixel_max: float | None = 255
) -> tuple[npt.NDArray[Any], bool]:
    """One image as features (D,), float32, channel-major, 0 to pixel_max, and whether it was resized for it.

    Args:
        path: the file.
        image_shape: (channels, height, width); 1 channel means grey, 3 red, green and blue.
        pixel_max: the value of a fully lit pixel in the training data; None: not known.

    Raises:
        BadInput: if the unit of the training data is not known.
        BadData: if the file cannot be read as an image.
    """
    factor = find_factor(path, pixel_max)
    channels, height, width = image_shape
    try:
        upright = open_upright(path, channels)
    except DECODING_ERRORS as error:
        raise BadData(f"{path}: cannot be read as an image ({error}).") from None
    is_resized = upright.size != (width, height)
    if is_resized:
        upright = upright.resize((width, height), Image.Resampling.LANCZOS)
    pixels = np.asarray(upright, np.float32).reshape(height, width, channels)
    return pixels.transpose(2, 0, 1).reshape(-1) * factor, is_resized


def find_factor(path: Path, pixel_max: float | None) -> np.float32:
    """What the bytes of an image file are multiplied by to come to the unit of the training data.

    Raises:
        BadInput: if that is not known.
    """
    if pixel_max is None:
        raise BadInput(
            f"{path}: the unit of the training images is not known (they were arrays whose values run neither from 0 "
            "to 255 as uint8 nor from 0 to 1), so no image file can be brought to it; accepted are arrays like them."
        )
    return np.float32(pixel_max / 255)


def parse_pixel_max(metadata: Mapping[str, str]) -> float | None:
    """The value of a fully lit pixel as a network's metadata tell it: 255 where they say nothing; None: not known."""
    text = metadata.get("pixel_max", "255")
    return None if text == str(None) else float(text)


def stretch(rows: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Images of an unknown unit, (n, D), from 0 to 1, to be looked at: their largest value is 1, and 0 stays dark."""
    finite = rows[np.isfinite(rows)].astype(np.float32)
    low, high = finite.min(initial=0), finite.max(initial=0)
    stretched: npt.NDArray[np.float32] = (rows.astype(np.float32) - low) / ((high - low) or np.float32(1))
    return stretched


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
