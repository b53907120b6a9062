"""Learning curves: loss, cost or accuracy on training and validation rows against the epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from monolayer._typing import Array
from monolayer.errors import BadInput
from monolayer.figures.chart import Canvas, Chart, Frame, convert_to_column, label_axes
from monolayer.figures.style import SERIES, TRAIN, VAL, WIDTH, get_ink
from monolayer.training.history import EpochRow
from monolayer.training.run import Run

QUANTITIES = ("loss", "cost", "accuracy")
MAX_NAME_IN_PAIR = 14  # characters; two longer legend entries are wider than the figure
MAX_MARKERS = 3  # epochs of a curve that is drawn with markers


@dataclass(frozen=True, eq=False)
class Curve:
    """One run's history of one quantity.

    Args:
        epoch: (n,), increasing.
        train: (n,), the quantity on the training rows, or None if it was not measured.
        val: (n,), the quantity on the validation rows, or None if there are none.
        name: of the run, for the legend.
        train_epoch: (m,), the epochs after which the training rows were evaluated, if not after all; ``train`` is
            (m,) then.

    Raises:
        BadInput: if the columns differ in length, are empty, or contain anything but numbers.
    """

    epoch: Array
    train: Array | None
    val: Array | None = None
    name: str = ""
    train_epoch: Array | None = None

    def __post_init__(self) -> None:
        label = f"curve {self.name}".strip()
        epoch = convert_to_column(self.epoch, f"{label}: epoch")
        if not len(epoch):
            raise BadInput(f"{label} has no epoch to draw.")
        object.__setattr__(self, "epoch", epoch)
        if self.train is None and self.val is None:
            raise BadInput(f"{label} has neither training nor validation values to draw.")
        for part, n in (("train_epoch", None), ("train", np.size(self.measured)), ("val", len(epoch))):
            values = getattr(self, part)
            if values is not None:
                object.__setattr__(self, part, convert_to_column(values, f"{label}: {part}", n))

    @property
    def measured(self) -> Array:
        """The epochs after which the training rows were evaluated."""
        return self.epoch if self.train_epoch is None else self.train_epoch

    def list_train(self) -> list[float | None]:
        """The training values, one for each epoch; None where the training rows were not evaluated."""
        if self.train is None:
            return [None] * len(self.epoch)
        by_epoch = dict(zip(self.measured.tolist(), self.train.tolist(), strict=True))
        return [by_epoch.get(epoch) for epoch in self.epoch.tolist()]


@dataclass(frozen=True, eq=False)
class Curves(Chart):
    """One quantity of one or more runs against the epoch; training solid, validation dashed.

    Args:
        curves: the runs, at least one; several need different names.
        quantity: what is drawn, such as ``loss``.
        ylabel: label of the y axis; by default the quantity.
        marks: epochs to mark with a thin vertical line, such as learning-rate steps.
        marks_label: legend entry of the marks.
        percent: whether the values are fractions to be shown in per cent.

    Raises:
        BadInput: if there is no curve, or two of several share a name.
    """

    curves: tuple[Curve, ...]
    quantity: str = "loss"
    ylabel: str = ""
    marks: tuple[float, ...] = ()
    marks_label: str = "learning-rate step"
    percent: bool = False

    def __post_init__(self) -> None:
        if not self.curves:
            raise BadInput("curves is empty; at least one curve is needed.")
        names = [curve.name for curve in self.curves]
        if len(set(names)) < len(names):
            raise BadInput(f"Overlaid curves need different names, not {', '.join(map(repr, names))}.")

    @classmethod
    def of(
        cls, runs: Run | Sequence[EpochRow] | Mapping[str, Run | Sequence[EpochRow]], quantity: str = "loss"
    ) -> Curves:
        """The curves of one run or several; steps of the learning rate that all of them share are marked.

        Args:
            runs: a run or its history, or several by name.
            quantity: ``loss``, ``cost`` or ``accuracy``.

        Raises:
            BadInput: if the quantity is unknown or was not measured.
        """
        check_quantity(quantity)
        named = runs if isinstance(runs, Mapping) else {"": runs}
        histories = {name: run if isinstance(run, Sequence) else run.history for name, run in named.items()}
        steps = {_find_steps(history) for history in histories.values()}
        curves = tuple(_make_curve(history, quantity, name) for name, history in histories.items())
        return cls(curves, quantity, marks=steps.pop() if len(steps) == 1 else (), percent=quantity == "accuracy")

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in inches; higher when the legend is."""
        n_entries = 2 * len(self.curves) + bool(self.marks)
        return WIDTH, 3.0 + 0.2 * ceil(n_entries / self._legend_columns())

    def frame(self) -> Frame:
        """Columns run, epoch, train, val: one row for each epoch of each run; None where not measured."""
        table: Frame = {"run": [], "epoch": [], "train": [], "val": []}
        for curve in self.curves:
            n_epochs = len(curve.epoch)
            table["run"] += [curve.name] * n_epochs
            table["epoch"] += [int(epoch) if epoch.is_integer() else epoch for epoch in curve.epoch.tolist()]
            table["train"] += curve.list_train()
            table["val"] += [None] * n_epochs if curve.val is None else curve.val.tolist()
        return table

    def draw(self, figure: Canvas) -> None:
        """Draw on an empty figure or subfigure."""
        ax = figure.subplots()
        for index, curve in enumerate(self.curves):
            # By part in a single run, by run when there are several.
            colours = (TRAIN, VAL) if len(self.curves) == 1 else (SERIES[index % len(SERIES)],) * 2
            _draw_curve(ax, curve, colours)
        for index, epoch in enumerate(self.marks):
            ax.axvline(epoch, color=get_ink(), alpha=0.7, lw=1, ls=":", label="" if index else self.marks_label)
        label_axes(ax, "epoch", self.ylabel or self.quantity, is_percent=self.percent)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        # "outside" takes space above the axes only, so that a long legend does not narrow them.
        figure.legend(loc="outside upper left", ncols=self._legend_columns(), columnspacing=1.4, handlelength=1.8)

    def _legend_columns(self) -> int:
        if len(self.curves) == 1:
            return 3
        return 2 if max(len(curve.name) for curve in self.curves) <= MAX_NAME_IN_PAIR else 1


def check_quantity(quantity: str) -> None:
    """Raise if a history has no such quantity.

    Raises:
        BadInput: if it is not loss, cost or accuracy.
    """
    if quantity not in QUANTITIES:
        raise BadInput(f"quantity is {quantity!r}; accepted are {', '.join(QUANTITIES)}.")


def _make_curve(history: Sequence[EpochRow], quantity: str, name: str) -> Curve:
    train, val = (_follow(history, f"{part}_{quantity}") for part in ("train", "val"))
    if not train.keys() <= val.keys():  # other epochs than validation: keep training
        val = {}
    of_train, of_val = (np.array(list(values.values())) if values else None for values in (train, val))
    epochs, is_partial = np.array(list(val or train)), 0 < len(train) < len(val)
    return Curve(epochs, of_train, of_val, name, np.array(list(train)) if is_partial else None)


def _follow(history: Sequence[EpochRow], column: str) -> dict[int, float]:
    """The measured values of a column by epoch."""
    return {row.epoch: value for row in history if (value := getattr(row, column)) is not None}


def _find_steps(history: Sequence[EpochRow]) -> tuple[float, ...]:
    """Epochs after which the rate drops, if it does so only a few times (a step schedule)."""
    pairs = pairwise(history)
    steps = tuple(float(row.epoch) for row, following in pairs if following.learning_rate < row.learning_rate)
    return steps if len(steps) <= len(history) / 4 else ()


def _draw_curve(ax: Axes, curve: Curve, colours: tuple[str, str]) -> None:
    prefix = f"{curve.name}, " if curve.name else ""
    parts = (("training", curve.measured, curve.train, "-"), ("validation", curve.epoch, curve.val, (0, (4, 1.5))))
    for (part, epochs, values, linestyle), colour in zip(parts, colours, strict=True):
        if values is None:
            continue
        # Few points, and points with unmeasured epochs between them, have markers.
        marker = "o" if len(epochs) <= MAX_MARKERS or len(epochs) < len(curve.epoch) else ""
        finite = np.where(np.isfinite(values), values, np.nan)  # a diverged run ends at its last finite value
        diverged = "" if np.isfinite(values).all() else " (diverged)"
        ax.plot(epochs, finite, color=colour, linestyle=linestyle, marker=marker, label=f"{prefix}{part}{diverged}")
