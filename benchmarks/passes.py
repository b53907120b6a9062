"""One epoch, or one evaluation, by the compiled engine on made rows: what the roofline and the profile measure."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.limit import CIFAR10, EMBEDDINGS
from benchmarks.roofline_points import PROFILE_MEMBERS, name_profile
from benchmarks.traffic import Work
from monolayer.data.dataset import Dataset, Rows
from monolayer.data.scaler import Scaler
from monolayer.engine.bank import make_bank
from monolayer.engine.batches import make_batch_order
from monolayer.engine.native import open_native_engine
from monolayer.recipe.recipe import Recipe

Array = npt.NDArray[Any]
IMAGE = (3, 32, 32)
RUN = "one run"
WORKS = (
    Work(RUN),
    Work("one run with flips", flip=0.5),
    Work("evaluation of one run", is_evaluation=True),
    Work("bank of 12", members=12),
    Work("bank of 64", members=64),
    Work(
        "embeddings",
        rows=EMBEDDINGS.train_rows,
        dimensions=EMBEDDINGS.dimensions,
        classes=EMBEDDINGS.classes,
        batch_size=256,
        feature_bytes=4,
    ),
)
# Rows of a pass that is to stay in the caches: one batch, again and again.
FEW_ROWS = 100


ONE_THREAD = "one run, one thread"


def make_passes(n_threads: int, share: int) -> dict[str, Callable[[], float]]:
    """Seconds of a pass of each work, on one in ``share`` of its rows."""
    return {work.name: _Pass(work, n_threads, share) for work in WORKS}


def make_profile_passes(n_threads: int, share: int) -> dict[str, Callable[[], float]]:
    """The passes for :func:`benchmarks.roofline_points.make_profile`: cached rows, several members, one thread."""
    passes: dict[str, Callable[[], float]] = {ONE_THREAD: _Pass(WORKS[0], 1, share)}
    for members in PROFILE_MEMBERS:
        passes[name_profile("train", members)] = _Pass(Work("", members=members), n_threads, share, is_cached=True)
        evaluation = Work("", members=members, is_evaluation=True)
        passes[name_profile("evaluate", members)] = _Pass(evaluation, n_threads, share, is_cached=True)
    return passes


class _Pass:
    """A function that makes a pass with warm caches and returns its seconds."""

    def __init__(self, work: Work, n_threads: int, share: int, *, is_cached: bool = False) -> None:
        self.work, self.n_threads = work, n_threads
        self.n_rows = work.rows // share
        self.n_distinct = FEW_ROWS if is_cached else self.n_rows

    def __call__(self) -> float:
        work = self.work
        rows = Rows(make_rows(work, self.n_distinct), np.arange(self.n_rows) % self.n_distinct)
        recipes = [
            Recipe(learning_rate=1e-4 * (1 + m / 64), batch_size=work.batch_size, flip=work.flip)
            for m in range(work.members)
        ]
        bank = make_bank(recipes, make_scaler(work), work.classes)
        order = make_batch_order(recipes[0], work.classes, work.dimensions)
        rates = np.array([recipe.learning_rate for recipe in recipes])
        with open_native_engine(bank, rows.dataset.image_shape, self.n_threads) as engine:
            seconds = []
            for _ in range(3):  # the first is a warm-up, not counted
                drawn = order.draw_epoch(len(rows))
                start = time.perf_counter()
                if work.is_evaluation:
                    for _ in engine.iterate_losses(rows):
                        pass
                else:
                    engine.run_epoch(rows, *drawn, rates)
                seconds.append(time.perf_counter() - start)
        return min(seconds[1:])


def make_rows(work: Work, n: int) -> Dataset:
    """Random rows and labels, which take as long as others."""
    return _make_rows(n, work.dimensions, work.classes, work.feature_bytes)


@cache
def _make_rows(n: int, dimensions: int, classes: int, feature_bytes: int) -> Dataset:
    rng = np.random.default_rng(0)
    shape = (n, dimensions)
    X = rng.integers(0, 256, shape, np.uint8) if feature_bytes == 1 else rng.standard_normal(shape, np.float32)
    image_shape = IMAGE if dimensions == CIFAR10.dimensions else None
    names = tuple(map(str, range(classes)))
    return Dataset(X, rng.integers(0, classes, n), names, image_shape=image_shape, known_sha256="made")


def make_scaler(work: Work) -> Scaler:
    """That of the distribution, which need not be estimated."""
    mean, std = (127.5, 73.9) if work.feature_bytes == 1 else (0.0, 1.0)
    return Scaler(np.full(work.dimensions, mean), np.full(work.dimensions, std))
