import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monolayer.errors import BadInput
from monolayer.recipe.grid import Range, collect_axes, draw_recipes, make_grid
from monolayer.recipe.recipe import Recipe

BASE = Recipe()


@given(
    kind=st.sampled_from(["log", "linear"]),
    low=st.floats(1e-9, 1e3),
    factor=st.floats(1.01, 1e6),
    n=st.integers(2, 50),
)
def test_a_range_is_spread_evenly_from_end_to_end(kind, low, factor, n):
    values = Range(kind, low, low * factor).spread(n)
    assert len(values) == n
    assert values[0] == pytest.approx(low)
    assert values[-1] == pytest.approx(low * factor)
    steps = [b / a if kind == "log" else b - a for a, b in itertools.pairwise(values)]
    assert steps == pytest.approx([steps[0]] * (n - 1), rel=1e-3, abs=1e-9 * low * factor)


def test_powers_of_ten_come_out_as_they_are_written():
    assert Range("log", 1e-5, 1e-1).spread(5) == (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
    assert Range("linear", 0, 1).spread(11)[3] == 0.3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("cubic", 1, 2), "log or linear, not 'cubic'"),
        (("log", 0, 2), "starts above 0"),
        (("linear", 2, 2), "to a larger one"),
        (("linear", 0, float("inf")), "to a larger one"),
    ],
)
def test_a_range_that_is_none_is_refused(arguments, message):
    with pytest.raises(BadInput, match=message):
        Range(*arguments)
    with pytest.raises(BadInput, match="2 values or more"):
        Range("linear", 0, 1).spread(1)


def test_random_recipes_are_different_repeatable_and_from_their_axes():
    axes = {"learning_rate": Range("log", 1e-4, 1e-1), "flip": (0.0, 0.5), "batch_size": Range("linear", 10, 90)}
    drawn = draw_recipes(BASE, axes, 40)
    assert len(set(drawn)) == 40
    assert drawn == draw_recipes(BASE, axes, 40)
    assert drawn != draw_recipes(BASE.replace(seed=1), axes, 40)
    assert draw_recipes(BASE, axes, 10) == drawn[:10]
    assert all(1e-4 <= r.learning_rate <= 1e-1 and r.flip in (0, 0.5) and 10 <= r.batch_size <= 90 for r in drawn)
    below = sum(recipe.learning_rate < 10**-2.5 for recipe in drawn)
    assert 10 <= below <= 30  # half of them, on a logarithmic scale


def test_no_more_recipes_than_there_are():
    with pytest.raises(BadInput, match="give 4 different recipes, not 5"):
        draw_recipes(BASE, {"l2": (0, 1), "flip": (0, 1)}, 5)
    with pytest.raises(BadInput, match="accepted are 1 and above"):
        draw_recipes(BASE, {"l2": (0, 1)}, 0)


def test_a_grid_needs_values_and_axes_need_fields():
    with pytest.raises(BadInput, match="a range without a number of values"):
        make_grid(BASE, {"l2": Range("linear", 0, 1)})
    with pytest.raises(BadInput, match="no field 'rate'"):
        make_grid(BASE, {"rate": (1,)})
    with pytest.raises(BadInput, match="takes words"):
        draw_recipes(BASE, {"schedule": Range("linear", 0, 1)}, 1)
    with pytest.raises(BadInput, match="has no values"):
        draw_recipes(BASE, {"l2": ()}, 1)


def test_axes_are_the_values_that_came_up():
    recipes = draw_recipes(BASE, {"l2": Range("linear", 0, 1), "flip": (0.5, 0.0)}, 9)
    axes = collect_axes(recipes, {"l2": Range("linear", 0, 1), "flip": (0.5, 0.0)})
    assert axes["l2"] == tuple(sorted(recipe.l2 for recipe in recipes))
    assert set(axes["flip"]) == {0.0, 0.5}


@given(
    data=st.data(), name=st.sampled_from(["learning_rate", "l2", "init_std", "batch_size", "epochs", "seed", "flip"])
)
def test_what_is_drawn_from_a_range_lies_in_it_and_is_whole_where_it_must_be(data, name):
    high = 1 if name == "flip" else 1000
    low = data.draw(st.integers(1, 500)) / (1000 if name == "flip" else 1)
    kind = data.draw(st.sampled_from(["log", "linear"]))
    recipes = draw_recipes(BASE.replace(seed=data.draw(st.integers(0, 99))), {name: Range(kind, low, high)}, 5)
    values = [getattr(recipe, name) for recipe in recipes]
    assert all(low <= value <= high for value in values)
    whole = name in ("batch_size", "epochs", "seed")
    assert {type(value) for value in values} == {int if whole else float}


def test_draws_from_a_list_have_equal_chances():
    axes = {"l2": (0.0, 0.1, 0.5), "learning_rate": Range("log", 1e-4, 1e-1)}
    drawn = [recipe.l2 for recipe in draw_recipes(BASE, axes, 600)]
    assert all(150 <= drawn.count(l2) <= 250 for l2 in axes["l2"])  # 200 are expected, 4.3 deviations to either side


def test_a_grid_runs_fastest_along_its_last_axis_and_its_axes_are_in_the_order_given():
    axes = {"l2": (0.5, 0.0, 0.1), "loss": ("multiple_bce", "cross_entropy")}
    recipes = make_grid(BASE, axes)
    assert [(recipe.l2, recipe.loss) for recipe in recipes] == list(itertools.product(*axes.values()))
    assert collect_axes(recipes, axes) == axes
