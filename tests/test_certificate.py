import numpy as np
import pytest

from monolayer.certificate import certify
from monolayer.recipe import Recipe
from monolayer.training import train
from tests.made import make_dataset


def test_a_longer_run_stops_nearer_to_the_optimum_and_never_below_it():
    splits = make_dataset().split(60)
    short, long = (
        certify(train(splits, Recipe(epochs=epochs, batch_size=10, l2=0.01, learning_rate=0.05)), splits)
        for epochs in (1, 60)
    )
    assert short.optimal_cost == pytest.approx(long.optimal_cost, rel=1e-5)
    assert short.distance > 3 * long.distance > 0
    assert splits.openings == []


def test_the_optimum_is_scored_on_validation_where_there_is_any():
    dataset = make_dataset()
    recipe = Recipe(epochs=2, batch_size=10, l2=0.1, loss="multiple_bce")
    assert certify(train(dataset.split(), recipe), dataset.split()).val is None
    val = certify(train(dataset.split(60), recipe), dataset.split(60)).val
    assert val.n == 60
    assert val.cost > val.loss


def test_a_diverged_run_has_an_optimum_too():
    splits = make_dataset().split(60)
    run = train(splits, Recipe(epochs=9, batch_size=10, l2=1, learning_rate=10))
    assert run.has_diverged
    assert np.isfinite(certify(run, splits).optimal_cost)
