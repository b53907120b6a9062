"""The picture of the roofline, log-log: what memory allows, and what the second cache does. Reads roofline.json.

python -m benchmarks.roofline_picture benchmarks/results/roofline.json benchmarks/results/roofline.png
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from benchmarks.roofline_points import Roofline, RooflinePoint
from monolayer.figures.style import DPI, INK, RC, SERIES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TO_THE_RIGHT: dict[str, Any] = {
    "xycoords": ("axes fraction", "data"),
    "xytext": (6, 0),
    "textcoords": "offset points",
}
MARKERS = ("o", "D", "v", "s", "^", "P")


@dataclass(frozen=True)
class View:
    """One plot: where bytes come from, the (rate of all cores, rate of one) there, and operations for each of them."""

    title: str
    gigabytes: tuple[float, float]
    intensities: tuple[float, ...]


def draw_roofline(roofline: Roofline) -> Figure:
    """Two plots with the same passes and the same height: against bytes from memory, and from the second cache."""
    roofs, points = roofline.roofs, roofline.points
    views = (
        View("bytes from memory", (roofs.read, roofs.one_read), tuple(s.per_memory_byte for s in points)),
        View("bytes from the second cache", (roofs.cache, roofs.one_cache), tuple(s.per_cache_byte for s in points)),
    )
    figure = Figure(figsize=(10, 5), layout="constrained", facecolor="white")
    plots = figure.subplots(1, 2, sharey=True)
    for plot, view in zip(plots, views, strict=True):
        _draw_view(plot, view, roofline)
    figure.legend(*plots[0].get_legend_handles_labels(), loc="outside lower center", ncol=3, frameon=False)
    plots[0].set_ylabel("GFLOP/s")
    cores = f"{roofline.n_threads} cores" if roofline.n_threads > 1 else "one core"
    plots[1].annotate(f"sgemm,\n{cores}", (1, roofs.sgemm), **_TO_THE_RIGHT, va="center")
    if roofs.sgemm > 1.5 * roofs.one_sgemm:  # nearer to each other the two would stand on one another
        plots[1].annotate("one core", (1, roofs.one_sgemm), **_TO_THE_RIGHT, va="center")
    return figure


def _draw_view(plot: Axes, view: View, roofline: Roofline) -> None:
    sgemm = (roofline.roofs.sgemm, roofline.roofs.one_sgemm)
    ridges = [rate / gigabytes for rate, gigabytes in zip(sgemm, view.gigabytes, strict=True)]
    least = min(*view.intensities, *ridges) / 2.5
    most = max(*view.intensities, *ridges) * 2.5
    plot.set(xscale="log", yscale="log", xlim=(least, most), title=view.title, xlabel="operations a byte")
    for rate, gigabytes, ridge, style in zip(sgemm, view.gigabytes, ridges, ("-", "--"), strict=True):
        plot.plot([least, ridge, most], [least * gigabytes, rate, rate], style, color=INK, linewidth=1.2, zorder=1)
    heights = [point.gflops for point in roofline.points]
    plot.set_ylim(min(*heights, *sgemm) / 3, max(*heights, *sgemm) * 1.8)
    _draw_points(plot, view.intensities, roofline.points)
    plot.yaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5)))
    for axis in (plot.xaxis, plot.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())
    plot.grid(visible=True)


def _draw_points(plot: Axes, intensities: Sequence[float], points: Sequence[RooflinePoint]) -> None:
    """A point per pass, hollow, so that points on top of each other are visible."""
    for i, (x, point) in enumerate(zip(intensities, points, strict=True)):
        style = {"marker": MARKERS[i % len(MARKERS)], "color": SERIES[i % len(SERIES)], "label": point.name}
        plot.plot([x], [point.gflops], linestyle="", fillstyle="none", markersize=9, markeredgewidth=2, **style)


def main() -> None:
    source, target = map(Path, sys.argv[1:])
    roofline = Roofline.from_dict(json.loads(source.read_text()))
    with mpl.rc_context(RC):
        draw_roofline(roofline).savefig(target, dpi=DPI, metadata={"Software": None})


if __name__ == "__main__":
    main()
