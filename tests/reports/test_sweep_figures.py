import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from monolayer.checks.diagnose import diagnose_sweep
from monolayer.errors import BadData, BadInput
from monolayer.figures import CandidateCurves, HeatMap, ParallelCoordinates, Response, Scatter, render_svg
from monolayer.figures.sweep_table import SweepTable, find_varying
from monolayer.recipe.grid import Range, collect_axes, draw_recipes
from monolayer.recipe.recipe import Recipe
from monolayer.reports.run import save_sweep_with_report
from monolayer.reports.sweep import describe_halving, describe_sweep, make_sweep_table, merge_findings
from monolayer.reports.sweep_figures import draw_candidates, draw_heat_map, draw_parallel, draw_response, draw_sweep
from monolayer.runs.folder import load_histories, save_sweep
from monolayer.tuning.sweep import sweep, train_recipes
from tests.made import make_dataset

LOST = 1e30
BASE = Recipe(epochs=4, batch_size=20)


@cache
def make_sweep(**axes):
    splits = make_dataset(image_shape=(3, 2, 2)).split(60)
    return sweep(splits, BASE, grid=axes)


GRID = {"learning_rate": (0.001, 0.01, LOST), "l2": (0.0, 0.01), "batch_size": (20, 40)}


def test_a_grid_has_curves_of_all_a_heat_map_and_parallel_coordinates():
    result = make_sweep(**GRID)
    figures = {figure.name: figure for figure in draw_sweep(SweepTable.of(result))}
    assert list(figures) == ["candidates-accuracy", "candidates-loss", "grid", "parallel"]
    kinds = (CandidateCurves, CandidateCurves, HeatMap, ParallelCoordinates)
    assert tuple(type(figure.chart) for figure in figures.values()) == kinds
    grid = figures["grid"].chart
    assert (grid.x, grid.y, grid.panels) == ("learning_rate", "l2", ("batch_size",))
    frame = grid.frame()
    assert [math.isnan(a) for a in frame["val_accuracy"]] == [rate == LOST for rate in frame["learning_rate"]]
    assert frame["val_accuracy"][0] == result.best.evaluation["val"].accuracy
    assert all(figure.alt and figure.caption[0].isupper() for figure in figures.values())


def test_candidate_curves_hold_every_history_and_name_the_best_by_what_varies():
    result = make_sweep(**GRID)
    table = SweepTable.of(result)
    frame = draw_candidates(table, "c").chart.frame()
    finite = [row.val_accuracy if math.isfinite(row.val_loss) else None for rows in table.histories for row in rows]
    assert frame["val"] == finite
    assert None in frame["val"]
    assert frame["run"] == [number for number, rows in enumerate(table.histories, 1) for _ in rows]
    best = result.best.recipe
    name = f"learning_rate {best.learning_rate:g}, l2 {best.l2:g}, batch_size {best.batch_size}"
    assert frame["name"][0] == name
    assert len(set(frame["name"]) - {""}) == 5
    assert [frame["train"][i] is None for i in range(4)] == [row.train_loss is None for row in table.histories[0]]
    figure = draw_candidates(table, "c", quantity="cost")
    assert f"Final value of the most accurate ({name}):" in figure.caption
    assert "4 diverged" in figure.caption


def test_losses_of_two_kinds_have_no_picture_together():
    result = make_sweep(loss=("cross_entropy", "multiple_bce"), flip=(0.0, 0.5))
    figures = {figure.name: figure.chart for figure in draw_sweep(SweepTable.of(result))}
    assert list(figures) == ["candidates-accuracy", "grid", "parallel"]
    assert (figures["grid"].x, figures["grid"].y) == ("flip", "loss")


def test_one_field_is_a_picture_of_its_own_and_none_is_no_picture():
    result = make_sweep(l2=(0.0, 0.01, 1.0), seed=(3,))
    figures = {figure.name: figure.chart for figure in draw_sweep(SweepTable.of(result))}
    assert list(figures) == ["candidates-accuracy", "candidates-loss", "response"]
    assert isinstance(figures["response"], Response)
    by_l2 = {run.recipe.l2: run.evaluation for run in result.runs}
    frame = figures["response"].frame()
    assert frame["val_accuracy"] == [by_l2[l2]["val"].accuracy for l2 in frame["l2"]]
    assert frame["train_accuracy"] == [by_l2[l2]["train"].accuracy for l2 in frame["l2"]]
    assert list(zip(frame["low"], frame["high"], strict=True)) == [by_l2[l2]["val"].interval for l2 in frame["l2"]]
    assert draw_sweep(SweepTable.of(make_sweep(l2=(0.0,)))) == []


def test_where_all_diverged_the_pictures_say_so():
    result = make_sweep(learning_rate=(LOST, 1e32), l2=(0.0, 0.01))
    table = SweepTable.of(result)
    assert all(render_svg(figure.chart) for figure in draw_sweep(table))
    lost = [[replace(row, val_loss=math.nan, train_loss=math.nan) for row in rows] for rows in table.histories]
    figures = {figure.name: figure for figure in draw_sweep(replace(table, histories=lost))}
    assert list(figures) == ["grid", "parallel"]
    assert "All 4 recipes diverged." in figures["grid"].caption
    assert "best" not in figures["parallel"].caption
    assert not any(figures["grid"].chart.frame()["marked"])
    one = SweepTable.of(make_sweep(learning_rate=(LOST, 1e32)))
    assert "All 2 recipes diverged." in draw_response(one, "r").caption


def test_random_draws_lie_on_no_grid():
    splits, axes = make_dataset().split(60), {"learning_rate": Range("log", 1e-3, 1e-1), "l2": Range("log", 1e-5, 1e-1)}
    recipes = draw_recipes(BASE, axes, 12)
    result = train_recipes(splits, recipes, collect_axes(recipes, axes))
    figure = draw_heat_map(SweepTable.of(result), "grid")
    assert isinstance(figure.chart, Scatter)
    assert sorted(figure.chart.frame()["l2"]) == sorted(recipe.l2 for recipe in recipes)
    assert figure.alt.startswith("Scatter plot.")


def make_runs(**columns):
    """Runs with these settings, as evaluation.json holds them."""
    base = Recipe().to_dict()
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    val = {"loss": 1.0, "accuracy": 0.5, "accuracy_interval": [0.4, 0.6], "n": 100}
    return [
        {"recipe": {**base, **row}, "train": val, "val": val, "epochs_done": 40, "is_indistinguishable": True}
        for row in rows
    ]


def make_full_grid(**axes):
    names, points = list(axes), np.stack(np.meshgrid(*axes.values(), indexing="ij"), axis=-1).reshape(-1, len(axes))
    return make_runs(**{name: points[:, i].tolist() for i, name in enumerate(names)})


def test_axes_of_a_heat_map_are_rate_and_l2_or_those_with_most_values():
    runs = make_full_grid(l2=[0, 1], seed=[1, 2, 3], batch_size=[10, 20, 30, 40], learning_rate=[1, 2])
    assert SweepTable(runs, ("l2", "seed", "batch_size", "learning_rate")).choose_pair() == ("learning_rate", "l2")
    assert SweepTable(runs, ("l2", "seed", "batch_size")).choose_pair() == ("batch_size", "seed")
    assert SweepTable(runs, ("l2", "seed")).choose_pair() == ("seed", "l2")
    assert SweepTable(runs, ("seed", "learning_rate")).choose_pair() == ("learning_rate", "seed")
    words = make_runs(schedule=["constant", "cosine:0", "step:10:0.1"], seed=[1, 2, 1])
    assert SweepTable(words, ("schedule", "seed")).choose_pair() == ("seed", "schedule")


def test_up_to_six_panels_and_then_the_best_of_each_cell():
    few = make_full_grid(learning_rate=[1, 2], l2=[0, 1], batch_size=[10, 20, 30], seed=[1, 2])
    figure = draw_heat_map(SweepTable(few, ("learning_rate", "l2", "batch_size", "seed")), "grid")
    assert figure.chart.panels == ("batch_size", "seed")
    many = make_full_grid(learning_rate=[1, 2], l2=[0, 1], batch_size=[10, 20, 30, 40], seed=[1, 2])
    figure = draw_heat_map(SweepTable(many, ("learning_rate", "l2", "batch_size", "seed")), "grid")
    assert figure.chart.panels == ()
    assert figure.chart.frame()["n_runs"] == [8] * 4
    assert "Each cell shows the best of up to 8 recipes" in figure.caption


def test_a_pair_is_what_the_reader_asks_for():
    runs = make_full_grid(learning_rate=[1, 2], l2=[0, 1], batch_size=[10, 20])
    chart = draw_heat_map(SweepTable(runs, ("learning_rate", "l2", "batch_size")), "grid", ("l2", "batch_size")).chart
    assert (chart.x, chart.y, chart.panels) == ("l2", "batch_size", ("learning_rate",))


@pytest.mark.parametrize("pair", [("l2", "l2"), ("l2", "seed"), ("l2", "rate")])
def test_a_pair_must_be_two_fields_that_vary(pair):
    runs = make_full_grid(learning_rate=[1, 2], l2=[0, 1])
    with pytest.raises(
        BadInput, match=r"two different fields that vary in this sweep \(learning_rate, l2\), not l2 and"
    ):
        draw_heat_map(SweepTable(runs, ("learning_rate", "l2", "seed")), "grid", pair)
    with pytest.raises(BadInput, match=r"\(none\)"):
        draw_heat_map(SweepTable(runs[:1], ("learning_rate", "l2")), "grid", pair)


def test_captions_say_what_ended_early_and_in_what_the_best_agree():
    runs = make_full_grid(learning_rate=[1, 2], l2=[0, 1])
    runs[3]["epochs_done"], runs[3]["is_indistinguishable"], runs[2]["is_indistinguishable"] = 10, False, False
    axes = ("learning_rate", "l2")
    table = SweepTable(runs, axes)
    heat_map, parallel = draw_heat_map(table, "g").caption, draw_parallel(table, "p").caption
    assert "1 stopped before the last epoch" in heat_map
    assert (
        "1 of the other 3 is not significantly different from it (outlined; exact McNemar tests, p-values corrected "
        "for all pairs)" in heat_map
    )
    assert "(learning_rate 1, l2 0) has 50.00 [40.38, 59.62] %" in heat_map
    assert "All 2 of these have learning_rate 1." in parallel
    assert find_varying(runs, ("seed", *axes)) == axes


def test_names_that_three_digits_do_not_tell_apart_have_all_their_digits():
    runs = make_runs(learning_rate=[0.123401, 0.123402])
    histories = [make_sweep(l2=(0.0,)).best.history] * 2
    frame = draw_candidates(SweepTable(runs, ("learning_rate",), histories), "c").chart.frame()
    assert set(frame["name"]) == {"learning_rate 0.123401", "learning_rate 0.123402"}


def test_long_names_say_what_differs_and_the_caption_what_does_not():
    runs = make_full_grid(batch_size=[10], seed=[1, 2, 3], epochs=[40])
    runs += make_runs(batch_size=[20], seed=[1], epochs=[30], loss=["multiple_bce"], flip=[0.5], schedule=["cosine:0"])
    runs += make_runs(batch_size=[20] * 2, seed=[1, 2], epochs=[30] * 2)
    histories = [make_sweep(l2=(0.0,)).best.history] * 6
    axes = ("batch_size", "seed", "epochs", "loss", "flip", "schedule")
    for run in runs[3:]:
        run["is_indistinguishable"] = None
    figure = draw_candidates(SweepTable(runs, axes, histories), "c")
    assert set(figure.chart.frame()["name"]) == {"seed 1", "seed 2", "seed 3", ""}
    shared = "batch_size 10, epochs 40, loss cross_entropy, flip 0, schedule constant"
    assert f"The 3 named candidates all have {shared}." in figure.caption
    assert f"({shared.replace('epochs', 'seed 1, epochs')}):" in figure.caption


def test_halving_leaves_curves_that_end_early():
    splits = make_dataset(image_shape=(3, 2, 2)).split(60)
    result = sweep(splits, BASE, grid={"learning_rate": (0.001, 0.01, 0.1), "l2": (0.0, 0.01)}, halving=2)
    table = SweepTable.of(result)
    figure = draw_candidates(table, "c")
    n_early = sum(len(rows) < 4 for rows in table.histories)
    assert 0 < n_early == sum(candidate.ends_early for candidate in figure.chart.candidates)
    assert f"{n_early} stopped early" in figure.caption


def test_the_page_of_a_sweep_shows_all_candidates_then_the_best(tmp_path):
    splits = make_dataset(image_shape=(3, 2, 2)).split(60)
    save_sweep_with_report(diagnose_sweep(sweep(splits, BASE, grid=GRID), splits), splits, tmp_path)
    page = (tmp_path / "report.html").read_text()
    headings = ["Recipes", "Learning curves of all candidates", "Accuracy by setting", "The best run", "Findings"]
    places = [page.index(f">{heading}</a></h2>") for heading in headings]
    assert places == sorted(places)
    assert page.count("The run diverged") == 2  # a notice and a row for all four
    names = {path.name for path in (tmp_path / "figures").iterdir()}
    assert {"candidates-accuracy.png", "candidates-loss.csv", "grid.png", "parallel.csv", "run-loss.png"} <= names


def test_histories_of_a_folder_are_those_of_the_runs(tmp_path):
    result = make_sweep(**GRID)
    result = replace(result, runs=(replace(result.runs[0], history=()), *result.runs[1:]))
    (tmp_path / "a").mkdir()
    save_sweep(result, tmp_path / "a")
    loaded = load_histories(tmp_path / "a")
    np.testing.assert_equal(
        [list(map(vars, rows)) for rows in loaded], [list(map(vars, r.history)) for r in result.runs]
    )
    (tmp_path / "a" / "histories.csv").write_text("run,epoch\n1,x\n")
    with pytest.raises(BadData, match="holds no histories written by monolayer"):
        load_histories(tmp_path / "a")
    with pytest.raises(BadData, match="cannot be read"):
        load_histories(tmp_path)


def test_a_sweep_without_pictures_still_has_its_table():
    result = make_sweep(l2=(0.0,))
    values = describe_sweep(result.to_dict(), result.axes, [])
    assert values["sweep_table"].rows
    assert not values["candidates"]
    assert not values["by_setting"]


def test_rungs_of_halving_are_told_and_drawn_values_are_short():
    sweep_ = {**make_sweep(l2=(0.0,)).to_dict(), "rungs": [], "n_recipes": 16}
    assert describe_halving(sweep_) == describe_halving({}) == ""
    sweep_["rungs"] = [{"share": 0.0625, "n_kept": 4}, {"share": 0.25, "n_kept": 1}]
    assert "of 16 recipes, this many continued after a share of their epochs: 4 after 6.25 %, 1 after 25 %." in (
        describe_halving(sweep_)
    )
    runs = make_runs(learning_rate=[0.123456789012, 0.5], seed=[12345678901, 2], loss=["multiple_bce"] * 2)
    cells = make_sweep_table(runs, ("learning_rate", "seed", "loss")).rows[0][:3]
    assert cells == ("0.12346", "12345678901", "multiple_bce")


def test_what_was_found_in_many_recipes_is_said_once_with_the_smallest_rate():
    splits = make_dataset(image_shape=(3, 2, 2)).split(60)
    result = diagnose_sweep(sweep(splits, BASE, grid=GRID), splits)
    findings = [finding for finding in result.to_dict()["findings"] if finding["code"] == "ML001"]
    of_sweep = {"code": "ML004", "outcome": "tip", "title": "t", "evidence": "e", "advice": "a"}
    merged = merge_findings([*findings, of_sweep], result.axes, len(result.runs))
    assert merged[0] == of_sweep
    assert [finding["code"] for finding in merged[1:]] == ["ML001"]
    assert merged[1]["evidence"].startswith(f"4 of 12 recipes, such as learning_rate {LOST:g}, l2 ")
    assert len(findings) == 4


def test_the_page_says_how_long_the_whole_sweep_took(tmp_path):
    result = replace(
        sweep(make_dataset().split(60), Recipe(epochs=1, batch_size=10), grid={"l2": [0.0, 0.1]}), seconds=1234.5
    )
    save_sweep_with_report(result, make_dataset().split(60), tmp_path)
    assert "rows in 1234.5 s." in (tmp_path / "report.html").read_text()
