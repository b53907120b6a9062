"""Intervals for several seeds evaluated on the same rows: both the seeds and the rows are samples."""

from collections.abc import Callable

import numpy as np

from monolayer._typing import Array
from monolayer.errors import BadInput
from monolayer.evaluate.significance import Bootstrap, Interval

Statistic = Callable[[Array, Array], float]
N_RESAMPLES = 2000


def compute_two_way_interval(
    statistic: Statistic, shape: tuple[int, int], bootstrap: Bootstrap | None = None
) -> Interval:
    """Interval of a statistic of S seeds x n rows by the pigeonhole bootstrap: seeds and rows resampled independently.

    The interaction of seeds and rows is counted up to three times, which makes the interval conservative. If the
    variance between seeds dominates, five seeds are few for any bootstrap: in simulations a 95 % interval then covers
    the true value in 80 to 85 %, and in 94 % or more if the variance between rows is as large. With one seed only the
    rows are resampled, and the interval does not include the variance between seeds.

    This is the basic interval, [2 * estimate - q_high, 2 * estimate - q_low], which corrects the upward bias that
    resamples of a calibration error have; for a mean it is the mirrored percentile interval.

    Args:
        statistic: ``statistic(u, v)`` with weights of the seeds u (S,) and of the rows v (n,), float64, each summing to
            1; equal weights give the estimate.
        shape: (S, n).
        bootstrap: resamples (2,000 by default), seed and confidence.

    Raises:
        BadInput: if there is no seed or no row.

    Source: Owen 2007, "The pigeonhole bootstrap", Annals of Applied Statistics 1.
    """
    n_seeds, n = shape
    if n_seeds < 1 or n < 1:
        raise BadInput(f"An interval over seeds and rows needs one of each or more, not {shape}.")
    bootstrap = bootstrap or Bootstrap(n_resamples=N_RESAMPLES)
    rng = np.random.default_rng(bootstrap.seed)
    estimate = statistic(np.full(n_seeds, 1 / n_seeds), np.full(n, 1 / n))
    values = [statistic(_draw_weights(rng, n_seeds), _draw_weights(rng, n)) for _ in range(bootstrap.n_resamples)]
    low, high = np.quantile(values, bootstrap.tails)
    return Interval(estimate, float(2 * estimate - high), float(2 * estimate - low), bootstrap.confidence)


def compute_mean_interval(values: Array, bootstrap: Bootstrap | None = None) -> Interval:
    """The mean of values (S, n), of S seeds on the same n rows, with its two-way interval.

    Raises:
        BadInput: if the values are not of shape (S, n).
    """
    if values.ndim != 2:
        raise BadInput(f"values must have shape (S, n), a row a seed, not {values.shape}.")
    table = values.astype(np.float64)
    return compute_two_way_interval(lambda u, v: float(u @ (table @ v)), (len(table), table.shape[1]), bootstrap)


def _draw_weights(rng: np.random.Generator, n: int) -> Array:
    """Bootstrap weights: how often each of n is drawn in n draws with replacement, divided by n."""
    return np.bincount(rng.integers(0, n, n), minlength=n) / n
