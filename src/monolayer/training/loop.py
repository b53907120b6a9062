"""The epoch loop of a bank, which can be stopped, and continued from a saved state, between any two epochs."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from monolayer._typing import Array
from monolayer.data.dataset import Rows, Splits
from monolayer.engine.bank import Bank
from monolayer.engine.batches import make_batch_order
from monolayer.engine.select import Engine, open_engine
from monolayer.evaluate.metrics import Metrics, Tally
from monolayer.threads import count_cores
from monolayer.training.checkpoints import BankState
from monolayer.training.history import EpochRow, make_row
from monolayer.training.options import TrainOptions


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A member's metrics by name of the rows, and whether it predicts each validation row correctly, (n,) bool."""

    metrics: dict[str, Metrics]
    val_correct: Array | None

    @property
    def has_diverged(self) -> bool:
        """Whether the validation loss is not finite; further training cannot make it finite again."""
        return "val" in self.metrics and not math.isfinite(self.metrics["val"].loss)


class BankTraining:
    """A bank in training.

    A member whose validation loss is not finite is not trained further; the others continue without it.

    Attributes:
        bank: the networks; their weights are updated in place.
        splits: the rows.
        options: how to train.
        order: the order of the batches.
        epoch: epochs done.
        active: indices of the members that still train.
        histories: one list of rows per member; members that have left have fewer rows.
        is_stopped: whether ``should_stop`` has returned True.
        seconds: training time so far, evaluation included.
    """

    def __init__(self, bank: Bank, splits: Splits, options: TrainOptions) -> None:
        self.bank = bank
        self.splits = splits
        self.options = options
        self.order = make_batch_order(bank.recipes[0], bank.n_classes, bank.weights.shape[1])
        self.epoch = 0
        self.active: list[int] = list(range(bank.n_members))
        self.histories: list[list[EpochRow]] = [[] for _ in bank.recipes]
        self.is_stopped = False
        self.seconds = 0.0
        self._evaluations: dict[int, Evaluation] = {}
        if options.checkpointer and (state := options.checkpointer.load(bank.recipes)):
            self.restore_state(state)

    @property
    def epochs(self) -> int:
        """The recipes' number of epochs."""
        return self.bank.recipes[0].epochs

    def run(self, until: int | None = None, *, n_threads: int | None = None, time_slice: float = math.inf) -> None:
        """Train up to this epoch (the recipes' last), or until ``should_stop`` or until no member is left.

        Args:
            until: the number of epochs done at the end.
            n_threads: threads to use; by default as many as there are cores. The results do not depend on it.
            time_slice: seconds after which to return, at the end of an epoch.
        """
        until = self.epochs if until is None else until
        end = time.perf_counter() + time_slice
        self._show_progress(self.epoch, until)
        while self.can_continue(until):
            self._run_segment(until, n_threads or count_cores(), end)
            if time.perf_counter() >= end:
                return
        if self.epoch < until and not self.is_stopped:  # no member is left
            self._show_progress(until, until)

    def can_continue(self, until: int) -> bool:
        """Whether there is anything to train before this epoch is done."""
        return self.epoch < until and bool(self.active) and not self.is_stopped

    def poll_stop(self) -> bool:
        """Call ``should_stop``; once it returns True, no more epochs are trained."""
        self.is_stopped = self.epoch < self.epochs and self.options.should_stop()
        return self.is_stopped

    def retain(self, members: Sequence[int]) -> None:
        """Stop training all members except these, and save a checkpoint."""
        leaving = set(self.active) - set(members)
        if leaving:
            self._remove(leaving)
            self.save_checkpoint()

    def save_checkpoint(self, *, force: bool = True) -> None:
        """Save the state through the checkpointer, if there is one; without ``force`` only when a save is due."""
        if self.options.checkpointer:
            self.options.checkpointer.save_if_due(self.bank.recipes, self.make_state, force=force)

    def evaluate(self, n_threads: int | None = None) -> list[Evaluation]:
        """Evaluate every member on the training and validation rows, unless it has been evaluated already."""
        # Active and dropped members separately: sums beside other members differ in the last digit, and a
        # resumed training must give the same metrics as one that was never interrupted.
        for members in (self.active, [m for m in range(self.bank.n_members) if m not in self.active]):
            if not self._evaluations.keys() >= set(members):
                start = time.perf_counter()
                bank = self._select(members)
                with open_engine(bank, self.splits.dataset, n_threads or count_cores()) as engine:
                    self._evaluations |= zip(members, _evaluate(engine, self._select_rows(is_last=True)), strict=True)
                self.seconds += time.perf_counter() - start
        return [self._evaluations[m] for m in range(self.bank.n_members)]

    def make_state(self) -> BankState:
        """The current state; its arrays are the bank's own, which training changes."""
        histories = tuple(map(tuple, self.histories))
        return BankState(self.epoch, self.bank.weights, self.bank.bias, tuple(self.active), histories, self.seconds)

    def restore_state(self, state: BankState) -> None:
        """Continue from a state of the same bank, at this epoch or a later one."""
        self.bank.weights[:], self.bank.bias[:] = state.weights, state.bias
        # States of random generators are not saved: the draws of earlier epochs are repeated here, in milliseconds.
        for _ in range(state.epoch - self.epoch):
            self.order.draw_epoch(len(self.splits.train))
        self.epoch, self.seconds = state.epoch, state.seconds
        self.active, self.histories = list(state.active), [list(rows) for rows in state.histories]
        self._evaluations.clear()

    def receive_state(self, state: BankState, evaluations: Sequence[Evaluation] | None = None) -> None:
        """Continue from a state that another process has reached: report its epochs and save a checkpoint."""
        members, epochs_before = list(self.active), self.epoch
        self.restore_state(state)
        self._evaluations = dict(enumerate(evaluations or ()))
        for epoch in range(epochs_before + 1, self.epoch + 1):
            self._report_epoch([m for m in members if len(self.histories[m]) >= epoch], epoch)
        self.save_checkpoint()

    def complete_histories(self) -> list[tuple[EpochRow, ...]]:
        """The history of each member, with all metrics of the current evaluation in its last row."""
        return [
            (*rows[:-1], make_row(rows[-1].epoch, rows[-1].learning_rate, evaluation.metrics)) if rows else ()
            for rows, evaluation in zip(self.histories, self.evaluate(), strict=True)
        ]

    def _select(self, members: list[int]) -> Bank:
        return self.bank if len(members) == self.bank.n_members else self.bank.take(members)

    def _run_segment(self, until: int, n_threads: int, end: float) -> None:
        """Train epochs with the same members, until some of them leave or training ends for another reason."""
        members = list(self.active)
        bank = self._select(members)
        with open_engine(bank, self.splits.dataset, n_threads) as engine:
            while self.active == members and self.can_continue(until):
                start = time.perf_counter()
                self._run_epoch(engine, members)
                if bank is not self.bank:
                    self.bank.put(members, bank)
                self.seconds += time.perf_counter() - start
                self._report_epoch(members, self.epoch)
                self._show_progress(self.epoch, until)
                self.poll_stop()
                self.save_checkpoint(force=not self.can_continue(until))
                if time.perf_counter() >= end:
                    return

    def _run_epoch(self, engine: Engine, members: list[int]) -> None:
        self.epoch += 1
        rates = np.array([recipe.compute_rate(self.epoch) for recipe in engine.bank.recipes])
        rows = self.splits.train
        engine.run_epoch(rows, *self.order.draw_epoch(len(rows)), rates)
        chosen = self._select_rows(is_last=self.epoch == self.epochs and self.options.evaluate_last)
        evaluations = _evaluate(engine, chosen)
        is_complete = chosen.keys() == self._select_rows(is_last=True).keys()
        for m, rate, evaluation in zip(members, rates, evaluations, strict=True):
            self.histories[m].append(make_row(self.epoch, float(rate), evaluation.metrics))
            self._evaluations.pop(m, None)
            if is_complete:
                self._evaluations[m] = evaluation
        self._remove({m for m, evaluation in zip(members, evaluations, strict=True) if evaluation.has_diverged})

    def _remove(self, leaving: set[int]) -> None:
        self.active = [m for m in self.active if m not in leaving]
        if leaving:  # those that stay are evaluated again without them: see evaluate()
            self._evaluations.clear()

    def _select_rows(self, *, is_last: bool) -> dict[str, Rows]:
        def is_due(every: int) -> bool:
            return is_last or (every > 0 and self.epoch % every == 0)

        every = 1 if self.options.train_every is None else self.options.train_every
        chosen = {"train": self.splits.train} if is_due(every) else {}
        if self.splits.val is not None and is_due(self.options.val_every):
            chosen["val"] = self.splits.val
        return chosen

    def _report_epoch(self, members: list[int], epoch: int) -> None:
        if self.options.on_epoch:
            recipes = [self.bank.recipes[m] for m in members]
            self.options.on_epoch(recipes, [self.histories[m][epoch - 1] for m in members])

    def _show_progress(self, epoch: int, until: int) -> None:
        self.options.progress.advance(self.options.task, epoch, until, "epochs")


def _evaluate(engine: Engine, chosen: dict[str, Rows]) -> list[Evaluation]:
    """The evaluation of each member on these rows, by their names."""
    bank = engine.bank
    if not chosen:
        return [Evaluation({}, None) for _ in bank.recipes]
    l2, squared_norms = np.array([recipe.l2 for recipe in bank.recipes]), bank.compute_squared_norms()
    tallies = {}
    for name, rows in chosen.items():
        weights = [fold.sample_weight for fold in bank.folds] if name == "train" and bank.folds else None
        tallies[name] = Tally(bank.n_members, None if weights is None else np.stack(weights))
        for losses, correct in engine.iterate_losses(rows):
            tallies[name].add(losses, correct)
    metrics = {name: tally.compute_metrics(l2, squared_norms) for name, tally in tallies.items()}
    val_correct = tallies["val"].correct if "val" in tallies else None
    return [
        Evaluation(
            {name: column[m] for name, column in metrics.items()}, None if val_correct is None else val_correct[m]
        )
        for m in range(bank.n_members)
    ]
