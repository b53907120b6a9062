import csv
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

from monolayer.errors import BadInput
from monolayer.evaluate.calibration import Binning, compute_reliability
from monolayer.figures import ReliabilityDiagram, render_svg, save_csv, save_png


def make_table(n=200, binning=None):
    rng = np.random.default_rng(0)
    confidence = 0.3 + 0.7 * rng.random(n)
    return compute_reliability(confidence, rng.random(n) < confidence, binning or Binning(10))


def test_table_is_the_bins_with_gaps_where_they_are_empty():
    table = make_table()
    frame = ReliabilityDiagram(table).frame()
    assert list(frame) == ["bin_low", "bin_high", "n", "confidence", "accuracy", "low", "high"]
    assert {len(column) for column in frame.values()} == {10}
    assert sum(frame["n"]) == 200
    assert frame["n"][:3] == [0, 0, 0]
    assert frame["accuracy"][:3] == [None] * 3
    assert frame["accuracy"][3:] == table.accuracy[3:].tolist()
    assert frame["bin_low"][1:] == frame["bin_high"][:-1]


def test_points_intervals_and_counts_are_drawn_where_the_table_says():
    table, figure = make_table(), Figure()
    ReliabilityDiagram(table, name="share").draw(figure)
    above, below = figure.axes
    diagonal, points = above.get_lines()[:2]
    assert diagonal.get_xydata().tolist() == [[0, 0], [1, 1]]
    assert points.get_xydata() == pytest.approx(np.stack([table.confidence, table.accuracy], axis=1)[3:])
    ends = np.array(above.collections[0].get_segments())[:, :, 1]
    assert ends == pytest.approx(np.stack([table.low, table.high], axis=1)[3:])
    assert [bar.get_height() for bar in below.patches[:10]] == table.counts.tolist()
    assert above.get_ylabel() == "share"


@pytest.mark.parametrize(
    "table",
    [
        make_table(1),
        make_table(binning=Binning(10, "equal_mass")),
        make_table(binning=Binning(1)),
        compute_reliability(np.array([0.0, 1.0, 1.0]), np.array([True, False, True])),
        compute_reliability(np.array([0.0, 0.0, 0.4]), np.array([False, False, False]), Binning(3, "equal_mass")),
    ],
)
def test_odd_tables_are_drawn_without_a_warning(table, tmp_path):
    diagram = ReliabilityDiagram(table, title="a < b & $c$")
    assert "a &lt; b &amp; $c$" in render_svg(diagram)
    save_csv(diagram, tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(newline="") as lines:
        rows = list(csv.reader(lines))
    assert len(rows) == 1 + len(table.counts)


def test_picture_is_the_same_every_time(tmp_path):
    diagram = ReliabilityDiagram(make_table())
    save_png(diagram, tmp_path / "r.png")
    assert (tmp_path / "r.png").stat().st_size > 1000
    assert render_svg(diagram, "a") == render_svg(diagram, "a")


def test_title_takes_room():
    assert ReliabilityDiagram(make_table(), "t").size[1] > ReliabilityDiagram(make_table()).size[1]


@pytest.mark.parametrize(
    "change",
    [
        {"edges": np.array([0.0, 1.0])},
        {"accuracy": np.zeros(3)},
        {"confidence": np.full(10, 41.0)},
        {"low": np.full(10, np.nan)},
        {"counts": np.ones((2, 2), int)},
    ],
)
def test_columns_that_do_not_fit_are_refused(change):
    with pytest.raises(BadInput):
        ReliabilityDiagram(replace(make_table(), **change))
