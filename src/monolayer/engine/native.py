"""The native engine: banks trained by the compiled extension ``monolayer.engine._native``, which is optional."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from monolayer._typing import Array
from monolayer.data.dataset import Rows
from monolayer.data.memmap import SCATTERED, give_back, is_large
from monolayer.engine.bank import Bank
from monolayer.engine.batches import EpochPlan, cut_batches, iterate_blocks, plan_epoch
from monolayer.errors import BadInput
from monolayer.recipe.losses import get_loss

if TYPE_CHECKING:
    from monolayer.engine._native import NativeBank


NAME = "monolayer.engine._native"


def find_native() -> ModuleType | None:
    """The extension, or None where it was not built or cannot be loaded. It is imported once in a process."""
    return _look()[0]


def choose_instruction_set(native: ModuleType) -> str:
    """The best instruction set of this processor, or the one that MONOLAYER_ISA names.

    Raises:
        BadInput: if this processor does not have it.
    """
    names: list[str] = native.list_instruction_sets()
    wanted = os.environ.get("MONOLAYER_ISA") or names[0]
    if wanted not in names:
        raise BadInput(f"MONOLAYER_ISA is {wanted!r}; accepted on this processor are {', '.join(names)}.")
    return wanted


def explain_missing() -> str:
    """Why there is no extension, in a sentence; empty if there is one."""
    return _look()[1]


@cache
def _look() -> tuple[ModuleType | None, str]:
    try:
        return importlib.import_module(NAME), ""
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError) and error.name == NAME:
            return None, "It was not built for this Python."
        return None, f"It was built and cannot be loaded: {error}."


# Rows that are evaluated at a time; rows of a block of a large file.
MEASURED_ROWS, READ_ROWS = 8192, 1024
# Rows whose gradients are summed in float32.
SUMMED_ROWS = 4096
# Operations in one call: a fraction of a second at the rates that docs/performance.md has.
CALL_OPERATIONS = 30_000_000_000
# Scores or losses held at once: 4 MiB.
HELD_SCORES = 1 << 20


@dataclass(frozen=True, eq=False)
class Scaling:
    """How the scalers of the members differ from the bank's.

    Args:
        shifts: (F, D) float64, added to the features standardised by the bank's scaler to give each fold's.
        slopes: (F, D) float64, multiplied into the gradients by them; None if no deviation differs.
        ratios: (M, D) float32, bank's deviation over the member's own; None if no deviation differs.
    """

    shifts: Array | None = None
    slopes: Array | None = None
    ratios: Array | None = None


@dataclass(eq=False)
class NativeEngine:
    """Runs a bank's epochs and scores rows with it; made by :func:`open_native_engine`."""

    bank: Bank
    width: int
    n_threads: int

    def __post_init__(self) -> None:
        self._l2 = np.array([recipe.l2 for recipe in self.bank.recipes])
        self._scaling = compare_scalers(self.bank)
        self._native = self._open()

    def _open(self) -> NativeBank:
        native, bank, ratios = find_native(), self.bank, self._scaling.ratios
        if native is None:
            raise BadInput(f"There is no native engine. {explain_missing()} Accepted is the engine numpy.")
        weights = bank.weights
        if ratios is not None:
            weights = (weights.reshape(bank.n_classes, *ratios.shape) * ratios).reshape(weights.shape)
        opened: NativeBank = native.NativeBank(
            weights=weights,
            bias=bank.bias,
            mean=bank.scaler.mean,
            std=bank.scaler.std,
            losses=np.array([get_loss(recipe.loss).native_number for recipe in bank.recipes], np.uint8),
            fold_of=bank.fold_of.astype(np.int32),
            shifts=self._scaling.shifts,
            slopes=self._scaling.slopes,
            batch_size=bank.recipes[0].batch_size,
            n_threads=self.n_threads,
            instruction_set=choose_instruction_set(native),
        )
        return opened

    def run_epoch(self, rows: Rows, order: Array, mirrored: Array | None, rates: Array) -> None:
        """One pass over the rows in this order: each member takes one step for each batch at its rate (M,)."""
        for plan in plan_epoch(self.bank, order, mirrored):
            self._run_part(rows, plan, rates)
        self._native.read_weights(weights=self.bank.weights, bias=self.bank.bias)
        if self._scaling.ratios is not None:
            by_member = self.bank.weights.reshape(self.bank.n_classes, *self._scaling.ratios.shape)
            by_member /= self._scaling.ratios
            # Division and multiplication round: reopened, so that a resumed run starts from the same bytes.
            self._native = self._open()

    def _run_part(self, rows: Rows, plan: EpochPlan, rates: Array) -> None:
        if not plan.batches:
            return
        X, order, mirrored = rows.gather(plan.order, plan.mirrored, in_memory=self.bank.is_buffered)
        # A member that has no row in a batch takes no step on it, and does not shrink either.
        steps = plan.compute_steps(self.bank, rates).astype(np.float32)
        shrink = np.where(plan.counts[:, self.bank.fold_of] > 0, 1 - 2 * rates * self._l2, 1).astype(np.float32)
        factors = None if plan.factors is None else plan.factors.astype(np.float32)
        y, scales = _cast_labels(rows.take_labels(plan.order)), rows.scales
        for batches in self._cut_calls(plan, X):
            places = slice(plan.batches[batches][0].start, plan.batches[batches][-1].stop)
            self._native.train(
                X=X,
                order=order[places],
                mirrored=None if mirrored is None else mirrored[places].view(np.uint8),
                scales=None if scales is None else scales[plan.order[places]],
                width=self.width,
                y=y[places],
                starts=np.array([0, *(batch.stop - places.start for batch in plan.batches[batches])]),
                steps=steps[batches],
                shrink=shrink[batches],
                factors=None if factors is None else factors[:, places],
            )
            give_back(X)

    def _cut_calls(self, plan: EpochPlan, X: Array) -> list[slice]:
        """The batches in calls short enough that an interrupt between two calls takes effect soon.

        And, for a large file, short enough that the pages read in one call fit in memory.
        """
        size = self.bank.recipes[0].batch_size
        n_batches = CALL_OPERATIONS // (4 * self.bank.weights.size * size)
        if is_large(X):
            n_batches = min(n_batches, SCATTERED // size)
        return cut_batches(len(plan.batches), max(1, n_batches))

    def iterate_scores(self, rows: Rows) -> Iterator[tuple[Array, Array]]:
        """(scores, y) in blocks of rows: scores (M, n, K) float32; y (n,)."""
        size = max(1, min(MEASURED_ROWS, HELD_SCORES // len(self.bank.weights)))
        for X, order, scales, y in iterate_blocks(rows, size, READ_ROWS):
            scores = np.empty((self.bank.n_members, len(y), self.bank.n_classes), np.float32)
            self._native.score(X=X, order=order, scales=scales, scores=scores)
            yield scores, y

    def iterate_losses(self, rows: Rows) -> Iterator[tuple[Array, Array]]:
        """(losses, correct) in blocks of rows: (M, n) float32, and (M, n) bool."""
        size = max(1, min(MEASURED_ROWS, HELD_SCORES // self.bank.n_members))
        for X, order, scales, y in iterate_blocks(rows, size, READ_ROWS):
            losses = np.empty((self.bank.n_members, len(y)), np.float32)
            correct = np.empty(losses.shape, np.uint8)
            self._native.measure(X=X, order=order, scales=scales, y=_cast_labels(y), losses=losses, correct=correct)
            yield losses, correct.view(np.bool_)

    def sum_gradients(self, rows: Rows) -> tuple[Array, Array, Array]:
        """Sums over the rows, without a step: losses (M,), by the weights (K * M, D), by the biases (K * M,), float64.

        Blocks of rows are added up in float32, and the blocks in float64.
        """
        shape = self.bank.weights.shape
        loss, weights, bias = np.zeros(self.bank.n_members), np.zeros(shape), np.zeros(shape[0])
        by_weights, by_bias = np.empty(shape, np.float32), np.empty(shape[0])
        for X, order, scales, y in iterate_blocks(rows, SUMMED_ROWS, READ_ROWS):
            losses = np.empty((self.bank.n_members, len(y)), np.float32)
            correct = np.empty(losses.shape, np.uint8)
            self._native.differentiate(
                X=X,
                order=order,
                scales=scales,
                y=_cast_labels(y),
                losses=losses,
                correct=correct,
                by_weights=by_weights,
                by_bias=by_bias,
            )
            loss += losses.sum(axis=1, dtype=np.float64)
            weights += by_weights
            bias += by_bias
        return loss, weights, bias


def _cast_labels(y: Array) -> Array:
    """Labels for the C++ engine: int64 (n,), or several for each row as uint8 (n, K)."""
    return y if y.ndim == 1 else (y > 0).astype(np.uint8)


def compare_scalers(bank: Bank) -> Scaling:
    """The differences between the members' scalers and the bank's."""
    scaler, scalers = bank.scaler, [fold.scaler for fold in bank.distinct_folds]
    if all(np.array_equal(own.mean, scaler.mean) and np.array_equal(own.std, scaler.std) for own in scalers):
        return Scaling()
    shifts = np.stack([(scaler.mean - own.mean) / scaler.std for own in scalers])
    if all(np.array_equal(own.std, scaler.std) for own in scalers):
        return Scaling(shifts)
    ratios = np.stack([scaler.std / own.std for own in scalers])
    return Scaling(shifts, ratios**2, ratios[bank.fold_of].astype(np.float32))


@contextmanager
def open_native_engine(
    bank: Bank, image_shape: tuple[int, int, int] | None, n_threads: int = 2
) -> Iterator[NativeEngine]:
    """An engine for this bank on ``n_threads`` threads; the bytes are the same for any number.

    Raises:
        BadInput: if the extension is not installed.
    """
    engine = NativeEngine(bank, image_shape[2] if image_shape else 1, n_threads)
    try:
        yield engine
    finally:
        del engine._native
