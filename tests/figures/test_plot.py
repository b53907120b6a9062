"""Every figure in axes that a reader made: into which axes it is drawn, and how it looks."""

import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from monolayer.errors import BadInput
from monolayer.figures import Curve, Curves, HeatMap, Templates
from monolayer.figures.style import INK
from tests.figures.charts import make_charts

CHARTS = make_charts()
LONE = [name for name, chart in CHARTS.items() if chart.n_panels == 1]
SEVERAL = [name for name, chart in CHARTS.items() if chart.n_panels > 1]
DARK = style.library["dark_background"]


def draw(figure):
    """The pixels, (height, width, 3)."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[:, :, :3].astype(int)


def list_boxes(panels):
    return [panel.get_tightbbox() for panel in panels]


def overlap(a, b):
    return min(a.x1, b.x1) - max(a.x0, b.x0) > 0.5 and min(a.y1, b.y1) - max(a.y0, b.y0) > 0.5


@pytest.mark.parametrize("name", LONE)
def test_one_panel_is_drawn_into_the_very_axes(name):
    figure = Figure()
    ax = figure.subplots()
    returned = CHARTS[name].plot(ax=ax)
    assert returned is ax
    ax.set_title("mine")
    assert ax.has_data() or ax.patches
    assert not ax.child_axes


@pytest.mark.parametrize("name", SEVERAL)
def test_several_panels_fill_the_place_of_one_axes(name):
    chart, figure = CHARTS[name], Figure(figsize=(6, 5))
    ax = figure.subplots()
    ax.set_title("mine")
    panels = chart.plot(ax=ax)
    assert panels.shape == (chart.n_panels,)
    (subfigure,) = figure.subfigs
    assert set(panels) <= set(subfigure.axes)
    assert not ax.axison
    draw(figure)
    boxes, place = list_boxes(panels), subfigure.bbox.padded(2)
    assert place.y1 < ax.title.get_window_extent().y0 + 4
    assert all(place.x0 <= box.x0 and box.x1 <= place.x1 and place.y0 <= box.y0 and box.y1 <= place.y1 for box in boxes)
    assert not any(overlap(a, b) for i, a in enumerate(boxes) for b in boxes[:i])


@pytest.mark.parametrize("name", SEVERAL)
def test_several_panels_take_as_many_axes(name):
    chart = CHARTS[name]
    axes = Figure(figsize=(8, 4)).subplots(1, chart.n_panels + 1)
    returned = chart.plot(axes[:-1])
    assert list(returned) == list(axes[:-1])
    assert all(ax.has_data() or ax.patches or ax.texts for ax in returned)
    draw(axes[0].figure)
    with pytest.raises(BadInput, match=f"{chart.n_panels} panels and accepts that many axes, or one"):
        chart.plot(axes)


@pytest.mark.parametrize(("size", "dark"), [((12, 9), False), ((5, 4), True)], ids=["large-light", "small-dark"])
@pytest.mark.parametrize("names", [list(CHARTS)[i : i + 4] for i in range(0, len(CHARTS), 4)], ids=", ".join)
def test_four_figures_keep_to_their_quarters(names, size, dark):
    with mpl.rc_context(DARK if dark else {}):
        figure = Figure(figsize=size, layout="constrained", dpi=60)
        axes = figure.subplots(2, 2).ravel()
    for ax in axes[len(names) :]:
        ax.remove()
    axes = axes[: len(names)]
    for name, ax in zip(names, axes, strict=True):
        CHARTS[name].plot(ax=ax)
        ax.set_title("mine")
    pixels, boxes = draw(figure), list_boxes(axes)
    background, height = np.array([0, 0, 0] if dark else [255, 255, 255]), len(pixels)
    assert (pixels[0, 0] == background).all()
    for place, box in enumerate(boxes):
        assert not any(overlap(box, other) for other in boxes[:place])
        assert 0 <= box.x0 < box.x1 <= pixels.shape[1]
        assert 0 <= box.y0 < box.y1 <= height
        inside = pixels[int(height - box.y1) : int(height - box.y0), int(box.x0) : int(box.x1)]
        below_title = inside[len(inside) // 8 :]
        ink = np.abs(below_title - (255 - background)).sum(axis=2) < 150
        assert ink.sum() > 10, f"{names[place]}: text and lines in the reader's colour"


@pytest.mark.parametrize("name", CHARTS)
def test_a_figure_of_its_own_has_the_right_size(name):
    chart = CHARTS[name]
    returned = chart.plot()
    axes = np.ravel(returned)
    assert len(axes) == chart.n_panels
    assert all(isinstance(ax, Axes) for ax in axes)
    assert tuple(axes[0].figure.get_size_inches()) == pytest.approx(chart.size)


def test_nobody_holds_a_figure_where_pyplot_is_not_in_use():
    code = """
import sys
from monolayer.figures import Curve, Curves
figure = Curves((Curve([1, 2], [2.0, 1.0]),)).plot().figure
assert "matplotlib.pyplot" not in sys.modules
import matplotlib
matplotlib.use("Agg")
from matplotlib import pyplot
assert not pyplot.get_fignums()
shown = Curves((Curve([1, 2], [2.0, 1.0]),)).plot().figure
assert pyplot.figure(pyplot.get_fignums()[0]) is shown
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", CHARTS)
def test_plotting_leaves_matplotlib_as_it_was(name):
    before = dict(mpl.rcParams)
    CHARTS[name].plot(ax=Figure().subplots())
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("name", ["curves", "templates"])
def test_a_notebook_shows_the_figure_itself(name):
    svg = CHARTS[name]._repr_svg_()
    assert svg.startswith("<svg")
    assert "background: white" in svg
    assert f"color: {INK}" in svg


@pytest.mark.parametrize("name", CHARTS)
def test_the_table_is_a_data_frame(name):
    table = CHARTS[name].frame()
    frame = pd.DataFrame(table)
    assert list(frame.columns) == list(table)
    assert len(frame) == len(next(iter(table.values()))) > 0
    for column, values in table.items():
        for found, value in zip(frame[column], values, strict=True):
            assert found == value or (pd.isna(found) and (value is None or value != value))


@pytest.mark.parametrize("wrong", ["axes", 3, [1, 2]])
def test_what_is_no_axes_is_refused(wrong):
    with pytest.raises(BadInput, match="ax must be Matplotlib axes"):
        CHARTS["curves"].plot(ax=wrong)


def test_one_panel_takes_a_list_of_one_and_no_more():
    axes = Figure().subplots(1, 2)
    assert list(CHARTS["curves"].plot(axes[:1])) == [axes[0]]
    with pytest.raises(BadInput, match="1 panels"):
        CHARTS["curves"].plot(axes)


def test_class_names_are_no_formulas_in_axes_of_a_reader():
    panels = CHARTS["templates"].plot(ax=Figure().subplots())
    assert [panel.title.get_parse_math() for panel in panels] == [False] * 3
    ax = Curves((Curve([1, 2], [2.0, 1.0], None, "$b$"),)).plot(ax=Figure().subplots())
    assert [text.get_parse_math() for text in ax.get_legend().get_texts()] == [False]


def test_panels_follow_the_size_of_the_figure():
    figure = Figure(figsize=(6, 4))
    panels = Templates(np.arange(24.0).reshape(2, 12), ("a", "b"), (3, 2, 2)).plot(ax=figure.subplots(1, 2)[1])
    draw(figure)
    before = [panel.get_window_extent().width for panel in panels]
    figure.set_size_inches(3, 4)
    draw(figure)
    after = [panel.get_window_extent() for panel in panels]
    assert all(box.width < 0.6 * width for box, width in zip(after, before, strict=True))
    assert all(box.x0 >= 0.5 * 300 for box in after)


def test_axes_without_a_place_in_a_grid_take_no_figure_of_several_panels():
    ax = Figure().add_axes((0.1, 0.1, 0.8, 0.8))
    with pytest.raises(BadInput, match="3 panels, and ax has no place in a subplot grid"):
        CHARTS["templates"].plot(ax=ax)


def test_numbers_shrink_with_the_place_of_their_cells():
    sizes = []
    for width in (9, 3):
        ax = Figure(figsize=(width, 0.7 * width)).subplots()
        HeatMap({"a": [1, 2], "b": [3, 3]}, [0.5, 0.6], "a", "b").plot(ax=ax)
        sizes.append([text.get_fontsize() for text in ax.texts])
    assert sizes[0] > sizes[1] > [0.5 * size for size in sizes[0]]


def test_the_colours_are_those_of_the_axes_and_not_of_the_moment():
    with mpl.rc_context(DARK):
        ax = Figure().subplots()
    Curves((Curve([1, 2], [2.0, 1.0]),), marks=(1.5,)).plot(ax=ax)
    assert to_hex(ax.lines[-1].get_color()) == "#ffffff" != INK
    assert to_hex(ax.get_legend().get_frame().get_facecolor()) == "#000000"
