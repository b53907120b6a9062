"""Opening the test rows of a run's folder, for the first time or, by name, once more."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from monolayer.data.dataset import Dataset
from monolayer.errors import BadInput
from monolayer.reports.run import write_predictions, write_run_report
from monolayer.runs.folder import EVALUATION, load_evaluation, load_network, load_predictions, load_recipe, write_json
from monolayer.runs.splits import divide_again
from monolayer.training.run import predict_rows


def open_test(folder: Path, dataset: Dataset, reason: str, *, again: bool = False) -> dict[str, Any]:
    """Score a run's network on its test rows, record the opening in the folder, and make the page again.

    Args:
        folder: a folder that train or sweep made; of a sweep only the recipe that validation chose is scored.
        dataset: the one that the run was trained on.
        reason: why the rows are opened.
        again: whether they may have been opened before.

    Returns:
        evaluation.json as it is now.

    Raises:
        BadData: if the folder is no run's folder.
        BadInput: if the dataset is another one, or its rows were opened before and ``again`` is not said.
    """
    evaluation, network, recipe = load_evaluation(folder), load_network(folder), load_recipe(folder)
    splits = divide_again(dataset, evaluation)
    if evaluation["epochs_done"] < recipe.epochs:
        raise BadInput(f"{folder} holds a run that was stopped; test rows are for one that is finished.")
    predictions = {**load_predictions(folder), "test": predict_rows(network, splits.open_test(reason, again=again))}
    evaluation |= {
        "test": predictions["test"].compute_metrics(network, recipe.l2).to_dict(),
        "test_openings": [asdict(opening) for opening in splits.openings],
    }
    # The record first: were this cut off here, the opening would be known.
    write_json(folder / EVALUATION, evaluation)
    write_predictions(predictions, folder)
    write_run_report(folder)
    return evaluation
