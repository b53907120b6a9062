"""Image files, and arrays of images, as rows of features."""

import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from monolayer._typing import Array
from monolayer.errors import BadData, BadInput

# The exceptions that Pillow raises for files that are damaged, truncated, or not images.
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
CHANNELS = (1, 3)
# What a file may contain, whatever its name: Pillow would start Ghostscript for PostScript.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "PPM", "TIFF", "JPEG2000")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".ppm", ".tif", ".tiff")


def find_images(path: Path) -> list[Path]:
    """The image files in a folder and its subfolders, sorted, without hidden files and folders."""
    found = (file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
    return sorted(file for file in found if not any(part.startswith(".") for part in file.relative_to(path).parts))


def read_image(path: Path, image_shape: tuple[int, int, int], pixel_max: float | None = 255) -> tuple[Array, bool]:
    """One image as features (D,), float32, channel-major, 0 to pixel_max, and whether it was resized.

    Args:
        path: the file.
        image_shape: (channels, height, width); 1 channel means grey, 3 red, green and blue.
        pixel_max: the value of a fully lit pixel in the training data; None: unknown.

    Raises:
        BadInput: if ``pixel_max`` is unknown.
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
    """The factor that scales the bytes of an image file to the range of the training data.

    Raises:
        BadInput: if ``pixel_max`` is unknown.
    """
    if pixel_max is None:
        raise BadInput(
            f"{path}: the range of the training images is unknown (they were arrays with values neither from 0 to 255 "
            "as uint8 nor from 0 to 1), so image files cannot be scaled to it; accepted are arrays like those of "
            "training."
        )
    return np.float32(pixel_max / 255)


def parse_pixel_max(metadata: Mapping[str, str]) -> float | None:
    """The value of a fully lit pixel in a network's metadata, by default 255; None: unknown."""
    text = metadata.get("pixel_max", "255")
    return None if text == str(None) else float(text)


def stretch(rows: Array) -> npt.NDArray[np.float32]:
    """Images of an unknown range, (n, D), scaled to 0 to 1 for display: the largest value becomes 1, and 0 stays 0."""
    finite = rows[np.isfinite(rows)].astype(np.float32)
    low, high = finite.min(initial=0), finite.max(initial=0)
    stretched: npt.NDArray[np.float32] = (rows.astype(np.float32) - low) / ((high - low) or np.float32(1))
    return stretched


def open_image(file: Path | IO[bytes]) -> Image.Image:
    """An image whose pixels are not decoded yet, in one of the accepted formats.

    Raises:
        OSError: if it cannot be read; Pillow also raises the other errors of ``DECODING_ERRORS``.
    """
    return Image.open(file, formats=FORMATS)


def open_upright(file: Path | IO[bytes], channels: int | None) -> Image.Image:
    """An image in its EXIF orientation, 8 bits per channel: 1 channel grey, 3 RGB; None: as the image has.

    Raises:
        OSError: if it cannot be read; Pillow also raises the other errors of ``DECODING_ERRORS``.
    """
    with open_image(file) as image:
        is_grey = channels == 1 or (channels is None and not has_colour(image))
        eight = _read_eight_bits(ImageOps.exif_transpose(image))
        if "transparency" in eight.info and eight.mode == "P":
            eight = eight.convert("RGBA")  # else Pillow warns
        return eight.convert("L" if is_grey else "RGB")


def has_colour(image: Image.Image) -> bool:
    """Whether an image's mode has colours; a palette counts as colour."""
    return not (image.mode in ("1", "L", "LA", "La", "F") or image.mode.startswith("I"))


def _read_eight_bits(image: Image.Image) -> Image.Image:
    """A grey image with 16 bits as 8 bits: Pillow's conversion would clip all values above 255 to white."""
    if not image.mode.startswith("I"):
        return image
    return Image.fromarray((np.asarray(image, np.float64) / 257).round().clip(0, 255).astype(np.uint8))


def flatten_images(X: Array, path: Path) -> tuple[Array, tuple[int, int, int]]:
    """Images as channel-major rows (n, D), and their shape; (n, channels, height, width) is not copied.

    Raises:
        BadData: if the shape is not a shape of images, or either of two axes may be the channels.
    """
    if X.ndim == 3:
        X = X[:, None]
    elif X.ndim == 4 and X.shape[1] in CHANNELS and X.shape[3] in CHANNELS and X.shape[1:] != (1, 1, 1):
        raise BadData(
            f"{path}: features have shape {X.shape}, whose channels may come first or last; accepted are rows (n, D)."
        )
    elif X.ndim == 4 and X.shape[1] not in CHANNELS and X.shape[3] in CHANNELS:
        X = np.ascontiguousarray(X.transpose(0, 3, 1, 2))
    if X.ndim != 4 or X.shape[1] not in CHANNELS:
        raise BadData(
            f"{path}: features have shape {X.shape}; accepted are (n, D), and images (n, height, width), (n, height, "
            "width, 1 or 3) and (n, 1 or 3, height, width)."
        )
    return X.reshape(len(X), math.prod(X.shape[1:])), X.shape[1:]
