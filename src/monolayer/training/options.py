"""The keywords that train, sweep, search and probe share: how to train, as opposed to what."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict

from monolayer.errors import BadInput, validate_whole
from monolayer.progress import SILENCE, Progress
from monolayer.recipe.recipe import Recipe
from monolayer.training.checkpoints import Checkpoints
from monolayer.training.history import EpochRow

OnEpoch = Callable[[Sequence[Recipe], Sequence[EpochRow]], None]


class TrainKeywords(TypedDict, total=False):
    """The shared keywords; :class:`TrainOptions` documents them."""

    train_every: int | None
    val_every: int
    on_epoch: OnEpoch | None
    should_stop: Callable[[], bool] | None
    progress: Progress | None
    checkpointer: Checkpoints | None


def _never() -> bool:
    return False


@dataclass(frozen=True)
class TrainOptions:
    """Options of execution: none of them changes a weight.

    Args:
        train_every: interval in epochs at which the training rows are evaluated; 0: only after the last; None: every
            epoch of a single run, four times in a sweep.
        val_every: the same for the validation rows, with whole numbers only.
        on_epoch: called after each epoch of a bank, in the bank's thread, with the recipes that trained and their
            newest rows, in the same order. On a cluster it is called when a task returns its epochs.
        should_stop: called after each epoch; True ends the training there and keeps everything so far.
        progress: shows how far the training is.
        checkpointer: saves the state of each bank, from which a killed run is resumed.
        task: the name of the training in the progress display.
        evaluate_last: whether all rows are evaluated after the last epoch; False for callers that do so themselves.
    """

    train_every: int | None = None
    val_every: int = 1
    on_epoch: OnEpoch | None = None
    should_stop: Callable[[], bool] = _never
    progress: Progress = field(default=SILENCE, repr=False)
    checkpointer: Checkpoints | None = field(default=None, repr=False)
    task: str = "training"
    evaluate_last: bool = True

    def __post_init__(self) -> None:
        """Raise BadInput unless the numbers of epochs, where given, are whole numbers of 0 or above."""
        if self.train_every is not None:
            validate_whole("train_every", self.train_every, 0)
        validate_whole("val_every", self.val_every, 0)

    @classmethod
    def from_keywords(cls, keywords: TrainKeywords, task: str = "training", function: Any = None) -> TrainOptions:
        """The options that these keywords give; None stands for the default.

        Args:
            keywords: by name.
            task: the name of the training in the progress display.
            function: that takes the keywords; the message about a wrong one names its own keywords too.

        Raises:
            BadInput: if a keyword is not one of the shared ones, or its value is not accepted.
        """
        for name in keywords:
            if name not in TrainKeywords.__annotations__:
                own = inspect.getfullargspec(function).kwonlyargs if function else []
                accepted = ", ".join([*TrainKeywords.__annotations__, *own])
                raise BadInput(
                    f"There is no option {name!r}; accepted are {accepted}, and fields of the recipe as keys of grid."
                )
        given: dict[str, Any] = {name: value for name, value in keywords.items() if value is not None}
        return cls(task=task, **given)
