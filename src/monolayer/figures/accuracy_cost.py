"""Accuracy against training time, one line for each group of runs, with published accuracies as levels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, PercentFormatter

from monolayer._typing import Array
from monolayer.errors import BadInput
from monolayer.figures.chart import Canvas, Chart, Frame, compute_ends, convert_to_column, label_axes
from monolayer.figures.style import SERIES, SMALL_SIZE, WIDTH, get_ink, get_paper, scale_text

MARKERS = "os^Dvp"
LEGEND = 0.22  # inches for each line of the legend
OFFSET = 1.04  # factor of the seconds of each further group, so that intervals do not overlap
MARGIN = 2.0  # factor by which the axis of seconds extends beyond the points
LETTER = 0.021  # of the axis: approximate width of a letter
DASHES = (":", "--", "-.")
LINE, LEVELS = 13, 3  # points from one line of names to the next, and how many lines


@dataclass(frozen=True, eq=False)
class AccuracyCost(Chart):
    """Test accuracy with its interval against seconds on a logarithmic scale.

    Args:
        names: (n,); a name that several groups share is printed once.
        groups: the line of each point, (n,), at most six different ones.
        seconds: (n,), above 0.
        accuracy: (n,), fractions.
        low: (n,), the interval's lower end.
        high: (n,), its upper end.
        published: labels and accuracies from publications, drawn as horizontal lines.

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
            raise BadInput("The figure needs at least one point, each with a name and a group.")
        if not (np.isfinite(self.seconds) & (self.seconds > 0)).all():
            raise BadInput("Seconds must be above 0, because their scale is logarithmic.")
        if len(set(self.groups)) > len(SERIES):
            raise BadInput(f"There are {len(set(self.groups))} groups; accepted are up to {len(SERIES)}.")

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in inches."""
        n_more = len(self.published) + len(set(self.groups)) - 1 if self.published else 0
        return WIDTH, 4.0 + LEGEND * n_more

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
        ax.set_xscale("log")
        ax.set_xlim(self.seconds.min() / MARGIN, self.seconds.max() * MARGIN)
        ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.4g}"))
        ax.xaxis.set_minor_formatter(NullFormatter())
        levels = [*self.low, *self.high, *(level for _, level in self.published)]
        ax.set_ylim(min(levels) - 0.09, max(levels) + 0.03)
        label_axes(ax, "seconds", "test accuracy", is_percent=False)
        ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        for number, group in enumerate(dict.fromkeys(self.groups)):
            places = [i for i in np.argsort(self.seconds, kind="stable") if self.groups[i] == group]
            x, accuracy = self.seconds[places] * OFFSET**number, self.accuracy[places]
            ends = compute_ends(accuracy, self.low[places], self.high[places])
            style: dict[str, Any] = {"color": SERIES[number], "lw": 1.4, "ms": 5, "capsize": 3, "label": group}
            ax.errorbar(x, accuracy, ends, fmt=f"{MARKERS[number]}-", **style)
        handles, _ = ax.get_legend_handles_labels()
        for i, (label, level) in enumerate(self.published):  # horizontal lines with different dashes
            style = {"color": get_ink(), "lw": 1.1, "alpha": 0.7, "label": label}
            handles.append(ax.axhline(level, ls=DASHES[i % len(DASHES)], **style))
        self._draw_names(ax)
        n_columns = 1 if self.published else 3
        figure.legend(handles=handles, loc="outside upper left", ncols=n_columns, handlelength=2.2)

    def _draw_names(self, ax: Axes) -> None:
        """Each name once, below the lowest of its points, on a further line if it would overlap the one before."""
        style: dict[str, Any] = {"fontsize": scale_text(SMALL_SIZE), "va": "top", "clip_on": True}
        style["bbox"] = {"facecolor": get_paper(), "edgecolor": "none", "pad": 0.5, "alpha": 0.8}
        first, last = np.log(ax.get_xlim())
        end, level = -np.inf, 0
        of_name = {name: [i for i, other in enumerate(self.names) if other == name] for name in self.names}
        places = {name: (float(self.seconds[of[0]]), float(self.low[of].min())) for name, of in of_name.items()}
        for name, place in sorted(places.items(), key=lambda item: item[1]):
            half = LETTER * len(name) / 2
            x = (np.log(place[0]) - first) / (last - first)
            level = (level + 1) % LEVELS if x - half < end else 0
            end = max(end, x + half) if level else x + half
            style["ha"] = "right" if x + half > 1 else "center"  # otherwise the axes cut it off
            below = 0, -5 - LINE * level
            ax.annotate(name, place, xytext=below, textcoords="offset points", parse_math=False, **style)
