"""The original's procedures, run again and named for what they are: training on the images that are then scored.

The original prints validation accuracies above its training accuracies. It reaches them so: with cross-entropy the
trained weights are trained for as many epochs more on the validation images, and, separately, on the test images; with
multiple binary cross-entropy, whose gradient lacks the 1/K there, untrained weights are trained on each of the three
sets. Each accuracy is then that on the very images that were trained on last. None of these runs is a result; they show
where the printed numbers come from.
"""

from __future__ import annotations

from monolayer.data.dataset import Rows, Splits
from monolayer.data.scaler import Scaler
from monolayer.evaluate.metrics import Metrics
from monolayer.progress import Progress
from monolayer.recipe.recipe import Recipe
from monolayer.training.run import Run, train_bank

WHY_OPENED = "the original's procedures, run again: they train ON the test images, to show what that prints"


def remove_mean(recipe: Recipe, n_classes: int) -> Recipe:
    """The recipe whose steps are those of a multiple BCE summed over K classes, not averaged over them.

    Without the 1/K the loss and its gradient are K times as large: a step of the rate eta on sum + l2 * sum(W**2) is
    a step of the rate K * eta on mean + (l2 / K) * sum(W**2).
    """
    return recipe.replace(learning_rate=recipe.learning_rate * n_classes, l2=recipe.l2 / n_classes)


def rerun_continued(runs: dict[str, Run], rows: Rows, progress: Progress) -> dict[str, Metrics]:
    """Train each network on with its own recipe, on these rows; its measures are those on the same rows.

    Without flips: with them the re-run of the original's second listing ends 2 points below what it prints on test, and
    without them 0.3; it seems to have mirrored the training images only.

    Args:
        runs: trained runs by key; what comes back has the same keys.
        rows: validation or test rows.
        progress: told how far it is.
    """
    recipes, starts = [run.recipe.replace(flip=0.0) for run in runs.values()], [run.network for run in runs.values()]
    again = train_bank(_only(rows), recipes, starts=starts, train_every=0, progress=progress)
    return {key: run.evaluation["train"] for key, run in zip(runs, again, strict=True)}


def rerun_untrained(recipe: Recipe, rows: Rows, scaler: Scaler, progress: Progress) -> Metrics:
    """Train untrained weights on these rows, scaled as the training rows are; the measures are those on them."""
    runs = train_bank(_only(rows), [recipe], scaler=scaler, train_every=0, progress=progress)
    return runs[0].evaluation["train"]


def _only(rows: Rows) -> Splits:
    """Splits that train on these rows and hold nothing out."""
    return Splits(train=rows, val=None, _test=Rows(rows.dataset, rows.index[:0]))
