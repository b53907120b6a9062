from functools import partial

import numpy as np
import pytest

import monolayer.checks.certificate
from monolayer.checks.certificate import Certificate, OnValidation, certify, certify_all
from monolayer.engine.exact import solve_exactly
from monolayer.evaluate.metrics import Metrics
from monolayer.progress import SILENCE
from monolayer.recipe.recipe import Recipe
from monolayer.training.train import train
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
    assert val.optimum.n == 60
    assert val.optimum.cost > val.optimum.loss
    assert 0 <= val.p_value <= 1


def test_runs_that_share_loss_and_l2_share_an_optimum_that_is_solved_once(monkeypatch):
    splits, solved = make_dataset().split(60), []
    base = Recipe(epochs=3, batch_size=10, l2=0.01, learning_rate=0.05)
    changes = ({}, {"epochs": 9}, {"loss": "multiple_bce"}, {"l2": 1.0})
    runs = {name: train(splits, base.replace(**change)) for name, change in zip("abcd", changes, strict=True)}

    def solve(problem, *rest, **options):
        solved.append((problem.loss, problem.l2))
        return solve_exactly(problem, *rest, **options)

    monkeypatch.setattr(monolayer.checks.certificate, "solve_exactly", solve)
    together = certify_all(runs, splits, lambda: SILENCE)
    assert solved == [("cross_entropy", 0.01), ("multiple_bce", 0.01), ("cross_entropy", 1.0)]
    for name, run in runs.items():
        alone = certify(run, splits)
        assert together[name].cost == alone.cost
        assert together[name].optimal_cost == pytest.approx(alone.optimal_cost, abs=2e-6)


def test_a_diverged_run_has_an_optimum_too():
    splits = make_dataset().split(60)
    run = train(splits, Recipe(epochs=9, batch_size=10, l2=1, learning_rate=10))
    assert run.has_diverged
    certificate = certify(run, splits)
    assert np.isfinite(certificate.optimal_cost)
    assert certificate.describe().startswith("The run diverged.")


@pytest.mark.parametrize(
    ("cost", "rate_share", "ending"),
    [(1.001, 1.0, "arrived"), (1.001, 0.001, "arrived"), (1.2, 0.01, "rate vanished"), (1.2, 0.1, "under way")],
)
def test_arrival_a_vanished_rate_and_a_descent_under_way_are_told_apart(cost, rate_share, ending):
    certificate = Certificate(cost, 1.0, 1e-6, 1e-8, 9, 2.0, rate_share, None)
    assert certificate.ending == ending
    assert certificate.left == pytest.approx(cost - 1)


def test_a_solver_that_has_not_arrived_makes_no_claim_of_the_optimum():
    certificate = Certificate(0.35, 0.257, 6.4e-2, 0.1, 201, 0.69, 1.0, None)
    described = certificate.to_dict()
    assert not described["converged"]
    assert described["distance"] is described["left"] is described["val"] is None
    assert described["description"] == (
        "Not solved in 201 exact passes: the optimum lies below 0.2570 (gradient norm 6.4e-02). The distance "
        "of the run to the optimum is not known."
    )


def test_the_optimum_that_a_solver_has_not_reached_is_not_scored(monkeypatch):
    splits = make_dataset().split(60)
    run = train(splits, Recipe(epochs=2, batch_size=10, l2=0.01))
    assert certify(run, splits).val is not None
    monkeypatch.setattr(monolayer.checks.certificate, "solve_exactly", partial(solve_exactly, max_passes=1))
    certificate = certify(run, splits)
    assert (certificate.has_converged, certificate.val, certificate.ending) == (False, None, "not known")


def test_where_rows_can_be_told_apart_and_l2_is_0_the_optimum_is_at_infinity():
    splits = make_dataset(100, 120).split(40)
    certificate = certify(train(splits, Recipe(epochs=2, batch_size=10)), splits)
    assert certificate.has_converged
    assert certificate.optimal_cost == 0
    assert certificate.val is None
    assert certificate.left == certificate.cost / certificate.start_cost
    assert "there is no optimal network" in certificate.describe_optimum()


@pytest.mark.parametrize(
    ("accuracies", "p_value", "words"),
    [
        ((0.5, 0.4), 0.01, "The run is better"),
        ((0.4, 0.5), 0.01, "The optimum is better"),
        ((0.4, 0.5), 0.2, "not significantly different"),
    ],
)
def test_whether_stopping_early_was_better_is_said_only_where_it_can_be_told(accuracies, p_value, words):
    run, optimum = (Metrics(1.0, 1.0, accuracy, 100) for accuracy in accuracies)
    assert words in OnValidation(run, optimum, p_value).describe()
