import itertools

import numpy as np
import pytest

from monolayer.axes import make_grid
from monolayer.epochs import TrainOptions
from monolayer.errors import BadInput
from monolayer.recipe import Recipe
from monolayer.sweeping import SweepOptions, sweep
from monolayer.training import train
from tests.made import make_dataset

BASE = Recipe(epochs=3, batch_size=10)
AXES = {"learning_rate": [0.001, 0.01], "l2": [0, 0.1], "batch_size": [10, 20]}


def test_every_combination_is_a_run_equal_to_the_run_alone_best_first():
    splits = make_dataset().split(60)
    result = sweep(splits, BASE, **AXES)
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


def test_diverged_runs_rank_last_and_the_json_holds_no_nan():
    result = sweep(make_dataset().split(60), BASE.replace(epochs=9), learning_rate=[10.0, 0.01], l2=[0.0, 1.0])
    assert result.runs[-1].recipe.replace(seed=0) == BASE.replace(epochs=9, learning_rate=10.0, l2=1.0, seed=0)
    assert result.to_dict()["runs"][-1]["train"]["loss"] is None
    assert [finding["recipe"]["learning_rate"] for finding in result.to_dict()["findings"]].count(10.0) >= 1


def test_a_run_that_diverged_but_is_finite_ranks_last_too():
    splits = make_dataset(seed=3).split(60)
    splits.dataset.y[:] = np.random.default_rng(0).permutation(splits.dataset.y)
    result = sweep(splits, BASE, learning_rate=[0.001, 1000.0])
    last = result.runs[-1]
    assert last.has_diverged
    assert np.isfinite(last.evaluation["val"].loss)
    assert last.recipe.learning_rate == 1000.0


def test_single_values_are_axes_of_one():
    assert len(sweep(make_dataset().split(60), BASE, loss="multiple_bce", l2=0.1).runs) == 1


def test_losses_seeds_and_schedules_are_axes_like_any_other():
    result = sweep(
        make_dataset().split(60),
        BASE,
        loss=["cross_entropy", "multiple_bce"],
        seed=[1, 2],
        schedule=["cosine", "constant"],
    )
    assert len(result.runs) == 8
    assert len({run.network.weights.tobytes() for run in result.runs}) == 8


def test_repeated_values_are_one_run():
    assert len(make_grid(BASE, {"l2": (0, 0.0, 0.1)})) == 2


def test_stopping_keeps_what_is_done():
    asked = itertools.count()
    training = TrainOptions(0, 1, should_stop=lambda: next(asked) >= 2)
    result = sweep(make_dataset().split(60), BASE.replace(epochs=50), options=SweepOptions(training), **AXES)
    assert not result.is_complete
    assert all(1 <= len(run.history) < 50 for run in result.runs if not run.is_complete)
    assert result.to_dict()["n_complete"] < 8


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
        sweep(make_dataset().split(60), BASE, **axes)


def test_without_validation_rows_nothing_can_be_chosen():
    with pytest.raises(BadInput, match="no rows are held out"):
        sweep(make_dataset().split(), BASE, l2=[0, 1])
