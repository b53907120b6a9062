"""Each claim judged on made runs of which the outcome is known."""

import numpy as np
import pytest

from monolayer.checks.certificate import Certificate
from monolayer.data.scaler import Scaler
from monolayer.engine.bank import make_bank
from monolayer.evaluate.metrics import Metrics
from monolayer.evaluate.predictions import Predictions
from monolayer.network import OneLayer
from monolayer.recipe.recipe import Recipe
from monolayer.studies.bonus import claims
from monolayer.studies.bonus.verdicts import ClaimData, Scored
from monolayer.training.history import EpochRow
from monolayer.training.run import Run
from monolayer.tuning.sweep import Sweep

N, K, SEEDS, SIDE = 600, 4, 4, 6
LABELS = np.random.default_rng(0).integers(0, K, N)
RECIPES = {"multiple_bce": Recipe("multiple_bce"), "matched_bce": Recipe("multiple_bce")}
KEYS = (
    "part", "fast", "part_long", "all_data", "flips", "step_decay", "cross_entropy", "multiple_bce", "matched_bce",
)  # fmt: skip


def make_scored(key, seed, *, accuracy=0.5, train=0.5, train_loss=1.0, margin=1.0, val_losses=None, weights=None):
    """A run that answers a share ``accuracy`` of the rows rightly, all by the same margin of scores."""
    recipe = RECIPES.get(key, Recipe()).replace(seed=seed, epochs=8)
    rng = np.random.default_rng(seed)
    hit = rng.permutation(N) < round(accuracy * N)
    scores = np.zeros((N, K))
    scores[np.arange(N), np.where(hit, LABELS, (LABELS + 1) % K)] = margin
    if weights is None:
        weights = compute_first_weights(recipe) + make_templates("slope") / 1000
    losses = 1.4 + 0.01 * rng.normal(size=8) if val_losses is None else val_losses
    run = Run(
        recipe,
        make_network(weights, recipe.loss),
        tuple(EpochRow(i + 1, 0.001, val_loss=float(loss)) for i, loss in enumerate(losses)),
        {"train": Metrics(train_loss, train_loss, train, 10 * N), "val": Metrics(1.4, 1.4, 0.5, N)},
        1.0,
    )
    return Scored(run, Predictions(recipe.loss, scores, LABELS, np.arange(N)))


def make_scaler():
    return Scaler(np.zeros(SIDE * SIDE), np.ones(SIDE * SIDE))


def compute_first_weights(recipe):
    return make_bank([recipe], make_scaler(), K).compute_weights(0)


def make_network(weights, loss):
    scaler, names = make_scaler(), tuple("abcd")
    return OneLayer(weights, np.zeros(K), scaler.mean, scaler.std, loss, names, (1, SIDE, SIDE))


def make_data(grid=None, optimum=0.9, **changes):
    """What the claims are judged on: every setting alike, but for the changes by key."""
    repeats = {key: tuple(make_scored(key, seed, **changes.get(key, {})) for seed in range(SEEDS)) for key in KEYS}
    certificate = Certificate(1.0, optimum, 1e-6, 1e-8, 20, float(np.log(K)), 0.001, None)
    return ClaimData(repeats, grid or make_grid({}), certificate, np.log(K))


def make_grid(shares):
    """A sweep over the learning rate whose runs answer these shares of validation rows rightly, 0.5 where unsaid."""
    runs = []
    for rate in (0.001, 0.005, 0.01):
        correct = np.random.default_rng(int(rate * 1000)).permutation(N) < N * shares.get(rate, 0.5)
        recipe = Recipe(learning_rate=rate, l2=0.001, batch_size=100)
        network = make_network(np.zeros((K, SIDE * SIDE)), recipe.loss)
        evaluation = {"val": Metrics(1.0, 1.0, float(correct.mean()), N)}
        runs.append(Run(recipe, network, (), evaluation, 1.0, val_correct=correct))
    runs.sort(key=lambda run: -run.evaluation["val"].accuracy)
    return Sweep(tuple(runs), {"learning_rate": (0.001, 0.005, 0.01)}, 1.0, 3)


def make_templates(kind):
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(K, SIDE * SIDE))
    slope = np.tile(np.add.outer(np.arange(SIDE), np.arange(SIDE)).ravel(), (K, 1))
    return {"noise": 10 * noise, "slope": 10.0 * slope}[kind]


def test_templates():
    smooth, rough = {"weights": make_templates("slope")}, {"weights": make_templates("noise")}
    # Seeds must differ for an interval: the first weights do, and are in both.
    verdict = claims.judge_smoothness(make_data(all_data=smooth, part=rough, fast=rough, part_long=smooth))
    assert verdict.outcome == "supported"
    verdict = claims.judge_smoothness(make_data(all_data=rough, part=rough, fast=smooth, part_long=smooth))
    assert verdict.outcome == "refuted"
    assert verdict.evidence[0].short == "roughness, rate .01 minus .001"  # what decides comes first


def test_the_learnt_part_is_told_from_the_first_weights():
    data = make_data()
    learnt_noise = tuple(
        make_scored("fast", seed, weights=compute_first_weights(Recipe(seed=seed)) + make_templates("noise") / 1000)
        for seed in range(SEEDS)
    )
    data = ClaimData({**data.repeats, "fast": learnt_noise}, data.grid, data.certificate, data.start_cost)
    evidence = {piece.short: piece.interval for piece in claims.judge_smoothness(data).evidence}
    assert evidence["learnt part, rate .01 minus .001"].low > 0.5
    assert abs(evidence["learnt part, 10,000 images minus all, equal epochs"].estimate) < 0.01


@pytest.mark.parametrize(
    ("judge", "changes", "outcome"),
    [
        # 2: close is a gap of at most a fifth of the gain; the loss on the test rows comes from the margin.
        (claims.judge_gap, {"all_data": {"train_loss": 0.35, "accuracy": 0.95, "margin": 3.0}}, "supported"),
        (claims.judge_gap, {"all_data": {"train_loss": 0.2, "accuracy": 0.6, "margin": 1.0}}, "refuted"),
        # 3: the same accuracy within a point, and a smaller gap.
        (claims.judge_flips, {"flips": {"accuracy": 0.3}}, "refuted"),
        (claims.judge_flips, {}, "not distinguishable"),
        (claims.judge_flips, {"flips": {"train_loss": 1.2}}, "supported"),
        (claims.judge_flips, {"flips": {"train_loss": 0.8}}, "refuted"),
        # 7 and 9: the two losses, as set and matched.
        (claims.judge_accuracy_of_losses, {}, "not distinguishable"),
        (
            claims.judge_accuracy_of_losses,
            {"multiple_bce": {"accuracy": 0.8}, "matched_bce": {"accuracy": 0.8}},
            "supported",
        ),
        (claims.judge_accuracy_of_losses, {"multiple_bce": {"accuracy": 0.8}}, "not distinguishable"),
        (claims.judge_accuracy_of_losses, {"matched_bce": {"accuracy": 0.2}}, "refuted"),
        (claims.judge_overfitting, {"cross_entropy": {"train": 0.9}}, "supported"),
        (claims.judge_overfitting, {"multiple_bce": {"train": 0.9}}, "refuted"),
        (claims.judge_overfitting, {"multiple_bce": {"train": 0.2}}, "not distinguishable"),
        # 10: flips above all three others.
        (claims.judge_generalisation, {"flips": {"accuracy": 0.7}}, "supported"),
        (claims.judge_generalisation, {"flips": {"accuracy": 0.7}, "step_decay": {"accuracy": 0.9}}, "refuted"),
        (
            claims.judge_generalisation,
            {"flips": {"accuracy": 0.7}, "step_decay": {"accuracy": 0.7}},
            "not distinguishable",
        ),
    ],
)
def test_a_claim_on_runs_of_which_the_outcome_is_known(judge, changes, outcome):
    verdict = judge(make_data(**changes))
    assert verdict.outcome == outcome
    assert {piece.outcome for piece in verdict.evidence} & {outcome}


def test_the_best_of_a_grid():
    assert claims.judge_best_of_grid(make_data()).outcome == "not distinguishable"
    assert claims.judge_best_of_grid(make_data(make_grid({0.001: 0.9}))).outcome == "supported"
    verdict = claims.judge_best_of_grid(make_data(make_grid({0.005: 0.9})))
    assert verdict.outcome == "refuted"
    assert "1 of 3 recipes" in verdict.explanation


def test_arrival_is_the_distance_to_the_optimum():
    steady = {"step_decay": {"val_losses": np.full(8, 1.4) + 1e-6 * np.arange(8) ** 2}}
    gain = np.log(K) - 1.0
    at_optimum = claims.judge_step_decay(make_data(optimum=1.0, **steady))
    assert at_optimum.outcome == "supported"
    short = claims.judge_step_decay(make_data(optimum=1.0 - gain, **steady))
    assert short.outcome == "refuted"
    assert short.evidence[0].interval.estimate == pytest.approx(50)
    assert "the learning rate has vanished" in short.explanation
    restless = {"step_decay": {"val_losses": np.array([1, 2, 1, 3, 1, 2, 1, 3.0])}}
    assert claims.judge_step_decay(make_data(optimum=1.0, **restless)).outcome == "refuted"


def test_the_gradient_is_right_with_one_over_k_and_wrong_without():
    verdict = claims.judge_gradient(make_data())
    assert [piece.outcome for piece in verdict.evidence] == ["supported", "refuted"]
    assert verdict.outcome == "supported"
    # f and K f differ by (K - 1) f, beside (K + 1) f
    assert verdict.evidence[1].interval.estimate == pytest.approx((K - 1) / (K + 1), abs=1e-6)


def test_confidence_and_calibration_are_two_things():
    p = np.exp(3.0) / (np.exp(3.0) + K - 1)
    sure_and_right = {"accuracy": float(p), "margin": 3.0}
    unsure = {"accuracy": float(p), "margin": 0.1}
    verdict = claims.judge_confidence(make_data(cross_entropy=sure_and_right, multiple_bce=unsure))
    assert verdict.outcome == "refuted"  # cross-entropy is more confident, and rightly so
    by_name = {piece.short: piece.outcome for piece in verdict.evidence}
    assert by_name["confidence in right predictions, CE minus BCE"] == "supported"
    assert by_name["confidence in wrong predictions, CE minus BCE"] == "supported"
    too_sure = {"accuracy": 0.5, "margin": 6.0}
    honest = {"accuracy": float(1 / (1 + np.exp(-0.2))), "margin": 0.2}
    assert claims.judge_confidence(make_data(cross_entropy=too_sure, multiple_bce=honest)).outcome == "supported"


def test_all_ten_in_order():
    verdicts = claims.judge_all(make_data())
    assert [verdict.number for verdict in verdicts] == list(range(1, 11))
    assert len({verdict.claim for verdict in verdicts}) == 10
