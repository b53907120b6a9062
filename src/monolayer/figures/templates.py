"""Template images: the rows of the weight matrix as images."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
from matplotlib.axes import Axes

from monolayer._typing import Array
from monolayer.errors import BadInput
from monolayer.figures.chart import Canvas, Chart, Frame, check_images, find_network
from monolayer.figures.style import SMALL_SIZE, get_ink, scale_text
from monolayer.network import OneLayer
from monolayer.training.run import Run

CELL_WIDTH, CELL_HEIGHT = 1.02, 1.28  # inches; five in a row are legible on a phone, ten are not
CLASSES_IN_SHORT_ROWS = 20


@dataclass(frozen=True, eq=False)
class Templates(Chart):
    """The weights of each class as an image, scaled to 0..1 by its own minimum and maximum.

    Args:
        weights: (K, D), channel-major rows.
        class_names: K names.
        image_shape: (channels, height, width) with 1 or 3 channels and D = their product.

    Raises:
        BadInput: if shapes do not match or the number of channels is not 1 or 3.
    """

    weights: Array
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", np.asarray(self.weights, dtype=np.float64))
        check_images(self.weights, len(self.class_names), self.image_shape, "templates")

    @classmethod
    def of(cls, network: OneLayer | Run) -> Templates:
        """The template images of a network or run.

        Raises:
            BadInput: if its features are not images of 1 or 3 channels.
        """
        shown = find_network(network)
        if shown.image_shape is None:
            raise BadInput("The network's features are not images, so it has no templates to draw.")
        return cls(shown.weights, shown.class_names, shown.image_shape)

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in inches."""
        n_rows, n_columns = self._grid()
        return CELL_WIDTH * n_columns, CELL_HEIGHT * n_rows

    @property
    def n_panels(self) -> int:
        """One for each class."""
        return len(self.class_names)

    def frame(self) -> Frame:
        """Columns channel, row, column, then the unscaled weights of each class: D rows."""
        index = np.indices(self.image_shape).reshape(3, -1)
        table: Frame = {name: values.tolist() for name, values in zip(("channel", "row", "column"), index, strict=True)}
        for number, name in enumerate(self.class_names):
            table[f"weight_{number}_{name}"] = self.weights[number].tolist()
        return table

    def draw(self, figure: Canvas) -> None:
        """Draw on an empty figure or subfigure: the classes in order, five or ten in a row."""
        axes = figure.subplots(*self._grid(), squeeze=False).ravel()
        images = compute_template_images(self.weights, self.image_shape)
        for ax in axes:
            ax.axis("off")
        for ax, image, name in zip(axes, images, self.class_names, strict=False):
            _draw_image(ax, image, name)

    def _grid(self) -> tuple[int, int]:
        n_classes = len(self.class_names)
        n_columns = min(n_classes, 5 if n_classes <= CLASSES_IN_SHORT_ROWS else 10)
        return ceil(n_classes / n_columns), n_columns


def compute_template_images(weights: Array, image_shape: tuple[int, int, int]) -> Array:
    """Weights (K, D) as K images: (w - min w) / (max w - min w) by row, (K, height, width, channels), float64.

    A constant row becomes mid-grey; a row with a value that is not finite becomes NaN.
    """
    low, high = weights.min(axis=1, keepdims=True), weights.max(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        spread = high - low
        scaled = (weights - low) / np.where(spread > 0, spread, 1.0)
    scaled[spread[:, 0] == 0] = 0.5
    scaled[~np.isfinite(weights).all(axis=1)] = np.nan
    images: Array = scaled.reshape(-1, *image_shape).transpose(0, 2, 3, 1)
    return images


def _draw_image(ax: Axes, image: Array, name: str) -> None:
    ax.set_title(name, fontsize=scale_text(SMALL_SIZE), pad=4, parse_math=False)
    if np.isnan(image).any():
        ax.text(0.5, 0.5, "not finite", ha="center", va="center", transform=ax.transAxes, color=get_ink())
        return
    # "none" keeps the pixels of the file: 32 x 32 in the SVG; viewers enlarge them without smoothing.
    ax.imshow(image.squeeze(), cmap="gray", vmin=0.0, vmax=1.0, interpolation="none")
