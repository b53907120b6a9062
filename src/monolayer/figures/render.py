"""Charts to files: inline SVG for pages, PNG for Markdown, CSV for people who want the numbers."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure

from monolayer.figures.style import DPI, FONT_STACK, INK, PAPER, RC
from monolayer.files import write_whole

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.typing import RcKeyType

    from monolayer.figures.base import Chart

_NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}
_PATH = re.compile(r' d="[^"]*"')
_DECIMALS = re.compile(r"(\.\d\d)\d+")
PAGE = "var(--page, Canvas)"  # as report.css calls it; the browser's own page where no such name is known
_REFERENCE = re.compile(r'(?:url\(#|href="#)([^)"]+)')


def render_svg(chart: Chart, name: str = "") -> str:
    """The chart as one ``<svg>`` element, transparent, its text and axes in currentColor; the same bytes every time.

    Args:
        chart: any chart of this package.
        name: prefix of the ids within; give each figure of a page its own. By default it comes from the content.
    """
    buffer = io.StringIO()
    with mpl.rc_context(_rc(name or "monolayer")):
        _draw(chart).savefig(buffer, format="svg", metadata=_NO_METADATA)
    svg = _follow_page(_shorten_paths(_strip_prologue(buffer.getvalue())))
    prefix = name or "f" + hashlib.sha256(svg.encode()).hexdigest()[:10]
    return _rename_ids(svg, re.sub(r"[^\w-]", "-", prefix))


def render_opaque_svg(chart: Chart) -> str:
    """The chart as one ``<svg>`` element in dark ink on white, for pages that do not say which colours they have."""
    return render_svg(chart).replace('style="', f'style="color: {INK}; background: white; --page: white; ', 1)


def save_png(chart: Chart, path: Path, *, dpi: int = DPI) -> None:
    """Write the chart as a PNG on white; the file appears whole or not at all."""
    buffer = io.BytesIO()
    with mpl.rc_context(_rc("png")):
        _draw(chart).savefig(buffer, format="png", dpi=dpi, facecolor="white", metadata={"Software": None})
    write_whole(path, buffer.getvalue())


def save_csv(chart: Chart, path: Path) -> None:
    """Write the chart's table as CSV, floats in full; the file appears whole or not at all."""
    buffer = io.StringIO(newline="")
    table = chart.frame()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(table)
    writer.writerows(zip(*table.values(), strict=True))
    write_whole(path, buffer.getvalue().encode())


def _rc(salt: str) -> dict[RcKeyType, Any]:
    # The library's defaults first, so that a matplotlibrc of the reader's cannot change the figures.
    defaults = {key: value for key, value in mpl.rcParamsDefault.items() if key not in ("backend", "interactive")}
    return {**defaults, **RC, "svg.hashsalt": salt}


def _draw(chart: Chart) -> Figure:
    figure = Figure(figsize=chart.size, layout="constrained")
    chart.draw(figure)
    return figure


def _strip_prologue(svg: str) -> str:
    return svg[svg.index("<svg") :].strip()


def _shorten_paths(svg: str) -> str:
    """Two decimals of a point in the paths, a seven-thousandth of an inch: half the size of many curves."""
    return _PATH.sub(lambda match: _DECIMALS.sub(r"\1", match[0]), svg)


def _follow_page(svg: str) -> str:
    """Ink becomes the page's text colour, the font is inherited; SVG 1.1's xlink goes, browsers know plain href."""
    svg = svg.replace(INK, "currentColor").replace(PAPER, PAGE).replace("; font-family: 'DejaVu Sans'", "")
    svg = svg.replace(' xmlns:xlink="http://www.w3.org/1999/xlink"', "").replace("xlink:href=", "href=")
    # matplotlib's own rule is for "*": inside a page it would apply to the whole page.
    svg = re.sub(r"\s*<defs>\s*<style[^>]*>[^<]*</style>\s*</defs>", "", svg, count=1)
    style = f"font-family: {FONT_STACK}; stroke-linejoin: round; stroke-linecap: butt"
    return svg.replace("<svg ", f'<svg style="{style}" ', 1)


def _rename_ids(svg: str, prefix: str) -> str:
    """Drop the ids that nothing refers to and put the prefix before the others and their references."""
    used = set(_REFERENCE.findall(svg))
    svg = re.sub(r' id="([^"]*)"', lambda match: f' id="{prefix}-{match[1]}"' if match[1] in used else "", svg)
    return re.sub(r'(url\(#|href="#)', rf"\g<1>{prefix}-", svg)
