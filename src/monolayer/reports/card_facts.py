"""The facts of a model card, collected from a run's folder.

None of them depends on the time, the folder's name or the machine's speed, so that a resumed run has the same card as
one that was never interrupted.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from monolayer.checks.registry import CHECKS
from monolayer.data.images import parse_pixel_max
from monolayer.data.sources.local import COPY
from monolayer.evaluate.calibration import (
    compute_bootstrap_interval,
    compute_chance_interval,
    compute_expected_error,
    compute_log_loss,
)
from monolayer.evaluate.metrics import compute_wilson_interval
from monolayer.evaluate.predictions import Predictions
from monolayer.evaluate.probabilities import apply_temperature
from monolayer.evaluate.significance import Interval
from monolayer.network import OneLayer
from monolayer.recipe.losses import get_loss
from monolayer.reports.sweep import describe_selection
from monolayer.runs.folder import load_evaluation, load_network, load_predictions, load_recipe

FORMAT = "monolayer-card-1"
NOT_STATED = "not stated"
TEMPERATURE_FIT = "temperature_fit"  # metadata key of the network: the fit as JSON


def collect_card_facts(folder: Path) -> dict[str, Any]:
    """The facts as ``model-card.json`` holds them.

    Raises:
        BadData: if the folder is not a run's folder.
    """
    evaluation, network, recipe = load_evaluation(folder), load_network(folder), load_recipe(folder)
    predictions, sweep = load_predictions(folder), evaluation.get("sweep")
    # One set of rows only, because resampling takes a second for each; test rows if they are open.
    rows = next((name for name in ("test", "val") if name in predictions), None)
    of_sweep = [finding for finding in sweep["findings"] if "recipe" not in finding] if sweep else []
    return {
        "format": FORMAT,
        "task": "image-classification" if network.input_shape else "tabular-classification",
        "loss": network.loss,
        "classes": list(network.class_names),
        "input": _describe_input(network),
        "data": _remove_paths(evaluation["dataset"]),
        "splits": evaluation["splits"],
        "recipe": recipe.to_dict(),
        "epochs_done": evaluation["epochs_done"],
        "selection": _describe_selection(sweep, evaluation) if sweep else None,
        "evaluation": {name: evaluation.get(name) for name in ("train", "val", "test")},
        "n_test_openings": len(evaluation["test_openings"]),
        "measured_on": rows,
        "calibration": measure_probabilities(predictions[rows]) if rows else None,
        "temperature": _describe_temperature(network, predictions.get("test")),
        "by_class": _measure_classes(predictions[rows], network) if rows else [],
        "findings": [f for f in [*evaluation["findings"], *of_sweep] if _concerns_network(f)],
        "licence": network.metadata.get("licence", NOT_STATED),
        "versions": evaluation["provenance"]["versions"],
    }


def _concerns_network(finding: dict[str, Any]) -> bool:
    check = CHECKS.get(finding["code"])
    return finding["outcome"] in ("issue", "tip") and (check is None or check.subject != "installation")


def measure_probabilities(predictions: Predictions, temperature: float = 1.0) -> dict[str, Any] | None:
    """Expected calibration error (15 bins of equal width) and log loss in nats.

    Args:
        predictions: of a network, for some rows.
        temperature: divisor of the scores.

    Returns:
        The number of rows; estimates with 95 % bootstrap intervals; and ``by_chance``, the error of a calibrated
        network on as many rows. Log loss and ``by_chance`` are None for raw sigmoids. None if a score is not finite or
        the loss defines no probabilities.
    """
    readings = get_loss(predictions.loss).readings
    if not readings or not np.isfinite(predictions.scores).all():
        return None
    p = apply_temperature(predictions.scores, temperature, readings[0].name)
    is_raw, label = not readings[0].sums_to_one, p[np.arange(len(predictions)), predictions.y]
    return {
        "n": len(predictions),
        "expected_error": _list(compute_bootstrap_interval(compute_expected_error, p, predictions.y)),
        "by_chance": None if is_raw else _list(compute_chance_interval(compute_expected_error, p)),
        "log_loss": None
        if is_raw or not label.all()
        else _list(compute_bootstrap_interval(compute_log_loss, p, predictions.y)),
    }


def _list(interval: Interval) -> dict[str, Any]:
    return {"estimate": interval.estimate, "interval": [interval.low, interval.high]}


def _remove_paths(data: dict[str, Any]) -> dict[str, Any]:
    """The data without local folder names, because cards are published; the hash identifies the data."""
    reading = dict(data.get("reading") or {})
    path, source = reading.pop("path", None), data["source"]
    if path is not None:
        source = Path(path).name
    elif source.startswith(COPY):
        source = f"{COPY}{Path(source.removeprefix(COPY)).name or '.'}"
    return {**data, "source": source, "reading": reading}


def _describe_input(network: OneLayer) -> dict[str, Any]:
    metadata = network.metadata
    return {
        "n_features": network.n_inputs,
        "dtype": metadata.get("features_dtype") if network.transformer is None else None,
        "image_shape": list(network.input_shape) if network.input_shape else None,
        "pixel_max": parse_pixel_max(metadata) if network.input_shape and "pixel_max" in metadata else None,
        **({"transformer": network.transformer.describe()} if network.transformer else {}),
    }


def _describe_selection(sweep: dict[str, Any], evaluation: dict[str, Any]) -> dict[str, Any]:
    return {
        "n_recipes": len(sweep["runs"]),
        "is_complete": sweep["is_complete"],
        "sentences": describe_selection(sweep, evaluation["axes"]),
    }


def _describe_temperature(network: OneLayer, test: Predictions | None) -> dict[str, Any] | None:
    """The temperature, its fit, and the measures with it on opened test rows; None without a temperature."""
    if network.temperature == 1:
        return None
    fit = json.loads(network.metadata.get(TEMPERATURE_FIT, "null"))
    after = measure_probabilities(test, network.temperature) if test else None
    return {"temperature": network.temperature, "fit": fit, "test": after}


def _measure_classes(predictions: Predictions, network: OneLayer) -> list[dict[str, Any]]:
    """The share of correct predictions (recall) of each class that occurs."""
    classes = []
    for k, name in enumerate(network.class_names):
        right = predictions.correct[predictions.y == k]
        if len(right):
            share = float(right.mean())
            interval = list(compute_wilson_interval(share, len(right)))
            classes.append({"class": name, "n": len(right), "recognised": share, "interval": interval})
    return classes
