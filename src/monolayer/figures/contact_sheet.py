"""Contact sheet: some images of every class."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import wrap

import numpy as np
from PIL import Image

from monolayer._typing import Array
from monolayer.data.dataset import Dataset
from monolayer.data.images import stretch
from monolayer.errors import BadInput
from monolayer.figures.chart import Canvas, Chart, Frame, check_images
from monolayer.figures.style import SMALL_SIZE, scale_text

CELL, NAME_WIDTH = 0.62, 0.7  # inches: an image, and the minimum width of the class names
CHARACTER = 0.098  # inches: approximate width of a character of small text
LINE_LENGTH = 24  # characters of a class's name on one line
MAX_PIXELS = 128  # of a side; cells are printed smaller, and full-size photographs would make a page huge
GAP = 0.08  # between two images, in image widths


@dataclass(frozen=True, eq=False)
class ContactSheet(Chart):
    """A row of images for each class.

    Args:
        images: (m, D), channel-major, any real dtype.
        labels: (m,), class indices; images of a class keep their order.
        rows: (m,), row numbers in the dataset.
        class_names: K names, one for each row of images.
        image_shape: (channels, height, width) with 1 or 3 channels.
        pixel_max: the value of a white pixel.

    Raises:
        BadInput: if shapes do not match, there are no images, or the number of channels is not 1 or 3.
    """

    images: Array
    labels: Array
    rows: Array
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    pixel_max: float = 255.0

    def __post_init__(self) -> None:
        check_images(self.images, len(self.labels), self.image_shape, "images")
        if len(self.rows) != len(self.labels):
            raise BadInput(f"rows must have {len(self.labels)} values, like labels, not {len(self.rows)}.")

    @classmethod
    def of(cls, dataset: Dataset, n_classes: int = 20, n_images: int = 8) -> ContactSheet:
        """Some training images of the first classes, evenly spread over the rows of each class.

        Raises:
            BadInput: if the rows are not images.
        """
        if dataset.image_shape is None:
            raise BadInput(f"The rows of {dataset.name} are not images, so there is no contact sheet.")
        chosen = []
        for k in range(min(n_classes, dataset.n_classes)):
            rows = np.flatnonzero(dataset.y == k)
            chosen.append(rows[np.unique(np.linspace(0, len(rows) - 1, min(n_images, len(rows))).astype(int))])
        rows = np.concatenate(chosen)
        names = dataset.class_names[:n_classes]
        images, pixel_max = dataset.X[rows], dataset.pixel_max
        if pixel_max is None:
            images, pixel_max = stretch(images), 1.0
        return cls(images, dataset.y[rows], rows, names, dataset.image_shape, pixel_max)

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in inches."""
        return self._name_width + CELL * self._n_columns, CELL * len(self.class_names)

    @property
    def _name_width(self) -> float:
        longest = max(len(line) for name in self.class_names for line in _fold(name).split("\n"))
        return max(NAME_WIDTH, CHARACTER * longest + 0.2)

    @property
    def _n_columns(self) -> int:
        return int(np.bincount(self.labels).max())

    def frame(self) -> Frame:
        """Columns row, label and class_name: one row for each image."""
        return {
            "row": self.rows.tolist(),
            "label": self.labels.tolist(),
            "class_name": [self.class_names[k] for k in self.labels],
        }

    def draw(self, figure: Canvas) -> None:
        """Draw on an empty figure or subfigure: one row of images for each class, after its name."""
        ax, step = figure.subplots(), 1 + GAP
        ax.axis("off")
        # A cell is 1 x 1; an image in it keeps its proportions.
        _, height, width = self.image_shape
        left, top = (1 - width / max(height, width)) / 2, (1 - height / max(height, width)) / 2
        for k, name in enumerate(self.class_names):
            for place, image in enumerate(self.images[self.labels == k]):
                box = (place * step + left, place * step + 1 - left, -k * step - 1 + top, -k * step - top)
                ax.imshow(self._make_image(image), cmap="gray", vmin=0, vmax=1, extent=box, interpolation="none")
            ax.text(-0.15, -k * step - 0.5, _fold(name), ha="right", va="center", fontsize=scale_text(SMALL_SIZE))
        ax.set(xlim=(-self._name_width / CELL, self._n_columns * step), ylim=(-len(self.class_names) * step, 0))
        ax.set_aspect("equal")

    def _make_image(self, image: Array) -> Array:
        """(height, width) or (height, width, 3), from 0 to 1, reduced to the resolution of the sheet."""
        scaled = np.clip(np.nan_to_num(np.asarray(image, np.float32)) / self.pixel_max, 0, 1)
        pixels: Array = scaled.reshape(self.image_shape).transpose(1, 2, 0)
        if self.image_shape[0] == 1:
            pixels = pixels[..., 0]
        n = -(-max(pixels.shape[:2]) // MAX_PIXELS)
        if n == 1:
            return pixels
        small = Image.fromarray((255 * pixels).astype(np.uint8)).reduce(n)  # means of n x n pixels
        return np.asarray(small, np.float32) / 255


def _fold(name: str) -> str:
    """A class name on at most two lines; a longer one is cut."""
    lines = wrap(name, LINE_LENGTH) or [""]
    return "\n".join(lines if len(lines) <= 2 else [lines[0], f"{lines[1][: LINE_LENGTH - 1]}…"])
