import numpy as np
import pytest
from matplotlib.figure import Figure

from monolayer.errors import BadInput
from monolayer.figures import FewShotCurve, render_svg

ACCURACIES = [[0.2, 0.4], [0.5, 0.6]]


def test_means_spreads_and_draws_are_drawn_where_the_table_says():
    chart, figure = FewShotCurve([1, 10], ACCURACIES, 0.9, (0.88, 0.92), 5000), Figure()
    assert chart.frame() == {
        "shots": [1, 10],
        "mean": pytest.approx([0.3, 0.55]),
        "sd": pytest.approx([np.std(row, ddof=1) for row in ACCURACIES]),
        "n": [2, 2],
        "repeat_0": [0.2, 0.5],
        "repeat_1": [0.4, 0.6],
    }
    chart.draw(figure)
    ax = figure.axes[0]
    ends = np.array(ax.collections[0].get_segments())[:, :, 1]
    assert ends == pytest.approx(np.array([[0.3 - 0.1414, 0.3 + 0.1414], [0.55 - 0.0707, 0.55 + 0.0707]]), abs=1e-4)
    by_label = {line.get_label(): line.get_ydata() for line in ax.lines}
    assert list(by_label["single draws"]) == [0.2, 0.4, 0.5, 0.6]
    assert list(by_label["all 5,000 rows"]) == [0.9, 0.9]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "10"]


def test_one_draw_has_no_spread():
    chart = FewShotCurve([5], [[0.5]])
    assert chart.frame()["sd"] == [None]
    svg = render_svg(chart)
    assert "±" not in svg
    assert "all" not in svg


def test_what_is_no_curve_is_refused():
    with pytest.raises(BadInput, match="at least one number of shots, each above 0"):
        FewShotCurve([], [])
    with pytest.raises(BadInput, match="at least one number of shots, each above 0"):
        FewShotCurve([0], [[0.5]])
    with pytest.raises(BadInput, match=r"accuracies must have shape \(2, repeats\), not \(1, 2\)"):
        FewShotCurve([1, 2], [[0.5, 0.6]])
    with pytest.raises(BadInput, match="The probe has no shots"):
        FewShotCurve.of({"few_shot": []})
