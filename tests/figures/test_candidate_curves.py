import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from monolayer.errors import BadInput
from monolayer.figures import Candidate, CandidateCurves, render_svg
from monolayer.figures.style import SERIES

EPOCH = np.arange(1, 5)


def make_candidate(**changes):
    columns = {"epoch": EPOCH, "val": EPOCH / 10, "train": None, "epochs": 4, **changes}
    return Candidate(**columns)


def draw(chart):
    figure = Figure()
    chart.draw(figure)
    return figure.axes[0]


def read_lines(ax, marker):
    return [line.get_xydata().tolist() for line in ax.lines if line.get_marker() == marker and len(line.get_xdata())]


def test_a_table_has_a_row_for_each_epoch_of_each_candidate():
    train = [np.nan, 0.3, np.nan, 0.5]
    named, lost = make_candidate(train=train, name="best"), make_candidate(epoch=[1, 2], val=[0.2, np.inf])
    assert CandidateCurves((named, lost)).frame() == {
        "run": [1, 1, 1, 1, 2, 2],
        "name": ["best"] * 4 + [""] * 2,
        "epoch": [1, 2, 3, 4, 1, 2],
        "train": [None, 0.3, None, 0.5, None, None],
        "val": [0.1, 0.2, 0.3, 0.4, 0.2, None],
    }


def test_named_ones_are_lines_with_their_training_values_and_the_others_one_collection():
    named = make_candidate(train=[np.nan, 0.3, np.nan, 0.5], name="best")
    ax = draw(CandidateCurves((named, make_candidate(), make_candidate(val=EPOCH / 20))))
    (grey,) = [c for c in ax.collections if isinstance(c, LineCollection)]
    assert np.array(grey.get_segments()) == pytest.approx(
        np.stack([np.column_stack([EPOCH, EPOCH / k]) for k in (10, 20)])
    )
    assert read_lines(ax, "o") == [[[2, 0.3], [4, 0.5]]]
    assert [[1, 0.1], [2, 0.2], [3, 0.3], [4, 0.4]] in np.round(read_lines(ax, ""), 12).tolist()


def test_values_that_were_not_measured_leave_no_hole():
    ax = draw(CandidateCurves((make_candidate(val=[0.1, np.nan, 0.3, 0.4]),)))
    assert ax.collections[0].get_segments()[0].tolist() == [[1, 0.1], [3, 0.3], [4, 0.4]]


def test_what_was_let_go_ends_in_a_dot_and_what_was_lost_in_a_cross():
    let_go = make_candidate(epoch=[1, 2], val=[0.1, 0.2])
    lost = make_candidate(epoch=[1, 2, 3], val=[0.3, 0.35, np.nan], has_diverged=True)
    chart = CandidateCurves((make_candidate(), let_go, lost))
    ax = draw(chart)
    assert read_lines(ax, "o") == [[[2, 0.2]]]
    assert read_lines(ax, "x") == [[[2, 0.35]]]
    svg = render_svg(chart)
    assert "stopped early" in svg
    assert "diverged" in svg
    whole = render_svg(CandidateCurves((make_candidate(), make_candidate(val=EPOCH / 20))))
    assert "stopped early" not in whole
    assert "diverged" not in whole


def test_a_candidate_without_a_finite_value_is_drawn_nowhere():
    lost = make_candidate(epoch=[1], val=[np.nan], has_diverged=True)
    chart = CandidateCurves((make_candidate(name="a"), lost, make_candidate(epoch=[], val=[])))
    assert "diverged" not in render_svg(chart)
    assert not draw(chart).collections[0].get_segments()


def test_losses_that_explode_do_not_press_the_others_onto_the_axis():
    field = [make_candidate(val=1 + EPOCH / (10 + k), name="best" if k == 0 else "") for k in range(20)]
    chart = CandidateCurves((*field, make_candidate(val=10.0**EPOCH)), quantity="loss")
    low, high = chart.choose_limits()
    assert 0.9 < low < 1.1 < 1.4 <= high < 1.6
    assert draw(chart).get_ylim() == (low, high)
    assert chart.count_hidden() == 1
    assert max(chart.frame()["val"]) == 10**4


def test_what_diverged_has_no_say_in_what_is_shown_unless_all_did():
    lost = make_candidate(val=10.0**EPOCH, has_diverged=True)
    assert CandidateCurves((make_candidate(), lost), quantity="loss").choose_limits()[1] < 1
    assert CandidateCurves((lost, lost), quantity="loss").choose_limits()[1] > 1e4


def test_accuracies_of_a_few_are_all_shown():
    few = [make_candidate(val=np.full(4, 0.9 + k / 100)) for k in range(6)] + [make_candidate(val=EPOCH / 50)]
    assert CandidateCurves(tuple(few), percent=True).count_hidden() == 0
    assert CandidateCurves(tuple(few * 4), percent=True).count_hidden() == 4


def test_hundreds_of_curves_stay_small_and_more_become_an_image():
    rng = np.random.default_rng(0)

    def make(n):
        runs = (
            Candidate(np.arange(1, 41), rng.random(40), None, 40, name=f"run {k}" if k < 5 else "") for k in range(n)
        )
        return render_svg(CandidateCurves(tuple(runs)), "many")

    vector, image = make(256), make(900)
    assert "<image" not in vector
    assert image.count("<image") == 1
    assert max(len(vector), len(image)) < 300_000


@pytest.mark.parametrize("names", [["a"] * 2, list("abcdef")])
def test_names_are_few_and_different(names):
    with pytest.raises(BadInput, match="At most 5 candidates can have names, all different; not"):
        CandidateCurves(tuple(make_candidate(name=name) for name in names))


def test_there_must_be_something_to_draw():
    for candidates in ((), (make_candidate(val=[np.nan] * 4),)):
        with pytest.raises(BadInput, match="No candidate has a finite validation value"):
            CandidateCurves(candidates)


def test_columns_must_fit():
    with pytest.raises(BadInput, match="candidate a: val must have 4 values"):
        make_candidate(val=[1.0], name="a")
    with pytest.raises(BadInput, match="candidate: train must contain only numbers"):
        make_candidate(train=["x"] * 4)


def test_a_curve_under_a_better_one_is_wider_so_that_both_are_seen():
    epochs = np.arange(1, 4)
    rising, falling = np.array([0.1, 0.2, 0.3]), np.array([0.3, 0.2, 0.1])
    curves = {"best": rising, "under it": rising, "apart": falling}
    named = tuple(Candidate(epochs, values, None, 3, name=name) for name, values in curves.items())
    figure = Figure()
    CandidateCurves(named).draw(figure)
    widths = {line.get_color(): line.get_linewidth() for line in figure.axes[0].lines if line.get_linewidth() > 2}
    best, under, apart = (widths[colour] for colour in SERIES[:3])
    assert best == apart
    assert under > best + 1
