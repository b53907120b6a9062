"""A contact sheet: some images of every class, as they are stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from monolayer.errors import BadInput
from monolayer.figures.base import Array, Canvas, Chart, Frame
from monolayer.figures.style import SMALL_SIZE, scale_text

if TYPE_CHECKING:
    from monolayer.data.dataset import Dataset

CELL, NAME_WIDTH = 0.62, 1.5  # inches: an image, and the room for a class's name
GAP = 0.08  # between two images, in widths of one


@dataclass(frozen=True, eq=False)
class ContactSheet(Chart):
    """A row of images a class.

    Args:
        images: (m, D), channel-major, any real dtype.
        labels: (m,), places among the class names; a class's images stand in the order in which they come.
        rows: (m,), which rows of the dataset they are.
        class_names: K names, one a line.
        image_shape: (channels, height, width) with 1 or 3 channels.
        pixel_max: the value of a fully lit pixel.

    Raises:
        BadInput: if the shapes do not fit together, there are no images, or neither 1 nor 3 channels.
    """

    images: Array
    labels: Array
    rows: Array
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    pixel_max: float = 255.0

    def __post_init__(self) -> None:
        expected = (len(self.labels), int(np.prod(self.image_shape)))
        if 0 in expected or self.images.shape != expected or len(self.rows) != expected[0]:
            raise BadInput(
                f"{expected[0]} images {self.image_shape} need an array of shape {expected}, not {self.images.shape}."
            )
        if self.image_shape[0] not in (1, 3):
            raise BadInput(f"An image has 1 or 3 channels, not {self.image_shape[0]}.")

    @classmethod
    def of(cls, dataset: Dataset, n_classes: int = 20, n_images: int = 8) -> ContactSheet:
        """Some images of a dataset's training rows: the first classes, images spread evenly over each one's rows.

        Raises:
            BadInput: if the rows are no images.
        """
        if dataset.image_shape is None:
            raise BadInput(f"The rows of {dataset.name} are no images, so there is no contact sheet.")
        chosen = []
        for k in range(min(n_classes, dataset.n_classes)):
            rows = np.flatnonzero(dataset.y == k)
            chosen.append(rows[np.unique(np.linspace(0, len(rows) - 1, min(n_images, len(rows))).astype(int))])
        rows = np.concatenate(chosen)
        names = dataset.class_names[:n_classes]
        return cls(dataset.X[rows], dataset.y[rows], rows, names, dataset.image_shape, dataset.pixel_max)

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in inches."""
        return NAME_WIDTH + CELL * self._n_columns, CELL * len(self.class_names)

    @property
    def _n_columns(self) -> int:
        return int(np.bincount(self.labels).max())

    def frame(self) -> Frame:
        """Columns row, label and class_name: an image a line."""
        return {
            "row": self.rows.tolist(),
            "label": self.labels.tolist(),
            "class_name": [self.class_names[k] for k in self.labels],
        }

    def draw(self, figure: Canvas) -> None:
        """Draw on an empty figure or subfigure: one line of images a class, its name before them."""
        ax = figure.subplots()
        ax.axis("off")
        channels, height, width = self.image_shape
        step = 1 + GAP
        for k, name in enumerate(self.class_names):
            for place, image in enumerate(self.images[self.labels == k]):
                picture = np.clip(np.asarray(image, float).reshape(channels, height, width) / self.pixel_max, 0, 1)
                box = (place * step, place * step + 1, -k * step - 1, -k * step)
                pixels = picture.transpose(1, 2, 0).squeeze()
                ax.imshow(pixels, cmap="gray", vmin=0, vmax=1, extent=box, interpolation="none")
            ax.text(-0.15, -k * step - 0.5, name, ha="right", va="center", fontsize=scale_text(SMALL_SIZE))
        ax.set_xlim(-NAME_WIDTH / CELL, self._n_columns * step)
        ax.set_ylim(-len(self.class_names) * step, 0)
        ax.set_aspect("equal")
