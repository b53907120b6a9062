"""What accuracy costs: accuracy against seconds, a line for each kind of run, published levels beside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, PercentFormatter

from monolayer.errors import BadInput
from monolayer.figures.base import Array, Canvas, Chart, Frame, convert_to_column
from monolayer.figures.style import SERIES, SMALL_SIZE, WIDTH, get_ink, scale_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKERS = "os^Dvp"
BESIDE = 1.04  # each further group stands this much to the right, so that bars do not hide each other
MARGIN = 1.6  # of the axis of seconds, beyond the first and the last point


@dataclass(frozen=True, eq=False)
class AccuracyCost(Chart):
    """Test accuracy with its interval against the seconds that it took, on a logarithmic scale.

    Args:
        names: what each point is, (n,); points of one name in several groups are named once.
        groups: which line each point belongs to, (n,), at most six different ones.
        seconds: (n,), above 0.
        accuracy: (n,), fractions.
        low: (n,), the interval's lower end.
        high: (n,), its upper end.
        published: label and accuracy of what others have published; drawn as levels, marked as published.

    Raises:
        BadInput: if the columns differ in length or are empty, seconds are not above 0, or there are too many groups.
    """

    names: tuple[str, ...]
    groups: tuple[str, ...]
    seconds: Array
    accuracy: Array
    low: Array
    high: Array
    published: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        for name in ("seconds", "accuracy", "low", "high"):
            object.__setattr__(self, name, convert_to_column(getattr(self, name), name, len(self.names)))
        if not self.names or len(self.groups) != len(self.names):
            raise BadInput("A picture of accuracy against cost needs a point or more, each with a name and a group.")
        if not (np.isfinite(self.seconds) & (self.seconds > 0)).all():
            raise BadInput("Seconds must be above 0, since they are drawn on a logarithmic scale.")
        if len(set(self.groups)) > len(SERIES):
            raise BadInput(f"There are {len(set(self.groups))} groups; accepted are up to {len(SERIES)}.")

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in inches."""
        return WIDTH, 4.2

    def frame(self) -> Frame:
        """Columns name, group, seconds, accuracy, low, high: a row for each point, then one for each published level.

        A published level has the group ``published`` and no seconds or interval.
        """
        n = len(self.published)
        columns = {"seconds": self.seconds, "accuracy": self.accuracy, "low": self.low, "high": self.high}
        table: Frame = {name: column.tolist() + [None] * n for name, column in columns.items()}
        table["accuracy"][len(self.names) :] = [level for _, level in self.published]
        names = [*self.names, *(label for label, _ in self.published)]
        return {"name": names, "group": [*self.groups, *["published"] * n], **table}

    def draw(self, figure: Canvas) -> None:
        """Draw on an empty figure or subfigure."""
        ax = figure.subplots()
        self._draw_axis(ax)
        for number, group in enumerate(dict.fromkeys(self.groups)):
            places = [i for i in np.argsort(self.seconds, kind="stable") if self.groups[i] == group]
            x, accuracy = self.seconds[places] * BESIDE**number, self.accuracy[places]
            ends = np.maximum([accuracy - self.low[places], self.high[places] - accuracy], 0)
            ax.errorbar(
                x, accuracy, ends, fmt=f"{MARKERS[number]}-", ms=5, lw=1.4, capsize=3, color=SERIES[number], label=group
            )
        self._draw_published(ax)
        self._draw_names(ax)
        figure.legend(loc="outside upper left", ncols=3, columnspacing=1.2, handlelength=1.6)

    def _draw_names(self, ax: Axes) -> None:
        """Each name once, below the lowest of its points."""
        style: dict[str, Any] = {"fontsize": scale_text(SMALL_SIZE), "ha": "center", "va": "top", "clip_on": True}
        for name in dict.fromkeys(self.names):
            places = [i for i, other in enumerate(self.names) if other == name]
            at = (float(self.seconds[places[0]]), float(self.low[places].min()))
            ax.annotate(name, at, xytext=(0, -5), textcoords="offset points", parse_math=False, **style)

    def _draw_published(self, ax: Axes) -> None:
        left = ax.get_xlim()[0]
        for label, level in self.published:
            ax.axhline(level, color=get_ink(), lw=1.0, ls=":", alpha=0.7)
            text = f" {label}"
            style: dict[str, Any] = {"fontsize": scale_text(SMALL_SIZE), "va": "bottom", "ha": "left", "clip_on": True}
            ax.text(left, level, text, parse_math=False, **style)

    def _draw_axis(self, ax: Axes) -> None:
        ax.set_xscale("log")
        ax.set_xlim(self.seconds.min() / MARGIN, self.seconds.max() * MARGIN)
        ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.4g}"))
        ax.xaxis.set_minor_formatter(NullFormatter())
        levels = [*self.low, *self.high, *(level for _, level in self.published)]
        ax.set_ylim(min(levels) - 0.06, min(1.02, max(levels) + 0.04))
        ax.set(xlabel="seconds", ylabel="test accuracy")
        ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        ax.grid(axis="y")
