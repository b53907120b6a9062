"""Filters of patches, seen as pictures."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np

from monolayer.errors import BadInput
from monolayer.features.patches import PatchFeatures
from monolayer.figures.chart import Array, Canvas, Chart, Frame, find_network
from monolayer.figures.style import SMALL_SIZE, WIDTH, scale_text
from monolayer.figures.templates import compute_pictures
from monolayer.network import OneLayer
from monolayer.training.run import Run

IN_ROW = 16
FRAME = (0.5, 0.5, 0.5)  # red, green, blue
NOTE_WIDTH, NOTE_HEIGHT = 3.4, 0.3  # inches, of the line below
MOST = 128  # eight rows; on a phone a filter is some four millimetres wide then


@dataclass(frozen=True, eq=False)
class Filters(Chart):
    """Filters as small pictures in rows, each scaled to 0..1 by its own minimum and maximum.

    Args:
        filters: (M, d), channel-major.
        shape: (channels, height, width) of a filter, with 1 or 3 channels and d = their product.

    Raises:
        BadInput: if the shapes do not fit together, there is no filter, or there are neither 1 nor 3 channels.
    """

    filters: Array
    shape: tuple[int, int, int]

    def __post_init__(self) -> None:
        object.__setattr__(self, "filters", np.asarray(self.filters, dtype=np.float64))
        if self.filters.ndim != 2 or not len(self.filters) or self.filters.shape[1] != int(np.prod(self.shape)):
            raise BadInput(f"Filters of shape {self.shape} must be (M, {np.prod(self.shape)}): {self.filters.shape}.")
        if self.shape[0] not in (1, 3):
            raise BadInput(f"A filter that is drawn has 1 or 3 channels, not {self.shape[0]}.")

    @classmethod
    def of(cls, network: OneLayer | Run, most: int = MOST) -> Filters:
        """The filters that a network, or a run's, weighs most: by the sum of its absolute weights on their features.

        Args:
            network: on patches of images.
            most: filters to draw.

        Raises:
            BadInput: if the network does not look at patches, or at patches of neither 1 nor 3 channels.
        """
        shown = find_network(network)
        transformer = shown.transformer
        if not isinstance(transformer, PatchFeatures):
            raise BadInput("The network does not look at patches of images, so it has no filters to draw.")
        order = np.argsort(-weigh_filters(shown.weights, len(transformer.filters_)), kind="stable")
        return cls(transformer.filters_[order[:most]], transformer.patch_shape)

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in inches."""
        lines, columns = self._grid()
        width = max(NOTE_WIDTH, WIDTH * columns / IN_ROW)
        return width, NOTE_HEIGHT + width * lines / columns

    def frame(self) -> Frame:
        """Columns channel, row, column, then one a filter: d rows, the values as they are."""
        index = np.indices(self.shape).reshape(3, -1)
        table: Frame = {name: values.tolist() for name, values in zip(("channel", "row", "column"), index, strict=True)}
        return {**table, **{f"filter_{i}": values.tolist() for i, values in enumerate(self.filters)}}

    def draw(self, figure: Canvas) -> None:
        """Draw on an empty figure or subfigure: one picture of all."""
        ax = figure.subplots()
        ax.imshow(tile(compute_pictures(self.filters, self.shape), self._grid()), interpolation="none")
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
        ax.set_xlabel("each scaled to its own minimum and maximum", fontsize=scale_text(SMALL_SIZE))

    def _grid(self) -> tuple[int, int]:
        """Lines and columns of filters."""
        columns = min(IN_ROW, len(self.filters))
        return ceil(len(self.filters) / columns), columns


def weigh_filters(weights: Array, n_filters: int) -> Array:
    """Sums of absolute weights (K, F) over classes, regions and what else a filter has features for, (n_filters,)."""
    return np.asarray(np.abs(weights).reshape(-1, n_filters).sum(axis=0))


def tile(pictures: Array, grid: tuple[int, int]) -> Array:
    """Pictures (M, height, width, 1 or 3) in lines and columns, each within a grey frame of a pixel: (H, W, 4).

    Without a frame white pixels would be lost on a light page and black ones on a dark one.
    """
    _, height, width, _ = pictures.shape
    lines, columns = grid
    sheet = np.full((lines * (height + 1) + 1, columns * (width + 1) + 1, 4), (*FRAME, 0.0))
    for i, picture in enumerate(pictures):
        top, left = i // columns * (height + 1), i % columns * (width + 1)
        sheet[top : top + height + 2, left : left + width + 2, 3] = 1
        sheet[top + 1 : top + 1 + height, left + 1 : left + 1 + width, :3] = picture
    return sheet
