"""What every figure is: a frozen table that can draw itself, on a page or in a reader's own axes."""

from __future__ import annotations

import csv
import hashlib
import io
import re
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgba
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox, TransformedBbox

from monolayer.errors import BadInput
from monolayer.figures.style import DPI, FONT_STACK, INK, PAPER, RC, TEXT_SIZE, make_rc
from monolayer.files import write_whole

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.colorbar import Colorbar
    from matplotlib.figure import FigureBase, SubFigure
    from matplotlib.typing import RcKeyType

    from monolayer.network import OneLayer
    from monolayer.training.run import Run


# Of a figure, what its axes take: a place that is smaller than this share of the figure's size has smaller text.
AXES_SHARE = 0.78
LEAST_TEXT = 0.6  # of the reader's size
GAP = 0.06  # inches between two panels with all that is written around them
BAR = 0.11  # inches, height of a scale of colours
LEAST_PANEL = 0.2  # of the room of a row or column, however much is written around its panels
HELD = 0.96  # of the place: what is written may be a little larger where the text has another size


def plot(chart: Chart, ax: Axes | Sequence[Axes] | Array | None) -> Any:
    """Draw a chart where :meth:`Chart.plot` says; the axes that were drawn into."""
    if ax is None:
        return _plot_alone(chart)
    given = _check_axes(chart, ax)
    place = Place(chart.n_panels, given)
    with mpl.rc_context(_choose_rc(chart, given)):
        chart.draw(place)
        place.arrange()
    return given[0] if isinstance(ax, Axes) and chart.n_panels == 1 else np.array(place.panels, dtype=object)


def _plot_alone(chart: Chart) -> Any:
    ink, paper = (to_hex(mpl.rcParams[key]) for key in ("text.color", "axes.facecolor"))
    figure = _open_figure(chart.size)
    with mpl.rc_context(make_rc(ink, paper, TEXT_SIZE)):
        chart.draw(figure)
    panels = [ax for ax in figure.axes if ax.get_label() != "<colorbar>"][: chart.n_panels]
    return panels[0] if chart.n_panels == 1 else np.array(panels, dtype=object)


def _open_figure(size: tuple[float, float]) -> Figure:
    """A figure of pyplot's where it is what shows figures: in a notebook, or where it has been imported."""
    if {"matplotlib.pyplot", "ipykernel"} & sys.modules.keys():
        from matplotlib import pyplot

        return pyplot.figure(figsize=size, layout="constrained")
    return Figure(figsize=size, layout="constrained")


def _check_axes(chart: Chart, ax: Any) -> list[Axes]:
    given = [ax] if isinstance(ax, Axes) else list(np.ravel(np.asarray(ax, dtype=object)))
    if not all(isinstance(one, Axes) for one in given):
        raise BadInput(f"ax must be matplotlib axes, or a sequence of them, not {type(ax).__name__}.")
    if not isinstance(ax, Axes) and len(given) != chart.n_panels:
        raise BadInput(f"This figure has {chart.n_panels} panels; accepted are so many axes, or one, not {len(given)}.")
    return given


def _choose_rc(chart: Chart, given: Sequence[Axes]) -> dict[Any, Any]:
    """The look of the figure in the colours of these axes, its text smaller where they are."""
    first = given[0]
    figure = first.get_figure(root=True)
    dpi = figure.dpi if figure else mpl.rcParams["figure.dpi"]
    boxes = Bbox.union([one.get_window_extent() for one in given])
    shares = boxes.width / dpi / chart.size[0], boxes.height / dpi / chart.size[1]
    scale = min(1.0, max(LEAST_TEXT, min(shares) / AXES_SHARE))
    faces = [first.get_facecolor(), *([figure.get_facecolor()] if figure else []), "white"]
    paper = next(to_hex(face) for face in faces if to_rgba(face)[3] > 0)
    ink = to_hex(first.xaxis.label.get_color())
    return make_rc(ink, paper, scale * mpl.rcParams["font.size"])


@dataclass(eq=False)
class Place:
    """Where a chart is drawn that has no figure to itself; a chart takes it for a figure.

    Args:
        n_panels: axes that the chart fills.
        given: axes for each of them, or one whose place they share.
    """

    n_panels: int
    given: list[Axes]
    panels: list[Axes] = field(default_factory=list)
    _shape: tuple[int, int] = (1, 1)
    _heights: Array | None = None
    _bar: Axes | None = None
    _notes: str = ""

    def subplots(self, n_rows: int = 1, n_columns: int = 1, *, height_ratios: Any = None, **options: Any) -> Any:
        """The panels, (n_panels,), in reading order; the only one where the chart asks for one."""
        is_single = (n_rows, n_columns) == (1, 1) and options.get("squeeze", True)
        self._shape, self._heights = (n_rows, n_columns), np.ones(n_rows) if height_ratios is None else height_ratios
        if self._is_shared:
            self.given[0].axis("off")
            self.panels = self._make_panels(is_shared_x=options.get("sharex"), is_shared_y=options.get("sharey"))
        else:
            self.panels = self.given
        return self.panels[0] if is_single else np.array(self.panels, dtype=object)

    def legend(self, handles: Any = None, labels: Any = None, **options: Any) -> None:
        """A legend within the first panel, where it hides least."""
        if handles is None:
            handles, labels = self.panels[0].get_legend_handles_labels()
        options = {name: value for name, value in options.items() if name in ("handlelength", "labelspacing")}
        self.panels[0].legend(handles, labels, loc="best", frameon=True, edgecolor="none", framealpha=0.8, **options)

    def colorbar(self, mappable: ScalarMappable, *, label: str, **options: Any) -> Colorbar:
        """The scale of colours: a strip below panels that share a place, else beside the axes."""
        figure = self._figure
        if not self._is_shared:
            return figure.colorbar(mappable, ax=self.given[0] if len(self.given) == 1 else self.given, label=label)
        self._bar = self.given[0].inset_axes((0, 0, 1, 0.05), label="<colorbar>")
        return figure.colorbar(mappable, cax=self._bar, orientation="horizontal", label=label)

    def supxlabel(self, text: str, **options: Any) -> None:
        """Notes; they stand below everything else."""
        self._notes = text

    def arrange(self) -> None:
        """Set grid and notes as the figures have them, and panels that share a place so that nothing overlaps."""
        rc = mpl.rcParams
        for panel in self.panels:  # axes keep the style of grid that they were made with
            panel.tick_params(
                grid_color=rc["grid.color"], grid_alpha=rc["grid.alpha"], grid_linewidth=rc["grid.linewidth"]
            )
            panel.set_axisbelow(True)
        if self._notes:
            lowest = self._bar or self.panels[-1]
            lowest.set_xlabel("\n".join(filter(None, (lowest.get_xlabel(), self._notes))))
        if self._is_shared:
            _arrange(self.given[0], self.panels, self._shape, np.asarray(self._heights, float), self._bar)

    @property
    def _is_shared(self) -> bool:
        """Whether several panels share the place of one axes."""
        return self.n_panels > 1 and len(self.given) == 1

    @property
    def _figure(self) -> Figure | SubFigure:
        figure = self.given[0].get_figure(root=False)
        if figure is None:
            raise BadInput("ax stands in no figure any more; accepted are axes of a figure.")
        return figure

    def _make_panels(self, *, is_shared_x: bool | None, is_shared_y: bool | None) -> list[Axes]:
        (n_rows, n_columns), panels = self._shape, list[Axes]()
        for place in range(self.n_panels):
            row, column = divmod(place, n_columns)
            bounds = column / n_columns, 1 - (row + 1) / n_rows, 0.8 / n_columns, 0.8 / n_rows
            first = panels[0] if panels else None
            shared: dict[str, Any] = {
                "sharex": first if is_shared_x else None,
                "sharey": first if is_shared_y else None,
            }
            panel = self.given[0].inset_axes(bounds, **shared)
            is_lowest = place + n_columns >= self.n_panels
            panel.tick_params(labelbottom=not is_shared_x or is_lowest, labelleft=not is_shared_y or column == 0)
            panels.append(panel)
        return panels


@dataclass(frozen=True)
class _Margins:
    """What is written around axes, in inches."""

    left: float
    bottom: float
    right: float
    top: float


def _measure(ax: Axes, dpi: float) -> _Margins:
    box, tight = ax.get_window_extent(), ax.get_tightbbox()
    if tight is None:
        return _Margins(0.0, 0.0, 0.0, 0.0)
    edges = box.x0 - tight.x0, box.y0 - tight.y0, tight.x1 - box.x1, tight.y1 - box.y1
    return _Margins(*(max(0.0, float(edge)) / dpi for edge in edges))


def _arrange(parent: Axes, panels: list[Axes], shape: tuple[int, int], heights: Array, bar: Axes | None) -> None:
    """Let each panel follow its parent: what is written keeps its size in inches, the panels share what is left."""
    figure = parent.get_figure(root=True)
    if figure is None:
        return
    n_rows, n_columns = shape
    margins = [_measure(panel, figure.dpi) for panel in panels]
    by_row = [margins[row * n_columns : (row + 1) * n_columns] for row in range(n_rows)]
    by_column = [margins[column::n_columns] for column in range(n_columns)]
    below = _measure(bar, figure.dpi).bottom + BAR + 2 * GAP if bar else 0.0
    columns = _Track([(max(m.left for m in one), max(m.right for m in one)) for one in by_column], np.ones(n_columns))
    rows = _Track([(max(m.top for m in one), max(m.bottom for m in one)) for one in by_row], heights)
    for place, panel in enumerate(panels):
        row, column = divmod(place, n_columns)

        def locate(width: float, height: float, row: int = row, column: int = column) -> Bbox:
            x, w = columns.place(column, width)
            y, h = rows.place(row, height - below)
            return Bbox.from_bounds(x / width, 1 - (y + h) / height, w / width, h / height)

        _follow(parent, panel, locate)
    if bar:
        left = columns.before

        def locate_bar(width: float, height: float) -> Bbox:
            return Bbox.from_bounds(
                left / width, (below - BAR - GAP) / height, max(0.2, 1 - left / width), BAR / height
            )

        _follow(parent, bar, locate_bar)


@dataclass(frozen=True)
class _Track:
    """Panels side by side: what is written before and after each, in inches, and their shares of what is left."""

    margins: list[tuple[float, float]]
    shares: Array

    @property
    def before(self) -> float:
        """Inches before the first panel."""
        return self.margins[0][0]

    def place(self, number: int, room: float) -> tuple[float, float]:
        """Start and length in inches of one of the panels, where all have so much room."""
        written = [sum(pair) for pair in self.margins]
        gaps = GAP * (len(written) - 1)
        free = max(HELD * room - sum(written) - gaps, LEAST_PANEL * room)
        lengths = free * self.shares / self.shares.sum()
        start = sum(written[:number]) + GAP * number + float(lengths[:number].sum()) + self.margins[number][0]
        return start, float(lengths[number])


def _follow(parent: Axes, panel: Axes, locate: Callable[[float, float], Bbox]) -> None:
    """Have matplotlib ask for the panel's place whenever it draws: the parent may move or change its size."""

    def find_place(ax: Any, renderer: Any) -> Bbox:
        figure, own = parent.get_figure(root=True), panel.get_figure(root=False)
        if figure is None or own is None:
            return parent.get_position()
        bounds = locate(parent.bbox.width / figure.dpi, parent.bbox.height / figure.dpi)
        return Bbox(TransformedBbox(bounds, parent.transAxes - own.transSubfigure).get_points())

    panel.set_axes_locator(find_place)


Array = npt.NDArray[Any]
Frame = dict[str, list[Any]]
Canvas: TypeAlias = "FigureBase | Place"  # what a chart draws on: a figure, or a place in one


class Chart(ABC):
    """One figure: its data, its table and its drawing; drawing never changes the data."""

    @property
    @abstractmethod
    def size(self) -> tuple[float, float]:
        """Width and height in inches at which the text has its intended size."""

    @property
    def n_panels(self) -> int:
        """How many axes the figure fills; legends and the scales of colours are not counted."""
        return 1

    @abstractmethod
    def frame(self) -> Frame:
        """The figure as a table: column name -> values, every column of one length; ready for csv or pandas."""

    @abstractmethod
    def draw(self, figure: Canvas) -> None:
        """Draw on an empty matplotlib figure or subfigure, adding as many axes as the figure needs."""

    def plot(self, ax: Axes | Sequence[Axes] | Array | None = None) -> Any:
        """Draw with matplotlib, in the colours and at the size of text of the axes that are given.

        Args:
            ax: where to draw. A figure of one panel draws into these axes themselves; one of several panels fills
                their place with panels of its own, or takes a sequence of ``n_panels`` axes. By default a new figure
                of the right size is made: pyplot's in a notebook or where pyplot has been imported, so that it shows,
                and else one that nothing holds on to.

        Returns:
            The axes that were drawn into; of several panels, an array of axes, (n_panels,).

        Raises:
            BadInput: if ``ax`` is no axes, or not as many as there are panels.
        """
        return plot(self, ax)

    def _repr_svg_(self) -> str:
        """The figure as a notebook shows it, the same on light and dark pages."""
        return render_opaque_svg(self)


def find_network(shown: OneLayer | Run) -> OneLayer:
    """The network itself, or a run's."""
    from monolayer.training.run import Run

    return shown.network if isinstance(shown, Run) else shown


def convert_to_column(values: npt.ArrayLike, name: str, length: int | None = None) -> Array:
    """Values as a float64 array of shape (n,).

    Raises:
        BadInput: if they are not one-dimensional numbers, or are not ``length`` many.
    """
    try:
        column = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise BadInput(f"{name} must hold numbers only.") from None
    if column.ndim != 1:
        raise BadInput(f"{name} must have shape (n,), not {column.shape}.")
    if length is not None and len(column) != length:
        raise BadInput(f"{name} must have {length} values to go with the others, not {len(column)}.")
    return column


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
