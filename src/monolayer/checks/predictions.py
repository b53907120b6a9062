"""ML003, ML011, ML012: accuracy and calibration of a network's predictions."""

import numpy as np

from monolayer._typing import Array
from monolayer.checks.plausibility import ABOVE_TRAINING, Accuracy, check_claims
from monolayer.evaluate.calibration import compute_chance_interval, compute_expected_error
from monolayer.evaluate.metrics import ROW_NAMES, Metrics
from monolayer.evaluate.predictions import Predictions
from monolayer.findings import Check, Finding
from monolayer.recipe.losses import get_loss

CALIBRATION = Check(
    "ML011", "Probabilities miscalibrated", "run", "predictions for test rows, or for validation rows if test is sealed"
)
MAJORITY = Check(
    "ML012",
    "No better than the most frequent class",
    "run",
    "the labels of the training rows, and predictions for test rows, or for validation rows if test is sealed",
)
NO_PREDICTIONS = "There are no predictions for rows that were not trained on."


def check_above_training(evaluation: dict[str, Metrics]) -> list[Finding]:
    """ML003, one finding for validation and one for test: whether it is further above training than chance allows.

    Args:
        evaluation: metrics by the name of the rows, including ``train``.
    """
    others = {
        ROW_NAMES[name].capitalize(): Accuracy(metrics.accuracy, metrics.n)
        for name, metrics in evaluation.items()
        if name != "train"
    }
    if not others or "train" not in evaluation:
        return [ABOVE_TRAINING.make_finding("not applicable", "Only the training rows were evaluated.")]
    return check_claims(evaluation["train"].accuracy, others)


def check_calibration(predictions: Predictions | None) -> Finding:
    """ML011: whether the expected calibration error is above that of a calibrated network by chance.

    Args:
        predictions: for rows that were not trained on; None if there are none.
    """
    if predictions is None:
        return CALIBRATION.make_finding("skipped", NO_PREDICTIONS)
    readings = get_loss(predictions.loss).readings
    if not readings:
        evidence = f"The loss {predictions.loss} defines no probabilities."
        return CALIBRATION.make_finding("not applicable", evidence)
    if not readings[0].sums_to_one:
        evidence = (
            "Raw sigmoids need not sum to one, so the error by chance is not defined; `monolayer compare` shows the "
            "calibration of each kind of probability."
        )
        return CALIBRATION.make_finding("not applicable", evidence)
    probabilities = predictions.probabilities
    if not np.isfinite(probabilities).all():
        return CALIBRATION.make_finding("not applicable", "The network diverged, so it has no probabilities.")
    error = compute_expected_error(probabilities, predictions.y)
    chance = compute_chance_interval(compute_expected_error, probabilities)
    confidence, accuracy = float(probabilities.max(axis=1).mean()), float(predictions.correct.mean())
    evidence = (
        f"The expected calibration error is {error:.3f} on {len(predictions):,} rows; a calibrated network has "
        f"{chance.low:.3f} to {chance.high:.3f} by chance. Mean confidence {confidence:.1%}, accuracy {accuracy:.1%}."
    )
    advice = "Do not read the probabilities as frequencies; `monolayer calibrate` fits a temperature on validation."
    return CALIBRATION.judge(error > chance.high, evidence, advice)


def check_majority(predictions: Predictions | None, y_train: Array) -> Finding:
    """ML012: whether the network is better than always predicting the most frequent class of the training rows.

    Args:
        predictions: for rows that were not trained on; None if there are none.
        y_train: (n,), labels of the training rows.
    """
    if predictions is None:
        return MAJORITY.make_finding("skipped", NO_PREDICTIONS)
    share = float((predictions.y == np.bincount(y_train).argmax()).mean())
    metrics = Metrics(0.0, 0.0, float(predictions.correct.mean()), len(predictions))
    low, high = metrics.interval
    evidence = (
        f"Accuracy {metrics.accuracy:.1%} [{low:.1%}, {high:.1%}]; always predicting the most frequent training class "
        f"gives {share:.1%}."
    )
    advice = "Check the labels, the scaling, the learning rate and l2, or use more rows."
    return MAJORITY.judge(low <= share, evidence, advice)
