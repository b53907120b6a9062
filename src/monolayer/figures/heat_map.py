"""Heat map: validation accuracy of recipes over two of their fields, with a panel for each value of others."""

from __future__ import annotations

import math
import textwrap
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable

from monolayer._typing import Array
from monolayer.errors import BadInput
from monolayer.figures.cells import CHARACTER, LINE, CellLayout, compute_layout, draw_cells, outline_cells
from monolayer.figures.chart import Canvas, Frame
from monolayer.figures.colours import CROSS, draw_colour_bar, make_mappable
from monolayer.figures.scales import FieldScale, Settings, Value, fold, format_setting, format_value
from monolayer.figures.style import SMALL_SIZE, WIDTH, scale_text
from monolayer.figures.sweep_table import OUTLINE_NOTE, Pair, SweepChart, SweepTable, count_values
from monolayer.tuning.sweep import Sweep

Cell = tuple[tuple[Value, ...], Value, Value]  # panel, x and y

MAX_PANELS = 6
MAX_CELLS_ALONG = 25  # values of an axis of a heat map; more are points of a scatter plot
MIN_FILLED = 0.25  # of the cells; recipes that fill fewer do not form a grid


@dataclass(frozen=True, eq=False)
class HeatMap(SweepChart):
    """Validation accuracy of recipes over two fields; diverged runs are hatched.

    If several runs fall into one cell, because other fields vary as well, the cell shows the best of them.

    Args:
        settings: the fields that vary, by name, (n,) each: numbers or words.
        accuracy: (n,), fractions, runs best first; NaN or infinite where the run diverged.
        x: the field along the horizontal axis.
        y: the field along the vertical axis.
        panels: fields that have a panel for each combination of their values.
        marked: (n,), bool, runs to outline, such as those not significantly different from the best.
        marked_label: meaning of the outline, printed below the panels.
        label: label of the colour bar.

    Raises:
        BadInput: if the columns differ in length or are empty, or the axes and panels are not different fields.
    """

    settings: Settings
    accuracy: Array
    x: str
    y: str
    panels: tuple[str, ...] = ()
    marked: Array | None = None
    marked_label: str = ""
    label: str = "validation accuracy, %"
    what = "the heat map"

    def __post_init__(self) -> None:
        super().__post_init__()
        names = (self.x, self.y, *self.panels)
        if len(set(names)) < len(names) or not set(names) <= set(self.settings):
            raise BadInput(
                f"The axes and panels of a heat map must be different fields among {', '.join(self.settings)}, "
                f"not {', '.join(names)}."
            )

    @classmethod
    def of(cls, sweep: Sweep | SweepTable, x: str | None = None, y: str | None = None) -> HeatMap:
        """The heat map of a sweep over the fields ``x`` and ``y``, as in its report.

        The best recipe and those not significantly different from it are outlined. Other varying fields have a panel
        for each combination of their values if there are at most 6. For random recipes, which do not form a grid, use
        :meth:`Scatter.of`.

        Args:
            sweep: the sweep.
            x: the field along the horizontal axis; by default two are chosen.
            y: the field along the vertical axis.

        Raises:
            BadInput: if ``x`` and ``y`` are not two different fields that vary in the sweep.
        """
        table = SweepTable.of(sweep)
        x, y = table.choose_pair(x, y)
        others = tuple(axis for axis in table.varying if axis not in (x, y))
        panels = others if count_values(table.runs, others) <= MAX_PANELS else ()
        return cls(table.settings, table.accuracy, x, y, panels, table.is_close, OUTLINE_NOTE)

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in inches, from the number of cells."""
        layout = self._layout
        titles = LINE * max(self._write_title(panel).count("\n") for panel in self._panel_values)
        height = 1.1 + layout.grid[0] * (0.5 + titles + layout.below + layout.panel[1])
        notes = 0.2 * len(self._notes()) + 0.05 * bool(self._notes())
        return max(layout.width, WIDTH), height + notes  # the notes need the full width

    @property
    def n_panels(self) -> int:
        """One for each combination of values of the panel fields."""
        return len(self._panel_values)

    def frame(self) -> Frame:
        """The runs shown: their settings, val_accuracy, marked, and n_runs of the cell."""
        shown = sorted(self._shown.values())
        return {**self.tabulate(shown), "n_runs": [self._counts[self._keys[i]] for i in shown]}

    def draw(self, figure: Canvas) -> None:
        """Draw on an empty figure or subfigure: all panels share one colour scale."""
        axes = figure.subplots(*self._layout.grid, squeeze=False, sharex=True, sharey=True)
        mappable = make_mappable(self.accuracy[sorted(self._shown.values())])
        for ax, panel in zip(axes.ravel(), self._panel_values, strict=False):
            self._draw_panel(ax, panel, mappable)
        for ax in axes.ravel()[len(self._panel_values) :]:
            ax.axis("off")
        for ax in axes.ravel()[:: self._layout.grid[1]]:
            ax.set_ylabel(self._scales[1].title)
        figure.supxlabel("\n".join(self._notes()), fontsize=scale_text(SMALL_SIZE))
        draw_colour_bar(figure, axes, mappable, self.label)

    @cached_property
    def _scales(self) -> tuple[FieldScale, FieldScale]:
        return self.scale(self.x), self.scale(self.y)

    @cached_property
    def _labels(self) -> tuple[list[str], list[str]]:
        """The labels of the columns and of the rows."""
        columns, rows = ([format_value(value) for value in scale.values] for scale in self._scales)
        return list(map(fold, columns)), rows

    @cached_property
    def _layout(self) -> CellLayout:
        return compute_layout(*self._labels, len(self._panel_values))

    @cached_property
    def _panel_values(self) -> list[tuple[Value, ...]]:
        return sorted({panel for panel, _, _ in self._keys})

    @cached_property
    def _keys(self) -> list[Cell]:
        """The cell of each run: panel, x and y."""
        places = zip(self.settings[self.x], self.settings[self.y], strict=True)
        return [(tuple(self.settings[name][i] for name in self.panels), x, y) for i, (x, y) in enumerate(places)]

    @cached_property
    def _counts(self) -> Counter[Cell]:
        return Counter(self._keys)

    @cached_property
    def _shown(self) -> dict[Cell, int]:
        """The best run of each cell, the first if equal: later ones overwrite, so the best come last."""
        return {self._keys[i]: i for i in self.drawing_order}

    def _draw_panel(self, ax: Axes, panel: tuple[Value, ...], mappable: ScalarMappable) -> None:
        layout, (columns, rows) = self._layout, (scale.values for scale in self._scales)
        shown = {(columns.index(x), rows.index(y)): i for (of, x, y), i in self._shown.items() if of == panel}
        draw_cells(ax, {place: float(self.accuracy[i]) for place, i in shown.items()}, layout, mappable)
        outline_cells(ax, {place for place, i in shown.items() if self.is_marked[i]}, layout)
        ax.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(rows) - 0.5, -0.5))
        for set_ticks, labels, step in zip((ax.set_xticks, ax.set_yticks), self._labels, layout.steps, strict=True):
            set_ticks(range(0, len(labels), step), labels[::step], parse_math=False)
        ax.tick_params(length=2 if layout.is_dense else 0, labelbottom=True)
        ax.tick_params(axis="x", labelrotation=90 if layout.is_rotated else 0)
        ax.spines[:].set_visible(False)
        if layout.width < WIDTH:
            ax.set_box_aspect(layout.panel[1] / layout.panel[0])  # few cells do not fill the width
        ax.set_title(self._write_title(panel), fontsize=scale_text(SMALL_SIZE))
        ax.set_xlabel(self._scales[0].title, fontsize=scale_text(SMALL_SIZE))

    def _write_title(self, panel: tuple[Value, ...]) -> str:
        text = format_setting((name.replace("_", " "), value) for name, value in zip(self.panels, panel, strict=True))
        width = max(12, int(self._layout.panel[0] / CHARACTER))
        return "\n".join(textwrap.wrap(text, width, break_long_words=False))

    def _notes(self) -> list[str]:
        shown = sorted(self._shown.values())
        notes = [self.marked_label] if self.marked_label and self.is_marked[shown].any() else []
        most = max(self._counts.values())
        if most > 1:
            notes.append(f"each cell shows the best of up to {most} recipes")
        if not np.isfinite(self.accuracy[shown]).all():
            notes.append(f"{CROSS} diverged")
        return notes


def lies_on_grid(table: SweepTable, pair: Pair) -> bool:
    """Whether the recipes fill enough cells of a heat map over these fields."""
    counts = [count_values(table.runs, (axis,)) for axis in pair]
    return max(counts) <= MAX_CELLS_ALONG and count_values(table.runs, pair) >= MIN_FILLED * math.prod(counts)
