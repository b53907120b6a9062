import math

import numpy as np
import pytest

from monolayer.errors import BadInput
from monolayer.figures.scales import ZERO_GAP, check_settings, fold, format_setting, make_scale


def test_numbers_over_a_decade_stand_on_a_logarithmic_scale():
    scale = make_scale("learning_rate", [0.1, 0.001, 0.01, 0.01])
    assert scale.is_log
    assert scale.values == (0.001, 0.01, 0.1)
    assert scale.place([0.001, 0.01, 0.1]) == pytest.approx([0, 0.5, 1])
    assert not make_scale("batch_size", [20, 50, 199]).is_log


def test_zero_has_a_place_of_its_own_below_a_logarithmic_scale():
    scale = make_scale("l2", [0, 0.001, 1, 0.1])
    assert scale.has_zero_apart
    assert scale.place([0, 0.001, 0.1, 1]) == pytest.approx([0, ZERO_GAP, ZERO_GAP + (1 - ZERO_GAP) * 2 / 3, 1])


def test_numbers_in_words_are_ordered_by_their_size():
    names = ["layer10", "layer2", "block:64:16", "layer", "block:4:6", "block:4:32"]
    assert make_scale("features", names).values == (
        "block:4:6", "block:4:32", "block:64:16", "layer", "layer2", "layer10",
    )  # fmt: skip


@pytest.mark.parametrize("values", [[0], [0, 0.1], [0, 2, 3], [-1, 0, 100], [5]])
def test_zero_and_what_lies_below_it_are_no_trouble_on_a_linear_scale(values):
    scale = make_scale("x", values)
    assert not scale.is_log
    places = scale.place(values)
    assert np.isfinite(places).all()
    assert (places.min(), places.max()) == ((0.5, 0.5) if len(values) == 1 else (0, 1))


def test_words_stand_at_even_distances_by_the_alphabet():
    scale = make_scale("schedule", ["step:10:0.1", "constant", "cosine:0", "constant"])
    assert scale.is_words
    assert scale.place(["constant", "cosine:0", "step:10:0.1"]).tolist() == [0, 0.5, 1]
    assert [label for _, label in scale.choose_ticks(0.0)] == ["constant", "cosine:0", "step:10:0.1"]


@pytest.mark.parametrize(
    "values",
    [
        [0.001, 0.0011, 0.0012, 0.1],
        [0, *np.geomspace(1.3e-5, 0.7, 40)],
        np.linspace(0, 1, 33).tolist(),
        list(range(1, 9)),
        list(range(17, 400)),
        np.geomspace(1.1, 11.5, 30).tolist(),
    ],
)
def test_ticks_are_apart_and_where_their_values_are(values):
    scale = make_scale("x", values)
    ticks = scale.choose_ticks(0.1)
    assert 2 <= len(ticks) <= 11
    places = [place for place, _ in ticks]
    assert min(np.diff(places)) >= 0.1
    assert scale.place([float(label) for _, label in ticks]) == pytest.approx(places, abs=0.01)


def test_values_that_occur_are_ticks_where_they_are_few_and_round_numbers_where_many():
    few, many = make_scale("x", [0.003, 0.03]), make_scale("x", np.geomspace(3e-4, 0.3, 50).tolist())
    assert [label for _, label in few.choose_ticks(0.1)] == ["0.003", "0.03"]
    assert [label for _, label in many.choose_ticks(0.1)] == ["0.001", "0.01", "0.1"]


@pytest.mark.parametrize("column", [[], [1, "a"], [math.nan, 1], [math.inf], [None, 1], [[1], [2]]])
def test_a_column_is_finite_numbers_or_words(column):
    with pytest.raises(BadInput, match=r"^l2 (must contain only finite numbers or only words|has no value to draw)\.$"):
        make_scale("l2", column)


def test_settings_go_with_their_runs():
    with pytest.raises(BadInput, match="l2 must have 3 values, like the other columns, not 2"):
        check_settings({"l2": [0, 1]}, 3)
    assert check_settings({"epochs": np.array([1, 2])}, 2) == {"epochs": [1, 2]}


def test_values_are_written_short():
    settings = {"learning_rate": 0.00513371, "l2": 0.0, "batch_size": 1024, "loss": "cross_entropy", "seed": 1e30}
    text = "learning_rate 0.00513, l2 0, batch_size 1024, loss cross_entropy, seed 1e+30"
    assert format_setting(settings.items()) == text
    assert fold("exponential:0.95") == "exponential:\n0.95"
    assert fold("multiple_bce") == "multiple_\nbce"
    assert fold("constant") == "constant"
