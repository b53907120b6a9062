"""The progress of a sweep in one line: how many members train, the best one so far, and how many epochs are done."""

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

# On small data epochs are faster than any reader, and each update goes through the histories of all members.
UPDATE_EVERY_S = 0.1
UNIT = "epochs of members"


class ProgressLine:
    """Shows the state of a sweep on a display; each bank calls :meth:`update` after each of its epochs."""

    def __init__(self, plan: Plan, axes: Mapping[str, Any], progress: Progress, task: str) -> None:
        self._plan = plan
        self._names = [name for name, values in axes.items() if len(values) > 1]
        self._progress, self._task = progress, task
        self._n_val = len(plan.splits.val or ())
        self._trainings: Sequence[BankTraining] = ()
        self._lock = threading.Lock()
        self._last_update = 0.0

    def start(self, trainings: Sequence[BankTraining]) -> None:
        """Show these banks."""
        self._trainings = trainings
        self._show(is_over=False)

    def update(self, recipes: Sequence[Recipe], rows: Sequence[EpochRow]) -> None:
        """Show the current state, at most ten times a second; an ``on_epoch``."""
        with self._lock:
            if time.monotonic() - self._last_update >= UPDATE_EVERY_S:
                self._show(is_over=False)
                self._last_update = time.monotonic()

    def finish(self) -> None:
        """Show the final state: all is done, unless training was stopped."""
        with self._lock:
            self._show(is_over=not any(training.is_stopped for training in self._trainings))

    def _show(self, *, is_over: bool) -> None:
        done = sum(len(rows) for training in self._trainings for rows in training.histories)
        total = done if is_over else max(done + 1, self._count_total())
        self._progress.advance(self._task, done, total, UNIT, self.describe())

    def _count_total(self) -> int:
        if self._plan.rungs:
            return self._plan.member_epochs
        # Counted by rows: during an epoch ``training.epoch`` includes it already, and its rows are still missing.
        return sum(
            training.epochs if member in alive else len(rows)
            for training in self._trainings
            for alive in [set(training.active)]
            for member, rows in enumerate(training.histories)
        )

    def describe(self) -> str:
        """Such as ``34 of 36 train; best 40.3 [37.3, 43.4] % at epoch 12: learning_rate 0.005, l2 0.0``."""
        n_alive = sum(len(training.active) for training in self._trainings)
        counts = f"{n_alive} of {self._plan.n_recipes} train"
        n_classes = self._plan.splits.dataset.n_classes
        candidates = [
            (row.val_accuracy, row.epoch, recipe)
            for training in self._trainings
            for recipe, rows in zip(training.bank.recipes, training.histories, strict=True)
            if rows
            and (row := rows[-1]).val_accuracy is not None
            and row.val_loss is not None
            # The accuracy of a member that has diverged so far has no meaning.
            and row.val_loss <= DIVERGED_RATIO * compute_chance_loss(recipe.loss, n_classes)
        ]
        if not candidates:
            return counts
        accuracy, epoch, recipe = max(candidates, key=lambda candidate: candidate[0])
        named = ", ".join(f"{name} {format_value(getattr(recipe, name))}" for name in self._names)
        return f"{counts}; best {format_accuracy(accuracy, self._n_val)} % at epoch {epoch}{named and f': {named}'}"
