"""The NumPy engine: the readable reference, and fast enough to be pleasant.

A step on a batch x of raw features (B, D):

    scores   S = V (x - mean) + b          one matrix product for all members
    residual R = dloss/dscores * rate / B  each member with its own loss and rate
    V <- (1 - 2 rate l2) V - (R (x - mean)) / std**2
    b <- b - sum of R over the batch

which is the gradient step on W = V * std. The mean is never subtracted from the features: it rides along as row 0 of
the batch, S[:, 0] = V mean on the way out and R[:, 0] = -sum(R) on the way back. In float32 that costs a feature whose
mean is r times its deviation some 3e-9 r in its own weight, and a hundredth of that in the others (measured against
float64 up to r = 100,000; a byte that is 255 in all but one of 50,000 images has r = 57,000).

The features are cut into two slabs, the first half of the dimensions and the second, one thread each. The slabs
exchange scores once a step and nothing else, so weights and gradients never cross threads, and half a batch of 100
(600 kB) nearly stays in a core's cache. BLAS gets one thread: its own pool gains nothing on products this narrow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from monolayer.data.splits import Rows
from monolayer.engine.bank import Bank
from monolayer.engine.partner import Partner

Array = npt.NDArray[Any]
# Two slabs however many cores there are, so that sums do not depend on it; narrow features are not worth a thread.
MIN_SLABBED_FEATURES = 512
# Evaluation has no steps to wait for: blocks as large as a slab's share of the cache bears.
EVALUATION_ROWS = 200


@dataclass(frozen=True, eq=False)
class _Source:
    """Where batches come from: X, the order to meet its rows in (None: as they lie), and which are mirrored."""

    X: Array
    order: Array | None
    mirrored: Array | None = None


@dataclass(eq=False)
class Slab:
    """A range of dimensions: its columns of V, and the batch's features in them, the mean as row 0.

    V is the slab's own copy while the engine is open: stepping columns in place inside the bank's wider rows costs
    four times as much as stepping rows that lie end to end. A diverging member overflows in silence; it is reported
    from its loss, once.
    """

    V: Array
    mean: Array
    inverse_variance: Array
    width: int | None
    columns: slice

    def __post_init__(self) -> None:
        self.batch = np.empty((0, len(self.mean)), self.V.dtype)
        self.gradient = np.empty_like(self.V)
        self.scores = np.empty((0, len(self.V)), self.V.dtype)

    def forward(self, source: _Source, batch: slice) -> None:
        """Scores of this batch, (1 + n, K * M), this slab's share; scores[0] are those of the mean."""
        features = source.X[:, self.columns][batch if source.order is None else source.order[batch]]
        if source.mirrored is not None:
            _mirror(features, source.mirrored[batch], self.width)
        if len(self.batch) != 1 + len(features):
            self._allocate(len(features))
        self.batch[1:] = features
        with np.errstate(all="ignore"):  # here and not around the loop: NumPy's error state is each thread's own
            np.matmul(self.batch, self.V.T, out=self.scores)

    def backward(self, residual: Array, shrink: Array | None) -> None:
        """Step V against the residual (K * M, 1 + n) of the batch that went forward last."""
        with np.errstate(all="ignore"):
            np.matmul(residual, self.batch, out=self.gradient)
            self.gradient *= self.inverse_variance
            if shrink is not None:
                self.V *= shrink
            self.V -= self.gradient

    def _allocate(self, n: int) -> None:
        self.batch = np.empty((1 + n, len(self.mean)), self.V.dtype)
        self.batch[0] = self.mean
        self.scores = np.empty((1 + n, len(self.V)), self.V.dtype)


@dataclass(eq=False)
class NumpyEngine:
    """Runs a bank's epochs and scores rows with it; made by :func:`open_numpy_engine`."""

    bank: Bank
    slabs: list[Slab]
    partner: Partner

    def __post_init__(self) -> None:
        self._groups = self.bank.group_by_loss()

    def run_epoch(self, rows: Rows, order: Array, mirrored: Array | None, rates: Array) -> None:
        """One pass over the rows in this order: every member takes a step a batch at its rate (M,)."""
        X, positions = rows.locate()
        y = rows.y[order]
        source = _Source(X, order if positions is None else positions[order], mirrored)
        batches = _cut_batches(len(order), self.bank.recipes[0].batch_size)
        step = _StepSizes.make(self.bank, rates)
        with np.errstate(all="ignore"):
            self._each(lambda slab: slab.forward(source, batches[0]))
            for batch, following in zip(batches, [*batches[1:], None], strict=True):
                residual = self._compute_residual(y[batch], step)

                def move(slab: Slab, residual: Array = residual, following: slice | None = following) -> None:
                    # Back with this batch and on with the next: between two exchanges a slab needs nobody.
                    slab.backward(residual, step.shrink)
                    if following is not None:
                        slab.forward(source, following)

                self._each(move)
        for slab in self.slabs:
            self.bank.V[:, slab.columns] = slab.V

    def iterate_scores(self, rows: Rows) -> Iterator[tuple[Array, Array]]:
        """(scores, y) in blocks of rows: scores (M, n, K), a view that the next block overwrites; y (n,)."""
        source, y = _Source(*rows.locate()), rows.y
        for batch in _cut_batches(len(y), EVALUATION_ROWS):
            with np.errstate(all="ignore"):
                self._each(lambda slab, batch=batch: slab.forward(source, batch))  # type: ignore[misc]
                scores = self._add_scores()
            yield scores, y[batch]

    def _each(self, task: Callable[[Slab], None]) -> None:
        """Do the task on every slab, the second one in the partner's thread."""
        if len(self.slabs) > 1:
            self.partner.start(lambda: task(self.slabs[1]))
            task(self.slabs[0])
            self.partner.wait()
        else:
            task(self.slabs[0])

    def _add_scores(self) -> Array:
        """Scores (M, n, K) of the last forward pass; the memory lies class by class, see Bank."""
        if len(self.slabs) > 1:
            total = np.add(self.slabs[0].scores.T, self.slabs[1].scores.T, order="C")
        else:
            total = np.ascontiguousarray(self.slabs[0].scores.T)
        scores = total[:, 1:]
        scores += (self.bank.bias - total[:, 0])[:, None]
        return scores.reshape(self.bank.n_classes, self.bank.n_members, -1).transpose(1, 2, 0)

    def _compute_residual(self, y: Array, step: _StepSizes) -> Array:
        """R (K * M, 1 + n) for the slabs, R[:, 0] = -sum of the rest; steps the bias on the way."""
        scores = self._add_scores()
        M, n, K = scores.shape
        residual = np.empty((K, M, 1 + n), scores.dtype)
        for loss, members in self._groups:
            residual[:, members, 1:] = loss.compute_residual(scores[members], y).transpose(2, 0, 1)
        residual *= (step.rates / n)[:, None].astype(scores.dtype)
        sums = residual[:, :, 1:].sum(axis=2)
        np.negative(sums, out=residual[:, :, 0])
        self.bank.bias -= sums.reshape(-1)
        return residual.reshape(K * M, 1 + n)


@dataclass(frozen=True, eq=False)
class _StepSizes:
    """Rates (M,), and the factor 1 - 2 rate l2 for each row of V (K * M, 1), or None where no member has an l2."""

    rates: Array
    shrink: Array | None

    @classmethod
    def make(cls, bank: Bank, rates: Array) -> _StepSizes:
        l2 = np.array([recipe.l2 for recipe in bank.recipes])
        if not l2.any():
            return cls(rates, None)
        shrink = np.tile(1 - 2 * rates * l2, bank.n_classes)
        return cls(rates, shrink[:, None].astype(bank.V.dtype))


@contextmanager
def open_numpy_engine(bank: Bank, image_shape: tuple[int, int, int] | None) -> Iterator[NumpyEngine]:
    """An engine for this bank; BLAS is held to one thread while it is open."""
    dtype = bank.V.dtype
    mean = bank.scaler.mean.astype(dtype)
    inverse_variance = (1 / bank.scaler.std**2).astype(dtype)
    width = image_shape[2] if image_shape else None
    slabs = [
        Slab(np.ascontiguousarray(bank.V[:, columns]), mean[columns], inverse_variance[columns], width, columns)
        for columns in _cut_dimensions(len(mean), width)
    ]
    with threadpool_limits(1, user_api="blas"), Partner() as partner:
        yield NumpyEngine(bank, slabs, partner)


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


def _cut_batches(n: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]
