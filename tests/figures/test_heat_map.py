import numpy as np
import pytest
from matplotlib.figure import Figure

from monolayer.errors import BadInput
from monolayer.figures import HeatMap, render_svg

SETTINGS = {
    "learning_rate": [0.1, 0.01, 0.1, 0.01],
    "schedule": ["constant", "constant", "cosine:0", "cosine:0"],
    "flip": [0.0, 0.0, 0.5, 0.5],
}


def draw(chart):
    figure = Figure()
    chart.draw(figure)
    return figure


def read_numbers(ax):
    """The text of each cell by its place."""
    return {text.get_position(): text.get_text() for text in ax.texts}


def test_table_is_the_runs_as_they_were_given_with_one_a_cell():
    columns = {"learning_rate": [0.1, 0.01], "l2": [0.0, 1.0], "batch_size": [50, 100]}
    chart = HeatMap(columns, [0.4, 0.3], "learning_rate", "l2", ("batch_size",))
    assert chart.frame() == {**columns, "val_accuracy": [0.4, 0.3], "marked": [False, False], "n_runs": [1, 1]}


def test_any_two_fields_are_axes_and_words_too():
    chart = HeatMap(SETTINGS, [0.1, 0.2, 0.3, np.nan], "learning_rate", "schedule")
    ax = draw(chart).axes[0]
    assert read_numbers(ax) == {(1, 0): "10.0", (0, 0): "20.0", (1, 1): "30.0", (0, 1): "\N{MULTIPLICATION SIGN}"}
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0.01", "0.1"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["constant", "cosine:0"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("learning rate", "schedule")


def test_a_cell_of_several_runs_shows_the_best_and_says_so():
    settings = {"learning_rate": [0.1] * 4, "l2": [0, 0, 0, 1], "seed": [1, 2, 3, 1]}
    # The second was let go early, and ranks below the first whatever its accuracy.
    chart = HeatMap(settings, [0.4, 0.5, np.nan, np.nan], "learning_rate", "l2", (), [False, True, True, False], "note")
    frame = chart.frame()
    assert (frame["seed"], frame["n_runs"]) == ([1, 1], [3, 1])
    assert read_numbers(draw(chart).axes[0]) == {(0, 0): "40.0", (0, 1): "\N{MULTIPLICATION SIGN}"}
    assert frame["marked"] == [False, False]
    svg = render_svg(chart)
    assert "each cell shows the best of up to 3 recipes" in svg
    assert "note" not in svg


def test_of_equal_runs_in_a_cell_the_first_is_shown():
    chart = HeatMap({"a": [1, 1], "b": [1, 1], "c": [7, 8]}, [0.5, 0.5], "a", "b")
    assert chart.frame()["c"] == [7]


def test_other_fields_become_panels_named_by_their_values():
    settings = {**SETTINGS, "l2": [0, 1, 0, 1]}
    figure = draw(HeatMap(settings, [0.1, 0.2, 0.3, 0.4], "learning_rate", "l2", ("schedule", "flip")))
    titles = [ax.get_title().replace("\n", " ") for ax in figure.axes[:2]]
    assert titles == ["schedule constant, flip 0", "schedule cosine:0, flip 0.5"]
    assert [read_numbers(ax) for ax in figure.axes[:2]] == [
        {(1, 0): "10.0", (0, 1): "20.0"},
        {(1, 0): "30.0", (0, 1): "40.0"},
    ]


def test_many_values_give_small_cells_without_numbers_and_rims_around_regions():
    rates, penalties = np.meshgrid(np.geomspace(1e-4, 1, 20), np.geomspace(1e-5, 1, 20))
    accuracy = np.linspace(0.1, 0.9, 400)
    chart = HeatMap(
        {"learning_rate": rates.ravel(), "l2": penalties.ravel()}, accuracy, "learning_rate", "l2", (), accuracy > 0.5
    )
    ax = draw(chart).axes[0]
    assert not ax.texts
    assert len(ax.patches) == 400
    assert len(ax.get_xticks()) < 10
    for axis, values in ((ax.xaxis, rates[0]), (ax.yaxis, penalties[:, 0])):
        labels = [label.get_text() for label in axis.get_ticklabels()]
        assert labels == [f"{values[place]:.3g}" for place in axis.get_ticklocs()]
    assert chart.size[0] < 6
    assert len(ax.collections[0].get_segments()) == 20 + 20 + 2 * 10
    assert len(chart.frame()["l2"]) == 400


@pytest.mark.parametrize("axes", [("l2", "learning_rate"), ("flip", "flip"), ("flip", "schedule", ("flip",))])
def test_axes_and_panels_are_different_fields_that_there_are(axes):
    with pytest.raises(BadInput, match="must be different fields among learning_rate, schedule, flip, not"):
        HeatMap(SETTINGS, [0.1] * 4, *axes)


def test_columns_must_fit():
    with pytest.raises(BadInput, match="no run to draw"):
        HeatMap({"a": [], "b": []}, [], "a", "b")
    with pytest.raises(BadInput, match="flip must have 3 values"):
        HeatMap({"flip": [0]}, [0.1] * 3, "flip", "l2")
    with pytest.raises(BadInput, match="marked must have 4 values"):
        HeatMap(SETTINGS, [0.1] * 4, "flip", "schedule", (), [True])
