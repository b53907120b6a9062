"""The cells of a heat map: their size, colour, text and outline."""

from __future__ import annotations

from collections.abc import Collection, Sequence
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
        is_dense: whether the cells are too many for numbers in them.
        is_rotated: whether the labels of the columns are vertical, because they are wider than their cells.
        cell: width and height of a cell.
        panel: width and height of a panel's cells.
        grid: rows and columns of panels.
        below: height of the labels below the columns, beyond their first line.
        width: of all panels with their labels.
        steps: every n-th column and row has a label, so that they do not overlap.
    """

    is_dense: bool
    is_rotated: bool
    cell: tuple[float, float]
    panel: tuple[float, float]
    grid: tuple[int, int]
    below: float
    width: float
    steps: tuple[int, int]


def compute_layout(x_labels: Sequence[str], y_labels: Sequence[str], n_panels: int) -> CellLayout:
    """The layout of panels with these labels of columns and rows; a long label of a column may have several lines."""
    n_x, n_y = len(x_labels), len(y_labels)
    label_widths = [CHARACTER * max(map(len, label.split("\n"))) + 0.06 for label in x_labels]
    widest, is_dense = max(label_widths), max(n_x, n_y) > MAX_NUMBERED
    if is_dense:
        width = max(SMALLEST_CELL, min(CELL_WIDTH, DENSE_WIDTH / n_x))
        height = max(SMALLEST_CELL, min(CELL_HEIGHT, DENSE_HEIGHT / n_y))
    else:
        width, height = widest if CELL_WIDTH < widest <= WIDEST_CELL else CELL_WIDTH, CELL_HEIGHT
    left = 0.4 + CHARACTER * max(map(len, y_labels))  # the labels beside the rows, with the axis's title
    n_columns = min(n_panels, PANELS_IN_ROW, max(1, int((MAX_WIDTH - left) / (PANEL_GAP + width * n_x))))
    if not is_dense:  # few cells are widened to fill the figure
        width = max(width, min(WIDEST_CELL, ((WIDTH - left) / n_columns - PANEL_GAP) / n_x))
    is_rotated = not is_dense and widest > width
    step = _choose_step([label / width for label in label_widths]) if is_dense else 1
    return CellLayout(
        is_dense,
        is_rotated,
        cell=(width, height),
        panel=(width * n_x, height * n_y),
        grid=(ceil(n_panels / n_columns), n_columns),
        below=widest if is_rotated else LINE * max(label.count("\n") for label in x_labels),
        width=left + n_columns * (PANEL_GAP + width * n_x),
        steps=(step, _choose_step([LINE / height] * n_y)),
    )


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
