"""Histograms of oriented gradients and the mean colours of cells, computed by scikit-image."""

import importlib.metadata
from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from monolayer._typing import Array
from monolayer.errors import BadInput, MissingPackage
from monolayer.features.base import ImageTransformer, Shape, check_whole

MISSING = "Histograms of oriented gradients need scikit-image: pip install 'monolayer[hog]'."


class HOGFeatures(ImageTransformer):
    """The strength of edges of each direction in each cell of the image, and the mean colour of the cell.

    The gradient at a pixel is that of the channel with the strongest one. Each cell has a histogram of directions (0 to
    180 degrees), weighted by strength, and each block of 2 x 2 cells is normalised to length 1 (L2-Hys). Colours are
    means of each channel in each cell, 0 to 1. Computed by ``skimage.feature.hog``, which is an extra: ``pip install
    'monolayer[hog]'``. Source: Dalal and Triggs 2005, "Histograms of Oriented Gradients for Human Detection", CVPR.

    Args:
        cell: side of a cell, in pixels; None: an eighth of the shorter side, at least 2.
        orientations: number of directions.
        colour: whether mean colours are added.
        image_shape: (channels, height, width); None: square, grey or red, green and blue.
        pixel_max: the value of a fully lit pixel.
    """

    kind = "hog"
    usage = "hog[:CELL]"
    words: ClassVar[Mapping[str, tuple[str, type]]] = {"cell": ("cell", int), "orientations": ("orientations", int)}

    def __init__(
        self,
        cell: int | None = None,
        *,
        orientations: int = 9,
        colour: bool = True,
        image_shape: Shape | None = None,
        pixel_max: float = 255.0,
    ) -> None:
        self.cell = cell
        self.orientations = orientations
        self.colour = colour
        self.image_shape = image_shape
        self.pixel_max = pixel_max

    @property
    def version(self) -> str:  # type: ignore[override]
        """The version of this arithmetic, and of scikit-image's."""
        try:
            return f"1, scikit-image {importlib.metadata.version('scikit-image')}"
        except importlib.metadata.PackageNotFoundError:
            raise MissingPackage(MISSING) from None

    @property
    def _cell(self) -> int:
        return max(2, min(self.image_shape_[1:]) // 8) if self.cell is None else self.cell

    def _check(self) -> None:
        for name, value in (("cell", self._cell), ("orientations", self.orientations)):
            check_whole(name, value)
        largest = min(self.image_shape_[1:]) // 2
        if self._cell > largest:
            raise BadInput(
                f"cell is {self._cell}; accepted is 1 to {largest}, so that the image has two cells in each direction."
            )

    def _compute(self, images: Array) -> Array:
        parts = [np.stack([self._find_edges(image) for image in images])]
        if self.colour:
            parts.append(self._average(images))
        return np.concatenate(parts, axis=1)

    def _find_edges(self, image: Array) -> Array:
        try:
            from skimage.feature import hog  # an optional package
        except ImportError:
            raise MissingPackage(MISSING) from None
        sides = {"pixels_per_cell": (self._cell, self._cell), "cells_per_block": (2, 2)}
        histograms = hog(image / 255, self.orientations, **sides, block_norm="L2-Hys", channel_axis=0)
        return np.asarray(histograms, np.float32)

    def _average(self, images: Array) -> Array:
        n, channels, height, width = images.shape
        cell, lines, columns = self._cell, height // self._cell, width // self._cell
        cells = images[:, :, : lines * cell, : columns * cell].reshape(n, channels, lines, cell, columns, cell)
        return np.asarray(cells.mean(axis=(3, 5)).reshape(n, -1) / 255, np.float32)
