"""Watching a sweep: one line that says how many members train, which is best so far, and how far it is."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from monolayer.evaluate.metrics import format_accuracy
from monolayer.progress import Progress
from monolayer.recipe.grid import format_value
from monolayer.recipe.losses import compute_chance_loss
from monolayer.recipe.recipe import Recipe
from monolayer.training.history import EpochRow
from monolayer.training.loop import BankTraining
from monolayer.training.run import DIVERGED_RATIO
from monolayer.tuning.plan import Plan

# On small data epochs are faster than any eye; going through the histories of all members for each would cost.
TELL_EVERY_S = 0.1


class ProgressLine:
    """Tells a display how a sweep stands; :meth:`note` is called by every bank after each of its epochs."""

    def __init__(self, plan: Plan, axes: Mapping[str, Any], progress: Progress, task: str) -> None:
        self._plan = plan
        self._names = [name for name, values in axes.items() if len(values) > 1]
        self._progress, self._task = progress, task
        self._n_val = len(plan.splits.val or ())
        self._trainings: Sequence[BankTraining] = ()
        self._lock = threading.Lock()
        self._told = 0.0

    def begin(self, trainings: Sequence[BankTraining]) -> None:
        """Watch these banks."""
        self._trainings = trainings
        self._tell(is_over=False)

    def note(self, recipes: Sequence[Recipe], rows: Sequence[EpochRow]) -> None:
        """Tell how things stand, if it is time to."""
        with self._lock:
            if time.monotonic() - self._told >= TELL_EVERY_S:
                self._tell(is_over=False)
                self._told = time.monotonic()

    def end(self) -> None:
        """Tell that it is over, if it was not stopped."""
        with self._lock:
            self._tell(is_over=not any(training.is_stopped for training in self._trainings))

    def _tell(self, *, is_over: bool) -> None:
        done = sum(len(rows) for training in self._trainings for rows in training.histories)
        total = done if is_over else max(done + 1, self._count_total())
        self._progress.advance(self._task, done, total, "epochs of members", self.describe())

    def _count_total(self) -> int:
        if self._plan.rungs:
            return self._plan.member_epochs
        # By the rows of each member: a bank in the middle of an epoch counts it already, and has no row of it yet.
        return sum(
            training.epochs if member in alive else len(rows)
            for training in self._trainings
            for alive in [set(training.alive)]
            for member, rows in enumerate(training.histories)
        )

    def describe(self) -> str:
        """Such as ``34 of 36 train; best 40.3 [37.3, 43.4] % at epoch 12: learning_rate 0.005, l2 0.0``."""
        alive = sum(len(training.alive) for training in self._trainings)
        counts = f"{alive} of {self._plan.n_recipes} train"
        best = max(self._list_newest(), key=lambda found: found[0], default=None)
        if best is None:
            return counts
        accuracy, epoch, recipe = best
        named = ", ".join(f"{name} {format_value(getattr(recipe, name))}" for name in self._names)
        return f"{counts}; best {format_accuracy(accuracy, self._n_val)} % at epoch {epoch}{named and f': {named}'}"

    def _list_newest(self) -> list[tuple[float, int, Recipe]]:
        """(validation accuracy, epoch, recipe) where it stands, of each member that has not diverged."""
        return [
            (row.val_accuracy, row.epoch, recipe)
            for training in self._trainings
            for recipe, rows in zip(training.bank.recipes, training.histories, strict=True)
            if rows and (row := rows[-1]).val_accuracy is not None and self._is_sound(row, recipe.loss)
        ]

    def _is_sound(self, row: EpochRow, loss: str) -> bool:
        """Whether a member has not diverged so far, which would make its accuracy one by accident."""
        start = compute_chance_loss(loss, self._plan.splits.dataset.n_classes)
        return row.val_loss is not None and row.val_loss <= DIVERGED_RATIO * start
