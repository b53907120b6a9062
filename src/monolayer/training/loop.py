"""A bank in training: the epoch loop, which can be left and taken up again between any two epochs."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from monolayer.data.dataset import Rows, Splits
from monolayer.engine.bank import Bank
from monolayer.engine.batches import make_batch_order
from monolayer.engine.select import Engine, open_engine
from monolayer.evaluate.metrics import Metrics, Tally
from monolayer.threads import count_cores
from monolayer.training.checkpoints import BankState
from monolayer.training.history import EpochRow, make_row
from monolayer.training.options import TrainOptions

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Measured:
    """A member's last evaluation: measures by name of the rows, and which validation rows it has right, (n,) bool."""

    metrics: dict[str, Metrics]
    val_correct: Array | None


class BankTraining:
    """A bank with the epochs it has behind it.

    A member whose validation loss is no finite number has left for good: no later step can mend it. The others train on
    without it.
    """

    def __init__(self, bank: Bank, splits: Splits, options: TrainOptions) -> None:
        self.bank = bank
        self.epoch = 0
        self.alive: list[int] = list(range(bank.n_members))
        self.histories: list[list[EpochRow]] = [[] for _ in bank.recipes]
        self.is_stopped = False
        self.seconds = 0.0
        self.splits = splits
        self.options = options
        self.order = make_batch_order(bank.recipes[0], bank.n_classes, bank.weights.shape[1])
        self._measured: dict[int, Measured] = {}
        if options.checkpointer and (state := options.checkpointer.load(bank.recipes)):
            self.restore_state(state)

    @property
    def epochs(self) -> int:
        """Epochs that the recipes ask for."""
        return self.bank.recipes[0].epochs

    def run(self, until: int | None = None, *, n_threads: int | None = None, time_slice: float = math.inf) -> None:
        """Train up to this epoch (the recipes' last), or until the wish to stop comes or nobody is left.

        Args:
            until: epochs done when it ends.
            n_threads: how many to use; by default as many as there are cores. The bytes are the same.
            time_slice: end after this many seconds too, at the end of an epoch.
        """
        until = self.epochs if until is None else until
        end = time.perf_counter() + time_slice
        self.options.progress.advance(self.options.task, self.epoch, until, "epochs")
        while self.can_continue(until):
            self._run_stretch(until, n_threads or count_cores(), end)
            if time.perf_counter() >= end:
                return
        if self.epoch < until and not self.is_stopped:  # nobody is left
            self.options.progress.advance(self.options.task, until, until, "epochs")

    def can_continue(self, until: int) -> bool:
        """Whether there is something to train before this epoch is done."""
        return self.epoch < until and bool(self.alive) and not self.is_stopped

    def poll_stop(self) -> bool:
        """Ask whether to stop; once that is so, nothing is trained any more."""
        self.is_stopped = self.epoch < self.epochs and self.options.should_stop()
        return self.is_stopped

    def retain(self, members: Sequence[int]) -> None:
        """Let every member leave but these."""
        leaving = set(self.alive) - set(members)
        if leaving:
            self._drop(leaving)
            self.keep()

    def keep(self) -> None:
        """Have the keeper keep where it stands, whatever that costs."""
        self._save_if_due(is_last=True)

    def measure(self, n_threads: int | None = None) -> list[Measured]:
        """Training and validation rows as every member answers them where it stands."""
        # Those that train and those that have left, apart: sums beside other members differ in the last digit, and a
        # training that was taken up again must measure as one that was never left.
        for members in (self.alive, [m for m in range(self.bank.n_members) if m not in self.alive]):
            if not self._measured.keys() >= set(members):
                start = time.perf_counter()
                with self._open_engine(self._pick(members), n_threads or count_cores()) as engine:
                    self._note(members, _evaluate(engine, self._choose_rows(is_last=True)))
                self.seconds += time.perf_counter() - start
        return [self._measured[m] for m in range(self.bank.n_members)]

    def make_state(self) -> BankState:
        """Where it stands; the arrays are the bank's own and go on changing."""
        histories = tuple(map(tuple, self.histories))
        return BankState(self.epoch, self.bank.weights, self.bank.bias, tuple(self.alive), histories, self.seconds)

    def restore_state(self, state: BankState) -> None:
        """Go on from a state that this bank was in, at this epoch or a later one."""
        self.bank.weights[:], self.bank.bias[:] = state.weights, state.bias
        # The generators' states need no keeping: the draws of the epochs behind it are drawn again, in milliseconds.
        for _ in range(state.epoch - self.epoch):
            self.order.draw_epoch(len(self.splits.train))
        self.epoch, self.seconds = state.epoch, state.seconds
        self.alive, self.histories = list(state.alive), [list(rows) for rows in state.histories]
        self._measured.clear()

    def receive_state(self, state: BankState, measured: Sequence[Measured] | None = None) -> None:
        """Take up where the same bank has come to elsewhere, with what was measured there; tell it, and keep it."""
        members, epochs_before = list(self.alive), self.epoch
        self.restore_state(state)
        self._measured = dict(enumerate(measured or ()))
        for epoch in range(epochs_before + 1, self.epoch + 1):
            self._report_epoch([m for m in members if len(self.histories[m]) >= epoch], epoch)
        self.keep()

    def collect_histories(self) -> list[tuple[EpochRow, ...]]:
        """A history a member; the last row has all that is measured of where it stands."""
        measured = self.measure()
        return [
            (*rows[:-1], make_row(rows[-1].epoch, rows[-1].learning_rate, found.metrics)) if rows else ()
            for rows, found in zip(self.histories, measured, strict=True)
        ]

    def _pick(self, members: list[int]) -> Bank:
        return self.bank if len(members) == self.bank.n_members else self.bank.take(members)

    def _open_engine(self, bank: Bank, n_threads: int) -> AbstractContextManager[Engine]:
        return open_engine(bank, self.splits.dataset, n_threads)

    def _run_stretch(self, until: int, n_threads: int, end: float) -> None:
        """Epochs with the same members, until some leave or there is another reason to end."""
        members = list(self.alive)
        active = self._pick(members)
        with self._open_engine(active, n_threads) as engine:
            while self.alive == members and self.can_continue(until):
                start = time.perf_counter()
                self._run_epoch(engine, members)
                if active is not self.bank:
                    self.bank.put(members, active)
                self.seconds += time.perf_counter() - start
                self._report_epoch(members, self.epoch)
                self.options.progress.advance(self.options.task, self.epoch, until, "epochs")
                self.poll_stop()
                self._save_if_due(is_last=not self.can_continue(until))
                if time.perf_counter() >= end:
                    return

    def _run_epoch(self, engine: Engine, members: list[int]) -> None:
        self.epoch += 1
        rates = np.array([recipe.compute_rate(self.epoch) for recipe in engine.bank.recipes])
        rows = self.splits.train
        engine.run_epoch(rows, *self.order.draw_epoch(len(rows)), rates)
        for m in members:
            self._measured.pop(m, None)
        is_last = self.epoch == self.epochs and self.options.measure_last
        evaluation = _evaluate(engine, self._choose_rows(is_last=is_last))
        self._note(members, evaluation)
        for m, rate, metrics in zip(members, rates, evaluation.metrics, strict=True):
            self.histories[m].append(make_row(self.epoch, float(rate), metrics))
        lost = {m for m, metrics in zip(members, evaluation.metrics, strict=True) if _is_lost(metrics)}
        self._drop(lost)

    def _drop(self, leaving: set[int]) -> None:
        self.alive = [m for m in self.alive if m not in leaving]
        if leaving:  # what was measured beside them is measured again without: see measure()
            self._measured.clear()

    def _note(self, members: list[int], evaluation: _Evaluation) -> None:
        """Remember an evaluation of all the rows that there are; a partial one is for the history only."""
        if set(evaluation.tallies) == set(self._choose_rows(is_last=True)):
            for place, m in enumerate(members):
                val = evaluation.tallies.get("val")
                self._measured[m] = Measured(evaluation.metrics[place], val.correct[place] if val else None)

    def _choose_rows(self, *, is_last: bool) -> dict[str, Rows]:
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

    def _save_if_due(self, *, is_last: bool) -> None:
        if self.options.checkpointer:
            self.options.checkpointer.save_if_due(self.bank.recipes, self.make_state, is_last=is_last)


@dataclass(frozen=True, eq=False)
class _Evaluation:
    """Measures by name of the rows, one dictionary a member, and the counts behind them by name of the rows."""

    metrics: list[dict[str, Metrics]]
    tallies: dict[str, Tally]


def _is_lost(metrics: dict[str, Metrics]) -> bool:
    return "val" in metrics and not math.isfinite(metrics["val"].loss)


def _evaluate(engine: Engine, chosen: dict[str, Rows]) -> _Evaluation:
    bank = engine.bank
    if not chosen:
        return _Evaluation([{} for _ in bank.recipes], {})
    l2, squared_norms = np.array([recipe.l2 for recipe in bank.recipes]), bank.compute_squared_norms()
    tallies = {name: _tally(engine, rows, _stack_weights(bank, name)) for name, rows in chosen.items()}
    measured = {name: tally.compute_metrics(l2, squared_norms) for name, tally in tallies.items()}
    metrics = [{name: column[m] for name, column in measured.items()} for m in range(bank.n_members)]
    return _Evaluation(metrics, tallies)


def _stack_weights(bank: Bank, name: str) -> Array | None:
    """Sample weights of the training rows, (M, n); None for other rows, and where members have no folds."""
    return np.stack([fold.sample_weight for fold in bank.folds]) if bank.folds and name == "train" else None


def _tally(engine: Engine, rows: Rows, sample_weight: Array | None) -> Tally:
    tally = Tally(engine.bank.n_members, sample_weight)
    for losses, correct in engine.iterate_losses(rows):
        tally.add(losses, correct)
    return tally
