"""Figures made from results: the same as those of the pages."""

from functools import cache

import numpy as np
import pytest

import monolayer as ml
from monolayer.errors import BadInput
from monolayer.figures import (
    CandidateCurves,
    Curves,
    HeatMap,
    ParallelCoordinates,
    ProbabilityHistogram,
    ReliabilityDiagram,
    Response,
    Scatter,
    Templates,
    render_svg,
)
from monolayer.figures.sweep_table import SweepTable
from monolayer.recipe.grid import Range, draw_recipes
from monolayer.recipe.recipe import Recipe
from monolayer.reports.figures import draw_curves, draw_templates
from monolayer.reports.sweep_figures import draw_sweep
from monolayer.training.train import train
from monolayer.tuning.sweep import sweep, train_recipes
from tests.made import make_dataset


@cache
def make_splits():
    return make_dataset(image_shape=(3, 2, 2)).split(val=60)


@cache
def make_run(schedule="constant"):
    return train(make_splits(), Recipe(epochs=8, batch_size=20, schedule=schedule))


@cache
def make_sweep():
    return sweep(
        make_splits(), Recipe(epochs=4, batch_size=20), grid={"learning_rate": [0.001, 0.01], "l2": [0.0, 0.1]}
    )


def draw_pages(swept):
    return {figure.name: render_svg(figure.chart) for figure in draw_sweep(SweepTable.of(swept))}


@pytest.mark.parametrize("quantity", ["loss", "cost", "accuracy"])
def test_curves_of_a_run_are_those_of_its_page(quantity):
    run = make_run("step:4:0.1")
    chart = Curves.of(run, quantity)
    assert render_svg(chart) == render_svg(draw_curves(run.history, quantity, "run").chart)
    assert chart.frame()["val"] == [getattr(row, f"val_{quantity}") for row in run.history]
    assert chart.marks == (4.0,)
    assert render_svg(Curves.of(run.history, quantity)) == render_svg(chart)


def test_curves_of_several_runs_have_their_names_and_the_steps_that_all_share():
    runs = {"a": make_run("step:4:0.1"), "b": make_run("step:4:0.5")}
    chart = Curves.of(runs, "accuracy")
    assert chart.frame()["run"] == ["a"] * 8 + ["b"] * 8
    assert chart.marks == (4.0,)
    assert Curves.of({**runs, "c": make_run()}).marks == ()


def test_templates_of_a_run_and_of_its_network_are_those_of_its_page():
    run = make_run()
    page = render_svg(draw_templates(run.network, "run").chart)
    assert render_svg(Templates.of(run)) == render_svg(Templates.of(run.network)) == page


def test_a_network_without_images_has_no_templates():
    run = train(make_dataset().split(val=60), Recipe(epochs=1))
    with pytest.raises(BadInput, match="not images, so it has no templates"):
        Templates.of(run)


def test_probabilities_of_a_run_on_some_rows():
    run, splits = make_run(), make_splits()
    table = ProbabilityHistogram.of(run, splits.val).frame()
    right = round(run.evaluation["val"].accuracy * 60)
    assert (sum(table["n_correct"]), sum(table["n_incorrect"])) == (right, 60 - right)
    bins = ReliabilityDiagram.of(run.network, splits.val).frame()
    assert sum(bins["n"]) == 60
    hits = sum(n * share for n, share in zip(bins["n"], bins["accuracy"], strict=True) if n)
    assert hits == pytest.approx(right)


def test_figures_of_a_sweep_are_those_of_its_page():
    swept = make_sweep()
    pages = draw_pages(swept)
    assert render_svg(HeatMap.of(swept)) == pages["grid"]
    assert render_svg(ParallelCoordinates.of(swept)) == pages["parallel"]
    assert render_svg(CandidateCurves.of(swept)) == pages["candidates-accuracy"]
    assert render_svg(CandidateCurves.of(swept, "loss")) == pages["candidates-loss"]


def test_the_fields_of_a_heat_map_can_be_chosen():
    chart = HeatMap.of(make_sweep(), "l2", "learning_rate")
    assert (chart.x, chart.y) == ("l2", "learning_rate")
    assert sorted(chart.frame()["val_accuracy"]) == sorted(run.evaluation["val"].accuracy for run in make_sweep().runs)
    for x, y, text in (
        ("l2", None, "x and y must both be given"),
        ("l2", "flip", r"\(learning_rate, l2\), not l2 and flip"),
    ):
        for kind in (HeatMap, Scatter):
            with pytest.raises(BadInput, match=text):
                kind.of(make_sweep(), x, y)


def test_one_field_has_its_response_and_no_heat_map():
    swept = sweep(make_splits(), Recipe(epochs=2), grid={"learning_rate": [0.001, 0.01]})
    assert render_svg(Response.of(swept)) == draw_pages(swept)["response"]
    with pytest.raises(BadInput, match=r"two different fields that vary in this sweep \(learning_rate\)\."):
        HeatMap.of(swept)
    with pytest.raises(BadInput, match="exactly one field varies, not learning_rate, l2"):
        Response.of(make_sweep())


def test_random_draws_are_points():
    axes = {"learning_rate": Range("log", 1e-4, 1e-1), "l2": Range("log", 1e-4, 1e-1)}
    recipes = draw_recipes(Recipe(epochs=1), axes, 12)
    swept = train_recipes(make_splits(), recipes, {name: [getattr(r, name) for r in recipes] for name in axes})
    chart = Scatter.of(swept)
    assert render_svg(chart) == draw_pages(swept)["grid"]
    assert len(chart.frame()["l2"]) == 12


def test_losses_of_two_kinds_are_not_on_one_scale():
    swept = sweep(make_splits(), Recipe(epochs=1), grid={"loss": ["cross_entropy", "multiple_bce"]})
    with pytest.raises(BadInput, match="recipes have different losses, so their loss is not comparable"):
        CandidateCurves.of(swept, "loss")
    assert CandidateCurves.of(swept).quantity == "validation accuracy"


@pytest.mark.parametrize("make", [lambda q: Curves.of(make_run(), q), lambda q: CandidateCurves.of(make_sweep(), q)])
def test_what_no_history_holds_is_refused(make):
    with pytest.raises(BadInput, match="quantity is 'error'; accepted are loss, cost, accuracy"):
        make("error")


def test_figures_are_an_attribute_of_the_library():
    ax = ml.figures.Curves.of(make_run()).plot()
    assert np.isfinite(ax.lines[0].get_ydata()).all()
