"""Fitting a temperature on the validation answers of a run's folder, and keeping it with the network."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from monolayer.errors import BadInput
from monolayer.evaluate.probabilities import READINGS_OF_LOSS, TemperatureFit, fit_temperature
from monolayer.reports.card_facts import TEMPERATURE_FIT, measure_probabilities
from monolayer.reports.model_card import write_card
from monolayer.runs.folder import NETWORK, load_evaluation, load_network, load_predictions
from monolayer.runs.resume import is_unfinished

CHOSE_IT = (
    "These rows also chose this run among the recipes of a sweep, so they are not quite a fair judge: it looks "
    "better on them than it is."
)


@dataclass(frozen=True)
class Calibrated:
    """What a temperature does.

    Args:
        fit: the temperature, fitted on validation rows.
        caveat: what is not fair about those rows; empty where nothing is.
        test: measures of the probabilities on test rows that have been opened before, without and with it, as
            :func:`monolayer.reports.card_facts.measure_probabilities` gives them; None where they are sealed.
    """

    fit: TemperatureFit
    caveat: str
    test: tuple[dict[str, Any] | None, dict[str, Any] | None] | None

    def to_dict(self) -> dict[str, Any]:
        """As ``monolayer calibrate --json`` prints it."""
        test = {"before": self.test[0], "after": self.test[1]} if self.test else None
        return {"fit": asdict(self.fit), "caveat": self.caveat, "test": test}


def calibrate_folder(folder: Path) -> Calibrated:
    """Fit a temperature on a run's validation answers, write it into its network, and make its card again.

    The scores, the answers and the evaluation stay as they are; only probabilities are read otherwise. No test row is
    opened: what the temperature does on them is said where they have been answered before. Doing it again fits the same
    temperature again.

    Raises:
        BadData: if the folder is no run's folder.
        BadInput: if the run is not finished or has no validation rows, its scores are not finite, or its rows want no
            finite temperature.
    """
    if is_unfinished(folder):
        raise BadInput(f"{folder} holds a run that is not finished; resume it with --resume {folder}.")
    evaluation, network, predictions = load_evaluation(folder), load_network(folder), load_predictions(folder)
    if "val" not in predictions:
        raise BadInput(f"{folder} has no answers to validation rows, which a temperature is fitted on (--val-size).")
    val, test = predictions["val"], predictions.get("test")
    fit = fit_temperature(val.scores, val.y, READINGS_OF_LOSS[network.loss][0])
    if fit.at_limit:
        raise BadInput(
            f"{folder}: its {fit.n:,} validation rows want no finite temperature (all are right, or the scores say "
            "nothing), so nothing was changed."
        )
    caveat = CHOSE_IT if "sweep" in evaluation else ""
    words = json.dumps({**asdict(fit), "caveat": caveat}, sort_keys=True)
    replace(network, temperature=fit.temperature).keep(**{TEMPERATURE_FIT: words}).save(folder / NETWORK)
    write_card(folder)
    judged = tuple(measure_probabilities(test, T) for T in (1.0, fit.temperature)) if test else None
    return Calibrated(fit, caveat, (judged[0], judged[1]) if judged else None)
