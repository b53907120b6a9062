"""Response: accuracy against the values of one field, on validation rows with intervals and on training rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from monolayer._typing import Array
from monolayer.errors import BadInput
from monolayer.figures.chart import Canvas, Chart, Frame, convert_to_column
from monolayer.figures.scales import Column, FieldScale, check_settings, fold, make_scale
from monolayer.figures.style import TRAIN, VAL, WIDTH, get_ink
from monolayer.figures.sweep_table import SweepTable, check_accuracy, find_best
from monolayer.tuning.sweep import Sweep

TICK_GAP = 0.12  # of the axis, between two numbers: the width of a label
MARGIN = 0.06
WORD_SHIFT = 0.018  # moves training points beside the validation bars
MAX_LETTERS = 44  # of all words side by side below the axis; longer labels are rotated
ROTATED_GAP = 0.045  # of the axis, between two rotated labels
DIVERGED_HEIGHT = 0.03  # of the axis: marks of diverged runs
LEGEND = ("validation, 95 % interval", "training", "best", "diverged")  # in this order


@dataclass(frozen=True, eq=False)
class Response(Chart):
    """Validation accuracy with its interval, and training accuracy, against one field.

    Args:
        field: its name.
        values: (n,), numbers (logarithmic from a decade on) or words.
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
        val = check_accuracy(self.val, "the response figure")
        object.__setattr__(self, "val", val)
        object.__setattr__(self, "values", check_settings({self.field: self.values}, len(val))[self.field])
        train = np.full(len(val), np.nan) if self.train is None else self.train
        for name, column in (("low", self.low), ("high", self.high), ("train", train)):
            object.__setattr__(self, name, convert_to_column(column, name, len(val)))
        finite = np.isfinite(val)
        # By rounding, a Wilson interval can exclude a share of exactly 0 or 1.
        outside = (self.low[finite] > val[finite] + 1e-9) | (self.high[finite] < val[finite] - 1e-9)
        if not (np.isfinite(self.low[finite]) & np.isfinite(self.high[finite])).all() or outside.any():
            raise BadInput("Each validation accuracy must lie within its interval, from low to high.")

    @classmethod
    def of(cls, sweep: Sweep | SweepTable) -> Response:
        """Accuracy against the only field that varies in a sweep.

        Raises:
            BadInput: if no field or several fields vary.
        """
        table = SweepTable.of(sweep)
        if len(table.varying) != 1:
            found = ", ".join(table.varying) if table.varying else "none"
            raise BadInput(f"The response figure needs a sweep in which exactly one field varies, not {found}.")
        (field,) = table.varying
        low, high = np.array([run["val"]["accuracy_interval"] for run in table.runs]).T
        train = np.array([run["train"]["accuracy"] for run in table.runs])
        return cls(field, table.settings[field], table.accuracy, low, high, train)

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in inches."""
        return WIDTH, 3.6

    def frame(self) -> Frame:
        """Columns: the field, val_accuracy, low, high, train_accuracy, in order of the values; None where missing."""
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
        # Words have no values between them, so no line joins their points.
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
            x_diverged, height = x[~finite], np.full((~finite).sum(), DIVERGED_HEIGHT)
            ax.plot(
                x_diverged,
                height,
                "x",
                transform=ax.get_xaxis_transform(),
                color=get_ink(),
                alpha=0.6,
                ls="",
                label=LEGEND[3],
            )

    def _order(self) -> list[int]:
        places = make_scale(self.field, self.values).place(self.values)
        return [int(i) for i in np.argsort(places, kind="stable")]


def _draw_axis(ax: Axes, scale: FieldScale) -> None:
    is_rotated = scale.is_words and sum(_measure(str(word)) + 1 for word in scale.values) > MAX_LETTERS
    ticks = scale.choose_ticks(ROTATED_GAP if is_rotated else 0.0 if scale.is_words else TICK_GAP)
    labels = [label if is_rotated else fold(label) for _, label in ticks]
    ax.set_xticks([place for place, _ in ticks], labels, parse_math=False, rotation=90 if is_rotated else 0)
    ax.set(xlim=(-MARGIN, 1 + MARGIN), xlabel=scale.title, ylabel="accuracy")
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    ax.grid(axis="y")


def _measure(word: str) -> int:
    """Characters of a word's longest line."""
    return max(map(len, fold(word).split("\n")))
