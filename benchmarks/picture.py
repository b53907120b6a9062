"""The figure of how the time grows: four log-log plots of the numbers in bench.json.

python -m benchmarks.picture benchmarks/results/bench.json benchmarks/results/scaling.png
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

from benchmarks.scaling import Growth
from monolayer.figures.style import DPI, INK, RC, SERIES

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_growths(growths: list[Growth]) -> Figure:
    """A plot an axis, all with the same seconds; the thin line is what strict proportion would be."""
    figure = Figure(figsize=(10, 3), layout="constrained", facecolor="white")
    plots = figure.subplots(1, len(growths), sharey=True, squeeze=False)[0]
    for plot, growth in zip(plots, growths, strict=True):
        _draw_growth(plot, growth)
    plots[0].set_ylabel("seconds an epoch")
    plots[0].yaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5)))
    plots[0].yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    plots[0].yaxis.set_minor_formatter(NullFormatter())
    figure.supxlabel("thin line: time in proportion", fontsize=RC["ytick.labelsize"])
    return figure


def _draw_growth(plot: Axes, growth: Growth) -> None:
    first, last = growth.values[0], growth.values[-1]
    start = growth.seconds[0]
    plot.plot([first, last], [start, start * last / first], color=INK, linewidth=0.8, alpha=0.5)
    plot.plot(growth.values, growth.seconds, "o-", color=SERIES[0], markersize=5)
    plot.set(xscale="log", yscale="log")
    plot.xaxis.set_major_locator(FixedLocator(growth.values))
    plot.xaxis.set_minor_locator(NullLocator())
    plot.xaxis.set_major_formatter(FuncFormatter(_shorten))
    plot.set_title(growth.axis)
    plot.text(0.05, 0.89, f"exponent {growth.exponent:.2f}", transform=plot.transAxes)
    plot.grid(visible=True)


def _shorten(value: float, _: int) -> str:
    return f"{value / 1000:g}k" if value >= 10_000 else f"{value:g}"


def main() -> None:
    source, target = map(Path, sys.argv[1:])
    growths = [Growth(**growth) for growth in json.loads(source.read_text())["growths"]]
    with mpl.rc_context(RC):
        draw_growths(growths).savefig(target, dpi=DPI, metadata={"Software": None})


if __name__ == "__main__":
    main()
