"""Open the test rows of a run's folder: evaluate, record the opening, and rewrite the page.

Not part of runs/, because it ends with the page.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from monolayer.data.dataset import Dataset
from monolayer.errors import BadInput
from monolayer.evaluate.predictions import predict_rows
from monolayer.reports.run import write_predictions, write_run_report
from monolayer.runs.folder import EVALUATION, load_evaluation, load_network, load_predictions, load_recipe, write_json
from monolayer.runs.splits import restore_splits


def open_test(folder: Path, dataset: Dataset, reason: str, *, again: bool = False) -> dict[str, Any]:
    """Evaluate a run's network on its test rows, record the opening in the folder, and rewrite the page.

    Args:
        folder: of a run or sweep; of a sweep only the recipe selected on validation rows is evaluated.
        dataset: the dataset that the run was trained on.
        reason: why the rows are opened; recorded.
        again: whether to open them although they were opened before.

    Returns:
        The new content of evaluation.json.

    Raises:
        BadData: if the folder is not a run's folder.
        BadInput: if the run is unfinished, the dataset is a different one, or the rows were opened before and ``again``
            is false.
    """
    evaluation, network, recipe = load_evaluation(folder), load_network(folder), load_recipe(folder)
    splits = restore_splits(dataset, evaluation)
    if evaluation["epochs_done"] < recipe.epochs:
        raise BadInput(f"{folder} holds an unfinished run; test rows can be opened for finished runs only.")
    predictions = {**load_predictions(folder), "test": predict_rows(network, splits.open_test(reason, again=again))}
    evaluation |= {
        "test": predictions["test"].compute_metrics(network, recipe.l2).to_dict(),
        "test_openings": [asdict(opening) for opening in splits.openings],
    }
    # The record first: if the process is killed after this line, the opening is recorded.
    write_json(folder / EVALUATION, evaluation)
    write_predictions(predictions, folder)
    write_run_report(folder)
    return evaluation
