"""The splits of a run, made again from its folder's record."""

from typing import Any

from monolayer.data.dataset import Dataset, Opening, Splits
from monolayer.errors import BadInput


def restore_splits(dataset: Dataset, evaluation: dict[str, Any]) -> Splits:
    """The splits that a run was trained on, with the recorded openings of the test rows.

    Args:
        dataset: the one that the run was trained on.
        evaluation: the content of the run's evaluation.json.

    Raises:
        BadInput: if the dataset is another one.
    """
    request = evaluation["splits"]
    splits = dataset.split(
        request["val_size"], seed=request["seed"], train=request["train_size"], test=request["test_size"]
    )
    if splits.fingerprint != request["fingerprint"]:
        raise BadInput(f"{dataset.name} differs from the dataset that the run was trained on, or its splits differ.")
    splits.openings.extend(Opening(**opening) for opening in evaluation["test_openings"])
    return splits
