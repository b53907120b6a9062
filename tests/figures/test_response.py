import numpy as np
import pytest
from matplotlib.figure import Figure

from monolayer.errors import BadInput
from monolayer.figures import Response, render_svg

VALUES, VAL = [1, 0, 0.01], [0.5, 0.2, np.nan]  # best first
LOW, HIGH = [0.4, 0.1, 0.0], [0.6, 0.35, 1.0]


def test_points_and_intervals_are_drawn_where_the_table_says():
    chart, figure = Response("l2", VALUES, VAL, LOW, HIGH, [0.6, 0.3, 0.9]), Figure()
    assert chart.frame() == {
        "l2": [0, 0.01, 1],
        "val_accuracy": [0.2, None, 0.5],
        "low": [0.1, 0.0, 0.4],
        "high": [0.35, 1.0, 0.6],
        "train_accuracy": [0.3, 0.9, 0.6],
    }
    chart.draw(figure)
    ax = figure.axes[0]
    assert np.array(ax.collections[0].get_segments()) == pytest.approx(
        np.array([[[0, 0.1], [0, 0.35]], [[1, 0.4], [1, 0.6]]])
    )
    by_label = {line.get_label(): line.get_xydata().tolist() for line in ax.lines}
    assert by_label["best"] == [[1, 0.5]]
    assert by_label["training"] == [[0, 0.3], [1, 0.6]]
    assert [place for place, _ in by_label["diverged"]] == [0.15]


def test_words_that_have_no_room_side_by_side_stand_on_end():
    for words, rotation in ((["a", "b"], 0), ([f"layer_{i}_mean" for i in range(12)], 90)):
        figure, n = Figure(), len(words)
        Response("features", words, np.full(n, 0.5), np.full(n, 0.4), np.full(n, 0.6)).draw(figure)
        labels = figure.axes[0].get_xticklabels()
        assert [label.get_text() for label in labels] == words
        assert {label.get_rotation() for label in labels} == {rotation}


def test_no_line_leads_from_one_word_to_the_next():
    figure = Figure()
    Response("loss", ["b", "a"], [0.1, 0.2], [0, 0.1], [0.2, 0.3], [0.1, 0.2]).draw(figure)
    assert all(line.get_linestyle() == "None" for line in figure.axes[0].lines)


def test_legend_names_what_there_is():
    svg = render_svg(Response("l2", [0.1], [0.5], [0.4], [0.6]))
    assert "best" in svg
    assert "training" not in svg
    assert "diverged" not in svg


def test_an_accuracy_lies_within_its_interval():
    for low, high in (([0.6], [0.7]), ([0.1], [0.2]), ([np.nan], [0.7])):
        with pytest.raises(BadInput, match="within its interval"):
            Response("l2", [0], [0.5], low, high)
    Response("l2", [0], [1.0], [0.99], [1.0 - 1e-16])
    with pytest.raises(BadInput, match="l2 must have 1 values"):
        Response("l2", [0, 1], [0.5], [0.4], [0.6])
