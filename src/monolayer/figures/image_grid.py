"""The base of the figures that have one titled image in each panel."""

from abc import abstractmethod
from collections.abc import Sequence
from math import ceil

import numpy as np
from matplotlib.axes import Axes

from monolayer._typing import Array
from monolayer.figures.chart import Canvas, Chart, Frame
from monolayer.figures.style import SMALL_SIZE, scale_text

MANY = 20


class ImageGrid(Chart):
    """Images in rows, each below its title; a subclass is a dataclass with ``class_names``, or has other titles."""

    class_names: tuple[str, ...]
    cell = 1.02, 1.28  # inches; five in a row are legible on a phone, ten are not
    in_row = 5, 5  # images in a row of up to MANY images, and of more

    @property
    def titles(self) -> Sequence[str]:
        """The title of each image."""
        return self.class_names

    @abstractmethod
    def draw_image(self, ax: Axes, i: int) -> None:
        """Draw one image into empty axes."""

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of images."""
        n_columns = min(self.n_panels, self.in_row[self.n_panels > MANY])
        return ceil(self.n_panels / n_columns), n_columns

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in inches."""
        return self.cell[0] * self.grid[1], self.cell[1] * self.grid[0]

    @property
    def n_panels(self) -> int:
        """One for each image."""
        return len(self.titles)

    def draw(self, figure: Canvas) -> None:
        """Draw on an empty figure or subfigure: the images in order, in rows."""
        self.draw_images(figure)

    def draw_images(self, figure: Canvas) -> Array:
        """Draw all images; the axes, (rows, columns)."""
        axes: Array = figure.subplots(*self.grid, squeeze=False)
        for ax in axes.ravel():
            ax.axis("off")
        for i, (ax, title) in enumerate(zip(axes.ravel(), self.titles, strict=False)):
            ax.set_title(title, fontsize=scale_text(SMALL_SIZE), pad=4, parse_math=False)
            self.draw_image(ax, i)
        return axes


def list_places(shape: tuple[int, ...]) -> Frame:
    """The indices of all places of an image (channels, height, width) or (height, width): a column for each axis."""
    names = ("channel", "row", "column")[-len(shape) :]
    return dict(zip(names, np.indices(shape).reshape(len(shape), -1).tolist(), strict=True))
