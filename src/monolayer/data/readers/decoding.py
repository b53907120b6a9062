"""Decode many images in threads: first their sizes from the headers, then the pixels as uint8 rows."""

import io
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from monolayer._typing import Array
from monolayer.data.images import DECODING_ERRORS, find_factor, has_colour, open_image, open_upright
from monolayer.data.options import DataOptions
from monolayer.data.readers.base import NetworkInput, ReadCallbacks
from monolayer.errors import BadData, BadInput
from monolayer.progress import SILENCE, Progress

# Images that are handed to the threads at once; their pixels are stored before more images are read.
AT_ONCE = 1000
ORIENTATION, SIDEWAYS = 0x0112, (5, 6, 7, 8)  # the EXIF tag, and its values that swap width and height
REPORT_EVERY = 100  # images between two reports of progress


@dataclass(frozen=True)
class EncodedImage:
    """An encoded image.

    Args:
        where: its place, for messages.
        content: its file, or its bytes.
    """

    where: str
    content: Path | bytes

    def open(self) -> Path | io.BytesIO:
        """An argument for :func:`open_image`."""
        return io.BytesIO(self.content) if isinstance(self.content, bytes) else self.content


@dataclass(frozen=True)
class _Size:
    """The size of an upright image."""

    height: int
    width: int
    has_colour: bool

    def __str__(self) -> str:
        return f"{self.height}x{self.width}"


class CommonShape:
    """The shape that all images of a dataset have, or are resized to, from their headers."""

    def __init__(self, options: DataOptions, callbacks: ReadCallbacks) -> None:
        self._options, self._callbacks = options, callbacks
        self._first: tuple[str, _Size] | None = None
        self._has_colour = False
        self.n = 0

    def add(self, images: Iterable[EncodedImage]) -> list[bool]:
        """Read the headers of these images; return which of them can be read.

        Raises:
            BadData: if their sizes differ and they are not resized.
        """
        read = []
        for image, (size, reason) in _run(_measure, images):
            read.append(size is not None)
            if size is None:
                self._callbacks.on_unreadable(image.where, reason)
            else:
                self._add_size(image.where, size)
        return read

    def get(self, where: str) -> tuple[int, int, int]:
        """(channels, height, width) of all images.

        Raises:
            BadData: if none of them can be read.
        """
        if self._first is None:
            raise BadData(f"{where}: none of its images can be read.")
        size = self._first[1]
        height, width = self._options.resize or (size.height, size.width)
        return self._options.channels or (3 if self._has_colour else 1), height, width

    def _add_size(self, where: str, size: _Size) -> None:
        self.n += 1
        self._has_colour = self._has_colour or size.has_colour
        self._first = self._first or (where, size)
        first = self._first[1]
        if self._options.resize is None and (size.height, size.width) != (first.height, first.width):
            raise BadData(
                f"{where}: is {size} pixels, {self._first[0]} is {first}; accepted are images of one size, or "
                "--resize HEIGHTxWIDTH."
            )


class ImageProgress:
    """Counts decoded images and reports the count from time to time."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def count(self) -> None:
        """Count one more image."""
        self._done += 1
        if self._done % REPORT_EVERY == 0 or self._done == self._total:
            self._progress.advance("reading images", self._done, self._total, "images")


class Decoder:
    """Decodes images into one array that is allocated before.

    Args:
        n: the largest number of images.
        shape: (channels, height, width) that all have or are resized to.
        options: ``resize`` allows resizing.
        callbacks: called for each image that cannot be read, which is left out.
    """

    def __init__(self, n: int, shape: tuple[int, int, int], options: DataOptions, callbacks: ReadCallbacks) -> None:
        self._shape, self._is_resizing, self._callbacks = shape, options.resize is not None, callbacks
        try:
            self._X = np.empty((n, prod(shape)), np.uint8)
        except (MemoryError, ValueError):  # ValueError if the size exceeds the address space
            (channels, height, width), size = shape, n * prod(shape) / 2**30
            raise BadInput(
                f"{n:,} images of {height}x{width} pixels in {channels} channels take {size:,.0f} GiB of "
                "memory, more than is available; accepted is a smaller --resize HEIGHTxWIDTH."
            ) from None
        self._n = 0

    def add(self, images: Iterable[EncodedImage], progress: ImageProgress) -> list[bool]:
        """Decode these images; return which of them can be read."""
        read = []
        for image, (row, reason) in _run(self._decode, images):
            read.append(row is not None)
            if row is None:
                self._callbacks.on_unreadable(image.where, reason)
            else:
                self._X[self._n] = row
                self._n += 1
            progress.count()
        return read

    @property
    def rows(self) -> Array:
        """The decoded images, (n, D) uint8, channel-major."""
        return self._X[: self._n]

    def _decode(self, encoded: EncodedImage) -> tuple[Array | None, str]:
        channels, height, width = self._shape
        try:
            image = open_upright(encoded.open(), channels)
        except DECODING_ERRORS as error:
            return None, _explain(error, encoded)
        if image.size != (width, height):
            if not self._is_resizing:
                return None, f"it is {image.height}x{image.width} when upright, and others are {height}x{width}"
            image = image.resize((width, height), Image.Resampling.LANCZOS)
        return np.asarray(image, np.uint8).reshape(height, width, channels).transpose(2, 0, 1).ravel(), ""


def decode_for_network(images: Sequence[EncodedImage], path: Path, expected: NetworkInput) -> Array:
    """Encoded images as features (n, D), resized and scaled as the network takes them.

    Raises:
        BadInput: if the network was not trained on images, or their range is unknown.
        BadData: if an image cannot be read.
    """
    if expected.image_shape is None:
        raise BadInput(f"{path}: holds images, and this network was not trained on images.")
    factor = find_factor(path, expected.pixel_max)
    options = DataOptions(resize=expected.image_shape[1:])
    decoder = Decoder(len(images), expected.image_shape, options, ReadCallbacks())
    decoder.add(images, ImageProgress(SILENCE, len(images)))
    return decoder.rows if factor == 1 else decoder.rows * factor


def _explain(error: BaseException, image: EncodedImage) -> str:
    """Why an image cannot be read, without its name."""
    text = str(error).rstrip(".").replace(f" {str(image.content)!r}", "") if isinstance(image.content, Path) else ""
    text = text or ("it is not one" if isinstance(error, UnidentifiedImageError) else str(error).rstrip("."))
    return text or type(error).__name__


def _measure(encoded: EncodedImage) -> tuple[_Size | None, str]:
    """(size, "") from the header, or (None, why it cannot be read)."""
    try:
        with open_image(encoded.open()) as image:
            width, height = image.size
            # In a PNG the tag may follow the pixels, and reading it would decode all of them.
            if image.format != "PNG" and image.getexif().get(ORIENTATION) in SIDEWAYS:
                width, height = height, width
            return _Size(height, width, has_colour(image)), ""
    except DECODING_ERRORS as error:
        return None, _explain(error, encoded)


def _run(
    work: Callable[[EncodedImage], tuple[Any, str]], images: Iterable[EncodedImage]
) -> Iterator[tuple[EncodedImage, tuple[Any, str]]]:
    """Each image with the result of the work, in order, in threads, since Pillow releases the GIL."""
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        source = iter(images)
        while some := list(islice(source, AT_ONCE)):
            yield from zip(some, threads.map(work, some), strict=True)
