import csv
import re
import xml.etree.ElementTree as ET

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from monolayer.figures import (
    Candidate,
    CandidateCurves,
    HeatMap,
    ParallelCoordinates,
    ProbabilityHistogram,
    Response,
    Scatter,
    Templates,
    render_svg,
    save_csv,
    save_png,
)
from monolayer.figures.style import INK, PAPER
from tests.figures.charts import make_charts

CHARTS = make_charts()


@pytest.fixture(params=CHARTS)
def chart(request):
    return CHARTS[request.param]


def test_svg_is_one_well_formed_element_that_follows_the_page(chart):
    svg = render_svg(chart)
    assert ET.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"
    assert svg.startswith("<svg")
    assert "currentColor" in svg
    assert INK not in svg
    assert PAPER not in svg
    assert "<style" not in svg
    assert "<script" not in svg


def test_svg_is_the_same_every_time_whatever_the_reader_set(chart):
    first = render_svg(chart, "a")
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.fonttype": "path"}):
        assert render_svg(chart, "a") == first


def test_rendering_leaves_matplotlib_as_it_was(chart):
    before = dict(mpl.rcParams)
    render_svg(chart)
    assert dict(mpl.rcParams) == before


def test_ids_are_unique_across_figures_and_every_reference_resolves():
    page = "".join(render_svg(chart, name) for name, chart in CHARTS.items()) + render_svg(CHARTS["curves"], "again")
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(set(ids)) == len(ids)
    assert set(re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', page)) <= {(i, "") for i in ids} | {("", i) for i in ids}


def test_names_are_text_not_markup_nor_formulas():
    texts = {element.text for element in ET.fromstring(render_svg(CHARTS["templates"])).iter() if element.text}
    assert {"<b>cat</b>", "a & b", "$x_1$"} <= texts


def test_svg_refers_to_nothing_outside(chart):
    svg = render_svg(chart).replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert "http" not in svg
    assert all(target.startswith(("#", "data:image/png")) for target in re.findall(r'href="([^"]*)"', svg))


def test_pixels_of_templates_stay_pixels():
    svg = render_svg(CHARTS["templates"])
    assert svg.count("<image") == 3
    assert svg.count("image-rendering:pixelated") == 3


def test_png_is_white_and_the_same_every_time(chart, tmp_path):
    for name in ("a.png", "b.png"):
        save_png(chart, tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.convert("RGBA").getpixel((0, 0)) == (255, 255, 255, 255)
        assert picture.width == pytest.approx(chart.size[0] * 150, abs=2)
    assert not list(tmp_path.glob("*.partial"))


def test_paths_are_written_with_two_decimals(chart):
    assert not re.search(r' d="[^"]*\.\d{3}', render_svg(chart))


def test_what_hides_the_lines_behind_a_label_has_the_colour_of_the_page():
    assert "var(--page, Canvas)" in render_svg(CHARTS["parallel"])


def test_csv_holds_the_table(chart, tmp_path):
    save_csv(chart, tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(newline="") as lines:
        header, *rows = csv.reader(lines)
    table = chart.frame()
    assert header == list(table)
    expected = zip(*table.values(), strict=True)
    assert rows == [["" if value is None else str(value) for value in row] for row in expected]


@pytest.mark.parametrize(
    "odd",
    [
        HeatMap({"learning_rate": [0.1], "l2": [0]}, [np.nan], "learning_rate", "l2"),
        HeatMap({"learning_rate": [0.1], "l2": [0]}, [0.3], "l2", "learning_rate"),
        HeatMap({"a": [0.1] * 4, "b": [0] * 4, "c": [1, 2, 3, 4]}, [0.3, 0.4, np.inf, 0.2], "a", "b", ("c",)),
        HeatMap({"a": list(range(30)), "b": ["word"] * 30}, [np.nan, *[0.5] * 29], "b", "a", (), [True] * 30),
        Scatter({"a": [0.1], "b": ["word"]}, [np.nan], "a", "b"),
        Scatter({"a": [0, 1e-5, 1], "b": [2, 2, 2]}, [0.3, np.inf, 0.3], "a", "b", [True, False, True], "note"),
        ParallelCoordinates({"a": [0.1]}, [0.3]),
        ParallelCoordinates({"a": [0, 1, 100], "b": ["x_y:z", "x", "x"]}, [np.nan] * 3),
        Response("l2", [0.1], [0.5], [0.4], [0.6]),
        Response("schedule", ["cosine:0", "constant"], [np.nan, np.nan], [0, 0], [1, 1], [0.1, 0.2]),
        CandidateCurves((Candidate([1], [0.5], None, 1, name="only"),)),
        CandidateCurves((Candidate([1, 2], [0.5, 0.5], None, 2), Candidate([], [], None, 2))),
        ProbabilityHistogram(np.array([]), np.array([], dtype=bool)),
        ProbabilityHistogram(np.array([1.0]), np.array([True])),
        Templates(np.array([[np.nan] * 4, [1.0] * 4]), ("a", "b"), (1, 2, 2)),
        Templates(np.arange(100.0).reshape(25, 4), tuple(map(str, range(25))), (1, 2, 2)),
        Templates(np.zeros((1, 4)), ("one",), (1, 2, 2)),
    ],
)
def test_odd_data_is_drawn_without_a_warning(odd):
    assert render_svg(odd)


def test_diverged_curves_end_where_their_numbers_end():
    from monolayer.figures import Curve, Curves

    assert "(diverged)" in render_svg(Curves((Curve([1, 2, 3], [1.0, np.inf, np.nan], [1.0, 2.0, 3.0]),)))
    assert "(diverged)" in render_svg(Curves((Curve([1], [np.nan]),)))
