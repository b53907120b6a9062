"""Histograms of oriented gradients, with the colours of each cell, by scikit-image."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping

import numpy as np
from skimage.feature import hog

from monolayer.errors import BadInput
from monolayer.features.base import Array, ImageTransformer, Shape, check_whole
from monolayer.progress import Progress


class HOGFeatures(ImageTransformer):
    """How strong edges of each direction are in each cell of the image, and the cell's mean colour.

    The gradient at a pixel is that of the channel where it is strongest. Each cell has a histogram of directions (0 to
    180 degrees), weighted by strength, and each block of 2 x 2 cells is brought to length 1 (L2-Hys). Colours are means
    of each channel in each cell, 0 to 1. Source: Dalal and Triggs 2005, "Histograms of Oriented Gradients for Human
    Detection", CVPR; computed by ``skimage.feature.hog``.

    Args:
        cell: side of a cell, in pixels; None: an eighth of the shorter side, at least 2.
        orientations: directions that are told apart.
        colour: whether the colours go with it.
        image_shape: (channels, height, width); None: square, grey or red, green and blue.
        pixel_max: the value of a fully lit pixel.
    """

    version = f"1, scikit-image {importlib.metadata.version('scikit-image')}"

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
    def _cell(self) -> int:
        return max(2, min(self.image_shape_[1:]) // 8) if self.cell is None else self.cell

    def _check(self) -> None:
        for name, value in (("cell", self._cell), ("orientations", self.orientations)):
            check_whole(name, value)
        largest = min(self.image_shape_[1:]) // 2
        if self._cell > largest:
            raise BadInput(f"cell is {self._cell}; accepted is 1 to {largest}, so that two stand side by side.")

    def _learn(self, X: Array, index: Array, progress: Progress) -> None:
        pass

    def get_tensors(self) -> Mapping[str, Array]:
        """Nothing is learnt."""
        return {}

    def _compute(self, images: Array) -> Array:
        parts = [np.stack([self._find_edges(image) for image in images])]
        if self.colour:
            parts.append(self._average(images))
        return np.concatenate(parts, axis=1)

    def _find_edges(self, image: Array) -> Array:
        sides = {"pixels_per_cell": (self._cell, self._cell), "cells_per_block": (2, 2)}
        histograms = hog(image / 255, self.orientations, **sides, block_norm="L2-Hys", channel_axis=0)
        return np.asarray(histograms, np.float32)

    def _average(self, images: Array) -> Array:
        n, channels, height, width = images.shape
        cell, lines, columns = self._cell, height // self._cell, width // self._cell
        cells = images[:, :, : lines * cell, : columns * cell].reshape(n, channels, lines, cell, columns, cell)
        return np.asarray(cells.mean(axis=(3, 5)).reshape(n, -1) / 255, np.float32)


class PixelFeatures(ImageTransformer):
    """The pixels of an image, 0 to 255, channel-major.

    Args:
        image_shape: (channels, height, width); None: square, grey or red, green and blue.
        pixel_max: the value of a fully lit pixel.
    """

    def __init__(self, image_shape: Shape | None = None, *, pixel_max: float = 255.0) -> None:
        self.image_shape = image_shape
        self.pixel_max = pixel_max

    def _check(self) -> None:
        pass

    def _learn(self, X: Array, index: Array, progress: Progress) -> None:
        pass

    def get_tensors(self) -> Mapping[str, Array]:
        """Nothing is learnt."""
        return {}

    def _compute(self, images: Array) -> Array:
        return np.asarray(images.reshape(len(images), -1), np.float32)
