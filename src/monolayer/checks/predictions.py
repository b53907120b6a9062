"""ML003, ML011, ML012: what a network's answers say of themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from monolayer.checks.plausibility import Accuracy, check_claims
from monolayer.evaluate.calibration import compute_chance_interval, compute_expected_error
from monolayer.evaluate.metrics import ROW_NAMES, Metrics
from monolayer.evaluate.predictions import Predictions
from monolayer.findings import Finding, report
from monolayer.recipe.losses import get_loss

Array = npt.NDArray[Any]
ABOVE_TRAINING, MISCALIBRATED, NO_BETTER = "ML003", "ML011", "ML012"


def check_above_training(evaluation: dict[str, Metrics]) -> list[Finding]:
    """ML003, one finding for validation and for test: whether it lies further above training than chance allows.

    Args:
        evaluation: measures by name of the rows, ``train`` among them.
    """
    others = {
        ROW_NAMES[name].capitalize(): Accuracy(metrics.accuracy, metrics.n)
        for name, metrics in evaluation.items()
        if name != "train"
    }
    if not others or "train" not in evaluation:
        return [report(ABOVE_TRAINING, "not applicable", "There is nothing beside the training rows.")]
    return check_claims(evaluation["train"].accuracy, others)


def check_calibration(predictions: Predictions | None) -> Finding:
    """ML011: whether the expected calibration error lies above what chance gives a calibrated network.

    Args:
        predictions: to rows that were not trained on; None where there are none.
    """
    if predictions is None:
        return report(MISCALIBRATED, "skipped", "No answers to rows that were not trained on were given.")
    readings = get_loss(predictions.loss).readings
    if not readings:
        return report(MISCALIBRATED, "not applicable", f"The loss {predictions.loss} defines no probabilities.")
    if not readings[0].sums_to_one:
        seen = "Raw sigmoids need not sum to one, so what chance gives is not defined; `compare` shows all readings."
        return report(MISCALIBRATED, "not applicable", seen)
    probabilities = predictions.probabilities
    if not np.isfinite(probabilities).all():
        return report(MISCALIBRATED, "not applicable", "The network has no probabilities: it diverged.")
    error = compute_expected_error(probabilities, predictions.y)
    chance = compute_chance_interval(compute_expected_error, probabilities)
    confidence, accuracy = float(probabilities.max(axis=1).mean()), float(predictions.correct.mean())
    seen = (
        f"Expected calibration error {error:.3f} on {len(predictions):,} rows, where chance gives a calibrated network "
        f"{chance.low:.3f} to {chance.high:.3f}; mean confidence {confidence:.1%}, accuracy {accuracy:.1%}."
    )
    if error > chance.high:
        advice = "Do not read the probabilities as frequencies; `calibrate` fits a temperature on validation rows."
        return report(MISCALIBRATED, "issue", seen, advice)
    return report(MISCALIBRATED, "passed", seen)


def check_majority(predictions: Predictions | None, y_train: Array) -> Finding:
    """ML012: whether the network is better than always naming the training rows' most frequent class.

    Args:
        predictions: to rows that were not trained on; None where there are none.
        y_train: (n,), labels of the training rows.
    """
    if predictions is None:
        return report(NO_BETTER, "skipped", "No answers to rows that were not trained on were given.")
    share = float((predictions.y == np.bincount(y_train).argmax()).mean())
    metrics = Metrics(0.0, 0.0, float(predictions.correct.mean()), len(predictions))
    low, high = metrics.interval
    seen = f"Accuracy {metrics.accuracy:.1%} [{low:.1%}, {high:.1%}]; the most frequent class alone gives {share:.1%}."
    if low <= share:
        advice = "Nothing that was learnt shows on these rows: look at labels, scaling, rate and l2, or have more rows."
        return report(NO_BETTER, "issue", seen, advice)
    return report(NO_BETTER, "passed", seen)
