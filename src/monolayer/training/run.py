"""Train recipes on splits and return runs: the trained networks with their histories and metrics."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Unpack

import numpy as np

from monolayer._typing import Array
from monolayer.data.dataset import Dataset, Rows, Splits
from monolayer.data.scaler import Scaler, fit_checked_scaler
from monolayer.engine.bank import Bank, make_bank, resume_bank
from monolayer.errors import BadInput
from monolayer.evaluate.metrics import Metrics
from monolayer.evaluate.predictions import Predictions
from monolayer.findings import Finding
from monolayer.network import BLOCK, OneLayer
from monolayer.progress import Progress
from monolayer.recipe.losses import LOSSES, compute_chance_loss, get_loss
from monolayer.recipe.recipe import Recipe
from monolayer.training.checkpoints import Checkpointer
from monolayer.training.history import EpochRow
from monolayer.training.loop import BankTraining, Evaluation
from monolayer.training.options import OnEpoch, TrainKeywords, TrainOptions


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
        """Whether training was not stopped: all epochs were trained, or training ended early for good."""
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


def train(
    splits: Splits,
    recipe: Recipe | None = None,
    *,
    train_every: int | None = None,
    val_every: int = 1,
    on_epoch: OnEpoch | None = None,
    should_stop: Callable[[], bool] | None = None,
    progress: Progress | None = None,
    checkpointer: Checkpointer | None = None,
    **fields: Any,
) -> Run:
    """Train one network.

    The default batch size is lowered to the number of training rows where they are fewer.

    Args:
        splits: the rows, from :meth:`monolayer.Dataset.split`.
        recipe: what to train; by default ``Recipe()``.
        train_every: evaluate the training rows after every so many epochs; 0: only after the last; None: every epoch.
        val_every: the same for the validation rows, with whole numbers only.
        on_epoch: called after each epoch with the recipes that train (here one) and their newest rows.
        should_stop: called after each epoch; True ends the training there and keeps everything so far.
        progress: shows how far the training is.
        checkpointer: saves the state after each epoch, and returns it to a run that was killed.
        fields: fields of the recipe to replace, such as ``learning_rate=0.01``.

    Raises:
        BadInput: if the dataset was not split, or the recipe does not fit the data: a batch larger than the training
            rows, flips without images.
    """
    check_splits(splits)
    recipe = fit_batch_size((recipe or Recipe()).replace(**fields), splits, is_asked="batch_size" in fields)
    options: TrainKeywords = {
        "train_every": train_every,
        "val_every": val_every,
        "on_epoch": on_epoch,
        "should_stop": should_stop,
        "progress": progress,
        "checkpointer": checkpointer,
    }
    return train_bank(splits, [recipe], **options)[0]


def train_bank(
    splits: Splits,
    recipes: Sequence[Recipe],
    *,
    scaler: Scaler | None = None,
    starts: Sequence[OneLayer] | None = None,
    **options: Unpack[TrainKeywords],
) -> list[Run]:
    """Train one bank of networks side by side; the runs are in the order of the recipes.

    Args:
        splits: the rows.
        recipes: one per network, with the same values in the fields that a bank shares.
        scaler: fitted on these training rows; by default it is fitted here.
        starts: networks to continue from, one per recipe and all with one scaler, which is kept; by default weights
            are drawn from the seed.
        options: as for :func:`monolayer.train`.

    Raises:
        BadInput: if the recipes do not fit the data or cannot share a bank.
    """
    for recipe in recipes:
        check_recipe(recipe, splits)
    if starts is not None:
        bank = resume_bank(recipes, starts)
    else:
        bank = make_bank(recipes, scaler or fit_checked_scaler(splits), splits.dataset.n_classes)
    training = BankTraining(bank, splits, TrainOptions.from_keywords(options))
    training.run()
    return make_runs(training)


def check_splits(splits: object) -> None:
    """Raise BadInput unless these are splits."""
    if not isinstance(splits, Splits):
        kind = type(splits).__name__
        raise BadInput(f"A {kind} is not divided into training and other rows; accepted is dataset.split(val=1000).")


def fit_batch_size(recipe: Recipe, splits: Splits, *, is_asked: bool = False) -> Recipe:
    """The recipe, with the default batch size lowered to the number of training rows where they are fewer."""
    n_rows = len(splits.train)
    is_default = recipe.batch_size == Recipe().batch_size and not is_asked
    return recipe.replace(batch_size=n_rows) if is_default and n_rows < recipe.batch_size else recipe


def check_recipe(recipe: Recipe, splits: Splits) -> None:
    """Raise BadInput if this recipe cannot be trained on these rows."""
    if recipe.batch_size > len(splits.train):
        raise BadInput(f"batch_size is {recipe.batch_size}; accepted are 1 to {len(splits.train)}, the training rows.")
    if splits.dataset.is_multi_label and not get_loss(recipe.loss).is_multi_label:
        accepted = ", ".join(name for name, loss in LOSSES.items() if loss.is_multi_label)
        raise BadInput(f"loss is {recipe.loss}, but rows have several labels each; accepted is {accepted}.")
    if recipe.flip and not splits.dataset.has_flips:
        raise BadInput(f"flip is {recipe.flip:g}, but the rows of {splits.dataset.name} are not images; accepted is 0.")


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


def predict_rows(network: OneLayer, rows: Rows) -> Predictions:
    """The network's scores of these rows, computed a block at a time."""
    if rows.dataset.transformer is not None:  # the rows are features already, even where these are as many as pixels
        network = replace(network, transformer=None)
    with np.errstate(all="ignore"):  # a diverged network has scores too
        scores = np.concatenate([network.compute_scores(block) for block in rows.iterate_blocks(BLOCK)])
    return Predictions(network.loss, scores, rows.y, rows.index)


def predict_all_rows(networks: Sequence[OneLayer], rows: Rows) -> list[Predictions]:
    """The result of :func:`predict_rows` for each network, with one pass over the rows per scaler."""
    groups: dict[bytes, list[int]] = {}
    for i, network in enumerate(networks):
        groups.setdefault(network.mean.tobytes() + network.std.tobytes(), []).append(i)
    predictions: dict[int, Predictions] = {}
    for members in groups.values():
        first = networks[members[0]]
        stacked = replace(
            first,
            weights=np.concatenate([networks[i].weights for i in members]),
            bias=np.concatenate([networks[i].bias for i in members]),
        )
        scores = predict_rows(stacked, rows).scores.reshape(len(rows), len(members), -1)
        for place, i in enumerate(members):
            own_scores = np.ascontiguousarray(scores[:, place])
            predictions[i] = Predictions(networks[i].loss, own_scores, rows.y, rows.index)
    return [predictions[i] for i in range(len(networks))]


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
    found = zip(training.complete_histories(), training.evaluate(), strict=True)
    return [_make_run(training, member, *one) for member, one in enumerate(found)]


def make_network(bank: Bank, member: int, dataset: Dataset, metadata: dict[str, str]) -> OneLayer:
    """A member of a bank as a network of its own, with copies of its current weights."""
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


def _describe_reading(dataset: Dataset) -> dict[str, str]:
    """How a file of the user's was read, so that predictions read theirs alike; its path is private and left out."""
    options = {name: value for name, value in dataset.reading.items() if name != "path"}
    found = {"reading": options, "columns": dataset.columns}
    return {name: json.dumps(value) for name, value in found.items() if value}


def _make_run(training: BankTraining, member: int, history: tuple[EpochRow, ...], evaluation: Evaluation) -> Run:
    dataset, recipe = training.splits.dataset, training.bank.recipes[member]
    metadata = {
        "recipe": recipe.to_json(),
        "dataset": dataset.name,
        "dataset_sha256": dataset.sha256,
        "pixel_max": str(dataset.transformer.pixel_max if dataset.transformer else dataset.pixel_max),
        "features_dtype": dataset.X.dtype.name,
        "splits": training.splits.fingerprint,
        **_describe_reading(dataset),
    }
    losses = [row.train_loss for row in history if row.train_loss is not None]
    chance_loss = compute_chance_loss(recipe.loss, dataset.n_classes)
    return Run(
        recipe=recipe,
        network=make_network(training.bank, member, dataset, metadata),
        history=history,
        evaluation=evaluation.metrics,
        seconds=training.seconds,
        val_correct=evaluation.val_correct,
        has_diverged=evaluation.has_diverged or is_divergent(losses, chance_loss),
        ends_early=member not in training.active,
    )


# A loss above the chance loss is possible in the first noisy epochs; twice the chance loss is not.
DIVERGED_RATIO = 2.0
# A loss of a thousand times the chance loss needs scores in the thousands: the steps were far too large, even if the
# last loss is low, as it is where few training rows are all separable.
ENORMOUS_RATIO = 1000.0
