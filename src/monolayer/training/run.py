"""Runs: trained networks with their recipes, histories and metrics."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from monolayer._typing import Array
from monolayer.data.dataset import Dataset, Splits
from monolayer.engine.bank import Bank
from monolayer.errors import BadInput
from monolayer.evaluate.metrics import Metrics
from monolayer.evaluate.predictions import Predictions, predict_rows
from monolayer.findings import Finding
from monolayer.network import OneLayer
from monolayer.recipe.losses import compute_chance_loss
from monolayer.recipe.recipe import Recipe
from monolayer.training.history import EpochRow
from monolayer.training.loop import BankTraining

# A loss above the chance loss is possible in the first noisy epochs; twice the chance loss is not.
DIVERGED_RATIO = 2.0
# A loss of a thousand times the chance loss needs scores in the thousands: the steps were far too large, even if the
# last loss is low, as it is where few training rows are all separable.
ENORMOUS_RATIO = 1000.0


@dataclass(frozen=True, eq=False)
class Run:
    """The result of training.

    Args:
        recipe: the recipe.
        network: the trained network.
        history: one row per epoch, epoch 1 first.
        evaluation: metrics by name of the rows: ``train``, ``val`` where there are validation rows, and ``test`` once
            :func:`evaluate_test` has opened them.
        seconds: training time with the evaluation of each epoch; for a bank, that of the whole bank.
        findings: the findings of :func:`monolayer.diagnose_run`; empty before.
        val_correct: whether each validation row is predicted correctly after the last epoch, (n,) bool; None without
            validation rows.
        has_diverged: whether a loss was not finite, or training ended with a loss far above that of the start.
        ends_early: whether training ended before the last epoch because the validation loss was not finite or
            successive halving dropped the recipe.
    """

    recipe: Recipe
    network: OneLayer
    history: tuple[EpochRow, ...]
    evaluation: dict[str, Metrics]
    seconds: float
    findings: tuple[Finding, ...] = ()
    val_correct: Array | None = None
    has_diverged: bool = False
    ends_early: bool = False

    def __repr__(self) -> str:
        """One line, without the arrays."""
        r, measured = self.recipe, {name: m.accuracy for name, m in self.evaluation.items() if name != "train"}
        scores = "".join(f", {name} accuracy {100 * accuracy:.2f} %" for name, accuracy in measured.items())
        return f"<Run {r.loss}, learning_rate {r.learning_rate:g}, {len(self.history)} of {r.epochs} epochs{scores}>"

    @property
    def is_complete(self) -> bool:
        """Whether training was not stopped: all epochs were trained, or training ended early and cannot continue."""
        return self.ends_early or len(self.history) == self.recipe.epochs

    def to_dict(self) -> dict[str, Any]:
        """The run as ``monolayer train --json`` prints it."""
        return {
            "recipe": self.recipe.to_dict(),
            **{name: m.to_dict() if (m := self.evaluation.get(name)) else None for name in ("train", "val", "test")},
            "seconds": self.seconds,
            "epochs_done": len(self.history),
            "findings": [finding.to_dict() for finding in self.findings],
        }


def evaluate_test(run: Run, splits: Splits, reason: str = "final evaluation", *, again: bool = False) -> Run:
    """The run with its metrics on the test rows, which are opened for it: do this once, with the run you chose.

    Args:
        run: the run.
        splits: the splits that it was trained on.
        reason: kept with the opening.
        again: whether the test rows may have been opened before.

    Raises:
        BadInput: if the run was trained on other splits, whose training rows may be test rows here, or if the test
            rows were opened before and ``again`` is False.
    """
    if run.network.metadata.get("splits") != splits.fingerprint:
        raise BadInput("The run was trained on other splits; accepted are those that it was trained on.")
    return add_test_metrics(run, predict_rows(run.network, splits.open_test(reason, again=again)))


def add_test_metrics(run: Run, predictions: Predictions) -> Run:
    """The run with its metrics on test rows that have been opened already, as for several declared runs."""
    test = predictions.compute_metrics(run.network, run.recipe.l2)
    return replace(run, evaluation={**run.evaluation, "test": test})


def is_divergent(losses: Sequence[float], start: float) -> bool:
    """Whether training diverged: the last loss is not finite or far above ``start``, or one was enormous.

    Args:
        losses: mean training losses of the epochs that were evaluated.
        start: the loss at scores of 0: log K, or log 2 for sigmoids.
    """
    if not losses:
        return False
    is_high = not math.isfinite(losses[-1]) or losses[-1] > DIVERGED_RATIO * start
    return is_high or max(losses) > ENORMOUS_RATIO * start


def make_runs(training: BankTraining) -> list[Run]:
    """The runs of a bank's members after the epochs trained so far."""
    dataset, bank = training.splits.dataset, training.bank
    # The reading options, with which predictions read their input; the path is private, so left out.
    reading = {name: value for name, value in dataset.reading.items() if name != "path"}
    kept = {"reading": reading, "columns": dataset.columns}
    metadata = {
        "dataset": dataset.name,
        "dataset_sha256": dataset.sha256,
        "pixel_max": str(dataset.transformer.pixel_max if dataset.transformer else dataset.pixel_max),
        "features_dtype": dataset.X.dtype.name,
        "splits": training.splits.fingerprint,
        **{name: json.dumps(value) for name, value in kept.items() if value},
    }
    runs = []
    found = zip(bank.recipes, training.complete_histories(), training.evaluate(), strict=True)
    for member, (recipe, history, evaluation) in enumerate(found):
        losses = [row.train_loss for row in history if row.train_loss is not None]
        chance_loss = compute_chance_loss(recipe.loss, dataset.n_classes)
        run = Run(
            recipe=recipe,
            network=make_network(bank, member, dataset, {"recipe": recipe.to_json(), **metadata}),
            history=history,
            evaluation=evaluation.metrics,
            seconds=training.seconds,
            val_correct=evaluation.val_correct,
            has_diverged=evaluation.has_diverged or is_divergent(losses, chance_loss),
            ends_early=member not in training.active,
        )
        runs.append(run)
    return runs


def make_network(bank: Bank, member: int, dataset: Dataset, metadata: dict[str, str]) -> OneLayer:
    """A member of a bank as a separate network, with copies of its current weights."""
    scaler = bank.get_scaler(member)
    return OneLayer(
        weights=bank.compute_weights(member),
        bias=bank.bias[member :: bank.n_members].copy(),
        mean=scaler.mean,
        std=scaler.std,
        loss=bank.recipes[member].loss,
        class_names=dataset.class_names,
        image_shape=dataset.image_shape,
        metadata=metadata,
        normalize=dataset.normalize,
        transformer=dataset.transformer,
    )
