"""Scatter plot of recipes over two of their fields, coloured by accuracy; for random recipes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monolayer._typing import Array
from monolayer.errors import BadInput
from monolayer.figures.chart import Canvas
from monolayer.figures.colours import CROSS, choose_colour, draw_colour_bar, make_mappable
from monolayer.figures.scales import Settings
from monolayer.figures.style import SMALL_SIZE, WIDTH, get_ink, scale_text
from monolayer.figures.sweep_table import OUTLINE_NOTE, SweepChart, SweepTable
from monolayer.tuning.sweep import Sweep

X_GAP, Y_GAP = 0.13, 0.07  # of the axis, between two ticks: the size of a label
MARGIN = 0.05
POINT, BEST_POINT = 42, 110  # square points


@dataclass(frozen=True, eq=False)
class Scatter(SweepChart):
    """Validation accuracy of recipes over two fields, one point for each run; the best is larger and on top.

    The table has the columns settings, val_accuracy and marked, a row for each run, as they were given.

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
    what = "the scatter plot"

    def __post_init__(self) -> None:
        super().__post_init__()
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

    def draw(self, figure: Canvas) -> None:
        """Draw on an empty figure or subfigure."""
        ax, mappable = figure.subplots(), make_mappable(self.accuracy)
        scales = self.scale(self.x), self.scale(self.y)
        x, y = (scale.place(self.settings[scale.name]) for scale in scales)
        lost = ~self.is_finite
        ax.scatter(x[lost], y[lost], marker="x", s=POINT, color=get_ink(), alpha=0.6, lw=1.3)
        kept = [i for i in self.drawing_order if not lost[i]]
        ax.scatter(
            x[kept],
            y[kept],
            s=[BEST_POINT if i == kept[-1] else POINT for i in kept],
            c=[choose_colour(mappable, self.accuracy[i]) for i in kept],
            edgecolors=get_ink(),
            linewidths=[1.8 if is_marked else 0.3 for is_marked in self.is_marked[kept]],
            clip_on=False,
        )
        ax.set_xticks(*zip(*scales[0].choose_ticks(X_GAP), strict=True), parse_math=False)
        ax.set_yticks(*zip(*scales[1].choose_ticks(Y_GAP), strict=True), parse_math=False)
        ax.set(xlim=(-MARGIN, 1 + MARGIN), ylim=(-MARGIN, 1 + MARGIN), xlabel=scales[0].title, ylabel=scales[1].title)
        ax.grid()
        figure.supxlabel("\n".join(self._notes()), fontsize=scale_text(SMALL_SIZE))
        draw_colour_bar(figure, np.array([ax]), mappable, self.label)

    def _notes(self) -> list[str]:
        notes = ["large: the best"] if self.is_finite.any() else []
        if not self.is_finite.all():
            notes.append(f"{CROSS} diverged")
        marked = [self.marked_label] if self.marked_label and self.is_marked.any() else []
        return ["   ".join(notes), *marked]
