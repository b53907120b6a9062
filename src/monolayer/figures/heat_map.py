"""The grid search as a heat map: validation accuracy over learning rate and l2, a panel for each batch size."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, to_hex
from matplotlib.patches import Rectangle

from monolayer.errors import BadInput
from monolayer.figures.base import Array, Frame, convert_to_column
from monolayer.figures.style import COLOUR_MAP, INK, ON_DARK, ON_LIGHT, SMALL_SIZE, WIDTH

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

PANELS_IN_ROW = 3
CELL_WIDTH, CELL_HEIGHT = 0.52, 0.44  # inches
CROSS = "\N{MULTIPLICATION SIGN}"
HALF_GAP = 0.025  # of a cell; the page shows through between the cells


@dataclass(frozen=True, eq=False)
class HeatMap:
    """Validation accuracy of a grid of recipes; a run that is not finite is shown as diverged.

    Args:
        learning_rate: (n,), one value a run.
        l2: (n,).
        batch_size: (n,).
        accuracy: (n,), fractions; NaN or infinite where the run diverged.
        marked: (n,), bool, runs to outline, such as those that cannot be told from the best; None outlines nothing.
        marked_label: what the outline means, printed below.
        label: what the colours are.

    Raises:
        BadInput: if the columns differ in length, are empty, or two runs share a cell.
    """

    learning_rate: Array
    l2: Array
    batch_size: Array
    accuracy: Array
    marked: Array | None = None
    marked_label: str = ""
    label: str = "validation accuracy, %"

    def __post_init__(self) -> None:
        n_runs = len(convert_to_column(self.accuracy, "accuracy"))
        if not n_runs:
            raise BadInput("There is no run to draw in the heat map.")
        for name in ("learning_rate", "l2", "batch_size", "accuracy"):
            object.__setattr__(self, name, convert_to_column(getattr(self, name), name, n_runs))
        marked = np.zeros(n_runs, dtype=bool) if self.marked is None else np.asarray(self.marked, dtype=bool)
        if marked.shape != (n_runs,):
            raise BadInput(f"marked must have {n_runs} values to go with the others, not shape {marked.shape}.")
        object.__setattr__(self, "marked", marked)
        settings = list(zip(self.learning_rate.tolist(), self.l2.tolist(), self.batch_size.tolist(), strict=True))
        if len(set(settings)) < n_runs:
            raise BadInput("Two runs of the heat map share learning_rate, l2 and batch_size; a cell holds one.")

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in inches, from the number of cells."""
        n_rows, n_columns = self._grid()
        width = 0.75 + n_columns * (0.12 + CELL_WIDTH * len(np.unique(self.learning_rate)))
        height = 1.1 + n_rows * (0.5 + CELL_HEIGHT * len(np.unique(self.l2))) + 0.25 * bool(self._footnote())
        return max(width, WIDTH), height  # the footnote needs the width of a page, whatever the number of cells

    def frame(self) -> Frame:
        """Columns learning_rate, l2, batch_size, val_accuracy and marked, a row for each run, as they were given."""
        return {
            "learning_rate": self.learning_rate.tolist(),
            "l2": self.l2.tolist(),
            "batch_size": [int(size) for size in self.batch_size],
            "val_accuracy": self.accuracy.tolist(),
            "marked": np.asarray(self.marked).tolist(),
        }

    def draw(self, figure: FigureBase) -> None:
        """Draw on an empty figure or subfigure: a panel for each batch size, one colour scale for all."""
        axes = figure.subplots(*self._grid(), squeeze=False, sharex=True, sharey=True)
        mappable = ScalarMappable(self._scale(), colormaps[COLOUR_MAP])
        batch_sizes = np.unique(self.batch_size)
        for ax, batch_size in zip(axes.ravel(), batch_sizes, strict=False):
            self._draw_panel(ax, batch_size, mappable)
        for ax in axes.ravel()[len(batch_sizes) :]:
            ax.axis("off")
        for ax in axes[:, 0]:
            ax.set_ylabel("l2")
        figure.supxlabel(self._footnote(), fontsize=SMALL_SIZE)
        bar = figure.colorbar(mappable, ax=axes, location="bottom", aspect=45, shrink=0.85, label=self.label)
        bar.outline.set_visible(False)

    def _draw_panel(self, ax: Axes, batch_size: float, mappable: ScalarMappable) -> None:
        rates, penalties = np.unique(self.learning_rate), np.unique(self.l2)
        for index in np.flatnonzero(self.batch_size == batch_size):
            x = int(np.searchsorted(rates, self.learning_rate[index]))
            y = int(np.searchsorted(penalties, self.l2[index]))
            _draw_cell(ax, (x, y), float(self.accuracy[index]), mappable)
            if np.asarray(self.marked)[index]:
                ax.add_patch(Rectangle((x - 0.44, y - 0.44), 0.88, 0.88, fill=False, ec=ON_LIGHT, lw=2.6))
                ax.add_patch(Rectangle((x - 0.44, y - 0.44), 0.88, 0.88, fill=False, ec=ON_DARK, lw=1.2))
        ax.set(xlim=(-0.5, len(rates) - 0.5), ylim=(len(penalties) - 0.5, -0.5))
        ax.set_xticks(range(len(rates)), [f"{rate:g}" for rate in rates])
        ax.set_yticks(range(len(penalties)), [f"{penalty:g}" for penalty in penalties])
        ax.tick_params(length=0, labelbottom=True)
        ax.spines[:].set_visible(False)
        ax.set_title(f"batch size {batch_size:g}", fontsize=SMALL_SIZE)
        ax.set_xlabel("learning rate", fontsize=SMALL_SIZE)

    def _grid(self) -> tuple[int, int]:
        n_panels = len(np.unique(self.batch_size))
        return ceil(n_panels / PANELS_IN_ROW), min(n_panels, PANELS_IN_ROW)

    def _scale(self) -> Normalize:
        finite = 100 * self.accuracy[np.isfinite(self.accuracy)]
        if not finite.size:
            return Normalize(0.0, 100.0)
        low, high = float(finite.min()), float(finite.max())
        # Half a point at least: a scale from one number to itself would have no colours.
        return Normalize(low, high) if high - low >= 0.5 else Normalize(low - 0.25, high + 0.25)

    def _footnote(self) -> str:
        notes = [self.marked_label] if self.marked_label and np.any(np.asarray(self.marked)) else []
        if not np.isfinite(self.accuracy).all():
            notes.append(f"{CROSS} diverged")
        return "   ".join(notes)


def _draw_cell(ax: Axes, place: tuple[int, int], accuracy: float, mappable: ScalarMappable) -> None:
    x, y = place
    corner, side = (x - 0.5 + HALF_GAP, y - 0.5 + HALF_GAP), 1 - 2 * HALF_GAP
    if not np.isfinite(accuracy):
        ax.add_patch(Rectangle(corner, side, side, facecolor="none", edgecolor=INK, alpha=0.35, lw=0.8, hatch="////"))
        ax.text(x, y, CROSS, ha="center", va="center", color=INK, fontsize=16)
        return
    colour = to_hex(mappable.to_rgba(100 * accuracy))  # type: ignore[arg-type]  # the stub knows arrays only
    ax.add_patch(Rectangle(corner, side, side, facecolor=colour, lw=0))
    text_colour = choose_text_colour(colour)
    ax.text(x, y, f"{100 * accuracy:.1f}", ha="center", va="center", color=text_colour, fontsize=SMALL_SIZE)


def choose_text_colour(background: str) -> str:
    """White or near-black, whichever has the higher WCAG 2.2 contrast on a background like ``#21918c``."""
    channels = np.array([int(background[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    luminance = float(linear @ [0.2126, 0.7152, 0.0722])
    return ON_DARK if 1.05 / (luminance + 0.05) >= (luminance + 0.05) / 0.055 else ON_LIGHT
