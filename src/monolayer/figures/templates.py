"""Template images: the rows of the weight matrix as images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from monolayer._typing import Array
from monolayer.errors import BadInput
from monolayer.figures.chart import Frame, check_images, find_network
from monolayer.figures.image_grid import ImageGrid, list_places
from monolayer.figures.style import get_ink
from monolayer.network import OneLayer
from monolayer.training.run import Run


@dataclass(frozen=True, eq=False)
class Templates(ImageGrid):
    """The weights of each class as an image, scaled to 0..1 by its own minimum and maximum.

    The classes are in order, five or ten in a row.

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
    in_row = 5, 10

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

    def frame(self) -> Frame:
        """Columns channel, row, column, then the unscaled weights of each class: D rows."""
        weights = {f"weight_{k}_{name}": self.weights[k].tolist() for k, name in enumerate(self.class_names)}
        return {**list_places(self.image_shape), **weights}

    def draw_image(self, ax: Axes, i: int) -> None:
        """Draw the template of one class."""
        (image,) = compute_template_images(self.weights[i : i + 1], self.image_shape)
        if np.isnan(image).any():
            ax.text(0.5, 0.5, "not finite", ha="center", va="center", transform=ax.transAxes, color=get_ink())
            return
        # "none" keeps the pixels of the file: 32 x 32 in the SVG; viewers enlarge them without smoothing.
        ax.imshow(image.squeeze(), cmap="gray", vmin=0.0, vmax=1.0, interpolation="none")


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
