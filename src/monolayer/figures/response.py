"""Response: accuracy against the values of one field, on validation rows with intervals and on training rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from monolayer._typing import Array
from monolayer.errors import BadInput
from monolayer.figures.chart import Canvas, Chart, Frame, compute_ends, convert_to_column, label_axes, list_finite
from monolayer.figures.scales import Column, check_settings, fold, make_scale
from monolayer.figures.style import TRAIN, VAL, WIDTH, get_ink
from monolayer.figures.sweep_table import SweepTable, check_accuracy
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
    size = WIDTH, 3.6

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

    def frame(self) -> Frame:
        """Columns: the field, val_accuracy, low, high, train_accuracy, in order of the values; None where missing."""
        order = np.argsort(make_scale(self.field, self.values).place(self.values), kind="stable").tolist()
        columns = {"val_accuracy": self.val, "low": self.low, "high": self.high, "train_accuracy": self.train}
        found = {name: list_finite(np.asarray(column)[order]) for name, column in columns.items()}
        return {self.field: [self.values[i] for i in order], **found}

    def draw(self, figure: Canvas) -> None:
        """Draw on an empty figure or subfigure."""
        ax, scale = figure.subplots(), make_scale(self.field, self.values)
        place = scale.place(self.values)
        order = np.argsort(place, kind="stable")
        x, val, train = place[order], self.val[order], np.asarray(self.train)[order]
        finite = np.isfinite(val)
        # Words have no values between them, so no line joins their points.
        lines, shift = (("", ""), WORD_SHIFT) if scale.is_words else (("-", "--"), 0.0)
        style: dict[str, Any] = {"color": VAL, "lw": 1.6, "label": LEGEND[0]}
        ends = compute_ends(val, self.low[order], self.high[order])[:, finite]
        ax.errorbar(x[finite], val[finite], ends, fmt="o", capsize=3, ls=lines[0], **style)
        if (followed := finite & np.isfinite(train)).any():
            style = {"color": TRAIN, "lw": 1.4, "ms": 4.5, "label": LEGEND[1]}
            ax.plot(x[followed] + shift, train[followed], "s", ls=lines[1], **style)
        if finite.any():
            best = np.argmax(np.isfinite(self.val))  # runs come best first
            style = {"ms": 12, "mfc": "none", "mec": get_ink(), "mew": 1.4, "label": LEGEND[2]}
            ax.plot(place[best], self.val[best], "o", ls="", **style)
        if not finite.all():
            style = {"color": get_ink(), "alpha": 0.6, "label": LEGEND[3], "transform": ax.get_xaxis_transform()}
            ax.plot(x[~finite], np.full((~finite).sum(), DIVERGED_HEIGHT), "x", ls="", **style)
        self._draw_axis(ax)
        handles = sorted(ax.get_legend_handles_labels()[0], key=lambda handle: LEGEND.index(handle.get_label()))
        figure.legend(handles=handles, loc="outside upper left", ncols=3, columnspacing=1.2, handlelength=1.6)

    def _draw_axis(self, ax: Axes) -> None:
        scale = make_scale(self.field, self.values)
        # The characters of each word's longest line, and a space.
        letters = sum(max(map(len, fold(str(word)).split("\n"))) + 1 for word in scale.values)
        is_rotated = scale.is_words and letters > MAX_LETTERS
        ticks = scale.choose_ticks(ROTATED_GAP if is_rotated else 0.0 if scale.is_words else TICK_GAP)
        labels = [label if is_rotated else fold(label) for _, label in ticks]
        ax.set_xticks([place for place, _ in ticks], labels, parse_math=False, rotation=90 if is_rotated else 0)
        ax.set(xlim=(-MARGIN, 1 + MARGIN))
        label_axes(ax, scale.title, "accuracy")
