import dataclasses
import inspect
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monolayer.errors import BadInput
from monolayer.recipe.recipe import FIELDS, Recipe
from monolayer.sklearn.classifier import OneLayerClassifier

POSITIVE = st.floats(1e-12, 1e6)
RECIPES = st.builds(
    Recipe,
    loss=st.sampled_from(["cross_entropy", "multiple_bce"]),
    learning_rate=POSITIVE,
    l2=st.floats(0, 1e3),
    batch_size=st.integers(1, 10**6),
    epochs=st.integers(1, 10**4),
    schedule=st.sampled_from(["constant", "step:10:0.1", "cosine", "exponential:0.9"]),
    flip=st.floats(0, 1),
    init_std=st.floats(0, 10),
    seed=st.integers(0, 2**63),
    dtype=st.sampled_from(["float32", "float64"]),
)


@given(recipe=RECIPES)
def test_json_both_ways_is_the_same_recipe(recipe):
    again = Recipe.from_json(recipe.to_json())
    assert again == recipe
    assert hash(again) == hash(recipe)


@given(rate=st.floats(1e-3, 1))
def test_rates_that_differ_in_the_last_digit_are_two_recipes(rate):
    assert len({Recipe(learning_rate=rate), Recipe(learning_rate=math.nextafter(rate, 2))}) == 2


def test_a_schedule_has_one_spelling():
    assert Recipe(schedule="step:10:.1") == Recipe(schedule="step:10.0:0.10")
    assert Recipe(schedule="cosine").schedule == "cosine:0"


@pytest.mark.parametrize(
    ("field", "value", "accepted"),
    [
        ("loss", "absolute", "accepted are cross_entropy, multiple_bce"),
        ("learning_rate", -0.1, "a number above 0"),
        ("learning_rate", 0, "a number above 0"),
        ("learning_rate", "fast", "a finite number"),
        ("learning_rate", math.nan, "a finite number"),
        ("learning_rate", math.inf, "a finite number"),
        ("learning_rate", True, "a finite number"),
        ("l2", -1, "a number of 0 or above"),
        ("batch_size", 0, "a whole number of 1 or above"),
        ("batch_size", 1.5, "a whole number"),
        ("seed", 10**400, "a finite number"),
        ("loss", ["cross_entropy"], "a text"),
        ("schedule", 3, "a text"),
        ("dtype", float, "a text"),
        ("epochs", 0, "a whole number of 1 or above"),
        ("schedule", "steps", "accepted are constant"),
        ("flip", 1.1, "a probability from 0 to 1"),
        ("init_std", -1, "a number of 0 or above"),
        ("seed", -1, "a whole number of 0 or above"),
        ("dtype", "float16", "float32 or float64"),
    ],
)
def test_what_is_not_accepted_is_named_with_what_is(field, value, accepted):
    with pytest.raises(BadInput, match=accepted) as caught:
        Recipe(**{field: value})
    assert field in str(caught.value) or str(value) in str(caught.value)


def test_unknown_fields_are_refused_wherever_they_come_from():
    for refused in (lambda: Recipe().replace(momentum=0.9), lambda: Recipe.from_dict({"momentum": 0.9})):
        with pytest.raises(BadInput, match="no field 'momentum'; it has loss, learning_rate"):
            refused()


@pytest.mark.parametrize("text", ["", "[]", "{", '{"momentum": 1}', "3"])
def test_what_is_no_recipe_is_refused(text):
    with pytest.raises(BadInput):
        Recipe.from_json(text)


def test_fields_are_those_of_the_design():
    assert FIELDS == (
        "loss", "learning_rate", "l2", "batch_size", "epochs", "schedule", "flip", "init_std", "seed", "dtype",
        "shuffle",
    )  # fmt: skip


@pytest.mark.parametrize("kind", [Recipe, OneLayerClassifier])
def test_docstrings_say_of_each_field_what_the_help_of_the_command_line_says(kind):
    text = inspect.getdoc(kind).partition("Args:\n")[2].partition("\n\n")[0]
    entries = dict(re.findall(r"^ +(\w+): ((?:.|\n {6,})*)", text, re.MULTILINE))
    for field in dataclasses.fields(Recipe):
        message = " ".join(entries[field.name].replace("``", "").split())
        assert message.lower().startswith(field.metadata["help"].lower()), field.name
        assert field.default == inspect.signature(kind).parameters[field.name].default or kind is not Recipe
