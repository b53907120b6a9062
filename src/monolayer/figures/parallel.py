"""Parallel coordinates: one axis for each field, validation accuracy as the last axis, one line for each recipe."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from monolayer._typing import Array
from monolayer.errors import BadInput
from monolayer.figures.chart import Canvas
from monolayer.figures.colours import CROSS, VECTOR_POINTS, choose_colour, make_mappable
from monolayer.figures.scales import ZERO_GAP, FieldScale, Settings, fold
from monolayer.figures.style import WIDTH, get_ink, get_paper, scale_text
from monolayer.figures.sweep_table import SweepChart, SweepTable
from monolayer.tuning.sweep import Sweep

AXIS_DISTANCE = 0.66  # inches between two axes
LABEL_SIZE = 9.0
TITLE_SIZE = 9.5
TICK_GAP = 0.065  # of an axis: labels closer than this overlap
DIVERGED = -0.16  # height at which lines of diverged runs end, below the lowest accuracy
STRIP = 0.07  # width of the colours along the last axis, in distances of two axes
SHADES = 48
FEW = 40  # strong lines; more of them are thinner


@dataclass(frozen=True, eq=False)
class ParallelCoordinates(SweepChart):
    """One line for each recipe through its settings to its validation accuracy; diverged runs are dashed and grey.

    The table has the columns settings, val_accuracy and marked, a row for each run.

    Args:
        settings: the fields that vary, by name, in the order of their axes, (n,) each: numbers (on a logarithmic scale
            if they span a decade, with 0 apart below it) or words (evenly spaced).
        accuracy: (n,), fractions, runs best first; NaN or infinite where the run diverged.
        marked: (n,), bool, runs drawn with strong lines, such as those not significantly different from the best.
        label: label of the last axis.

    Raises:
        BadInput: if the columns differ in length or are empty, or there is no field.
    """

    settings: Settings
    accuracy: Array
    marked: Array | None = None
    label: str = "validation accuracy"
    what = "the parallel coordinates"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.settings:
            raise BadInput("Parallel coordinates need at least one field besides the accuracy.")

    @classmethod
    def of(cls, sweep: Sweep | SweepTable) -> ParallelCoordinates:
        """The recipes of a sweep; the best and those not significantly different from it have strong lines.

        Raises:
            BadInput: if no field varies in it.
        """
        table = SweepTable.of(sweep)
        return cls(table.settings, table.accuracy, table.is_close)

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in inches."""
        return max(WIDTH, 1.1 + AXIS_DISTANCE * len(self.settings)), 3.9

    def draw(self, figure: Canvas) -> None:
        """Draw on an empty figure or subfigure: faint lines, then strong ones, the best on top."""
        ax, mappable = figure.subplots(), make_mappable(self.accuracy)
        self._draw_lines(ax, mappable)
        for x, scale in enumerate(self._scales):
            _draw_axis(ax, x, scale)
        self._draw_accuracy_axis(ax, mappable)
        for x, title in enumerate([*(scale.title for scale in self._scales), self.label]):
            style: dict[str, Any] = {"ha": "center", "va": "bottom", "linespacing": 1.05}
            ax.text(x, 1.05, title.replace(" ", "\n"), fontsize=scale_text(TITLE_SIZE), **style)
        bottom = -0.04 if self.is_finite.all() else DIVERGED - 0.06
        ax.set(xlim=(-0.45, len(self._scales) + 0.5), ylim=(bottom, 1.22))
        ax.axis("off")

    def compute_lines(self) -> Array:
        """Height of each run's line on each axis, (n, fields + 1), in 0..1; a diverged one ends below 0."""
        places = [scale.place(self.settings[scale.name]) for scale in self._scales]
        low, high = self._limits
        accuracy = np.where(self.is_finite, self.accuracy, 0)
        ends = np.where(self.is_finite, (100 * accuracy - low) / (high - low), DIVERGED)
        lines: Array = np.column_stack([*places, ends])
        return lines

    @cached_property
    def _scales(self) -> list[FieldScale]:
        return [self.scale(name) for name in self.settings]

    @cached_property
    def _limits(self) -> tuple[float, float]:
        """The last axis's ends, in per cent: those of the colours."""
        low, high = make_mappable(self.accuracy).get_clim()
        return float(low or 0.0), float(high or 0.0)

    def _draw_lines(self, ax: Axes, mappable: ScalarMappable) -> None:
        heights, order = self.compute_lines(), self.drawing_order
        points = np.stack([np.broadcast_to(np.arange(heights.shape[1]), heights.shape), heights], axis=2)
        lost, finite = order[: (~self.is_finite).sum()], order[(~self.is_finite).sum() :]
        colours = {i: choose_colour(mappable, self.accuracy[i]) for i in finite}
        faint, strong = ([i for i in finite[:-1] if self.is_marked[i] == is_strong] for is_strong in (False, True))
        _draw_group(ax, points[lost], colors=get_ink(), alpha=0.35, lw=0.8, ls=(0, (4, 3)), zorder=1.0)
        # The more lines, the fainter each.
        alpha = float(np.clip(12 / max(1, len(faint)), 0.2, 0.5))
        _draw_group(ax, points[faint], colors=[colours[i] for i in faint], alpha=alpha, lw=1.0, zorder=1.1)
        alpha, width = float(np.clip(14 / max(1, len(strong)), 0.3, 0.9)), 1.5 if len(strong) <= FEW else 1.1
        _draw_group(ax, points[strong], colors=[colours[i] for i in strong], alpha=alpha, lw=width, zorder=1.2)
        for best in finite[-1:]:
            # The best has the lightest colour; an outline in the text colour keeps it visible on a light page.
            ax.plot(*points[best].T, color=get_ink(), lw=4.6, zorder=1.5)
            ax.plot(*points[best].T, color=colours[best], lw=2.8, zorder=1.6)

    def _draw_accuracy_axis(self, ax: Axes, mappable: ScalarMappable) -> None:
        x, (low, high) = len(self._scales), self._limits
        style: dict[str, Any] = {"ha": "left", "va": "center", "fontsize": scale_text(LABEL_SIZE)}
        if self.is_finite.any():
            for i in range(SHADES):
                colour = choose_colour(mappable, (low + (i + 0.5) / SHADES * (high - low)) / 100)
                ax.add_patch(Rectangle((x, i / SHADES), STRIP, 1 / SHADES, color=colour, lw=0.3, zorder=2))
            # Always linear: differences of accuracies matter, not ratios.
            for tick in MaxNLocator(5).tick_values(low, high):
                if low <= tick <= high:
                    ax.text(x + STRIP + 0.04, (tick - low) / (high - low), f"{tick:g} %", **style)
        if not self.is_finite.all():
            ax.text(x, DIVERGED, CROSS, ha="center", va="center", fontsize=scale_text(12), color=get_ink())
            ax.text(x + 0.1, DIVERGED, "diverged", **style)


def _draw_group(ax: Axes, points: Array, **style: Any) -> None:
    """Lines (m, axes, 2) of one style."""
    lines = LineCollection(list(points), **style)
    lines.set_rasterized(points.shape[0] * points.shape[1] > VECTOR_POINTS)
    ax.add_collection(lines)


def _draw_axis(ax: Axes, x: int, scale: FieldScale) -> None:
    """The axis with its ticks; broken above the place of 0 where the scale is logarithmic."""
    parts = ((0.0, 0.3 * ZERO_GAP), (0.7 * ZERO_GAP, 1.0)) if scale.has_zero_apart else ((0.0, 1.0),)
    for low, high in parts:
        ax.plot([x, x], [low, high], color=get_ink(), lw=1.0, zorder=2, solid_capstyle="butt")
    if scale.has_zero_apart:
        ax.plot([x, x], [0.3 * ZERO_GAP, 0.7 * ZERO_GAP], color=get_ink(), lw=1.0, ls=(0, (1, 1.5)), zorder=2)
    for place, label in scale.choose_ticks(TICK_GAP):
        ax.plot([x - 0.03, x], [place, place], color=get_ink(), lw=1.0, zorder=2)
        ax.text(
            x - 0.06, place, fold(label), ha="right", va="center", fontsize=scale_text(LABEL_SIZE), linespacing=1.0,
            zorder=3, bbox={"facecolor": get_paper(), "alpha": 0.8, "lw": 0, "pad": 0.8},
        )  # fmt: skip
