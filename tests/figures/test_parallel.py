import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from monolayer.errors import BadInput
from monolayer.figures import ParallelCoordinates, render_svg
from monolayer.figures.chart import _draw, _rc
from monolayer.figures.parallel import DIVERGED
from monolayer.figures.scales import ZERO_GAP

SETTINGS = {"learning_rate": [0.1, 0.001, 0.01, 0.1], "l2": [0, 0.1, 0.001, 0], "loss": ["b", "a", "a", "b"]}
ACCURACY = [0.5, 0.3, 0.4, np.nan]


def test_lines_go_through_the_values_to_the_accuracy_or_end_below():
    lines = ParallelCoordinates(SETTINGS, ACCURACY).compute_lines()
    assert lines == pytest.approx(np.array([[1, 0, 1, 1], [0, 1, 0, 0], [0.5, ZERO_GAP, 0, 0.5], [1, 0, 1, DIVERGED]]))


def test_the_best_lies_on_top_and_the_lost_are_grey_and_dashed_below():
    figure = Figure()
    chart = ParallelCoordinates(SETTINGS, ACCURACY, [False, False, True, False])
    chart.draw(figure)
    ax = figure.axes[0]
    lost, faint, strong = (c for c in ax.collections if isinstance(c, LineCollection))
    heights = chart.compute_lines()
    for group, member in ((lost, 3), (faint, 1), (strong, 2)):
        assert [segment[:, 1].tolist() for segment in group.get_segments()] == [heights[member].tolist()]
    assert faint.get_alpha() < strong.get_alpha()
    assert lost.get_linestyle()[0][1] is not None
    best = [line for line in ax.lines if line.get_ydata().tolist() == heights[0].tolist()]
    assert min(line.get_zorder() for line in best) > strong.get_zorder() > faint.get_zorder() > lost.get_zorder()
    assert "diverged" in [text.get_text() for text in ax.texts]


def test_the_accuracies_axis_is_linear_and_its_labels_stand_where_the_lines_end():
    figure = Figure()
    ParallelCoordinates({"l2": [0, 1]}, [0.05, 0.95]).draw(figure)
    labels = {t.get_text(): t.get_position()[1] for t in figure.axes[0].texts if t.get_text().endswith("%")}
    assert len(labels) >= 3
    for text, place in labels.items():
        assert place == pytest.approx((float(text.removesuffix(" %")) - 5) / 90)


def test_table_is_what_was_given():
    frame = ParallelCoordinates(SETTINGS, ACCURACY, [True] * 4).frame()
    assert {name: frame[name] for name in SETTINGS} == SETTINGS
    np.testing.assert_equal(frame["val_accuracy"], ACCURACY)
    assert frame["marked"] == [True] * 4


@pytest.mark.parametrize("n_fields", [2, 4, 6])
def test_labels_of_two_to_six_axes_do_not_overlap(n_fields):
    import matplotlib as mpl

    columns = {
        "learning_rate": [0.0001, 0.001, 0.01],
        "l2": [0, 1e-5, 0.1],
        "batch_size": [50, 100, 200],
        "schedule": ["constant", "cosine:0", "step:10:0.1"],
        "loss": ["cross_entropy", "multiple_bce", "multiple_bce"],
        "flip": [0, 0.25, 0.5],
    }
    chart = ParallelCoordinates(dict(list(columns.items())[:n_fields]), [0.1, 0.4123, np.nan])
    assert chart.size[0] <= 5.1
    with mpl.rc_context(_rc("test")):
        figure = _draw(chart)
        figure.draw_without_rendering()
        boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    page = figure.bbox
    assert all(page.x0 - 1 <= box.x0 and box.x1 <= page.x1 + 1 and box.y1 <= page.y1 + 1 for box in boxes)
    pairs = [(a, b) for i, a in enumerate(boxes) for b in boxes[:i]]
    shared = [min(a.x1, b.x1) - max(a.x0, b.x0) for a, b in pairs if min(a.y1, b.y1) - max(a.y0, b.y0) > 2]
    assert max(shared) <= 2


def test_runs_that_all_diverged_have_no_best():
    chart = ParallelCoordinates(SETTINGS, [np.nan, np.inf, np.nan, np.nan])
    assert (chart.compute_lines()[:, -1] == DIVERGED).all()
    assert "%" not in "".join(part for part in render_svg(chart).split("<text")[1:])


def test_there_must_be_a_field_and_columns_must_fit():
    with pytest.raises(BadInput, match="at least one field"):
        ParallelCoordinates({}, [0.1])
    with pytest.raises(BadInput, match="l2 must have 4 values"):
        ParallelCoordinates({"l2": [0]}, ACCURACY)
