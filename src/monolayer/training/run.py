"""Recipes and splits in, runs out."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Unpack

import numpy as np
import numpy.typing as npt

from monolayer.data.dataset import Dataset, Rows, Splits
from monolayer.data.scaler import Scaler, fit_checked_scaler
from monolayer.engine.bank import Bank, make_bank, resume_bank
from monolayer.errors import BadInput
from monolayer.evaluate.metrics import Metrics
from monolayer.evaluate.predictions import Predictions
from monolayer.findings import Finding
from monolayer.network import BLOCK, OneLayer
from monolayer.progress import Progress
from monolayer.recipe.losses import compute_chance_loss
from monolayer.recipe.recipe import Recipe
from monolayer.training.checkpoints import Checkpointer
from monolayer.training.history import EpochRow
from monolayer.training.loop import BankTraining, Measured
from monolayer.training.options import OnEpoch, TrainKeywords, TrainOptions

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Run:
    """What training gives back.

    Args:
        recipe: what was asked for.
        network: the trained network.
        history: a row an epoch, epoch 1 first.
        evaluation: measures by name of the rows: ``train``, ``val`` where there are validation rows, and ``test`` once
            :func:`evaluate_test` has opened them.
        seconds: training alone, evaluation each epoch included; for a bank, of the whole bank.
        findings: what was noticed.
        val_correct: whether each validation row was right after the last epoch, (n,) bool; None without such rows.
        has_diverged: whether a loss stopped being a number, or training left the loss far above where it started.
        has_left: whether it left its bank before the last epoch: it diverged beyond return, or was let go by
            successive halving.
    """

    recipe: Recipe
    network: OneLayer
    history: tuple[EpochRow, ...]
    evaluation: dict[str, Metrics]
    seconds: float
    findings: tuple[Finding, ...] = ()
    val_correct: Array | None = None
    has_diverged: bool = False
    has_left: bool = False

    def __repr__(self) -> str:
        """One line, without the arrays."""
        r, measured = self.recipe, {name: m.accuracy for name, m in self.evaluation.items() if name != "train"}
        scores = "".join(f", {name} accuracy {100 * accuracy:.2f} %" for name, accuracy in measured.items())
        return f"<Run {r.loss}, learning_rate {r.learning_rate:g}, {len(self.history)} of {r.epochs} epochs{scores}>"

    @property
    def is_complete(self) -> bool:
        """Whether every epoch of the recipe was run, as far as there was any use in it."""
        return self.has_left or len(self.history) == self.recipe.epochs

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
    """Train the networks of a bank side by side: the runs, in the order of the recipes.

    Args:
        splits: what to train on.
        recipes: one a network; they share what a bank's must.
        scaler: of these training rows, where it has been fitted already, as for the banks of a sweep.
        starts: networks to go on from, one a recipe and all of one scaler, which is kept; else the seed's weights.
        options: as for :func:`monolayer.train`.

    Raises:
        BadInput: if the recipes do not fit the data, or do not share what a bank's must.
    """
    for recipe in recipes:
        check_recipe(recipe, splits)
    if starts is not None:
        bank = resume_bank(recipes, starts)
    else:
        bank = make_bank(recipes, scaler or fit_checked_scaler(splits), splits.dataset.n_classes)
    training = BankTraining(bank, splits, TrainOptions.from_keywords(options))
    training.run()
    return make_runs(training, splits)


def check_splits(splits: object) -> None:
    """Raise BadInput for a dataset that was not split."""
    if not isinstance(splits, Splits):
        kind = type(splits).__name__
        raise BadInput(
            f"A {kind} is not divided into rows to train on and others; accepted is dataset.split(val=1000)."
        )


def fit_batch_size(recipe: Recipe, splits: Splits, *, is_asked: bool = False) -> Recipe:
    """The recipe with batches that these training rows fill, if its batch size is the default and was not asked for."""
    n_rows = len(splits.train)
    is_default = recipe.batch_size == Recipe().batch_size and not is_asked
    return recipe.replace(batch_size=n_rows) if is_default and n_rows < recipe.batch_size else recipe


def check_recipe(recipe: Recipe, splits: Splits) -> None:
    """Raise BadInput if this recipe cannot be trained on these rows."""
    if recipe.batch_size > len(splits.train):
        raise BadInput(f"batch_size is {recipe.batch_size}; accepted are 1 to {len(splits.train)}, the training rows.")
    if splits.dataset.is_multi_label and recipe.loss != "multiple_bce":
        raise BadInput(f"loss is {recipe.loss}, but rows have several labels; accepted is multiple_bce.")
    if recipe.flip and not splits.dataset.has_flips:
        raise BadInput(f"flip is {recipe.flip:g}, but the rows of {splits.dataset.name} are no images; accepted is 0.")


def evaluate_test(run: Run, splits: Splits, reason: str = "final evaluation", *, again: bool = False) -> Run:
    """The run with its measures on the test rows, which are opened for it: do this once, with the run you chose.

    Raises:
        BadInput: if the run was trained on other splits, whose training rows may be test rows here; or if the test
            rows have been opened before and this is not said to be one time more.
    """
    if run.network.metadata.get("splits") != splits.fingerprint:
        raise BadInput("The run was trained on other splits; accepted are the splits that it was trained on.")
    return add_test_metrics(run, predict_rows(run.network, splits.open_test(reason, again=again)))


def predict_rows(network: OneLayer, rows: Rows) -> Predictions:
    """What the network says of these rows, a block at a time."""
    if rows.dataset.transformer is not None:  # the rows are features already, even where these are as many as pixels
        network = replace(network, transformer=None)
    with np.errstate(all="ignore"):  # a diverged network answers too
        scores = np.concatenate([network.compute_scores(block) for block in rows.iterate_blocks(BLOCK)])
    return Predictions(network.loss, scores, rows.y, rows.index)


def predict_all_rows(networks: Sequence[OneLayer], rows: Rows) -> list[Predictions]:
    """What :func:`predict_rows` gives for each network, with one pass over the rows for all that share a scaler."""
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
            said = np.ascontiguousarray(scores[:, place])
            predictions[i] = Predictions(networks[i].loss, said, rows.y, rows.index)
    return [predictions[i] for i in range(len(networks))]


def add_test_metrics(run: Run, predictions: Predictions) -> Run:
    """The run with its measures on test rows that have been opened already, such as for several declared runs."""
    test = predictions.compute_metrics(run.network, run.recipe.l2)
    return replace(run, evaluation={**run.evaluation, "test": test})


def is_divergent(losses: Sequence[float], start: float) -> bool:
    """Whether the last of these mean training losses is not finite or far above ``start``, or one was beyond measure.

    Args:
        losses: after each evaluated epoch.
        start: the loss at scores of 0: log K, or log 2 for sigmoids.
    """
    if not losses:
        return False
    is_lost = not math.isfinite(losses[-1]) or losses[-1] > DIVERGED_RATIO * start
    return is_lost or max(losses) > WILD_RATIO * start


def make_runs(training: BankTraining, splits: Splits) -> list[Run]:
    """A run a member of a bank, where its training stands now."""
    measured, histories = training.measure(), training.collect_histories()
    return [
        _make_run(training, member, histories[member], measured[member], splits)
        for member in range(training.bank.n_members)
    ]


def make_network(bank: Bank, member: int, dataset: Dataset, metadata: dict[str, str]) -> OneLayer:
    """A member of a bank as a network of its own, where it stands."""
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
    """How data of one's own was read, so that predictions can be read alike; where it lies is nobody's business."""
    options = {name: value for name, value in dataset.reading.items() if name != "path"}
    found = {"reading": options, "columns": dataset.columns}
    return {name: json.dumps(value) for name, value in found.items() if value}


def _make_run(
    training: BankTraining, member: int, history: tuple[EpochRow, ...], measured: Measured, splits: Splits
) -> Run:
    dataset, recipe = splits.dataset, training.bank.recipes[member]
    metadata = {
        "recipe": recipe.to_json(),
        "dataset": dataset.name,
        "dataset_sha256": dataset.sha256,
        "pixel_max": str(dataset.transformer.pixel_max if dataset.transformer else dataset.pixel_max),
        "features_dtype": dataset.X.dtype.name,
        "splits": splits.fingerprint,
        **_describe_reading(dataset),
    }
    losses = [row.train_loss for row in history if row.train_loss is not None]
    ignorant, val = compute_chance_loss(recipe.loss, dataset.n_classes), measured.metrics.get("val")
    return Run(
        recipe=recipe,
        network=make_network(training.bank, member, dataset, metadata),
        history=history,
        evaluation=measured.metrics,
        seconds=training.seconds,
        val_correct=measured.val_correct,
        has_diverged=is_divergent(losses, ignorant) or not (val is None or math.isfinite(val.loss)),
        has_left=member not in training.alive,
    )


# A loss above that of knowing nothing can pass during the first noisy epochs; twice it does not come by accident.
DIVERGED_RATIO = 2.0
# An epoch that leaves a loss a thousand times that of knowing nothing threw the weights away, even if few training
# rows, which can all be told apart, come out right in the end: scores in the thousands do that, and nothing else.
WILD_RATIO = 1000.0
