"""Filters of patch features, as images."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np

from monolayer._typing import Array
from monolayer.errors import BadInput
from monolayer.figures.chart import Canvas, Chart, Frame, check_images, find_network
from monolayer.figures.image_grid import list_places
from monolayer.figures.style import SMALL_SIZE, WIDTH, scale_text
from monolayer.figures.templates import compute_template_images
from monolayer.network import OneLayer
from monolayer.training.run import Run

IN_ROW = 16
FRAME = (0.5, 0.5, 0.5)  # red, green, blue
NOTE_WIDTH, NOTE_HEIGHT = 3.4, 0.3  # inches, of the note below
MAX_FILTERS = 128  # eight rows; on a phone a filter is about four millimetres wide


@dataclass(frozen=True, eq=False)
class Filters(Chart):
    """Filters as small images in rows, each scaled to 0..1 by its own minimum and maximum.

    Args:
        filters: (M, d), channel-major.
        shape: (channels, height, width) of a filter, with 1 or 3 channels and d = their product.

    Raises:
        BadInput: if shapes do not match, there is no filter, or the number of channels is not 1 or 3.
    """

    filters: Array
    shape: tuple[int, int, int]

    def __post_init__(self) -> None:
        object.__setattr__(self, "filters", np.asarray(self.filters, dtype=np.float64))
        check_images(self.filters, len(self.filters), self.shape, "filters")

    @classmethod
    def of(cls, network: OneLayer | Run, most: int = MAX_FILTERS) -> Filters:
        """The filters of a network or run with the largest sums of absolute weights on their features.

        Args:
            network: one with patch features.
            most: number of filters to draw.

        Raises:
            BadInput: if the network has no patch features, or its patches do not have 1 or 3 channels.
        """
        shown = find_network(network)
        transformer = shown.transformer
        if transformer is None or transformer.patch_shape is None:
            raise BadInput("The network has no patch features, so it has no filters to draw.")
        order = np.argsort(-weigh_filters(shown.weights, len(transformer.filters_)), kind="stable")
        return cls(transformer.filters_[order[:most]], transformer.patch_shape)

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in inches."""
        lines, columns = self._grid()
        width = max(NOTE_WIDTH, WIDTH * columns / IN_ROW)
        return width, NOTE_HEIGHT + width * lines / columns

    def frame(self) -> Frame:
        """Columns channel, row, column, then one for each filter: d rows, not scaled."""
        filters = {f"filter_{i}": values.tolist() for i, values in enumerate(self.filters)}
        return {**list_places(self.shape), **filters}

    def draw(self, figure: Canvas) -> None:
        """Draw on an empty figure or subfigure: one image of all filters."""
        ax = figure.subplots()
        ax.imshow(tile(compute_template_images(self.filters, self.shape), self._grid()), interpolation="none")
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
        ax.set_xlabel("each scaled to its own minimum and maximum", fontsize=scale_text(SMALL_SIZE))

    def _grid(self) -> tuple[int, int]:
        """Rows and columns of filters."""
        columns = min(IN_ROW, len(self.filters))
        return ceil(len(self.filters) / columns), columns


def weigh_filters(weights: Array, n_filters: int) -> Array:
    """Sums of absolute weights (K, F) over classes, regions and all features of a filter, (n_filters,)."""
    return np.asarray(np.abs(weights).reshape(-1, n_filters).sum(axis=0))


def tile(images: Array, grid: tuple[int, int]) -> Array:
    """Images (M, height, width, 1 or 3) in rows and columns, each in a grey frame of one pixel: RGBA, (H, W, 4).

    Without a frame, white pixels are invisible on a light page and black ones on a dark page.
    """
    _, height, width, _ = images.shape
    lines, columns = grid
    sheet = np.full((lines * (height + 1) + 1, columns * (width + 1) + 1, 4), (*FRAME, 0.0))
    for i, image in enumerate(images):
        top, left = i // columns * (height + 1), i % columns * (width + 1)
        sheet[top : top + height + 2, left : left + width + 2, 3] = 1
        sheet[top + 1 : top + 1 + height, left + 1 : left + 1 + width, :3] = image
    return sheet
