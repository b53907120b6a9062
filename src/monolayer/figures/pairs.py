"""Pairs of duplicate images, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from monolayer._typing import Array
from monolayer.data.dataset import Dataset
from monolayer.data.images import stretch
from monolayer.duplicates.search import Duplicate
from monolayer.errors import BadInput
from monolayer.figures.chart import Frame, check_images
from monolayer.figures.image_grid import ImageGrid

GAP = 0.06  # between the two images, in image widths


@dataclass(frozen=True, eq=False)
class DuplicatePairs(ImageGrid):
    """A contact sheet of duplicates: each pair of images below its row numbers, labels and similarity.

    There are two pairs in a row.

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

    cell = 2.5, 1.85  # inches; with two pairs in a row their text is legible on a phone
    in_row = 2, 2

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
    def titles(self) -> list[str]:
        """Row numbers, labels and similarity of each pair."""
        titles = []
        for pair in self.pairs:
            rows = f"{self.splits[0]} {pair.first}, {self.splits[1]} {pair.second}"
            names = dict.fromkeys(self.class_names[label] for label in pair.labels)
            mirrored = ", mirrored" if pair.mirrored else ""
            titles.append(f"{rows}\n{' / '.join(names)}\n{pair.similarity:.2f}{mirrored}")
        return titles

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

    def draw_image(self, ax: Axes, i: int) -> None:
        """Draw both images of a pair, side by side."""
        _, height, width = self.image_shape
        for start, row in ((0.0, self.first[i]), (width * (1 + GAP), self.second[i])):
            pixels = np.clip(row.astype(np.float32) / self.pixel_max, 0.0, 1.0)
            image = pixels.reshape(self.image_shape).transpose(1, 2, 0).squeeze()
            # "none" keeps the pixels of the file; viewers enlarge them without smoothing.
            extent = (start, start + width, float(height), 0.0)
            ax.imshow(image, cmap="gray", vmin=0.0, vmax=1.0, interpolation="none", extent=extent)
        ax.set_xlim(0, width * (2 + GAP))
        ax.set_ylim(height, 0)
