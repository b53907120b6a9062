"""The cells of a heat map: their size, colour, text and outline."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from math import ceil

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.patches import Rectangle

from monolayer.figures.colours import CROSS, choose_colour
from monolayer.figures.style import ON_DARK, ON_LIGHT, SMALL_SIZE, WIDTH, get_ink, scale_text

Place = tuple[int, int]  # column and row of a cell

PANELS_IN_ROW = 3
MAX_NUMBERED = 12  # values along an axis; with more of them the cells are too small for numbers
CELL_WIDTH, CELL_HEIGHT = 0.52, 0.44  # inches
WIDEST_CELL = 0.9
DENSE_WIDTH, DENSE_HEIGHT = 4.1, 3.4  # inches for all cells of a panel without numbers
SMALLEST_CELL = 0.11
PANEL_GAP = 0.12
MAX_WIDTH = 6.3  # inches; a report page scales wider figures down, with their text
CHARACTER = 0.09  # inches, of small text
LINE = 0.17  # inches, of small text
GAP = 0.025  # inches around a cell


@dataclass(frozen=True)
class CellLayout:
    """The sizes of a heat map's parts, in inches.

    Args:
        x_labels: labels of the columns; a long one may have several lines.
        y_labels: labels of the rows.
        n_panels: number of panels.
    """

    x_labels: tuple[str, ...]
    y_labels: tuple[str, ...]
    n_panels: int

    @property
    def is_dense(self) -> bool:
        """Whether the cells are too many for numbers in them."""
        return max(len(self.x_labels), len(self.y_labels)) > MAX_NUMBERED

    @property
    def is_rotated(self) -> bool:
        """Whether the labels of the columns are vertical, because they are wider than their cells."""
        return not self.is_dense and self._label_width > self.cell[0]

    @property
    def cell(self) -> tuple[float, float]:
        """Width and height of a cell; few cells are widened to fill the figure."""
        if self.is_dense:
            return self._narrow_width, max(SMALLEST_CELL, min(CELL_HEIGHT, DENSE_HEIGHT / len(self.y_labels)))
        n_columns = self.grid[1]
        free = (WIDTH - self.left) / n_columns - PANEL_GAP
        return max(self._narrow_width, min(WIDEST_CELL, free / len(self.x_labels))), CELL_HEIGHT

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of panels."""
        panel = PANEL_GAP + self._narrow_width * len(self.x_labels)
        n_columns = min(self.n_panels, PANELS_IN_ROW, max(1, int((MAX_WIDTH - self.left) / panel)))
        return ceil(self.n_panels / n_columns), n_columns

    @property
    def left(self) -> float:
        """Width of the labels beside the rows, with the axis's title."""
        return 0.4 + CHARACTER * max(map(len, self.y_labels))

    @property
    def below(self) -> float:
        """Height of the labels below the columns, beyond their first line."""
        if self.is_rotated:
            return self._label_width
        return LINE * max(label.count("\n") for label in self.x_labels)

    @property
    def panel(self) -> tuple[float, float]:
        """Width and height of a panel's cells."""
        return self.cell[0] * len(self.x_labels), self.cell[1] * len(self.y_labels)

    @property
    def width(self) -> float:
        """Of all panels with their labels."""
        return self.left + self.grid[1] * (PANEL_GAP + self.panel[0])

    def choose_ticks(self) -> tuple[dict[int, str], dict[int, str]]:
        """Labels by column and by row, far enough apart not to overlap."""
        widths = [self._measure(label) / self.cell[0] for label in self.x_labels]
        columns = _choose_step(widths) if self.is_dense else 1
        rows = _choose_step([LINE / self.cell[1]] * len(self.y_labels))
        return dict(list(enumerate(self.x_labels))[::columns]), dict(list(enumerate(self.y_labels))[::rows])

    @property
    def _label_width(self) -> float:
        return max(map(self._measure, self.x_labels))

    def _measure(self, label: str) -> float:
        return CHARACTER * max(map(len, label.split("\n"))) + 0.06

    @property
    def _narrow_width(self) -> float:
        """The least width of a cell."""
        if self.is_dense:
            return max(SMALLEST_CELL, min(CELL_WIDTH, DENSE_WIDTH / len(self.x_labels)))
        return self._label_width if CELL_WIDTH < self._label_width <= WIDEST_CELL else CELL_WIDTH


def draw_cells(ax: Axes, accuracies: dict[Place, float], layout: CellLayout, mappable: ScalarMappable) -> None:
    """A rectangle for each accuracy, a fraction, with its number if it fits; hatched if the run diverged."""
    gaps, ink = (GAP / 2 / layout.cell[0], GAP / 2 / layout.cell[1]), get_ink()
    for place, accuracy in accuracies.items():
        corner = place[0] - 0.5 + gaps[0], place[1] - 0.5 + gaps[1]
        box = corner, 1 - 2 * gaps[0], 1 - 2 * gaps[1]
        if not np.isfinite(accuracy):
            ax.add_patch(Rectangle(*box, facecolor="none", edgecolor=ink, alpha=0.35, lw=0.8, hatch="////"))
            size = scale_text(SMALL_SIZE if layout.is_dense else 16)
            ax.text(*place, CROSS, ha="center", va="center", color=ink, fontsize=size)
            continue
        colour = choose_colour(mappable, accuracy)
        ax.add_patch(Rectangle(*box, facecolor=colour, lw=0))
        if not layout.is_dense:
            number = ax.text(*place, f"{100 * accuracy:.1f}", ha="center", va="center", fontsize=scale_text(SMALL_SIZE))
            number.set_color(choose_text_colour(colour))


def outline_cells(ax: Axes, places: Collection[Place], layout: CellLayout) -> None:
    """Outline each cell, or each region of cells if they are small."""
    if layout.is_dense:
        for colour, width in ((ON_LIGHT, 2.8), (ON_DARK, 1.2)):
            ax.add_collection(LineCollection(find_outlines(places), colors=colour, lw=width, clip_on=False, zorder=3))
        return
    gaps = 2.4 * GAP / layout.cell[0], 2.4 * GAP / layout.cell[1]
    for x, y in places:
        box = (x - 0.5 + gaps[0], y - 0.5 + gaps[1]), 1 - 2 * gaps[0], 1 - 2 * gaps[1]
        for colour, width in ((ON_LIGHT, 2.6), (ON_DARK, 1.2)):
            ax.add_patch(Rectangle(*box, fill=False, ec=colour, lw=width))


def find_outlines(places: Collection[Place]) -> list[list[tuple[float, float]]]:
    """The sides, two points each, between these cells and all others."""
    outlines = []
    for x, y in sorted(places):
        for dx, dy in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            if (x + dx, y + dy) not in places:
                middle = x + dx / 2, y + dy / 2
                outlines.append([(middle[0] + s * dy / 2, middle[1] + s * dx / 2) for s in (-1, 1)])
    return outlines


def choose_text_colour(background: str) -> str:
    """White or near-black, whichever has the higher WCAG 2.2 contrast on a background like ``#21918c``."""
    channels = np.array([int(background[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    luminance = float(linear @ [0.2126, 0.7152, 0.0722])
    return ON_DARK if 1.05 / (luminance + 0.05) >= (luminance + 0.05) / 0.055 else ON_LIGHT


def _choose_step(sizes: list[float]) -> int:
    """The smallest step at which every n-th label does not overlap the next; sizes are in cells."""
    return next(step for step in range(1, len(sizes) + 1) if max(sizes[::step]) <= step or step == len(sizes))
