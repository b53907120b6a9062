"""Reliability diagram: accuracy against confidence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.ticker import MaxNLocator, PercentFormatter

from monolayer.data.dataset import Rows
from monolayer.errors import BadInput
from monolayer.evaluate.calibration import Reliability
from monolayer.figures.chart import Canvas, Chart, Frame, compute_ends, convert_to_column, find_network, label_axes
from monolayer.figures.style import SERIES, WIDTH, get_ink
from monolayer.network import OneLayer
from monolayer.training.run import Run


@dataclass(frozen=True, eq=False)
class ReliabilityDiagram(Chart):
    """Accuracy of each confidence bin with its interval, the diagonal, and the number of rows in each bin.

    The interval of a bin with one row spans nearly 0 to 1: a point off the diagonal alone is no evidence.

    Args:
        table: the bins, from :func:`monolayer.evaluate.calibration.compute_reliability`.
        title: optional line above the axes.
        name: label of the y axis.

    Raises:
        BadInput: if the columns do not match, or a bin with rows has a value outside 0..1.
    """

    table: Reliability
    title: str = ""
    name: str = "accuracy"
    n_panels = 2  # the points and, below them, the counts

    def __post_init__(self) -> None:
        n_bins = len(convert_to_column(self.table.counts, "counts"))
        convert_to_column(self.table.edges, "edges", n_bins + 1)
        filled = self.table.counts > 0
        for name in ("confidence", "accuracy", "low", "high"):
            column = convert_to_column(getattr(self.table, name), name, n_bins)[filled]
            if not ((column >= 0) & (column <= 1)).all():
                raise BadInput(f"{name} of a bin with rows must be within 0..1.")

    @classmethod
    def of(cls, network: OneLayer | Run, rows: Rows) -> ReliabilityDiagram:
        """Of the probability of the predicted class on some rows, such as ``splits.val``.

        Probabilities are those of the network's loss: softmax or sigmoids.

        Raises:
            BadInput: if the network has diverged, so that its probabilities are not finite.
        """
        from monolayer.evaluate.calibration import compute_reliability, compute_top_label
        from monolayer.evaluate.predictions import predict_rows

        predictions = predict_rows(find_network(network), rows)
        return cls(compute_reliability(*compute_top_label(predictions.probabilities, predictions.y)))

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in inches."""
        return WIDTH, 4.8 + (0.3 if self.title else 0.0)

    def frame(self) -> Frame:
        """Columns bin_low, bin_high, n, confidence, accuracy, low, high, one row for each bin; None if it is empty."""
        table = self.table
        bounds = {"bin_low": table.edges[:-1].tolist(), "bin_high": table.edges[1:].tolist()}
        frame: Frame = {**bounds, "n": table.counts.tolist()}
        for name in ("confidence", "accuracy", "low", "high"):
            values = getattr(table, name).tolist()
            frame[name] = [value if n else None for value, n in zip(values, frame["n"], strict=True)]
        return frame

    def draw(self, figure: Canvas) -> None:
        """Draw on an empty figure or subfigure: the points above, the counts below, one x axis."""
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3.4, 1))
        table, filled = self.table, self.table.counts > 0
        x, y = table.confidence[filled], table.accuracy[filled]
        ends = compute_ends(y, table.low[filled], table.high[filled])
        above.plot([0, 1], [0, 1], color=get_ink(), alpha=0.6, lw=1, ls="--", label="calibrated")
        above.errorbar(x, y, ends, fmt="o", ms=5, lw=1.6, color=SERIES[0], clip_on=False, label="bin, 95 % interval")
        above.set(ylabel=self.name, xlim=(0, 1), ylim=(0, 1))
        above.yaxis.set_major_formatter(PercentFormatter(1.0))
        above.grid()
        # One bar for each bin, not one outline: bins of equal mass have equal heights and differ in width.
        widths, colour = np.diff(table.edges), SERIES[0]
        below.bar(table.edges[:-1], table.counts, widths, align="edge", color=colour, alpha=0.4)
        below.bar(table.edges[:-1], table.counts, widths, align="edge", fill=False, edgecolor=colour, lw=1.2)
        below.set(ylim=(0, None))
        label_axes(below, "confidence", "rows", is_percent=False)
        below.xaxis.set_major_formatter(PercentFormatter(1.0))
        below.yaxis.set_major_locator(MaxNLocator(3, integer=True))
        figure.legend(loc="outside upper left", ncols=2, columnspacing=1.4, handlelength=1.8)
        if self.title:
            above.set_title(self.title, loc="left")
