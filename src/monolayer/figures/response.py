"""What one field does: accuracy against its values, validation with intervals, training beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import PercentFormatter

from monolayer.errors import BadInput
from monolayer.figures.chart import Array, Canvas, Chart, Frame, convert_to_column
from monolayer.figures.colours import check_accuracy, find_best
from monolayer.figures.fields import Column, FieldScale, check_settings, fold, make_scale
from monolayer.figures.style import TRAIN, VAL, WIDTH, get_ink
from monolayer.figures.sweep_table import Runs, collect, read_sweep

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from monolayer.tuning.sweep import Sweep

TICK_GAP = 0.12  # of the axis, between two numbers: room for a label
MARGIN = 0.06
WORD_SHIFT = 0.018  # training stands beside validation, not behind its bar
MOST_LETTERS = 44  # of all words side by side below the axis; more of them stand on end
TURNED_GAP = 0.045  # of the axis, between two words on end
FOOT = 0.03  # height of the marks of diverged runs
LEGEND = ("validation, 95 % interval", "training", "best", "diverged")  # in this order


@dataclass(frozen=True, eq=False)
class Response(Chart):
    """Validation accuracy with its interval, and training accuracy, against the one field that varies.

    Args:
        field: its name.
        values: (n,), numbers, on a logarithmic scale from a decade on, or words.
        val: (n,), fractions, runs best first; NaN or infinite where the run diverged.
        low: (n,), the interval's lower end.
        high: (n,), its upper end.
        train: (n,), training accuracy, or None.

    Raises:
        BadInput: if the columns differ in length, are empty, or a validation accuracy lies outside its interval.
    """

    field: str
    values: Column
    val: Array
    low: Array
    high: Array
    train: Array | None = None

    def __post_init__(self) -> None:
        val = check_accuracy(self.val, "the picture of one field")
        object.__setattr__(self, "val", val)
        object.__setattr__(self, "values", check_settings({self.field: self.values}, len(val))[self.field])
        train = np.full(len(val), np.nan) if self.train is None else self.train
        for name, column in (("low", self.low), ("high", self.high), ("train", train)):
            object.__setattr__(self, name, convert_to_column(column, name, len(val)))
        finite = np.isfinite(val)
        # Wilson's ends can pass the share itself by rounding, where it is 0 or 1.
        outside = (self.low[finite] > val[finite] + 1e-9) | (self.high[finite] < val[finite] - 1e-9)
        if not (np.isfinite(self.low[finite]) & np.isfinite(self.high[finite])).all() or outside.any():
            raise BadInput("Each validation accuracy must lie within its interval, from low to high.")

    @classmethod
    def of(cls, sweep: Sweep) -> Response:
        """What the one field did that varies in a sweep.

        Raises:
            BadInput: if none or several vary.
        """
        return make_response(*read_sweep(sweep))

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in inches."""
        return WIDTH, 3.6

    def frame(self) -> Frame:
        """Columns: the field, val_accuracy, low, high, train_accuracy, by rising value; None where there is none."""
        order = self._order()
        columns = {"val_accuracy": self.val, "low": self.low, "high": self.high, "train_accuracy": self.train}
        return {
            self.field: [self.values[i] for i in order],
            **{
                name: [value if np.isfinite(value) else None for value in np.asarray(column)[order].tolist()]
                for name, column in columns.items()
            },
        }

    def draw(self, figure: Canvas) -> None:
        """Draw on an empty figure or subfigure."""
        ax, scale = figure.subplots(), make_scale(self.field, self.values)
        self._draw_points(ax, scale)
        _draw_axis(ax, scale)
        by_label = dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
        labels = [label for label in LEGEND if label in by_label]
        handles = [by_label[label] for label in labels]
        figure.legend(handles, labels, loc="outside upper left", ncols=3, columnspacing=1.2, handlelength=1.6)

    def _draw_points(self, ax: Axes, scale: FieldScale) -> None:
        order = self._order()
        x, val, train = scale.place(self.values)[order], self.val[order], np.asarray(self.train)[order]
        finite = np.isfinite(val)
        ends = np.maximum([val - self.low[order], self.high[order] - val], 0)[:, finite]
        # Between words lies nothing, so no line leads from one to the next.
        lines, shift = (("", ""), WORD_SHIFT) if scale.is_words else (("-", "--"), 0.0)
        style: dict[str, Any] = {"color": VAL, "lw": 1.6, "capsize": 3, "label": LEGEND[0]}
        ax.errorbar(x[finite], val[finite], ends, fmt="o", ls=lines[0], **style)
        if (followed := finite & np.isfinite(train)).any():
            style = {"color": TRAIN, "lw": 1.4, "ms": 4.5, "label": LEGEND[1]}
            ax.plot(x[followed] + shift, train[followed], "s", ls=lines[1], **style)
        if (best := find_best(self.val)) is not None:  # runs come best first, points by place
            place = order.index(best)
            ax.plot(x[place], val[place], "o", ms=12, mfc="none", mec=get_ink(), mew=1.4, ls="", label=LEGEND[2])
        if not finite.all():
            lost, foot = x[~finite], np.full((~finite).sum(), FOOT)
            ax.plot(
                lost, foot, "x", transform=ax.get_xaxis_transform(), color=get_ink(), alpha=0.6, ls="", label=LEGEND[3]
            )

    def _order(self) -> list[int]:
        places = make_scale(self.field, self.values).place(self.values)
        return [int(i) for i in np.argsort(places, kind="stable")]


def _draw_axis(ax: Axes, scale: FieldScale) -> None:
    is_turned = scale.is_words and sum(_measure(str(word)) + 1 for word in scale.values) > MOST_LETTERS
    ticks = scale.choose_ticks(TURNED_GAP if is_turned else 0.0 if scale.is_words else TICK_GAP)
    labels = [label if is_turned else fold(label) for _, label in ticks]
    ax.set_xticks([place for place, _ in ticks], labels, parse_math=False, rotation=90 if is_turned else 0)
    ax.set(xlim=(-MARGIN, 1 + MARGIN), xlabel=scale.title, ylabel="accuracy")
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    ax.grid(axis="y")


def _measure(word: str) -> int:
    """Characters of a word's longest line."""
    return max(map(len, fold(word).split("\n")))


def make_response(runs: Runs, varying: Sequence[str]) -> Response:
    """Accuracy with its interval against the one field that varies.

    Raises:
        BadInput: if none or several do.
    """
    if len(varying) != 1:
        found = ", ".join(varying) if varying else "none"
        raise BadInput(f"The picture of one field needs a sweep in which one field varies, not {found}.")
    settings, accuracy, _ = collect(runs, varying)
    low, high = np.array([run["val"]["accuracy_interval"] for run in runs]).T
    train = np.array([run["train"]["accuracy"] for run in runs])
    return Response(varying[0], settings[varying[0]], accuracy, low, high, train)
