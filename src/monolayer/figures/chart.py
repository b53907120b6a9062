"""The base class of all figures, and its output as SVG, PNG and CSV."""

from __future__ import annotations

import csv
import hashlib
import io
import re
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgba
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import PercentFormatter
from matplotlib.transforms import Bbox

from monolayer._typing import Array
from monolayer.errors import BadInput
from monolayer.figures.style import DPI, FONT_STACK, INK, PAPER, RC, TEXT_SIZE, make_rc
from monolayer.files import write_whole

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.cm import ScalarMappable
    from matplotlib.colorbar import Colorbar
    from matplotlib.figure import FigureBase, SubFigure
    from matplotlib.typing import RcKeyType

    from monolayer.network import OneLayer
    from monolayer.training.run import Run


Frame = dict[str, list[Any]]
Canvas: TypeAlias = "FigureBase | GivenAxes"  # what a chart draws on: a figure, a subfigure, or a reader's axes

AXES_SHARE = 0.78  # of a figure's width and height, what its axes take
MIN_TEXT_SCALE = 0.6  # of the reader's text size, in axes that are smaller than the figure's own


class Chart(ABC):
    """One figure: its data, its table and its drawing; drawing does not change the data."""

    @property
    @abstractmethod
    def size(self) -> tuple[float, float]:
        """Width and height in inches at which the text has its intended size."""

    @property
    def n_panels(self) -> int:
        """Number of axes in the figure, without legends and colour bars."""
        return 1

    @abstractmethod
    def frame(self) -> Frame:
        """The figure as a table: column name -> values, every column of one length; ready for csv or pandas."""

    @abstractmethod
    def draw(self, figure: Canvas) -> None:
        """Draw on an empty Matplotlib figure or subfigure; both need constrained layout."""

    def plot(self, ax: Axes | Sequence[Axes] | Array | None = None) -> Any:
        """Draw into axes, with the colours and the text size of these axes.

        Args:
            ax: where to draw. A figure of one panel is drawn into these axes. A figure of several panels takes a
                sequence of ``n_panels`` axes, or one axes of a subplot grid: these are hidden, a subfigure takes their
                place, and the figure gets constrained layout. By default a new figure of size :attr:`size` is made; it
                belongs to pyplot in a notebook or if pyplot has been imported.

        Returns:
            The axes that were drawn into; for several panels, an array of axes, (n_panels,).

        Raises:
            BadInput: if ``ax`` is not Matplotlib axes, their number is wrong, or they have no place in a subplot grid.
        """
        if ax is None:
            ink, paper = (to_hex(mpl.rcParams[key]) for key in ("text.color", "axes.facecolor"))
            figure, rc = _open_figure(self.size), make_rc(ink, paper, TEXT_SIZE)
            with mpl.rc_context(rc):
                self.draw(figure)
            panels = _list_panels(figure, self.n_panels)
        else:
            given = _check_axes(self, ax)
            with mpl.rc_context(_choose_rc(self, given)):
                panels = _draw_into(self, given)
        is_single = self.n_panels == 1 and (ax is None or isinstance(ax, Axes))
        return panels[0] if is_single else np.array(panels, dtype=object)

    def _repr_svg_(self) -> str:
        """The figure for a notebook: in dark ink on white, because it cannot detect the colours of a notebook."""
        svg = render_svg(self)
        return svg.replace('style="', f'style="color: {INK}; background: white; --page: white; ', 1)


@dataclass(frozen=True, eq=False)
class GivenAxes:
    """Axes from the caller, with the methods of a figure that charts call.

    A figure's methods make new axes and place legends and notes outside them; here the axes exist already, and legends
    and notes have to go into them.

    Args:
        axes: one for each panel of the chart.
    """

    axes: list[Axes]

    def subplots(self, n_rows: int = 1, n_columns: int = 1, *, squeeze: bool = True, **options: Any) -> Any:
        """The axes as an array, (n_panels,), in reading order; the axes itself if one is asked for."""
        return self.axes[0] if squeeze and n_rows * n_columns == 1 else np.array(self.axes, dtype=object)

    def legend(self, handles: Any = None, **options: Any) -> None:
        """A legend inside the first axes, where it covers least."""
        options = {name: value for name, value in options.items() if name in ("handlelength", "labelspacing")}
        self.axes[0].legend(handles=handles, loc="best", frameon=True, edgecolor="none", framealpha=0.8, **options)

    def colorbar(self, mappable: ScalarMappable, *, label: str, **options: Any) -> Colorbar:
        """A colour bar beside the axes."""
        figure = self.axes[0].get_figure(root=False)
        if figure is None:
            raise BadInput("ax was removed from its figure; accepted are axes of a figure.")
        return figure.colorbar(mappable, ax=self.axes[0] if len(self.axes) == 1 else self.axes, label=label)

    def supxlabel(self, text: str, **options: Any) -> None:
        """Notes below the label of the last axes."""
        self.axes[-1].set_xlabel("\n".join(filter(None, (self.axes[-1].get_xlabel(), text))))


def _draw_into(chart: Chart, given: list[Axes]) -> list[Axes]:
    if len(given) < chart.n_panels:
        subfigure = _replace_by_subfigure(given[0], chart.n_panels)
        chart.draw(subfigure)
        return _list_panels(subfigure, chart.n_panels)
    chart.draw(GivenAxes(given))
    rc = mpl.rcParams
    for ax in given:  # axes keep the grid style that they were created with
        ax.tick_params(grid_color=rc["grid.color"], grid_alpha=rc["grid.alpha"], grid_linewidth=rc["grid.linewidth"])
        ax.set_axisbelow(True)
    return given


def _replace_by_subfigure(ax: Axes, n_panels: int) -> SubFigure:
    """A subfigure in the place of axes, below their title; constrained layout keeps its panels apart."""
    figure, place = ax.get_figure(root=False), ax.get_subplotspec()
    if figure is None or place is None:
        raise BadInput(
            f"This figure has {n_panels} panels, and ax has no place in a subplot grid; accepted are axes that "
            f"subplots() made, or a sequence of {n_panels} axes."
        )
    ax.axis("off")
    root = cast("Figure", ax.get_figure(root=True))
    if not isinstance(root.get_layout_engine(), ConstrainedLayoutEngine):
        root.set_layout_engine("constrained")
    return figure.add_subfigure(place)


def _list_panels(figure: Figure | SubFigure, n_panels: int) -> list[Axes]:
    return [ax for ax in figure.axes if ax.get_label() != "<colorbar>"][:n_panels]


def _open_figure(size: tuple[float, float]) -> Figure:
    """A figure of pyplot if pyplot shows figures: in a notebook, or if it has been imported."""
    if {"matplotlib.pyplot", "ipykernel"} & sys.modules.keys():
        from matplotlib import pyplot

        return pyplot.figure(figsize=size, layout="constrained")
    return Figure(figsize=size, layout="constrained")


def _check_axes(chart: Chart, ax: Any) -> list[Axes]:
    given = [ax] if isinstance(ax, Axes) else list(np.ravel(np.asarray(ax, dtype=object)))
    if not all(isinstance(one, Axes) for one in given):
        raise BadInput(f"ax must be Matplotlib axes, or a sequence of them, not {type(ax).__name__}.")
    if not isinstance(ax, Axes) and len(given) != chart.n_panels:
        raise BadInput(
            f"ax holds {len(given)} axes; this figure has {chart.n_panels} panels and accepts that many axes, or one."
        )
    return given


def _choose_rc(chart: Chart, given: Sequence[Axes]) -> dict[Any, Any]:
    """The figure's style with the colours of these axes, and smaller text if they are small."""
    first = given[0]
    figure = first.get_figure(root=True)
    dpi = figure.dpi if figure else mpl.rcParams["figure.dpi"]
    boxes = Bbox.union([one.get_window_extent() for one in given])
    shares = boxes.width / dpi / chart.size[0], boxes.height / dpi / chart.size[1]
    scale = min(1.0, max(MIN_TEXT_SCALE, min(shares) / AXES_SHARE))
    faces = [first.get_facecolor(), *([figure.get_facecolor()] if figure else []), "white"]
    paper = next(to_hex(face) for face in faces if to_rgba(face)[3] > 0)
    ink = to_hex(first.xaxis.label.get_color())
    return make_rc(ink, paper, scale * mpl.rcParams["font.size"])


def find_network(shown: OneLayer | Run) -> OneLayer:
    """The network of a run, or the network itself."""
    from monolayer.training.run import Run

    return shown.network if isinstance(shown, Run) else shown


def check_images(images: Array, n: int, image_shape: tuple[int, int, int], what: str) -> None:
    """Check rows of channel-major images.

    Raises:
        BadInput: if their shape is not (n, D) with n >= 1, or the images do not have 1 or 3 channels.
    """
    expected = (n, int(np.prod(image_shape)))
    if 0 in expected or images.shape != expected:
        raise BadInput(
            f"{n} {what} of shape {image_shape} must be an array of shape {expected} with at least one row, not "
            f"{images.shape}."
        )
    if image_shape[0] not in (1, 3):
        raise BadInput(f"{what.capitalize()} must have 1 or 3 channels, not {image_shape[0]}.")


def convert_to_column(values: npt.ArrayLike, name: str, length: int | None = None) -> Array:
    """Values as a float64 array of shape (n,).

    Raises:
        BadInput: if they are not one-dimensional numbers, or are not ``length`` many.
    """
    try:
        column = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise BadInput(f"{name} must contain only numbers.") from None
    if column.ndim != 1:
        raise BadInput(f"{name} must have shape (n,), not {column.shape}.")
    if length is not None and len(column) != length:
        raise BadInput(f"{name} must have {length} values, like the other columns, not {len(column)}.")
    return column


def list_finite(values: Array) -> list[float | None]:
    """Values (n,) for a table: None where they are not finite."""
    return [value if np.isfinite(value) else None for value in values.tolist()]


def compute_ends(values: Array, low: Array, high: Array) -> Array:
    """Lengths of error bars below and above values (n,), (2, n).

    By rounding, a Wilson interval can exclude a share of 0 or 1; a bar's length must not be negative.
    """
    return np.maximum([values - low, high - values], 0)


def label_axes(ax: Axes, xlabel: str, ylabel: str, *, is_percent: bool = True) -> None:
    """Label axes that have horizontal grid lines; in per cent if the values along y are fractions."""
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.grid(axis="y")
    if is_percent:
        ax.yaxis.set_major_formatter(PercentFormatter(1.0))


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
    svg = _print(chart, name or "monolayer", format="svg", metadata=_NO_METADATA).decode()
    # Two decimals of a point in the paths, a seven-thousandth of an inch: half the size of many curves.
    svg = _PATH.sub(lambda match: _DECIMALS.sub(r"\1", match[0]), svg[svg.index("<svg") :].strip())
    svg = _follow_page(svg)
    prefix = name or "f" + hashlib.sha256(svg.encode()).hexdigest()[:10]
    return _rename_ids(svg, re.sub(r"[^\w-]", "-", prefix))


def save_png(chart: Chart, path: Path, *, dpi: int = DPI) -> None:
    """Write the chart as a PNG on white; the file appears whole or not at all."""
    write_whole(path, _print(chart, "png", format="png", dpi=dpi, facecolor="white", metadata={"Software": None}))


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


def _print(chart: Chart, salt: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    with mpl.rc_context(_rc(salt)):
        _draw(chart).savefig(buffer, **options)
    return buffer.getvalue()


def _follow_page(svg: str) -> str:
    """Replace the ink by the page's text colour, inherit the font, and drop ``xlink:``, which browsers do not need."""
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
