"""Fit a temperature on the validation predictions of a run's folder, and store it in the network.

Not part of runs/, because it ends with the model card.
"""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from monolayer.errors import BadInput
from monolayer.evaluate.probabilities import TemperatureFit, fit_temperature
from monolayer.recipe.losses import get_loss
from monolayer.reports.card_facts import TEMPERATURE_FIT, measure_probabilities
from monolayer.reports.model_card import write_card
from monolayer.runs.folder import NETWORK, load_evaluation, load_network, load_predictions
from monolayer.runs.unfinished import is_unfinished

SELECTION_CAVEAT = (
    "These rows also selected this run from the recipes of a sweep, so its accuracy and calibration on them are "
    "optimistic."
)


@dataclass(frozen=True)
class FittedTemperature:
    """The result of fitting a temperature.

    Args:
        fit: the temperature, fitted on validation rows.
        caveat: a sentence on a bias of those rows, or empty.
        test: measures of the probabilities on opened test rows, without and with the temperature, from
            :func:`monolayer.reports.card_facts.measure_probabilities`; None if the test rows are sealed.
    """

    fit: TemperatureFit
    caveat: str
    test: tuple[dict[str, Any] | None, dict[str, Any] | None] | None

    def to_dict(self) -> dict[str, Any]:
        """As ``monolayer calibrate --json`` prints it."""
        test = {"before": self.test[0], "after": self.test[1]} if self.test else None
        return {"fit": asdict(self.fit), "caveat": self.caveat, "test": test}


def calibrate_folder(folder: Path) -> FittedTemperature:
    """Fit a temperature on a run's validation predictions, store it in the network, and rewrite the model card.

    Scores, predictions and the evaluation do not change, only probabilities. Sealed test rows stay sealed. Repeating
    the call gives the same temperature.

    Raises:
        BadData: if the folder is not a run's folder.
        BadInput: if the run is unfinished or has no validation rows, its scores are not finite, or no finite
            temperature minimises the loss.
    """
    if is_unfinished(folder):
        raise BadInput(f"{folder} holds an unfinished run; finish it with --resume {folder}.")
    evaluation, network, predictions = load_evaluation(folder), load_network(folder), load_predictions(folder)
    if "val" not in predictions:
        raise BadInput(
            f"{folder} has no validation predictions, on which a temperature is fitted; train with --val-size."
        )
    val, test = predictions["val"], predictions.get("test")
    readings = get_loss(network.loss).readings
    if not readings:
        raise BadInput(f"{folder}: its loss {network.loss} defines no probabilities, so there is nothing to calibrate.")
    fit = fit_temperature(val.scores, val.y, readings[0].name)
    if fit.at_limit:
        raise BadInput(
            f"{folder}: no finite temperature minimises the loss on its {fit.n:,} validation rows (all are "
            "correct, or the scores are uninformative), so nothing was changed."
        )
    caveat = SELECTION_CAVEAT if "sweep" in evaluation else ""
    stored = json.dumps({**asdict(fit), "caveat": caveat}, sort_keys=True)
    replace(network, temperature=fit.temperature).with_metadata(**{TEMPERATURE_FIT: stored}).save(folder / NETWORK)
    write_card(folder)
    judged = tuple(measure_probabilities(test, T) for T in (1.0, fit.temperature)) if test else None
    return FittedTemperature(fit, caveat, (judged[0], judged[1]) if judged else None)
