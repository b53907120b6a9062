"""Pairs of duplicate images, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from matplotlib.axes import Axes

from monolayer._typing import Array
from monolayer.data.dataset import Dataset
from monolayer.data.images import stretch
from monolayer.duplicates.search import Duplicate
from monolayer.errors import BadInput
from monolayer.figures.chart import Canvas, Chart, Frame, check_images
from monolayer.figures.style import SMALL_SIZE, scale_text

CELL_WIDTH, CELL_HEIGHT = 2.5, 1.85  # inches; with two pairs in a row their text is legible on a phone
PAIRS_A_ROW = 2
GAP = 0.06  # between the two images, in image widths


@dataclass(frozen=True, eq=False)
class DuplicatePairs(Chart):
    """A contact sheet of duplicates: each pair of images below its row numbers, labels and similarity.

    Args:
        first: images of the first rows, (m, D), channel-major, any real dtype.
        second: images of the second rows, the same shape.
        pairs: m duplicates.
        class_names: K names for the pairs' labels.
        image_shape: (channels, height, width) with 1 or 3 channels.
        pixel_max: the value of a white pixel.
        splits: names of the first and the second rows' splits.

    Raises:
        BadInput: if shapes do not match, there are no pairs, or the number of channels is not 1 or 3.
    """

    first: Array
    second: Array
    pairs: tuple[Duplicate, ...]
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    pixel_max: float = 255.0
    splits: tuple[str, str] = ("train", "test")

    def __post_init__(self) -> None:
        for images in (self.first, self.second):
            check_images(images, len(self.pairs), self.image_shape, "images")

    @classmethod
    def of(
        cls,
        pairs: Sequence[Duplicate],
        first: Dataset,
        second: Dataset | None = None,
        *,
        splits: tuple[str, str] | None = None,
    ) -> DuplicatePairs:
        """Duplicates that were found between two datasets of images, or within one.

        Raises:
            BadInput: if the rows are not images, or there are no pairs.
        """
        if first.image_shape is None:
            raise BadInput(f"{first.name}: rows are not images, so pairs of them cannot be drawn.")
        others = first if second is None else second
        left, right = first.X[[pair.first for pair in pairs]], others.X[[pair.second for pair in pairs]]
        pixel_max = first.pixel_max
        if pixel_max is None:
            (left, right), pixel_max = np.split(stretch(np.concatenate([left, right])), 2), 1.0
        splits = splits or ("train", "train" if second is None else "test")
        return cls(left, right, tuple(pairs), first.class_names, first.image_shape, pixel_max, splits)

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in inches."""
        n_rows, n_columns = self._grid()
        return CELL_WIDTH * n_columns, CELL_HEIGHT * n_rows

    @property
    def n_panels(self) -> int:
        """One for each pair."""
        return len(self.pairs)

    def frame(self) -> Frame:
        """One row for each pair: row numbers (columns named by split), similarity, mirrored and both labels."""
        return {
            f"first_{self.splits[0]}": [pair.first for pair in self.pairs],
            f"second_{self.splits[1]}": [pair.second for pair in self.pairs],
            "similarity": [pair.similarity for pair in self.pairs],
            "mirrored": [pair.mirrored for pair in self.pairs],
            "first_label": [self.class_names[pair.labels[0]] for pair in self.pairs],
            "second_label": [self.class_names[pair.labels[1]] for pair in self.pairs],
        }

    def draw(self, figure: Canvas) -> None:
        """Draw on an empty figure or subfigure, two pairs to a row."""
        axes = figure.subplots(*self._grid(), squeeze=False).ravel()
        for ax in axes:
            ax.axis("off")
        images = [self._compute_images(rows) for rows in (self.first, self.second)]
        for ax, pair, left, right in zip(axes, self.pairs, *images, strict=False):
            _draw_pair(ax, left, right, self._describe(pair))

    def _describe(self, pair: Duplicate) -> str:
        names = [self.class_names[label] for label in pair.labels]
        labels = names[0] if names[0] == names[1] else f"{names[0]} / {names[1]}"
        mirrored = ", mirrored" if pair.mirrored else ""
        rows = f"{self.splits[0]} {pair.first}, {self.splits[1]} {pair.second}"
        return f"{rows}\n{labels}\n{pair.similarity:.2f}{mirrored}"

    def _compute_images(self, rows: Array) -> Array:
        """(m, height, width, channels), from 0 to 1."""
        scaled = np.clip(rows.astype(np.float32) / self.pixel_max, 0.0, 1.0)
        images: Array = scaled.reshape(-1, *self.image_shape).transpose(0, 2, 3, 1)
        return images

    def _grid(self) -> tuple[int, int]:
        n_columns = min(len(self.pairs), PAIRS_A_ROW)
        return ceil(len(self.pairs) / n_columns), n_columns


def _draw_pair(ax: Axes, left: Array, right: Array, text: str) -> None:
    ax.set_title(text, fontsize=scale_text(SMALL_SIZE), pad=4, parse_math=False)
    height, width, _ = left.shape
    for start, image in ((0.0, left), (width * (1 + GAP), right)):
        # "none" keeps the pixels of the file; viewers enlarge them without smoothing.
        extent = (start, start + width, float(height), 0.0)
        ax.imshow(image.squeeze(), cmap="gray", vmin=0.0, vmax=1.0, interpolation="none", extent=extent)
    ax.set_xlim(0, width * (2 + GAP))
    ax.set_ylim(height, 0)
