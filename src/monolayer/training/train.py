"""Train recipes on splits: one network, or a bank of them side by side."""

from collections.abc import Callable, Sequence
from typing import Any, Unpack

from monolayer.data.dataset import Splits
from monolayer.data.scaler import Scaler, fit_checked_scaler
from monolayer.engine.bank import make_bank, resume_bank
from monolayer.errors import BadInput
from monolayer.network import OneLayer
from monolayer.progress import Progress
from monolayer.recipe.losses import LOSSES, get_loss
from monolayer.recipe.recipe import Recipe
from monolayer.training.checkpoints import Checkpoints
from monolayer.training.loop import BankTraining
from monolayer.training.options import OnEpoch, TrainKeywords, TrainOptions
from monolayer.training.run import Run, make_runs


def train(
    splits: Splits,
    recipe: Recipe | None = None,
    *,
    train_every: int | None = None,
    val_every: int = 1,
    on_epoch: OnEpoch | None = None,
    should_stop: Callable[[], bool] | None = None,
    progress: Progress | None = None,
    checkpointer: Checkpoints | None = None,
    **fields: Any,
) -> Run:
    """Train one network.

    The default batch size is lowered to the number of training rows where they are fewer.

    Args:
        splits: the rows, from :meth:`monolayer.Dataset.split`.
        recipe: what to train; by default ``Recipe()``.
        train_every: interval in epochs at which the training rows are evaluated; 0: after the last only; None: 1.
        val_every: the same for the validation rows, with whole numbers only.
        on_epoch: called after each epoch with the recipes that train (here one) and their newest rows.
        should_stop: called after each epoch; True ends the training there and keeps everything so far.
        progress: shows how far the training is.
        checkpointer: saves the state after each epoch, from which a killed run is resumed.
        fields: fields of the recipe to replace, such as ``learning_rate=0.01``.

    Raises:
        BadInput: if the dataset was not split, or the recipe does not fit the data: a batch larger than the training
            rows, flips without images.
    """
    check_splits(splits)
    recipe = fit_batch_size((recipe or Recipe()).replace(**fields), splits, is_given="batch_size" in fields)
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


def fit_batch_size(recipe: Recipe, splits: Splits, *, is_given: bool = False) -> Recipe:
    """The recipe, with the default batch size lowered to the number of training rows where they are fewer."""
    n_rows = len(splits.train)
    is_default = recipe.batch_size == Recipe().batch_size and not is_given
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
