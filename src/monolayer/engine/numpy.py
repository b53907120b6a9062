"""The NumPy engine: the readable reference, which trains everything that the native engine does not.

A step on a batch x of raw features (B, D), with x' = x / std and m' = mean / std:

    scores   S = W (x' - m') + b           one matrix product for all members
    residual R = dloss/dscores * rate / B  each member with its own loss and rate
    W <- (1 - 2 rate l2) W - R (x' - m')
    b <- b - sum of R over the batch

Features are divided by the deviation as they are converted from bytes to floats, in the same pass. The mean is not
subtracted from them: it is row 0 of the batch, with S[:, 0] = W m' forward and R[:, 0] = -sum(R) backward. In float32
that costs a feature whose mean is r times its deviation some 3e-9 r in its own weight, and a hundredth of that in the
others (measured against float64 up to r = 100,000; a byte that is 255 in all but one of 50,000 images has r = 57,000).

Members of one bank may have folds: sample weights and a scaler each (see Fold). Rows that no member trains on are left
out, the residual is multiplied by a member's weights, and its mean is over the member's own rows.
The features are divided by one scaler's deviations t only. For a member whose own are s, V = W * t / s gives the same
scores of the features as they were divided, and its gradient is multiplied by (t / s)**2.

Weights are far more than a batch as soon as a bank has a dozen members, so as few passes over them as possible: the
shrinking by l2 is one number a member, kept apart (W = scale * U) and multiplied in at the end of the epoch, or
before it grows too large or too small.

The features are cut into two slabs, the first half of the dimensions and the second. The slabs exchange scores once a
step and nothing else, so weights and gradients never cross threads, and half a batch of 100 (600 kB) nearly stays in a
core's cache. A bank that trains alone gives each slab a thread. Where several banks train at once, a thread goes
through both slabs of its bank one after the other, which gives the same bytes and saves the exchange: up to a fifth of
a step of 12 members, most with batches of 50 and nothing with 200. BLAS gets one thread: its own pool gains nothing on
products this narrow.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from queue import SimpleQueue
from typing import Any

import numpy as np

from monolayer._typing import Array
from monolayer.data.dataset import Rows
from monolayer.data.memmap import SCATTERED, give_back
from monolayer.engine.bank import Bank
from monolayer.engine.batches import EpochPlan, iterate_blocks, plan_epoch
from monolayer.evaluate.metrics import find_correct
from monolayer.threads import limit_blas_threads


class WorkerThread:
    """A thread that runs one task at a time, with two queues to start it and to wait for it.

    A round trip costs 25 microseconds with two simple queues and 90 with an executor's futures (measured on two cores);
    a step of one network takes some 400. NumPy releases the interpreter lock inside its long calls, so both
    threads compute at once.
    """

    def __init__(self) -> None:
        self._tasks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._errors: SimpleQueue[BaseException | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="monolayer-worker", daemon=True)

    def __enter__(self) -> WorkerThread:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        # Waits for the thread and not for an answer: an interrupt may have come anywhere, even after the answer.
        self._tasks.put(None)
        self._thread.join()

    def start(self, task: Callable[[], None]) -> None:
        """Start a task; :meth:`wait` must follow."""
        self._tasks.put(task)

    def wait(self) -> None:
        """Wait for the task; what it raised is raised here."""
        error = self._errors.get()
        if error is not None:
            raise error

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            error = _catch_error(task)
            del task  # so that no reference cycle through the engine is left
            self._errors.put(error)
            del error


def _catch_error(task: Callable[[], None]) -> BaseException | None:
    try:
        task()
    except BaseException as error:  # noqa: BLE001 - it is raised again in the thread that waits
        return error
    return None


# Two slabs however many cores there are, so that sums do not depend on it; narrow features are not worth a thread.
MIN_SLABBED_FEATURES = 512
# Scores of few rows of weights are computed faster as (n, K * M), those of many as (K * M, n): with 10 rows the first
# is a third faster, with 120 they are equal, with 640 the second saves a tenth, and the 190 us of a transpose.
FEW_ROWS = 20
# Rows of a block in evaluation: as many as fit in a slab's share of the cache.
EVALUATION_ROWS = 200


@dataclass(frozen=True, eq=False)
class _Source:
    """Where batches come from: X and the order of its rows (None: as they are in X).

    ``mirrored`` and ``scales`` are in that order; scales multiply the rows before anything else.
    """

    X: Array
    order: Array | None
    mirrored: Array | None = None
    scales: Array | None = None


@dataclass(eq=False)
class Slab:
    """A range of dimensions: its columns of the weights, and the batch's features in them, F means as the first rows.

    The weights are the slab's own copy while the engine is open: stepping columns in place inside the bank's wider rows
    costs four times as much as stepping rows that lie end to end. Overflow of a diverging member is not
    reported here, but once, from its loss.

    Args:
        weights: (K * M, d), of features divided by the bank's deviations.
        means: (F, d), of each fold, divided by the same; F is 1 where there are no folds.
        inverse_std: (d,), what features are multiplied by.
        ratios: (M, d), t / s, where the members' scalers differ.
        width: of an image's line.
        columns: which dimensions these are.
    """

    weights: Array
    means: Array
    inverse_std: Array
    ratios: Array | None
    width: int | None
    columns: slice

    def __post_init__(self) -> None:
        self.gradient = np.empty_like(self.weights)
        self._slopes = None if self.ratios is None else self.ratios**2
        self._rows = self.means[:0]
        self._fit(0)

    def forward(self, source: _Source, batch: slice) -> None:
        """Scores of this batch, (K * M, F + n), this slab's share; scores[:, :F] are those of the means."""
        features = source.X[:, self.columns][batch if source.order is None else source.order[batch]]
        if source.mirrored is not None:
            _mirror(features, source.mirrored[batch], self.width)
        self._fit(len(features))
        with np.errstate(all="ignore"):  # here and not around the loop: NumPy's error state is each thread's own
            np.multiply(features, self.inverse_std, out=self.batch[len(self.means) :])
            if source.scales is not None:
                self.batch[len(self.means) :] *= source.scales[batch, None]
            if len(self.weights) < FEW_ROWS:
                np.matmul(self.batch, self.weights.T, out=self.scores.T)
            else:
                np.matmul(self.weights, self.batch.T, out=self.scores)

    def backward(self, residual: Array, rescale: Array | None) -> None:
        """Step against the residual (K * M, F + n) of the batch that went forward last.

        Args:
            residual: of every row of weights.
            rescale: (K * M, 1), to multiply the weights by before the step; None leaves them.
        """
        with np.errstate(all="ignore"):
            if rescale is not None:
                self.weights *= rescale
            np.matmul(residual, self.batch, out=self.gradient)
            if self._slopes is not None:
                by_member = self.gradient.reshape(-1, *self._slopes.shape)
                by_member *= self._slopes
            self.weights -= self.gradient

    def step(self, residual: Array, rescale: Array | None, source: _Source, following: slice | None) -> None:
        """Backward with this batch and forward with the next, if any: slabs exchange nothing between the two."""
        self.backward(residual, rescale)
        if following is not None:
            self.forward(source, following)

    def write_weights(self, out: Array) -> None:
        """Write the weights (K * M, d) of features that each member's own scaler has standardised, and use them.

        Division and multiplication round, so each epoch starts from the weights that a resumed process would load.
        """
        out[:] = self.weights
        if self.ratios is not None:
            by_member = out.reshape(-1, *self.ratios.shape)
            by_member /= self.ratios
            np.multiply(by_member, self.ratios, out=self.weights.reshape(by_member.shape))

    def _fit(self, n: int) -> None:
        """Room for n rows; what there is already serves fewer, since folds leave out some of each batch."""
        n_rows, n_columns = len(self.weights), len(self.means) + n
        if n_columns > len(self._rows):
            self._rows = np.concatenate([self.means, np.empty((n, self.means.shape[1]), self.means.dtype)])
            self._flat_scores = np.empty(n_rows * n_columns, self.weights.dtype)
        self.batch = self._rows[:n_columns]
        flat = self._flat_scores[: n_rows * n_columns]
        self.scores = flat.reshape(n_columns, n_rows).T if n_rows < FEW_ROWS else flat.reshape(n_rows, n_columns)


@dataclass(eq=False)
class NumpyEngine:
    """Runs a bank's epochs and scores rows with it; made by :func:`open_numpy_engine`."""

    bank: Bank
    slabs: list[Slab]
    worker: WorkerThread | None

    def __post_init__(self) -> None:
        self._groups = self.bank.group_by_loss()
        self._n_means = len(self.slabs[0].means)
        self._mean_of_row = np.tile(self.bank.fold_of, self.bank.n_classes)

    def run_epoch(self, rows: Rows, order: Array, mirrored: Array | None, rates: Array) -> None:
        """One pass over the rows in this order: every member takes a step a batch at its rate (M,)."""
        for plan in plan_epoch(self.bank, order, mirrored):
            self._run_part(rows, plan, rates)

    def _run_part(self, rows: Rows, plan: EpochPlan, rates: Array) -> None:
        scales = None if rows.scales is None else rows.scales[plan.order]
        source = _Source(*rows.gather(plan.order, plan.mirrored, in_memory=self.bank.is_buffered), scales)
        y, batches = rows.take_labels(plan.order), plan.batches
        steps = _Steps(self.bank, plan, rates)
        with np.errstate(all="ignore"):
            if batches:
                self._each(Slab.forward, source, batches[0])
            for i, (batch, following) in enumerate(zip_longest(batches, batches[1:])):
                residual, rescale = self._compute_residual(y[batch], steps, i)
                self._each(Slab.step, residual, rescale, source, following)
                if batch.stop // SCATTERED > batch.start // SCATTERED:
                    give_back(source.X)
            for slab in self.slabs:
                if steps.scale is not None:
                    slab.weights *= steps.scale
                slab.write_weights(self.bank.weights[:, slab.columns])

    def iterate_scores(self, rows: Rows) -> Iterator[tuple[Array, Array]]:
        """(scores, y) in blocks of rows: scores (M, n, K), a view that the next block overwrites; y (n,)."""
        for X, order, scales, y in iterate_blocks(rows, EVALUATION_ROWS, EVALUATION_ROWS):
            with np.errstate(all="ignore"):
                self._each(Slab.forward, _Source(X, order, scales=scales), slice(0, len(y)))
                scores = self._add_scores(None)
            yield scores, y

    def iterate_losses(self, rows: Rows) -> Iterator[tuple[Array, Array]]:
        """(losses, correct) in blocks of rows: (M, n), and (M, n) bool."""
        for scores, y in self.iterate_scores(rows):
            with np.errstate(all="ignore"):
                losses = np.concatenate([loss.compute_loss(scores[members], y) for loss, members in self._groups])
            yield losses, find_correct(scores, y)

    def _each(self, task: Callable[..., None], *arguments: Any) -> None:
        """Run the task on every slab, the second one in the worker's thread if there is a worker."""
        if self.worker is None:
            for slab in self.slabs:
                task(slab, *arguments)
        else:
            self.worker.start(partial(task, self.slabs[1], *arguments))
            task(self.slabs[0], *arguments)
            self.worker.wait()

    def _add_scores(self, scale: Array | None) -> Array:
        """Scores (M, n, K) of the last forward pass; the memory lies class by class, see Bank."""
        if len(self.slabs) > 1:
            total = np.add(self.slabs[0].scores, self.slabs[1].scores, order="C")
        else:
            total = np.array(self.slabs[0].scores, order="C")
        if scale is not None:
            total *= scale
        scores = total[:, self._n_means :]
        of_mean = total[:, 0] if self._n_means == 1 else total[np.arange(len(total)), self._mean_of_row]
        scores += (self.bank.bias - of_mean)[:, None]
        return scores.reshape(self.bank.n_classes, self.bank.n_members, -1).transpose(1, 2, 0)

    def _compute_residual(self, y: Array, steps: _Steps, batch: int) -> tuple[Array, Array | None]:
        """R (K * M, F + n), with R[:, f] = -sum of the rest, and what to rescale the weights by; steps the bias."""
        scores = self._add_scores(steps.scale)
        (M, n, K), F = scores.shape, self._n_means
        residual = np.empty((K, M, F + n), scores.dtype)
        for loss, members in self._groups:
            residual[:, members, F:] = loss.compute_residual(scores[members], y).transpose(2, 0, 1)
        factors = steps.get_factors(batch)
        if factors is not None:
            residual[:, :, F:] *= factors
        sums, step = residual[:, :, F:].sum(axis=2), steps.sizes[batch]
        if F == 1:
            np.negative(sums, out=residual[:, :, 0])
        else:
            residual[:, :, :F] = 0
            residual[:, np.arange(M), self.bank.fold_of] = -sums
        self.bank.bias -= (sums * step).reshape(-1)
        factor = np.tile(step, K)[:, None]
        rescale = steps.shrink(factor)
        rows = residual.reshape(K * M, F + n)
        rows *= factor if steps.scale is None else factor / steps.scale
        return rows, rescale


class _Steps:
    """How large each member's step on each batch of an epoch is, and its shrinking by l2, kept apart from the weights.

    Weights are W = scale * U. A scale (K * M, 1) that leaves RANGE is multiplied into the weights and begins again at
    1, so that what is left of U keeps all its digits. There is no scale where no member has an l2.
    """

    RANGE = (1e-3, 1e3)

    def __init__(self, bank: Bank, plan: EpochPlan, rates: Array) -> None:
        dtype, l2 = bank.weights.dtype, np.array([recipe.l2 for recipe in bank.recipes])
        self._plan, self._fold_of = plan, bank.fold_of
        self._factors = None if plan.factors is None else plan.factors.astype(dtype)
        # A member that has no row in a batch takes no step on it, and does not shrink either.
        self.sizes = plan.compute_steps(bank, rates).astype(dtype)
        self._shrink = np.tile(1 - 2 * rates * l2, bank.n_classes)[:, None].astype(dtype)
        self.scale: Array | None = np.ones_like(self._shrink) if l2.any() else None

    def get_factors(self, batch: int) -> Array | None:
        """What the residuals of the batch are multiplied by, (M, n), or None."""
        return None if self._factors is None else self._factors[self._fold_of, self._plan.batches[batch]]

    def shrink(self, steps: Array) -> Array | None:
        """Shrink where the step, (K * M, 1), is not 0; return the factor to multiply into the weights first, if any."""
        if self.scale is None:
            return None
        self.scale *= np.where(steps != 0, self._shrink, self._shrink.dtype.type(1))
        size = np.abs(self.scale)
        if self.RANGE[0] <= size.min() and size.max() <= self.RANGE[1]:
            return None
        rescale, self.scale = self.scale, np.ones_like(self.scale)
        return rescale


@contextmanager
def open_numpy_engine(
    bank: Bank, image_shape: tuple[int, int, int] | None, n_threads: int = 2
) -> Iterator[NumpyEngine]:
    """An engine for this bank on one thread or two: the bytes are the same. BLAS is held to one while it is open."""
    width = image_shape[2] if image_shape else None
    slabs = [_make_slab(bank, columns, width) for columns in _cut_dimensions(len(bank.scaler.mean), width)]
    with ExitStack() as stack:
        stack.enter_context(limit_blas_threads())
        worker = stack.enter_context(WorkerThread()) if min(n_threads, len(slabs)) > 1 else None
        yield NumpyEngine(bank, slabs, worker)


def _make_slab(bank: Bank, columns: slice, width: int | None) -> Slab:
    dtype, std = bank.weights.dtype, bank.scaler.std[columns]
    scalers = [fold.scaler for fold in bank.distinct_folds] or [bank.scaler]
    means = np.stack([scaler.mean[columns] / std for scaler in scalers]).astype(dtype)
    weights, ratios = bank.weights[:, columns].copy(), None
    if any(not np.array_equal(scaler.std, bank.scaler.std) for scaler in scalers):
        ratios = np.stack([std / scaler.std[columns] for scaler in scalers]).astype(dtype)[bank.fold_of]
        by_member = weights.reshape(-1, *ratios.shape)
        by_member *= ratios
    return Slab(weights, means, (1 / std).astype(dtype), ratios, width, columns)


def _cut_dimensions(n_features: int, width: int | None) -> list[slice]:
    """One slab, or two that meet where an image's line ends, so that each can mirror its own lines."""
    if n_features < MIN_SLABBED_FEATURES:
        return [slice(0, n_features)]
    line = width or 1
    middle = n_features // line // 2 * line
    return [slice(0, middle), slice(middle, n_features)] if middle else [slice(0, n_features)]


def _mirror(features: Array, mirrored: Array, width: int | None) -> None:
    """Mirror these rows left-right in place: every image line, of every channel, backwards."""
    lines = features.reshape(len(features), -1, width or 1)
    lines[mirrored] = lines[mirrored][:, :, ::-1]
