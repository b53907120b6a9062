"""The native engine: the same steps as the NumPy engine's, compiled.

The C++ in ``src/native`` does a whole epoch at a time; here the epoch is prepared and what it gives is handed on.
Features z = (x - mean) / std are made of each batch once, in float32, and used for both of its products. Where members
have scalers of their own, their weights stand for features that the bank's scaler has standardised: V = W * t / s, with
t the bank's deviations and s the member's. A score is then V (z + shift) + b with shift = (bank's mean - own) / t, and
the gradient by V is (t / s)**2 times that by the features z + shift.

Sums over columns run in the order of the columns within slabs that do not depend on the number of threads, and so do
the bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from monolayer.data.mapped import is_large
from monolayer.data.splits import Rows
from monolayer.engine.bank import Bank
from monolayer.engine.fold import Meeting, cut_batches, plan_epoch
from monolayer.engine.native import choose_instruction_set, explain_missing, find_native
from monolayer.errors import BadInput
from monolayer.shuffles import parse_shuffle

if TYPE_CHECKING:
    from monolayer.engine._native import NativeBank

Array = npt.NDArray[Any]
# As the C++ numbers them.
LOSS_NUMBERS = {"cross_entropy": 0, "multiple_bce": 1}
# Rows whose answers are held at once; a block of a large file's.
MEASURED_ROWS, READ_ROWS = 8192, 1024
# Rows whose gradients are added up in float32.
SUMMED_ROWS = 4096
# Scores held at once: 4 MiB.
HELD_SCORES = 1 << 20


@dataclass(eq=False)
class NativeEngine:
    """Runs a bank's epochs and scores rows with it; made by :func:`open_native_engine`."""

    bank: Bank
    width: int
    _native: NativeBank
    _ratios: Array | None

    def __post_init__(self) -> None:
        self._shuffle = parse_shuffle(self.bank.recipes[0].shuffle)
        self._l2 = np.array([recipe.l2 for recipe in self.bank.recipes])

    def run_epoch(self, rows: Rows, order: Array, mirrored: Array | None, rates: Array) -> None:
        """One pass over the rows in this order: every member takes a step a batch at its rate (M,)."""
        for part in self._shuffle.cut(len(order)):
            self._run_part(
                rows, plan_epoch(self.bank, order[part], None if mirrored is None else mirrored[part]), rates
            )
        weights = np.empty_like(self.bank.weights)
        self._native.read_weights(weights=weights, bias=self.bank.bias)
        if self._ratios is not None:
            by_member = weights.reshape(self.bank.n_classes, *self._ratios.shape)
            by_member /= self._ratios
        self.bank.weights[:] = weights

    def _run_part(self, rows: Rows, meeting: Meeting, rates: Array) -> None:
        if not meeting.batches:
            return
        if self._shuffle.buffer:
            X, order = rows.read(meeting.order)
        else:
            X, positions = rows.locate()
            order = meeting.order if positions is None else positions[meeting.order]
        # A member that has no row in a batch takes no step on it, and does not shrink either.
        counts = meeting.counts[:, self.bank.fold_of]
        steps = np.divide(rates, counts, out=np.zeros(counts.shape), where=counts > 0)
        self._native.train(
            X=X,
            order=order,
            mirrored=None if meeting.mirrored is None else meeting.mirrored.view(np.uint8),
            scales=None if rows.scales is None else rows.scales[meeting.order],
            width=self.width,
            y=_cast_labels(rows.take_labels(meeting.order)),
            starts=np.array([0, *(batch.stop for batch in meeting.batches)]),
            steps=steps.astype(np.float32),
            shrink=np.where(counts > 0, 1 - 2 * rates * self._l2, 1).astype(np.float32),
            factors=None if meeting.factors is None else meeting.factors.astype(np.float32),
        )

    def iterate_scores(self, rows: Rows) -> Iterator[tuple[Array, Array]]:
        """(scores, y) in blocks of rows: scores (M, n, K) float32; y (n,)."""
        size = max(1, min(MEASURED_ROWS, HELD_SCORES // len(self.bank.weights)))
        for X, order, scales, y in _iterate_blocks(rows, size):
            scores = np.empty((self.bank.n_members, len(y), self.bank.n_classes), np.float32)
            self._native.score(X=X, order=order, scales=scales, scores=scores)
            yield scores, y

    def iterate_losses(self, rows: Rows) -> Iterator[tuple[Array, Array]]:
        """(losses, correct) in blocks of rows: (M, n) float32, and (M, n) bool."""
        for X, order, scales, y in _iterate_blocks(rows, MEASURED_ROWS):
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
        for X, order, scales, y in _iterate_blocks(rows, SUMMED_ROWS):
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


def _iterate_blocks(rows: Rows, size: int) -> Iterator[tuple[Array, Array | None, Array | None, Array]]:
    """(X, order in it, scales, y) of each block: of a large file a copy in memory."""
    X, positions = rows.locate()
    y, scales = rows.y, rows.scales
    if is_large(X):
        blocks = zip(rows.iterate_blocks(READ_ROWS), cut_batches(len(y), READ_ROWS), strict=True)
        yield from ((block, None, None, y[batch]) for block, batch in blocks)
        return
    for batch in cut_batches(len(y), size):
        own_scales = None if scales is None else scales[batch]
        yield (
            (X[batch], None, own_scales, y[batch]) if positions is None else (X, positions[batch], own_scales, y[batch])
        )


def _cast_labels(y: Array) -> Array:
    """Labels as the C++ takes them: int64 (n,), or several a row as uint8 (n, K)."""
    return y if y.ndim == 1 else (y > 0).astype(np.uint8)


@contextmanager
def open_native_engine(
    bank: Bank, image_shape: tuple[int, int, int] | None, n_threads: int = 2
) -> Iterator[NativeEngine]:
    """An engine for this bank on so many threads; the bytes are the same for any number.

    Raises:
        BadInput: if the compiled part is not there.
    """
    native = find_native()
    if native is None:
        raise BadInput(f"There is no native engine. {explain_missing()} Accepted is the engine numpy.")
    scaler, scalers = bank.scaler, [fold.scaler for fold in bank.distinct_folds]
    shifts = slopes = ratios = None
    if any(not np.array_equal(own.mean, scaler.mean) or not np.array_equal(own.std, scaler.std) for own in scalers):
        shifts = np.stack([(scaler.mean - own.mean) / scaler.std for own in scalers])
    if any(not np.array_equal(own.std, scaler.std) for own in scalers):
        by_fold = np.stack([scaler.std / own.std for own in scalers])
        slopes, ratios = by_fold**2, by_fold[bank.fold_of].astype(np.float32)
    weights = bank.weights
    if ratios is not None:
        weights = (weights.reshape(bank.n_classes, *ratios.shape) * ratios).reshape(weights.shape)
    opened = native.NativeBank(
        weights=weights,
        bias=bank.bias,
        mean=scaler.mean,
        std=scaler.std,
        losses=np.array([LOSS_NUMBERS[recipe.loss] for recipe in bank.recipes], np.uint8),
        fold_of=bank.fold_of.astype(np.int32),
        shifts=shifts,
        slopes=slopes,
        batch_size=bank.recipes[0].batch_size,
        n_threads=n_threads,
        instruction_set=choose_instruction_set(native),
    )
    yield NativeEngine(bank, image_shape[2] if image_shape else 1, opened, ratios)
