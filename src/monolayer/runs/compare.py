"""Compare two runs on the same rows: paired test, calibration, recipes and weights."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from monolayer._typing import Array
from monolayer.data.dataset import Splits
from monolayer.errors import BadInput
from monolayer.evaluate.calibration_summary import Calibration, Rescaled, measure_readings, rescale
from monolayer.evaluate.predictions import Predictions, predict_rows
from monolayer.evaluate.significance import Interval, McNemar, compute_difference_interval, compute_mcnemar
from monolayer.network import OneLayer
from monolayer.progress import SILENCE, Progress
from monolayer.recipe.losses import get_loss
from monolayer.recipe.recipe import Recipe
from monolayer.runs.folder import load_evaluation, load_history, load_network, load_predictions, load_recipe
from monolayer.training.history import EpochRow
from monolayer.training.run import Run
from monolayer.tuning.sweep import Sweep

SAME = 1e-9  # relative: rates and l2 that were meant to be equal


@dataclass(frozen=True, eq=False)
class Side:
    """One of the two runs.

    Args:
        name: of its folder, or a description.
        recipe: the recipe.
        network: the network.
        history: a row per epoch.
        evaluation: metrics by name of the rows, dataset and splits, as in evaluation.json.
        predictions: the network's scores by name of the rows, ``val`` and ``test``.
    """

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
        """Training accuracy minus test accuracy (validation accuracy if the test rows are sealed), in fractions."""
        held_out = self.evaluation.get("test") or self.evaluation.get("val")
        return self.evaluation["train"]["accuracy"] - held_out["accuracy"] if held_out else None


@dataclass(frozen=True)
class Paired:
    """The accuracies of two runs on the same rows.

    Args:
        rows: ``test``, or ``val`` if either run's test rows are sealed.
        both: number of rows that both classify correctly.
        neither: number of rows that neither classifies correctly.
        test: exact McNemar test, with the numbers of rows that only one classifies correctly.
        interval: paired bootstrap interval of the first accuracy minus the second.
    """

    rows: str
    both: int
    neither: int
    test: McNemar
    interval: Interval

    def to_dict(self) -> dict[str, Any]:
        """The comparison, as in JSON."""
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
    """Whether two runs have the same training rows and the same scale of the losses, as a flag and a sentence."""

    is_matched: bool
    text: str


@dataclass(frozen=True, eq=False)
class Comparison:
    """The comparison of two runs.

    Args:
        sides: the two runs.
        paired: their accuracies on the same rows.
        matched: whether they have the same training rows and the same scale of their losses.
        differing: the fields of the recipe that differ, with both values.
        calibration: for each run a dictionary by reading, on the rows of ``paired``.
        rescaled: for each run the effect of a temperature by reading, or why there is none.
        cosine: cosine of the two runs' weights of each class, (K,) float64; None if their shapes differ.
    """

    sides: tuple[Side, Side]
    paired: Paired
    matched: Matched
    differing: dict[str, tuple[Any, Any]]
    calibration: tuple[dict[str, Calibration], dict[str, Calibration]]
    rescaled: tuple[dict[str, Rescaled] | str, dict[str, Rescaled] | str]
    cosine: Array | None

    def to_dict(self) -> dict[str, Any]:
        """The comparison, as ``monolayer compare --json`` prints it."""
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


def compare(
    first: Run | Sweep | Path | str,
    second: Run | Sweep | Path | str,
    *,
    splits: Splits | None = None,
    progress: Progress = SILENCE,
) -> Comparison:
    """Compare two runs on the rows that both have scored: test rows if possible, else validation rows.

    Args:
        first: a run, a sweep (its best run), or the folder of either.
        second: the other one.
        splits: the rows that they were trained on; needed for a :class:`monolayer.Run` and a :class:`monolayer.Sweep`.
            Their test rows are used only if :func:`monolayer.evaluate_test` has opened them; this opening is recorded
            too.
        progress: shows how far the resampling is.

    Raises:
        BadData: if a folder is not that of a run.
        BadInput: if the runs have no scored rows of the same data in common, or a run was not trained on ``splits``.
    """
    sides = load_side(first, splits), load_side(second, splits)
    name, predictions = choose_rows(*sides)
    measured = []
    for done, (side, scored) in enumerate(zip(sides, predictions, strict=True)):
        progress.advance("calibration", done, len(sides), "runs")
        measured.append((measure_readings(scored), _rescale(side, name, scored)))
    progress.advance("calibration", len(sides), len(sides), "runs")
    networks, recipes = [side.network for side in sides], [side.recipe.to_dict() for side in sides]
    same_shape = networks[0].weights.shape == networks[1].weights.shape
    return Comparison(
        sides,
        compare_predictions(name, *predictions),
        judge_match(*sides),
        {field: (a, b) for (field, a), b in zip(recipes[0].items(), recipes[1].values(), strict=True) if a != b},
        (measured[0][0], measured[1][0]),
        (measured[0][1], measured[1][1]),
        compute_cosine(*networks) if same_shape else None,
    )


def load_side(run: Run | Sweep | Path | str, splits: Splits | None = None) -> Side:
    """A run as one side of a comparison; see :func:`compare`."""
    if isinstance(run, Run | Sweep):
        return _score_run(run, splits)
    folder = Path(run)
    evaluation, predictions = load_evaluation(folder), load_predictions(folder)
    if not predictions:
        raise BadInput(f"{folder} holds no predictions of validation or test rows, so it cannot be compared.")
    return Side(str(folder), load_recipe(folder), load_network(folder), load_history(folder), evaluation, predictions)


def _score_run(run: Run | Sweep, splits: Splits | None) -> Side:
    if splits is None:
        raise BadInput(f"{run!r} can be compared with its splits only; give splits=..., or name its folder.")
    chosen = {"sweep": run.to_dict()} if isinstance(run, Sweep) else {}
    run = run.best if isinstance(run, Sweep) else run
    if run.network.metadata.get("splits") != splits.fingerprint:
        raise BadInput(f"{run!r} was trained on other splits; accepted are the splits that it was trained on.")
    origin = {"dataset": {"sha256": splits.dataset.sha256}, "splits": {"fingerprint": splits.fingerprint}}
    predictions = {"val": predict_rows(run.network, splits.val)} if splits.val else {}
    if "test" in run.evaluation:
        predictions["test"] = predict_rows(run.network, splits.open_test("comparison", again=True))
    return Side(repr(run), run.recipe, run.network, run.history, {**run.to_dict(), **origin, **chosen}, predictions)


def choose_rows(first: Side, second: Side) -> tuple[str, tuple[Predictions, Predictions]]:
    """The name of the rows that both runs have scored, test rows if possible, and both runs' predictions of them.

    Raises:
        BadInput: if there are none.
    """
    if first.evaluation["dataset"]["sha256"] != second.evaluation["dataset"]["sha256"]:
        raise BadInput(f"{first.name} and {second.name} were trained on different data; rows cannot be paired.")
    for name in ("test", "val"):
        if name in first.predictions and name in second.predictions:
            common = np.intersect1d(first.predictions[name].index, second.predictions[name].index)
            if len(common):
                a, b = (_take(side.predictions[name], common) for side in (first, second))
                return name, (a, b)
    raise BadInput(f"{first.name} and {second.name} have scored no rows in common; train both on the same splits.")


def _take(predictions: Predictions, rows: Array) -> Predictions:
    """The predictions of these rows of the dataset, in this order."""
    order = np.argsort(predictions.index)
    return predictions.take(order[np.searchsorted(predictions.index[order], rows)])


def compare_predictions(name: str, first: Predictions, second: Predictions) -> Paired:
    """The paired test of two runs' predictions of the same rows in the same order."""
    a, b = first.correct, second.correct
    return Paired(
        name, int((a & b).sum()), int((~a & ~b).sum()), compute_mcnemar(a, b), compute_difference_interval(a, b)
    )


def judge_match(first: Side, second: Side) -> Matched:
    """Whether the runs have the same training rows and, if their losses differ, steps of the same scale.

    A loss that is a mean over the K classes has a gradient K times smaller than one that is a sum: it takes the same
    steps at K times the rate, and the same regularisation at a K-th of the l2.
    """
    texts, recipes = [], {side.recipe.loss: side.recipe for side in (first, second)}
    if first.evaluation["splits"]["fingerprint"] != second.evaluation["splits"]["fingerprint"]:
        texts.append("The runs were not trained on the same division of the data.")
    matched = "The runs were trained on the same rows with the same loss."
    if len(recipes) == 2:
        n_classes = len(first.network.class_names)
        scales = {name: get_loss(name).compute_divisor(n_classes) for name in recipes}
        names = sorted(scales, key=scales.__getitem__)
        (a, b), (title, other) = [recipes[name] for name in names], [get_loss(name).title for name in names]
        ratio = scales[names[1]] // scales[names[0]]
        rate, l2 = a.learning_rate * ratio, a.l2 / ratio
        is_same_rate, is_same_l2 = np.isclose([b.learning_rate, b.l2], [rate, l2], rtol=SAME, atol=0)
        if ratio == 1:
            matched = "The two losses have the same scale, and the runs the same learning rate and l2."
            if not (is_same_rate and is_same_l2):
                texts.append(
                    f"The runs differ in their settings: {title} has learning rate {rate:g} and l2 {l2:g}, {other} has "
                    f"{b.learning_rate:g} and {b.l2:g}, so a difference may be the settings' and not the loss's."
                )
        else:
            matched = "The two losses are matched in effective rate and regularisation."
            if not is_same_rate:
                texts.append(
                    f"The losses are not matched in rate: with the 1/{ratio} of {other}, {title}'s "
                    f"{a.learning_rate:g} corresponds to {rate:g}, not {b.learning_rate:g}."
                )
            if not is_same_l2:
                texts.append(
                    f"The losses are not matched in regularisation: {title}'s l2 {a.l2:g} corresponds to {l2:g} for "
                    f"{other}, not {b.l2:g}, so a difference may be the l2's and not the loss's."
                )
    return Matched(not texts, " ".join(texts) or matched)


def compute_cosine(first: OneLayer, second: OneLayer) -> Array:
    """Cosine of two networks' weights of each class, (K,) float64; NaN where the weights of one are 0."""
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
