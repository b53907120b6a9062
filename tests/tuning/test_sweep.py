import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monolayer.errors import BadInput
from monolayer.recipe.grid import Range, collect_axes, draw_recipes, make_grid
from monolayer.recipe.recipe import FIELDS, Recipe
from monolayer.training import scheduler
from monolayer.training.train import train
from monolayer.tuning.optuna import search
from monolayer.tuning.probe import probe
from monolayer.tuning.sweep import sweep, train_recipes
from tests.made import make_dataset

BASE = Recipe(epochs=3, batch_size=10)
AXES = {"learning_rate": [0.001, 0.01], "l2": [0, 0.1], "batch_size": [10, 20]}
# Two or more values of every field of a recipe.
VALUES = {
    "loss": ["cross_entropy", "multiple_bce"],
    "learning_rate": [0.001, 0.01, 0.05],
    "l2": [0.0, 0.01, 0.5],
    "batch_size": [7, 10, 60],
    "epochs": [1, 3, 4],
    "schedule": ["constant", "step:1:0.5", "exponential:0.9", "cosine"],
    "flip": [0.0, 0.5, 1.0],
    "init_std": [0.0, 0.01, 1.0],
    "seed": [0, 1, 42],
    "dtype": ["float32", "float64"],
    "shuffle": ["full", "block:4:6", "block:10:1"],
}
# Rounding of a run: beside other members, BLAS adds the same products in another order. Some nine units in the last
# place of a number near 1, in so few epochs (a third of one was measured); a larger weight rounds in proportion.
TOLERANCE = {"float32": 1e-6, "float64": 2e-15}
EVERY_EPOCH = {"train_every": 1}


def make_images(n_features=12):
    """Few rows: 90 to train on and 30 to validate; images of 12 features are one slab of the engine, of 600 two."""
    shape = {12: (1, 3, 4), 600: (3, 10, 20)}[n_features]
    return make_dataset(120, n_features, image_shape=shape).split(30)


def assert_is_the_run_alone(run, splits):
    """Weights and biases to rounding, and the same history; the sweep must have measured every epoch, too."""
    alone = train(splits, run.recipe, **EVERY_EPOCH)
    for ours, theirs in ((run.network.weights, alone.network.weights), (run.network.bias, alone.network.bias)):
        assert ours.dtype == theirs.dtype == run.recipe.dtype
        tolerance = TOLERANCE[run.recipe.dtype] * max(1.0, np.abs(theirs).max())
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance)
    assert len(run.history) == len(alone.history) == run.recipe.epochs
    for ours, theirs in zip(run.history, alone.history, strict=True):
        assert (ours.epoch, ours.learning_rate) == (theirs.epoch, theirs.learning_rate)
        for name in ("train_loss", "train_cost", "val_loss", "val_cost"):
            assert getattr(ours, name) == pytest.approx(getattr(theirs, name), rel=1e-5)


def test_every_combination_is_a_run_equal_to_the_run_alone_best_first():
    splits = make_dataset().split(60)
    result = sweep(splits, BASE, grid=AXES)
    assert {run.recipe for run in result.runs} == {
        BASE.replace(learning_rate=r, l2=l2, batch_size=b) for r, l2, b in itertools.product(*AXES.values())
    }
    accuracies = [run.evaluation["val"].accuracy for run in result.runs]
    assert accuracies == sorted(accuracies, reverse=True)
    assert result.best is result.runs[0]
    assert splits.openings == []
    for run in result.runs:
        alone = train(splits, run.recipe)
        assert run.evaluation["val"].loss == pytest.approx(alone.evaluation["val"].loss, rel=1e-4)
        assert [row.val_loss for row in run.history] == pytest.approx([r.val_loss for r in alone.history], rel=1e-4)


@pytest.mark.parametrize("n_features", [12, 600])
@pytest.mark.parametrize("name", FIELDS)
def test_along_every_field_a_run_is_the_run_alone(name, n_features):
    splits = make_images(n_features)
    # A second axis, so that the runs have neighbours whatever the first does to the banks.
    other = "l2" if name == "learning_rate" else "learning_rate"
    axes = {name: VALUES[name], other: VALUES[other][1:]}
    result = sweep(splits, BASE, grid=axes, **EVERY_EPOCH)
    assert {run.recipe for run in result.runs} == set(make_grid(BASE, axes))
    for run in result.runs:
        assert_is_the_run_alone(run, splits)
    different = {run.network.weights.tobytes() + run.network.bias.tobytes() for run in result.runs}
    assert len(different) == len(result.runs)


@settings(max_examples=12)
@given(st.lists(st.builds(Recipe, **{name: st.sampled_from(VALUES[name]) for name in FIELDS}), min_size=1, max_size=9))
def test_in_any_mix_of_recipes_a_run_is_the_run_alone(recipes):
    splits, recipes = make_images(), list(dict.fromkeys(recipes))
    result = train_recipes(splits, recipes, {}, **EVERY_EPOCH)
    assert {run.recipe for run in result.runs} == set(recipes)
    for run in result.runs:
        assert_is_the_run_alone(run, splits)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_two_rates_that_differ_in_the_ninth_decimal_stay_two_runs(dtype):
    splits, rates = make_images(), [0.001, 0.001000001]
    result = sweep(splits, BASE.replace(init_std=0, dtype=dtype), **EVERY_EPOCH, grid={"learning_rate": rates})
    assert sorted(run.recipe.learning_rate for run in result.runs) == rates
    assert sorted(run.history[0].learning_rate for run in result.runs) == rates
    first, second = (run.network.weights for run in result.runs)
    assert first.tobytes() != second.tobytes()
    for run in result.runs:
        assert_is_the_run_alone(run, splits)
    if dtype == "float64":  # the two lie further apart than either from its run alone, a thousandfold
        assert np.abs(first - second).max() > 1e3 * TOLERANCE[dtype]


# The two schedules are one and the same for three epochs, so that some runs tie in everything that ranks them.
TIED = {**AXES, "schedule": ["constant", "step:3:0.5"], "loss": ["multiple_bce", "cross_entropy"], "flip": [0.5, 0]}


def tell_all(result):
    """The table without its times, and the bytes of each network in the table's order."""
    return result.to_dict()["runs"], [run.network.weights.tobytes() + run.network.bias.tobytes() for run in result.runs]


@pytest.fixture(scope="module")
def tied():
    """(splits, what the grid as it stands above tells)."""
    splits = make_images()
    return splits, tell_all(sweep(splits, BASE, grid=TIED))


@settings(max_examples=15)
@given(data=st.data())
def test_a_reordered_grid_gives_the_same_bytes_and_the_same_table(tied, data):
    splits, expected = tied
    names = data.draw(st.permutations(list(TIED)))
    axes = {name: data.draw(st.permutations(TIED[name])) for name in names}
    result = sweep(splits, BASE, grid=axes)
    assert tell_all(result) == expected
    assert len({run.recipe for run in result.runs}) == 64
    assert result.axes == {name: tuple(values) for name, values in axes.items()}


@pytest.mark.parametrize("n_cores", [1, 3])
def test_on_any_number_of_cores_a_sweep_gives_the_same_bytes_and_the_same_table(tied, monkeypatch, n_cores):
    splits, expected = tied
    monkeypatch.setattr(scheduler, "count_cores", lambda: n_cores)
    assert tell_all(sweep(splits, BASE, grid=TIED)) == expected


def test_a_spread_range_is_an_axis():
    splits, rates = make_images(), Range("log", 1e-3, 1e-1).spread(5)
    result = sweep(splits, BASE, **EVERY_EPOCH, grid={"learning_rate": rates})
    assert result.axes == {"learning_rate": rates}
    assert {run.recipe.learning_rate for run in result.runs} == set(rates)
    for run in result.runs:
        assert_is_the_run_alone(run, splits)


def test_a_range_without_a_number_of_values_is_none():
    with pytest.raises(BadInput, match="learning_rate is a range without a number of values"):
        sweep(make_images(), BASE, grid={"learning_rate": Range("log", 1e-3, 1e-1)})


def test_random_recipes_are_runs_equal_to_the_run_alone():
    axes = {
        "learning_rate": Range("log", 1e-4, 1e-1),
        "l2": Range("linear", 0, 0.5),
        "batch_size": Range("linear", 5, 9),
        "seed": (1, 2),
        "loss": ("cross_entropy", "multiple_bce"),
    }
    splits, recipes = make_images(), draw_recipes(BASE, axes, 20)
    result = train_recipes(splits, recipes, collect_axes(recipes, axes), **EVERY_EPOCH)
    assert {run.recipe for run in result.runs} == set(recipes)
    assert {(run.recipe.batch_size, run.recipe.seed) for run in result.runs} <= set(
        itertools.product(result.axes["batch_size"], result.axes["seed"])
    )
    for run in result.runs:
        assert_is_the_run_alone(run, splits)


def test_an_array_is_an_axis():
    result = sweep(make_images(), BASE, grid={"l2": np.array([0, 0.25]), "seed": np.arange(2)})
    assert {(run.recipe.l2, run.recipe.seed) for run in result.runs} == {(0, 0), (0, 1), (0.25, 0), (0.25, 1)}
    assert all(type(run.recipe.l2) is float and type(run.recipe.seed) is int for run in result.runs)


def test_diverged_runs_rank_last_and_the_json_holds_no_nan():
    result = sweep(
        make_dataset().split(60), BASE.replace(epochs=9), grid={"learning_rate": [10.0, 0.01], "l2": [0.0, 1.0]}
    )
    assert result.runs[-1].recipe.replace(seed=0) == BASE.replace(epochs=9, learning_rate=10.0, l2=1.0, seed=0)
    assert result.to_dict()["runs"][-1]["train"]["loss"] is None
    assert result.to_dict()["runs"][-1]["has_diverged"]


def test_a_run_that_diverged_but_is_finite_ranks_last_too():
    splits = make_dataset(seed=3).split(60)
    splits.dataset.y[:] = np.random.default_rng(0).permutation(splits.dataset.y)
    result = sweep(splits, BASE, grid={"learning_rate": [0.001, 1000.0]})
    last = result.runs[-1]
    assert last.has_diverged
    assert np.isfinite(last.evaluation["val"].loss)
    assert last.recipe.learning_rate == 1000.0


def test_single_values_are_axes_of_one():
    assert len(sweep(make_dataset().split(60), BASE, grid={"loss": "multiple_bce", "l2": 0.1}).runs) == 1


def test_losses_seeds_and_schedules_are_axes_like_any_other():
    result = sweep(
        make_dataset().split(60),
        BASE,
        grid={"loss": ["cross_entropy", "multiple_bce"], "seed": [1, 2], "schedule": ["cosine", "constant"]},
    )
    assert len(result.runs) == 8
    assert len({run.network.weights.tobytes() for run in result.runs}) == 8


def test_repeated_values_are_one_run():
    assert len(make_grid(BASE, {"l2": (0, 0.0, 0.1)})) == 2


@pytest.mark.parametrize("n_cores", [1, 2])
def test_stopping_keeps_what_is_done(monkeypatch, n_cores):
    monkeypatch.setattr(scheduler, "count_cores", lambda: n_cores)
    asked = itertools.count()
    result = sweep(
        make_dataset().split(60),
        BASE.replace(epochs=50),
        grid=AXES,
        train_every=0,
        should_stop=lambda: next(asked) >= 2,
    )
    assert not result.is_complete
    # Three epochs of banks had ended when the wish came; another bank may be in the middle of one of its own, or may
    # never have had a turn.
    assert 3 <= sum({run.recipe.batch_size: len(run.history) for run in result.runs}.values()) <= 4
    assert all(run.evaluation["val"].n == 60 for run in result.runs)
    assert result.to_dict()["n_complete"] == 0


def test_a_bank_that_is_done_when_the_wish_to_stop_comes_is_complete(monkeypatch):
    monkeypatch.setattr(scheduler, "count_cores", lambda: 1)
    monkeypatch.setattr(scheduler, "TIME_SLICE_S", 0)
    asked = itertools.count()
    # Nobody is asked after a last epoch. The long bank has most work left in the first two turns and is asked after
    # each; then the twelve short ones do their only epoch; the long one is asked once more, and stops.
    long, *short = [BASE.replace(epochs=5), *(BASE.replace(epochs=1, l2=l2) for l2 in np.linspace(0, 0.1, 12))]
    stop = {"should_stop": lambda: next(asked) >= 2}
    result = train_recipes(make_images(), [long, *short], {}, train_every=0, **stop)
    assert {run.recipe: len(run.history) for run in result.runs} == {long: 3, **dict.fromkeys(short, 1)}
    assert result.to_dict()["n_complete"] == 12
    assert not result.is_complete


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"momentum": [0.9]}, "no field 'momentum' to sweep"),
        ({"l2": []}, "axis l2 has no values"),
        ({"l2": [-1]}, "l2 is -1.0"),
        ({"batch_size": [10, 1000]}, "batch_size is 1000"),
    ],
)
def test_what_cannot_be_swept_is_refused(axes, message):
    with pytest.raises(BadInput, match=message):
        sweep(make_dataset().split(60), BASE, grid=axes)


def test_random_recipes_are_drawn_from_ranges():
    grid = {"learning_rate": Range("log", 1e-3, 1e-1), "l2": (0.0, 0.1)}
    result = sweep(make_dataset().split(60), BASE, grid=grid, n_random=5)
    assert {run.recipe for run in result.runs} == set(draw_recipes(BASE, grid, 5))
    assert list(result.axes["learning_rate"]) == sorted({run.recipe.learning_rate for run in result.runs})


def test_a_keyword_that_is_not_an_option_is_one_sentence():
    with pytest.raises(
        BadInput, match=r"^There is no option 'l2'; accepted are train_every, .*, and fields .* of grid\.$"
    ):
        sweep(make_dataset().split(60), BASE, grid={"seed": [1, 2]}, l2=[0, 1])


def test_the_name_of_the_task_is_not_an_option():
    with pytest.raises(BadInput, match=r"^There is no option 'task'"):
        sweep(make_dataset().split(60), BASE, grid={"seed": [1]}, task="x")


@pytest.mark.parametrize(
    ("function", "required", "own"),
    [
        (sweep, {"grid": {"seed": [1]}}, ["n_random", "halving", "runner"]),
        (search, {"grid": {"seed": [1]}, "n_trials": 1}, ["n_trials", "n_at_once", "journal", "halving", "runner"]),
        (probe, {}, ["rates", "shots", "repeats", "draw_seed"]),
    ],
)
def test_a_wrong_keyword_lists_those_of_the_function_too(function, required, own):
    splits = make_dataset().split(60)
    with pytest.raises(BadInput, match=rf"checkpointer, grid, {', '.join(own)}, and fields of the recipe"):
        function({"a": splits} if function is probe else splits, BASE, halvin=2, **required)


@pytest.mark.parametrize("every", [-1, 1.5, True, "1"])
@pytest.mark.parametrize("name", ["train_every", "val_every"])
def test_numbers_of_epochs_are_whole(name, every):
    splits, message = make_dataset().split(60), f"^{name} is {every!r}; accepted is a whole number of 0 or above"
    with pytest.raises(BadInput, match=message):
        train(splits, BASE, **{name: every})
    with pytest.raises(BadInput, match=message):
        sweep(splits, BASE, grid={"seed": [1]}, **{name: every})


def test_on_epoch_gets_the_recipes_of_each_bank_with_their_rows():
    histories = {}

    def on_epoch(recipes, rows):
        for recipe, row in zip(recipes, rows, strict=True):
            histories.setdefault(recipe, []).append(row)

    grid = {"batch_size": [10, 20], "l2": [0.0, 0.1]}
    result = sweep(make_dataset().split(60), BASE, grid=grid, train_every=1, on_epoch=on_epoch)
    assert histories == {run.recipe: list(run.history) for run in result.runs}


def test_flips_cannot_be_swept_on_rows_that_are_no_images():
    with pytest.raises(BadInput, match=r"flip is 0\.5, but the rows of made are not images"):
        sweep(make_dataset().split(60), BASE, grid={"flip": [0, 0.5]})


def test_without_validation_rows_nothing_can_be_chosen():
    with pytest.raises(BadInput, match="no rows are held out"):
        sweep(make_dataset().split(), BASE, grid={"l2": [0, 1]})


def test_a_run_that_never_began_ranks_last(monkeypatch):
    monkeypatch.setattr("monolayer.training.scheduler.count_cores", lambda: 1)
    grid = {"learning_rate": [1e5, 1e6], "batch_size": [10, 20]}
    result = sweep(make_dataset().split(60), BASE, grid=grid, should_stop=lambda: True)
    assert [bool(run.history) for run in result.runs] == [True, True, False, False]
