"""Scatter plot of recipes over two of their fields, coloured by accuracy; for random recipes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from monolayer._typing import Array
from monolayer.errors import BadInput
from monolayer.figures.chart import Canvas, Chart, Frame
from monolayer.figures.colours import CROSS, choose_colour, draw_colour_bar, make_mappable
from monolayer.figures.scales import FieldScale, Settings, check_settings, make_scale
from monolayer.figures.style import SMALL_SIZE, WIDTH, get_ink, scale_text
from monolayer.figures.sweep_table import (
    OUTLINE_NOTE,
    SweepTable,
    check_accuracy,
    check_marked,
    find_best,
    order_from_last,
)
from monolayer.tuning.sweep import Sweep

X_GAP, Y_GAP = 0.13, 0.07  # of the axis, between two ticks: the size of a label
MARGIN = 0.05
POINT, BEST_POINT = 42, 110  # square points


@dataclass(frozen=True, eq=False)
class Scatter(Chart):
    """Validation accuracy of recipes over two fields, one point for each run; the best is larger and on top.

    Args:
        settings: the fields that vary, by name, (n,) each: numbers (logarithmic from a decade on) or words.
        accuracy: (n,), fractions, runs best first; NaN or infinite where the run diverged.
        x: the field along the horizontal axis.
        y: the field along the vertical axis.
        marked: (n,), bool, runs to outline, such as those not significantly different from the best.
        marked_label: meaning of the outline, printed below the axes.
        label: label of the colour bar.

    Raises:
        BadInput: if the columns differ in length or are empty, or the axes are not two of the fields.
    """

    settings: Settings
    accuracy: Array
    x: str
    y: str
    marked: Array | None = None
    marked_label: str = ""
    label: str = "validation accuracy, %"

    def __post_init__(self) -> None:
        accuracy = check_accuracy(self.accuracy, "the scatter plot")
        object.__setattr__(self, "accuracy", accuracy)
        object.__setattr__(self, "settings", check_settings(self.settings, len(accuracy)))
        object.__setattr__(self, "marked", check_marked(self.marked, len(accuracy)))
        if self.x == self.y or not {self.x, self.y} <= set(self.settings):
            raise BadInput(
                f"The axes of a scatter plot must be two fields among {', '.join(self.settings)}, "
                f"not {self.x} and {self.y}."
            )

    @classmethod
    def of(cls, sweep: Sweep | SweepTable, x: str | None = None, y: str | None = None) -> Scatter:
        """The recipes of a sweep over two of its fields; the best and those not significantly different are outlined.

        Args:
            sweep: the sweep.
            x: the field along the horizontal axis; by default two are chosen.
            y: the field along the vertical axis.

        Raises:
            BadInput: if ``x`` and ``y`` are not two different fields that vary in the sweep.
        """
        table = SweepTable.of(sweep)
        return cls(table.settings, table.accuracy, *table.choose_pair(x, y), table.is_close, OUTLINE_NOTE)

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in inches."""
        return WIDTH, 4.5 + 0.2 * len(self._notes())

    def frame(self) -> Frame:
        """Columns: the settings, val_accuracy and marked, a row for each run, as they were given."""
        columns = {name: list(column) for name, column in self.settings.items()}
        return {**columns, "val_accuracy": self.accuracy.tolist(), "marked": np.asarray(self.marked).tolist()}

    def draw(self, figure: Canvas) -> None:
        """Draw on an empty figure or subfigure."""
        ax, mappable = figure.subplots(), make_mappable(self.accuracy)
        scales = make_scale(self.x, self.settings[self.x]), make_scale(self.y, self.settings[self.y])
        x, y = (scale.place(self.settings[scale.name]) for scale in scales)
        finite, order = np.isfinite(self.accuracy), order_from_last(self.accuracy)
        ax.scatter(x[~finite], y[~finite], marker="x", s=POINT, color=get_ink(), alpha=0.6, lw=1.3)
        kept = [i for i in order if finite[i]]
        ax.scatter(
            x[kept],
            y[kept],
            s=[BEST_POINT if i == kept[-1] else POINT for i in kept],
            c=[choose_colour(mappable, self.accuracy[i]) for i in kept],
            edgecolors=get_ink(),
            linewidths=[1.8 if is_marked else 0.3 for is_marked in np.asarray(self.marked)[kept]],
            clip_on=False,
        )
        _draw_axes(ax, scales)
        figure.supxlabel("\n".join(self._notes()), fontsize=scale_text(SMALL_SIZE))
        draw_colour_bar(figure, np.array([ax]), mappable, self.label)

    def _notes(self) -> list[str]:
        notes = ["large: the best"] if find_best(self.accuracy) is not None else []
        if not np.isfinite(self.accuracy).all():
            notes.append(f"{CROSS} diverged")
        marked = [self.marked_label] if self.marked_label and np.asarray(self.marked).any() else []
        return ["   ".join(notes), *marked]


def _draw_axes(ax: Axes, scales: tuple[FieldScale, FieldScale]) -> None:
    x_ticks, y_ticks = scales[0].choose_ticks(X_GAP), scales[1].choose_ticks(Y_GAP)
    ax.set_xticks([place for place, _ in x_ticks], [label for _, label in x_ticks], parse_math=False)
    ax.set_yticks([place for place, _ in y_ticks], [label for _, label in y_ticks], parse_math=False)
    ax.set(xlim=(-MARGIN, 1 + MARGIN), ylim=(-MARGIN, 1 + MARGIN), xlabel=scales[0].title, ylabel=scales[1].title)
    ax.grid()
