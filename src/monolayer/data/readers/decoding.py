"""Many images at once: their sizes from their headers, then their pixels as uint8 rows, in threads."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from monolayer.data.images import DECODING_ERRORS, has_colour, open_upright
from monolayer.data.readers.rows import DataOptions, ProgressLine
from monolayer.errors import BadData, BadInput
from monolayer.progress import Progress

Array = npt.NDArray[Any]
# Images handed to the threads at once: what they decode is written down before more is read.
AT_ONCE = 1000
ORIENTATION, SIDEWAYS = 0x0112, (5, 6, 7, 8)  # the EXIF tag, and its values that swap width and height
TELL_EVERY = 100  # images between two words of progress


@dataclass(frozen=True)
class FigureBlock:
    """An encoded image: where it is, in words, and the file that it is or the bytes that it has."""

    where: str
    content: Path | bytes

    def open(self) -> Path | io.BytesIO:
        """What Pillow can open."""
        return io.BytesIO(self.content) if isinstance(self.content, bytes) else self.content


@dataclass(frozen=True)
class _Size:
    """Of an upright image."""

    height: int
    width: int
    has_colour: bool

    def __str__(self) -> str:
        return f"{self.height}x{self.width}"


class Sizes:
    """What the images of a source have in common, as their headers say it; told image after image."""

    def __init__(self, options: DataOptions) -> None:
        self._options = options
        self._first: tuple[str, _Size] | None = None
        self._has_colour = False
        self.n = 0

    def add(self, pictures: Iterable[FigureBlock], progress_line: ProgressLine) -> list[bool]:
        """Look at these headers; which of them could be read.

        Raises:
            BadData: if they are of several sizes, and none was asked for.
        """
        read = []
        for picture, (size, reason) in _run(_measure, pictures):
            read.append(size is not None)
            if size is None:
                progress_line.on_unreadable(picture.where, reason)
            else:
                self._note(picture.where, size)
        return read

    def agree(self, where: str) -> tuple[int, int, int]:
        """(channels, height, width) of all.

        Raises:
            BadData: if there was none that could be read.
        """
        if self._first is None:
            raise BadData(f"{where}: none of its images can be read.")
        size = self._first[1]
        height, width = self._options.resize or (size.height, size.width)
        return self._options.channels or (3 if self._has_colour else 1), height, width

    def _note(self, where: str, size: _Size) -> None:
        self.n += 1
        self._has_colour = self._has_colour or size.has_colour
        self._first = self._first or (where, size)
        first = self._first[1]
        if self._options.resize is None and (size.height, size.width) != (first.height, first.width):
            raise BadData(
                f"{where}: is {size} pixels, {self._first[0]} is {first}; accepted are images of one size, or "
                "--resize HEIGHTxWIDTH."
            )


class Tally:
    """Counts images, and tells how far that is every now and then."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def count(self) -> None:
        """One image more."""
        self._done += 1
        if self._done % TELL_EVERY == 0 or self._done == self._total:
            self._progress.advance("reading images", self._done, self._total, "images")


class Decoder:
    """Decodes images into an array made beforehand, so that nothing but the array is held.

    Args:
        n: how many images there are at most.
        shape: (channels, height, width) that all have or are brought to.
        options: whether they may be brought to it.
        progress_line: told of those that cannot be read, which are left out.
    """

    def __init__(self, n: int, shape: tuple[int, int, int], options: DataOptions, progress_line: ProgressLine) -> None:
        self._shape, self._is_resizing, self._watch = shape, options.resize is not None, progress_line
        try:
            self._X = np.empty((n, prod(shape)), np.uint8)
        except (MemoryError, ValueError):  # of sizes that no address can count NumPy says the latter
            (channels, height, width), size = shape, n * prod(shape) / 2**30
            raise BadInput(
                f"{n:,} images of {height}x{width} pixels in {channels} channels take {size:,.0f} GiB of "
                "memory, which is not to be had; accepted is a smaller --resize HEIGHTxWIDTH."
            ) from None
        self._n = 0

    def add(self, pictures: Iterable[FigureBlock], tally: Tally) -> list[bool]:
        """Decode these; which of them could be read."""
        read = []
        for picture, (row, reason) in _run(self._decode, pictures):
            read.append(row is not None)
            if row is None:
                self._watch.on_unreadable(picture.where, reason)
            else:
                self._X[self._n] = row
                self._n += 1
            tally.count()
        return read

    @property
    def rows(self) -> Array:
        """What was decoded, (n, D) uint8, channel-major."""
        return self._X[: self._n]

    def _decode(self, picture: FigureBlock) -> tuple[Array | None, str]:
        channels, height, width = self._shape
        try:
            image = open_upright(picture.open(), channels)
        except DECODING_ERRORS as error:
            return None, describe(error, picture)
        if image.size != (width, height):
            if not self._is_resizing:
                return None, f"it is {image.height}x{image.width} when upright, others are {height}x{width}"
            image = image.resize((width, height), Image.Resampling.LANCZOS)
        return np.asarray(image, np.uint8).reshape(height, width, channels).transpose(2, 0, 1).ravel(), ""


def describe(error: BaseException, picture: FigureBlock) -> str:
    """Why an image cannot be read, without its name, which stands before it already."""
    text = str(error).rstrip(".").replace(f" {str(picture.content)!r}", "") if isinstance(picture.content, Path) else ""
    text = text or ("it is none" if isinstance(error, UnidentifiedImageError) else str(error).rstrip("."))
    return text or type(error).__name__


def _measure(picture: FigureBlock) -> tuple[_Size | None, str]:
    """(size, "") from the header, or (None, why it cannot be read)."""
    try:
        with Image.open(picture.open()) as image:
            width, height = image.size
            # Of a PNG the tag may stand behind the pixels, and would have all of them decoded.
            if image.format != "PNG" and image.getexif().get(ORIENTATION) in SIDEWAYS:
                width, height = height, width
            return _Size(height, width, has_colour(image)), ""
    except DECODING_ERRORS as error:
        return None, describe(error, picture)


def _run(
    work: Callable[[FigureBlock], tuple[Any, str]], pictures: Iterable[FigureBlock]
) -> Iterator[tuple[FigureBlock, tuple[Any, str]]]:
    """Each picture with what the work gave, in order; Pillow lets go of the interpreter, so that threads help."""
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        source = iter(pictures)
        while some := list(islice(source, AT_ONCE)):
            yield from zip(some, threads.map(work, some), strict=True)
