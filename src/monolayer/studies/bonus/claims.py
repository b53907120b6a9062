"""The ten claims of the original report, each tested on the study's measurements by one function.

Bounds that the report does not state are defined here, with their reasons.
"""

import math
from collections.abc import Callable

import numpy as np

from monolayer._typing import Array
from monolayer.data.scaler import Scaler
from monolayer.engine.bank import make_bank
from monolayer.evaluate.calibration import Binning, prepare_expected_error
from monolayer.evaluate.probabilities import compute_readings
from monolayer.evaluate.significance import Bootstrap, Interval, compute_mcnemar, find_indistinguishable
from monolayer.recipe.losses import MultipleBCE
from monolayer.studies.bonus import reported
from monolayer.studies.bonus.smoothness import compute_roughness
from monolayer.studies.bonus.two_way import N_RESAMPLES, Statistic, compute_mean_interval, compute_two_way_interval
from monolayer.studies.bonus.verdicts import (
    ClaimData,
    Evidence,
    Outcome,
    Verdict,
    average_seeds,
    combine,
    is_above,
    is_below,
    is_within,
    scale,
)

# "Close": new images keep four fifths or more of the decrease of the loss in training (log K minus the loss).
CLOSE = 0.2
# "The same accuracy": within one point, twice the standard error of an accuracy near 41 % on 10,000 images.
SAME_POINTS = 1.0
# "Converged": one per cent or less of the possible decrease of the cost remains.
CONVERGED = 1.0
# The assignment's bound for an analytic against a numerical gradient.
GRADIENT_ERROR = 1e-6
ROUGHNESS_COMPARISONS = {
    "part": "10,000 images minus all, equal epochs",
    "fast": "rate .01 minus .001",
    "part_long": "10,000 images minus all, equal steps",
}
BCE = {"multiple_bce": "as set", "matched_bce": "l2 matched"}
STRATEGIES = {"all_data": "all data, no l2", "cross_entropy": "the grid's recipe", "step_decay": "step decay"}


def judge_all(data: ClaimData) -> tuple[Verdict, ...]:
    """Test the ten claims, in their order."""
    return tuple(judge(data) for judge in CLAIMS)


def judge_smoothness(data: ClaimData) -> Verdict:
    """1: more data and a small rate give smoother templates."""
    shown, learnt = _compare_roughness(data, "roughness"), _compare_roughness(data, "learnt part")
    return Verdict(
        1,
        "More data and a small rate give smoother templates",
        combine([piece.outcome for piece in shown[:2]]),
        (*sorted(shown[:2], key=lambda piece: piece.outcome != "refuted"), shown[2], *learnt),
        _explain_roughness(data, shown, learnt),
    )


def _compare_roughness(data: ClaimData, part: str) -> list[Evidence]:
    """The roughness of a part of the templates in each of the ROUGHNESS_COMPARISONS."""
    second = _measure_roughness(data, "all_data", part)
    pieces = []
    for key, compared in ROUGHNESS_COMPARISONS.items():
        first = _measure_roughness(data, key, part)
        interval, short = average_seeds(first - second), f"{part}, {compared}"
        what = f"Geary's ratio of the templates, {first.mean():.3f} minus {second.mean():.3f}: {short}"
        pieces.append(Evidence(short, what, data.over_seeds, interval, "", is_above(interval)))
    return pieces


def _measure_roughness(data: ClaimData, key: str, part: str) -> Array:
    """(S,): roughness of the weights, or of their ``learnt part``: W without the random initial weights.

    The initial weights remain in W if there is no l2.
    """
    measured = []
    for run in (scored.run for scored in data.repeats[key]):
        network = run.network
        weights = network.weights
        if part == "learnt part":
            bank = make_bank([run.recipe], Scaler(network.mean, network.std), len(network.bias))
            weights = weights - bank.compute_weights(0)
        assert network.image_shape is not None  # noqa: S101  (the study is of images)
        measured.append(compute_roughness(weights, network.image_shape))
    return np.array(measured)


def _explain_roughness(data: ClaimData, shown: list[Evidence], learnt: list[Evidence]) -> str:
    words: dict[Outcome, str] = {"supported": "smoother", "refuted": "rougher"}
    whole, learnt_alone = (_measure_roughness(data, "all_data", part).mean() for part in ("roughness", "learnt part"))
    described = [
        f"the templates of more data are {words.get(epochs.outcome, epochs.outcome)} after equal epochs and "
        f"{words.get(steps.outcome, steps.outcome)} after equal steps, and those of the smaller rate are "
        f"{words.get(rate.outcome, rate.outcome)}"
        for epochs, rate, steps in (shown, learnt)
    ]
    return (
        "Roughness is Geary's ratio: 1 for noise, 0 if neighbouring pixels are equal. As shown, "
        f"{described[0]}. However, the templates still contain the random initial weights: with all data their "
        f"roughness is {whole:.2f}, and {learnt_alone:.2f} without the initial weights. In the learnt part alone, "
        f"{described[1]}."
    )


def judge_gap(data: ClaimData) -> Verdict:
    """2: the validation loss stays close to the training loss."""
    train = data.measure("all_data", "train", lambda m: m.loss)
    gain = data.start_cost - float(train.mean())
    gap = compute_mean_interval(_gaps_in_loss(data, "all_data"))
    share = scale(gap, 100 / gain)
    what = (
        f"Loss on test images minus training loss, {gap.estimate:.3f}, as a share of the decrease of the training "
        f"loss, {gain:.3f}"
    )
    outcome = is_within(share, 100 * CLOSE)
    evidence = Evidence("loss gap to new images", what, data.two_way, share, "% of the decrease", outcome)
    val = data.measure("all_data", "val", lambda m: m.loss) - train
    return Verdict(
        2,
        "Validation loss stays close to training loss",
        outcome,
        (evidence,),
        f"The report states no bound; here close means that new images keep {1 - CLOSE:.0%} or more of the decrease of "
        "the loss. Test images are used instead of validation images, since they are as new and ten times as many; on "
        f"validation the gap is {val.mean():.3f} on average.",
    )


def judge_flips(data: ClaimData) -> Verdict:
    """3: flips leave the accuracy the same and narrow the gap."""
    accuracy = scale(compute_mean_interval(_differ(data, "flips", "cross_entropy")), 100)
    gap = compute_mean_interval(_gaps_in_loss(data, "flips") - _gaps_in_loss(data, "cross_entropy"))
    what, same = "Test accuracy with flips minus without, same l2", is_within(accuracy, SAME_POINTS)
    of_accuracy = Evidence("accuracy, flips minus none", what, data.two_way, accuracy, "points", same)
    what, narrower = "Gap between test and training loss, with flips minus without", is_below(gap)
    of_gap = Evidence("gap in loss, flips minus none", what, data.two_way, gap, "", narrower)
    return Verdict(
        3,
        "Flips keep the accuracy and narrow the gap",
        combine([same, narrower]),
        (of_accuracy, of_gap),
        f"'The same' means within {SAME_POINTS:g} point of accuracy; a narrower gap is a difference below 0.",
    )


def _gaps_in_loss(data: ClaimData, key: str) -> Array:
    """(S, n): loss of each test row minus the training loss of the seed."""
    return data.stack(key, "losses") - data.measure(key, "train", lambda m: m.loss)[:, None]


def judge_best_of_grid(data: ClaimData) -> Verdict:
    """4: rate .001, l2 .001, batch 100 is the best of the grid."""
    runs = [run for run in data.grid.runs if run.val_correct is not None and not run.has_diverged]
    correct = np.array([run.val_correct for run in runs])
    recipes = [(run.recipe.learning_rate, run.recipe.l2, run.recipe.batch_size) for run in runs]
    claimed = recipes.index((0.001, 0.001, 100))
    tests = find_indistinguishable(correct)
    n_close = int(tests.mask.sum())
    outcome: Outcome = "not distinguishable" if tests.mask[claimed] else "refuted"
    if tests.best == claimed and n_close == 1:
        outcome = "supported"
    difference = compute_mean_interval((correct[claimed].astype(float) - correct[tests.best])[None])
    rank = 1 + int((correct.mean(axis=1) > correct[claimed].mean()).sum())
    what = f"Validation accuracy of the claimed recipe (rank {rank} of {len(runs)}) minus that of the best"
    method = (
        f"exact McNemar test against the best, corrected for all pairs of {len(runs)} recipes; bootstrap over "
        f"{correct.shape[1]:,} images"
    )
    p_value, short = float(tests.adjusted[claimed]), "accuracy, claimed minus best"
    evidence = Evidence(short, what, method, scale(difference, 100), "points", outcome, p_value)
    return Verdict(
        4,
        "Rate .001, l2 .001, batch 100 is the best",
        outcome,
        (evidence,),
        f"{n_close} of {len(runs)} recipes, including the best, are statistically indistinguishable from "
        f"the best on {correct.shape[1]:,} images: their order is due to chance.",
    )


def judge_step_decay(data: ClaimData) -> Verdict:
    """5: step decay stabilises training, and it has converged by about epoch 30."""
    fluctuation, constant = (_measure_fluctuation(data, key) for key in ("step_decay", "cross_entropy"))
    ratio = average_seeds(np.log(fluctuation / constant))
    steadiness = Interval(math.exp(ratio.estimate), math.exp(ratio.low), math.exp(ratio.high), ratio.confidence)
    optimum = data.certificate.optimal_cost
    share = 100 / (data.start_cost - optimum)
    left = scale(average_seeds(data.measure("step_decay", "train", lambda m: m.cost) - optimum), share)
    what = (
        f"Cost minus that of the convex optimum ({data.certificate.distance:.3f} in the first run), as a share of the "
        "possible decrease"
    )
    method = f"{data.over_seeds}; the optimum is known within {data.certificate.gap:.0e}"
    remaining = Evidence("remaining decrease of the cost", what, method, left, "%", is_below(left, CONVERGED))
    short = "epoch-to-epoch change, over constant rate"
    what = (
        "Standard deviation of the epoch-to-epoch change of the validation loss after the first drop of the "
        "learning rate, step decay divided by constant rate"
    )
    steady = Evidence(short, what, data.over_seeds, steadiness, "times", is_below(steadiness, 1.0))
    explanation = f"{left.estimate:.1f} % of the possible decrease of the cost remains"
    if left.low > CONVERGED:
        explanation = (
            "The curve is flat because the learning rate has vanished, not because the descent has converged: "
            f"{left.estimate:.0f} % of the possible decrease of the cost remains"
        )
    return Verdict(
        5,
        "Step decay stabilises training, which converges by epoch 30",
        combine([remaining.outcome, steady.outcome]),
        (remaining, steady),
        f"{explanation}; converged would be {CONVERGED:g} %. A steadier curve with step decay is {steady.outcome}.",
    )


def _measure_fluctuation(data: ClaimData, key: str) -> Array:
    """(S,): standard deviation of the change of validation loss, over the last three quarters of the epochs."""
    losses = np.array([[row.val_loss for row in scored.run.history] for scored in data.repeats[key]], np.float64)
    # Step decay divides the rate after the tenth of forty epochs; before that the two runs are the same.
    changes = np.diff(losses, axis=1)[:, losses.shape[1] // 4 :]
    # Fewer than two changes have no standard deviation: then the ratio is 1, which is neutral.
    return np.asarray(changes.std(axis=1)) if changes.shape[1] > 1 else np.ones(len(losses))


def judge_gradient(data: ClaimData) -> Verdict:
    """6: the gradient of multiple BCE by the scores is (sigmoid(s) - y) / K."""
    n_classes = data.repeats["all_data"][0].test.scores.shape[1]
    pieces = []
    for name, factor in (("with 1/K", 1.0), ("without 1/K, as run", n_classes)):
        error = _check_gradient(n_classes, factor)
        outcome: Outcome = "supported" if error < GRADIENT_ERROR else "refuted"
        what = f"Largest relative error against central differences, {name}"
        method = "100 random rows of scores in float64"
        interval = Interval(error, error, error, 0.95)
        pieces.append(Evidence(f"relative error {name}", what, method, interval, "", outcome))
    return Verdict(
        6,
        "The gradient of BCE is (sigmoid(s) - y) / K",
        pieces[0].outcome,
        tuple(pieces),
        "The derivation is correct. However, the reported accuracies of this loss are only reproduced without the "
        f"1/K, which makes the steps {n_classes} times as large.",
    )


def _check_gradient(n_classes: int, factor: float) -> float:
    """Largest |ga - gn| / max(eps, |ga| + |gn|) of factor * the residual."""
    rng = np.random.default_rng(0)
    scores, y, bce = rng.normal(0, 2, (100, n_classes)), rng.integers(0, n_classes, 100), MultipleBCE()
    analytic = factor * bce.compute_residual(scores, y)
    numeric, step = np.empty_like(scores), 1e-5
    for k in range(n_classes):
        shift = np.zeros(n_classes)
        shift[k] = step
        numeric[:, k] = (bce.compute_loss(scores + shift, y) - bce.compute_loss(scores - shift, y)) / (2 * step)
    return float((np.abs(analytic - numeric) / np.maximum(1e-6, np.abs(analytic) + np.abs(numeric))).max())


def judge_accuracy_of_losses(data: ClaimData) -> Verdict:
    """7: multiple BCE gives higher accuracy than cross-entropy."""
    pieces = tuple(
        _compare_accuracy(data, key, "cross_entropy", f"accuracy, BCE minus CE, {how}") for key, how in BCE.items()
    )
    outcomes = {piece.outcome for piece in pieces}
    lead = reported.ACCURACIES["multiple_bce"].test - reported.ACCURACIES["cross_entropy"].test
    excluded = all(piece.interval.high < lead for piece in pieces)
    return Verdict(
        7,
        "BCE gives higher accuracy than CE",
        "refuted" if "refuted" in outcomes else combine([*outcomes]),
        pieces,
        f"The reported lead on test is {lead:.1f} points"
        + (", which the intervals exclude" if excluded else "")
        + ". As set, the two losses have the same effective learning rate, but the same l2 is K times stronger "
        "relative to BCE; matched, it is divided by K.",
    )


def _compare_accuracy(data: ClaimData, key: str, base: str, short: str, confidence: float = 0.95) -> Evidence:
    bootstrap = Bootstrap(N_RESAMPLES, confidence=confidence)
    interval = scale(compute_mean_interval(_differ(data, key, base), bootstrap), 100)
    first, second = (data.repeats[name][0].test.correct for name in (key, base))
    means = [100 * data.stack(name, "correct").mean() for name in (key, base)]
    p_value = compute_mcnemar(first, second).p_value
    what = f"{short[0].upper()}{short[1:]}: test accuracy {means[0]:.2f} minus {means[1]:.2f} %"
    method = f"{data.two_way}; exact McNemar test of the first seed: p = {p_value:.2g}"
    return Evidence(short, what, method, interval, "points", is_above(interval), p_value)


def _differ(data: ClaimData, key: str, base: str) -> Array:
    """(S, n): whether each test row is classified correctly, first setting minus second."""
    return data.stack(key, "correct") - data.stack(base, "correct")


def judge_confidence(data: ClaimData) -> Verdict:
    """8: cross-entropy is more confident in right and wrong predictions alike; BCE is better calibrated."""
    right, wrong = (_compare_confidence(data, is_right) for is_right in (True, False))
    readings = [_compare_calibration(data, reading) for reading in ("sigmoid", "normalised_sigmoid", "softmax")]
    deciding = (readings[0], right, wrong)
    return Verdict(
        8,
        "CE is more confident; BCE better calibrated",
        combine([piece.outcome for piece in deciding]),
        (*deciding, *readings[1:]),
        "The report uses raw sigmoids, which need not sum to one, so these decide; other probabilities from the same "
        f"scores give other results. Higher confidence of cross-entropy is {right.outcome} for right predictions and "
        f"{wrong.outcome} for wrong ones. Lower confidence is not better calibration: a network that is right more "
        "often than its confidence is miscalibrated too.",
    )


def _compute_confidence(data: ClaimData, key: str, reading: str = "") -> list[tuple[Array, Array]]:
    """For each seed the confidence in the predicted class (n,) by a reading of the scores, and whether it is right."""
    found = []
    for predictions in (scored.test for scored in data.repeats[key]):
        readings = compute_readings(predictions.scores.astype(np.float64), predictions.loss)
        found.append((readings[reading or next(iter(readings))].max(axis=1), predictions.correct))
    return found


def _compare_confidence(data: ClaimData, is_right: bool) -> Evidence:
    sums = []
    for key in ("cross_entropy", "multiple_bce"):
        confidence, correct = (np.array(rows) for rows in zip(*_compute_confidence(data, key), strict=True))
        counted = (correct == is_right).astype(np.float64)
        sums.append((confidence * counted, counted))

    def compare(u: Array, v: Array) -> float:
        ce, bce = (float(u @ (p @ v)) / max(float(u @ (c @ v)), 1e-300) for p, c in sums)
        return 100 * (ce - bce)

    name = "right" if is_right else "wrong"
    what = f"Mean probability of the predicted class if it is {name}, CE minus BCE (raw sigmoids)"
    return _compare_both_ways(data, f"confidence in {name} predictions, CE minus BCE", what, compare)


def _compare_calibration(data: ClaimData, reading: str) -> Evidence:
    confidences = _compute_confidence(data, "cross_entropy"), _compute_confidence(data, "multiple_bce", reading)
    errors = [[prepare_expected_error(*found) for found in row] for row in confidences]

    def compare(u: Array, v: Array) -> float:
        means = [sum(w * error(v) for w, error in zip(u, parts, strict=True)) for parts in errors]
        return 100 * float(means[0] - means[1])

    name = reading.replace("_", " ")
    what = f"Expected calibration error of the top label ({Binning().n_bins} bins), CE minus BCE by {name}"
    return _compare_both_ways(data, f"calibration error, CE minus BCE ({name})", what, compare)


def _compare_both_ways(data: ClaimData, short: str, what: str, compare: Statistic) -> Evidence:
    interval = compute_two_way_interval(compare, (data.n_seeds, data.n_test))
    return Evidence(short, what, data.two_way, interval, "points", is_above(interval))


def judge_overfitting(data: ClaimData) -> Verdict:
    """9: BCE overfits less."""
    pieces = tuple(_compare_overfitting(data, key, how) for key, how in BCE.items())
    outcome = combine([piece.outcome for piece in pieces])
    if pieces[0].outcome == "supported" and pieces[1].outcome != "supported":
        outcome = "not distinguishable"
    return Verdict(
        9,
        "BCE overfits less",
        outcome,
        pieces,
        "Overfitting is measured as training accuracy minus test accuracy, since the two losses have different scales. "
        "As set, the same l2 regularises BCE K times more strongly; only a difference that remains with matched l2 is "
        "due to the loss.",
    )


def _compare_overfitting(data: ClaimData, key: str, how: str) -> Evidence:
    gaps = [
        data.measure(name, "train", lambda m: m.accuracy)[:, None] - data.stack(name, "correct")
        for name in (key, "cross_entropy")
    ]
    interval = scale(compute_mean_interval(gaps[0] - gaps[1]), 100)
    means = f"{100 * gaps[0].mean():.2f} for BCE ({how}), {100 * gaps[1].mean():.2f} for CE"
    what, short = f"Training minus test accuracy: {means}", f"overfitting, BCE minus CE, {how}"
    return Evidence(short, what, data.two_way, interval, "points", is_below(interval))


def judge_generalisation(data: ClaimData) -> Verdict:
    """10: flips with a small l2 generalise best of the four."""
    confidence = 1 - 0.05 / len(STRATEGIES)  # Bonferroni, over three comparisons
    pieces = [
        _compare_accuracy(data, "flips", key, f"accuracy, flips minus {name}", confidence)
        for key, name in STRATEGIES.items()
    ]
    pieces.sort(key=lambda piece: piece.interval.low)  # the weakest comparison decides
    return Verdict(
        10,
        "Flips with a small l2 generalise best",
        combine([piece.outcome for piece in pieces]),
        tuple(pieces),
        "There are three comparisons, so each interval has a confidence of 98.3 %, and all together 95 %. The reported "
        f"lead of flips is {reported.ACCURACIES['flips'].test - reported.ACCURACIES['all_data'].test:.2f} points.",
    )


CLAIMS: tuple[Callable[[ClaimData], Verdict], ...] = (
    judge_smoothness,
    judge_gap,
    judge_flips,
    judge_best_of_grid,
    judge_step_decay,
    judge_gradient,
    judge_accuracy_of_losses,
    judge_confidence,
    judge_overfitting,
    judge_generalisation,
)
