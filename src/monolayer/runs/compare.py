"""Comparing: two runs side by side on the same rows, from what their folders hold."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from monolayer.errors import BadInput
from monolayer.evaluate.calibration_summary import Calibration, Rescaled, measure_readings, rescale
from monolayer.evaluate.predictions import Predictions
from monolayer.evaluate.significance import Interval, McNemar, compute_difference_interval, compute_mcnemar
from monolayer.network import OneLayer
from monolayer.progress import SILENCE, Progress
from monolayer.recipe.losses import get_loss
from monolayer.recipe.recipe import Recipe
from monolayer.runs.folder import load_evaluation, load_history, load_network, load_predictions, load_recipe
from monolayer.training.history import EpochRow

Array = npt.NDArray[Any]
SAME = 1e-9  # relative: rates and l2 that were meant to be equal


@dataclass(frozen=True, eq=False)
class Side:
    """One of the two runs, as its folder holds it."""

    name: str
    recipe: Recipe
    network: OneLayer
    history: tuple[EpochRow, ...]
    evaluation: dict[str, Any]
    predictions: dict[str, Predictions]

    @property
    def is_chosen(self) -> bool:
        """Whether validation rows chose this run: it is the best of a sweep."""
        return "sweep" in self.evaluation

    @property
    def gap(self) -> float | None:
        """Training less test accuracy (validation where the test rows are sealed), in fractions."""
        held_out = self.evaluation.get("test") or self.evaluation.get("val")
        return self.evaluation["train"]["accuracy"] - held_out["accuracy"] if held_out else None


@dataclass(frozen=True)
class Paired:
    """Two runs on the same rows.

    Args:
        rows: ``test``, or ``val`` where either run's test rows are sealed.
        both: rows that both have right.
        neither: rows that neither has right.
        test: exact McNemar test, with the rows that only one has right.
        interval: of the first's accuracy less the second's, paired bootstrap.
    """

    rows: str
    both: int
    neither: int
    test: McNemar
    interval: Interval

    def to_dict(self) -> dict[str, Any]:
        """The comparison as JSON holds it."""
        return {
            "rows": self.rows,
            "n": self.test.n,
            "both": self.both,
            "only_a": self.test.n_only_a,
            "only_b": self.test.n_only_b,
            "neither": self.neither,
            "difference": self.test.difference,
            "interval": [self.interval.low, self.interval.high],
            "p_value": self.test.p_value,
        }


@dataclass(frozen=True)
class Matched:
    """Whether two runs differ in what is compared alone: the data, and the scale of the losses."""

    is_matched: bool
    text: str


@dataclass(frozen=True, eq=False)
class Comparison:
    """Everything that is said of two runs.

    Args:
        sides: the two runs.
        paired: their answers to the same rows.
        matched: whether they differ in data, or in the scale of their losses.
        differing: recipe fields that differ, with both values.
        calibration: a dictionary a run, by reading, on the rows of ``paired``.
        rescaled: a temperature a run by reading, or why there is none.
        cosine: of the two runs' weights of each class, (K,); None where their shapes differ.
    """

    sides: tuple[Side, Side]
    paired: Paired
    matched: Matched
    differing: dict[str, tuple[Any, Any]]
    calibration: tuple[dict[str, Calibration], dict[str, Calibration]]
    rescaled: tuple[dict[str, Rescaled] | str, dict[str, Rescaled] | str]
    cosine: Array | None

    def to_dict(self) -> dict[str, Any]:
        """The comparison as ``monolayer compare --json`` prints it."""
        runs = [
            {
                "folder": side.name,
                "recipe": side.recipe.to_dict(),
                **{name: side.evaluation.get(name) for name in ("train", "val", "test")},
                "gap": side.gap,
                "calibration": {name: c.to_dict() for name, c in calibration.items()},
                "temperature": temperature
                if isinstance(temperature, str)
                else {name: r.to_dict() for name, r in temperature.items()},
            }
            for side, calibration, temperature in zip(self.sides, self.calibration, self.rescaled, strict=True)
        ]
        return {
            "runs": runs,
            "paired": self.paired.to_dict(),
            "matched": asdict(self.matched),
            "template_cosine": None if self.cosine is None else self.cosine.tolist(),
        }


def load_side(folder: Path) -> Side:
    """One run's folder.

    Raises:
        BadData: if it is no run's folder.
        BadInput: if it holds no answers.
    """
    evaluation, predictions = load_evaluation(folder), load_predictions(folder)
    if not predictions:
        raise BadInput(f"{folder} holds no answers to validation or test rows, so there is nothing to compare by.")
    return Side(str(folder), load_recipe(folder), load_network(folder), load_history(folder), evaluation, predictions)


def compare(first: Side, second: Side, *, progress: Progress = SILENCE) -> Comparison:
    """Two runs side by side on the rows that both have answered; ``progress`` is told of the resampling.

    Raises:
        BadInput: if they have no rows of the same data in common, or their classes differ.
    """
    name, predictions = choose_rows(first, second)
    sides = (first, second)
    measured = []
    for done, (side, said) in enumerate(zip(sides, predictions, strict=True)):
        progress.advance("calibration", done, len(sides), "runs")
        measured.append((measure_readings(said), _rescale(side, name, said)))
    progress.advance("calibration", len(sides), len(sides), "runs")
    same_shape = first.network.weights.shape == second.network.weights.shape
    return Comparison(
        sides,
        compare_predictions(name, *predictions),
        judge_match(first, second),
        {
            field: (value, second.recipe.to_dict()[field])
            for field, value in first.recipe.to_dict().items()
            if value != second.recipe.to_dict()[field]
        },
        (measured[0][0], measured[1][0]),
        (measured[0][1], measured[1][1]),
        compute_cosine(first.network, second.network) if same_shape else None,
    )


def choose_rows(first: Side, second: Side) -> tuple[str, tuple[Predictions, Predictions]]:
    """Test rows where both runs have answered some in common, else validation rows: (name, both runs' answers)."""
    if first.evaluation["dataset"]["sha256"] != second.evaluation["dataset"]["sha256"]:
        raise BadInput(f"{first.name} and {second.name} were trained on different data; rows cannot be paired.")
    for name in ("test", "val"):
        if name in first.predictions and name in second.predictions:
            common = np.intersect1d(first.predictions[name].index, second.predictions[name].index)
            if len(common):
                a, b = (_take(side.predictions[name], common) for side in (first, second))
                return name, (a, b)
    raise BadInput(f"{first.name} and {second.name} have answered no rows in common; train both on the same splits.")


def _take(predictions: Predictions, rows: Array) -> Predictions:
    """The answers to these rows of the dataset, in this order."""
    order = np.argsort(predictions.index)
    return predictions.take(order[np.searchsorted(predictions.index[order], rows)])


def compare_predictions(name: str, first: Predictions, second: Predictions) -> Paired:
    """The paired test of two runs' answers to the same rows in the same order."""
    a, b = first.correct, second.correct
    return Paired(
        name, int((a & b).sum()), int((~a & ~b).sum()), compute_mcnemar(a, b), compute_difference_interval(a, b)
    )


def judge_match(first: Side, second: Side) -> Matched:
    """Whether the runs saw the same training rows, and, of different losses, took steps of the same scale.

    A loss that is a mean over the K classes has a gradient K times smaller than one that is a sum: it takes the same
    steps at K times the rate, and the same regularisation at a K-th of the l2.
    """
    texts, recipes = [], {side.recipe.loss: side.recipe for side in (first, second)}
    if first.evaluation["splits"]["fingerprint"] != second.evaluation["splits"]["fingerprint"]:
        texts.append("The runs were not trained on the same division of the data.")
    if len(recipes) == 2:
        n_classes = len(first.network.class_names)
        scales = {name: get_loss(name).compute_divisor(n_classes) for name in recipes}
        (a, b), (title, other) = (
            [recipes[name] for name in sorted(scales, key=scales.__getitem__)],
            [get_loss(name).title for name in sorted(scales, key=scales.__getitem__)],
        )
        ratio = max(scales.values()) // min(scales.values())
        rate, l2 = a.learning_rate * ratio, a.l2 / ratio
        if not np.isclose(b.learning_rate, rate, rtol=SAME, atol=0):
            why = f"with the 1/{ratio} of {other}, " if ratio > 1 else ""
            texts.append(
                f"The losses are not matched in rate: {why}{title}'s {a.learning_rate:g} corresponds to {rate:g}, not "
                f"{b.learning_rate:g}."
            )
        if not np.isclose(b.l2, l2, rtol=SAME, atol=0):
            texts.append(
                f"The losses are not matched in regularisation: {title}'s l2 {a.l2:g} corresponds to {l2:g} for "
                f"{other}, not {b.l2:g}, so a difference may be the l2's and not the loss's."
            )
    if texts:
        return Matched(False, " ".join(texts))
    if len(recipes) == 2:
        return Matched(True, "The two losses are matched in effective rate and regularisation.")
    return Matched(True, "The runs were trained on the same rows with the same loss.")


def compute_cosine(first: OneLayer, second: OneLayer) -> Array:
    """Cosine of the angle between two networks' weights of each class, (K,) float64; NaN where either has none."""
    a, b = first.weights.astype(np.float64), second.weights.astype(np.float64)
    with np.errstate(invalid="ignore"):
        return np.asarray((a * b).sum(axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)))


def _rescale(side: Side, name: str, judged_on: Predictions) -> dict[str, Rescaled] | str:
    if not judged_on.has_probabilities:
        return f"does not apply: the loss {side.recipe.loss} defines no probabilities"
    if name != "test" or "val" not in side.predictions:
        return "does not apply: a temperature is fitted on validation rows and judged on test rows"
    if side.is_chosen:
        return "does not apply: the validation rows chose this run, so a temperature fitted on them is not fair"
    val = side.predictions["val"]
    return {reading.name: rescale(val, judged_on, reading.name) for reading in get_loss(side.recipe.loss).readings}
