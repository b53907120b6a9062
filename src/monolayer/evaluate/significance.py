"""Significance of differences between accuracies: paired tests, spread over seeds, optimism of a selection."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from monolayer._typing import Array
from monolayer.errors import BadInput

MIN_ROWS_FOR_OPTIMISM = 20  # below, resamples that leave no row out are too frequent


@dataclass(frozen=True)
class Bootstrap:
    """How to resample.

    Args:
        n_resamples: number of resamples.
        seed: of the random generator; the same seed gives the same interval.
        confidence: coverage that the interval aims at, between 0 and 1.

    Raises:
        BadInput: if there are fewer than 2 resamples, or the confidence is not between 0 and 1.
    """

    n_resamples: int = 10_000
    seed: int = 0
    confidence: float = 0.95

    def __post_init__(self) -> None:
        if self.n_resamples < 2:
            raise BadInput(f"n_resamples must be 2 or more, not {self.n_resamples}.")
        check_confidence(self.confidence)

    @property
    def tails(self) -> Array:
        """The two probabilities that the interval lies between, float64 of shape (2,)."""
        return np.array([0.5 - self.confidence / 2, 0.5 + self.confidence / 2])


@dataclass(frozen=True)
class Interval:
    """An estimate with its interval: low and high at the given confidence."""

    estimate: float
    low: float
    high: float
    confidence: float


@dataclass(frozen=True)
class McNemar:
    """McNemar's exact test of two models on the same rows.

    Args:
        n_only_a: rows that only the first model had right.
        n_only_b: rows that only the second model had right.
        n: all rows.
        p_value: two-sided, exact.
    """

    n_only_a: int
    n_only_b: int
    n: int
    p_value: float

    @property
    def difference(self) -> float:
        """Accuracy of the first model minus that of the second, -1 to 1."""
        return (self.n_only_a - self.n_only_b) / self.n


@dataclass(frozen=True)
class SeedSummary:
    """Runs that differ in their seed only: mean, sd (ddof 1), n and the t-interval of the mean, low to high."""

    mean: float
    sd: float
    n: int
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Indistinguishable:
    """Which runs are not significantly different from the best one.

    Args:
        best: index of the run with the highest accuracy, the first of equals.
        p_values: (M,), float64, each run against the best, uncorrected; 1 for the best itself.
        adjusted: (M,), float64, the same corrected for all pairs of runs.
        mask: (M,), bool, adjusted above alpha; the best itself is always in.
    """

    best: int
    p_values: Array
    adjusted: Array
    mask: Array


@dataclass(frozen=True)
class Optimism:
    """How much selecting the best of M runs on the rows that rank them adds to its accuracy.

    Args:
        best: index of the run that was picked, the first of equals.
        apparent: its accuracy on these rows, 0 to 1.
        corrected: the accuracy to expect of the run so picked, on rows that had no part in the choice.
        sd: standard deviation of the corrected accuracy over the resamples.
        interval: of the corrected accuracy.
    """

    best: int
    apparent: float
    corrected: float
    sd: float
    interval: Interval

    @property
    def optimism(self) -> float:
        """Apparent minus corrected accuracy."""
        return self.apparent - self.corrected


def check_confidence(confidence: float) -> None:
    """Raise BadInput if a confidence is not between 0 and 1.

    Raises:
        BadInput: if it is not.
    """
    if not 0 < confidence < 1:
        raise BadInput(f"confidence must lie between 0 and 1, not {confidence}.")


def compute_mcnemar(correct_a: Array, correct_b: Array) -> McNemar:
    """McNemar's exact test: of the rows where one model is right, does either have more than half?

    ``p = P(|B - m/2| >= |n_only_a - m/2|)``, B ~ Binomial(m, 1/2), m = n_only_a + n_only_b; 1 if they never differ.

    Args:
        correct_a: (n,), bool, whether the first model had the row right.
        correct_b: (n,), bool, the second model on the same rows in the same order.

    Raises:
        BadInput: if they are not bool, differ in shape, or are empty.

    Source: McNemar 1947, Psychometrika 12.
    """
    n_only_a, n_only_b, n = _count_discordant(correct_a, correct_b)
    p_value = float(compute_sign_p(np.array(n_only_a), np.array(n_only_b)))
    return McNemar(n_only_a, n_only_b, n, p_value)


def compute_sign_p(n_first: Array, n_second: Array) -> Array:
    """Two-sided exact p of two counts that should be equal: min(1, 2 * P(B <= the smaller)), B ~ Binomial(sum, 1/2).

    As ``scipy.stats.binomtest``, which takes a millisecond for each, but for a thousand runs at once.

    Args:
        n_first: (...,), counts.
        n_second: (...,), counts.

    Returns:
        (...,), float64.
    """
    from scipy.special import bdtr

    return np.minimum(2 * bdtr(np.minimum(n_first, n_second), n_first + n_second, 0.5), 1.0)


def compute_difference_interval(correct_a: Array, correct_b: Array, bootstrap: Bootstrap | None = None) -> Interval:
    """Paired bootstrap interval (percentiles) of the accuracy of the first model minus that of the second.

    A row adds -1, 0 or 1 to n * difference, so a resample of rows is one draw from a multinomial over three outcomes,
    whatever n is. Where the two models agree on every row, the bootstrap would answer [0, 0]; given instead is
    plus/minus 1 - (alpha/2)**(1/n), the largest share of disagreement that n rows would still hide (Clopper and
    Pearson 1934). With fewer than about ten rows of disagreement the interval is too narrow: read McNemar's p.

    Args:
        correct_a: (n,), bool.
        correct_b: (n,), bool, the same rows in the same order.
        bootstrap: resamples (10,000 by default), seed and confidence.

    Raises:
        BadInput: as :func:`compute_mcnemar`.

    Source: Efron 1987, "Better bootstrap confidence intervals", JASA 82.
    """
    bootstrap = bootstrap or Bootstrap()
    n_only_a, n_only_b, n = _count_discordant(correct_a, correct_b)
    if n_only_a + n_only_b == 0:
        hidden = 1 - float(bootstrap.tails[0]) ** (1 / n)
        return Interval(0.0, -hidden, hidden, bootstrap.confidence)
    counts = np.array([n_only_b, n - n_only_a - n_only_b, n_only_a])
    draws = np.random.default_rng(bootstrap.seed).multinomial(n, counts / n, bootstrap.n_resamples)
    differences = (draws[:, 2] - draws[:, 0]) / n
    estimate = (n_only_a - n_only_b) / n
    low, high = np.quantile(differences, bootstrap.tails)
    return Interval(estimate, float(low), float(high), bootstrap.confidence)


def summarise_seeds(values: npt.ArrayLike, confidence: float = 0.95) -> SeedSummary:
    """Mean, standard deviation and t-interval of the mean: mean +- t(n - 1) * sd / sqrt(n), sd with ddof 1.

    The interval covers the effect of the seed alone (order of the rows, first weights); that of the images drawn is
    another uncertainty, in each run's own interval.

    Args:
        values: (n,), one number a seed, n at least 2.
        confidence: coverage of the interval, between 0 and 1.

    Raises:
        BadInput: if there are fewer than two values, or any is not finite.
    """
    from scipy.stats import t  # imported here: it takes half a second, which training does not need

    check_confidence(confidence)
    column = _convert_to_finite(values, "values")
    n = len(column)
    if n < 2:
        raise BadInput(f"A spread over seeds needs two values or more, not {n}.")
    mean, sd = float(column.mean()), float(column.std(ddof=1))
    half = float(t.ppf(0.5 + confidence / 2, n - 1)) * sd / math.sqrt(n)
    return SeedSummary(mean, sd, n, mean - half, mean + half)


def find_indistinguishable(correct: Array, alpha: float = 0.05) -> Indistinguishable:
    """Which of M runs cannot be distinguished from the best: McNemar's exact test of each against it, corrected.

    The best run was picked on these same rows and owes some of its lead to chance. So the correction counts all
    M(M - 1)/2 pairs that could have become best and other (Bonferroni): of 36 equal, independent runs on 1,000 rows,
    some run is distinguished from the best in 3 % of all cases (simulated); a correction for the M - 1 comparisons
    alone would give 30 %. A run that cannot be distinguished is not shown to be equal: there are too few rows to tell.

    Args:
        correct: (M, n), bool, whether run m predicts row i correctly.
        alpha: the largest probability that any of M equal runs is distinguished from the best, between 0 and 1.

    Raises:
        BadInput: if correct is not bool of shape (M, n), or is empty.
    """
    check_confidence(alpha)
    _check_bool(correct, "correct", 2)
    n_runs = len(correct)
    best = int(correct.sum(axis=1).argmax())
    only_best, only_other = correct[best] & ~correct, correct & ~correct[best]
    p_values = compute_sign_p(only_best.sum(axis=1), only_other.sum(axis=1))
    adjusted = np.minimum(p_values * (n_runs * (n_runs - 1) / 2), 1.0)
    adjusted[best] = 1.0
    return Indistinguishable(best, p_values, adjusted, adjusted > alpha)


def choose_one_standard_error(accuracies: npt.ArrayLike, n: int, complexity: npt.ArrayLike) -> int:
    """The simplest run within one standard error of the best: accuracy >= best - sqrt(best * (1 - best) / n).

    Args:
        accuracies: (M,), fractions, all on the same n rows.
        n: number of rows.
        complexity: (M,), any number that rises with complexity, such as -l2; of equals the more accurate, then the
            first, is taken.

    Returns:
        The index of the run.

    Raises:
        BadInput: if the columns are empty or differ in length, an accuracy is not a fraction, or n is below 1.

    Source: Breiman, Friedman, Olshen and Stone 1984, Classification and Regression Trees, section 3.4.3.
    """
    accuracy, order = _convert_to_finite(accuracies, "accuracies"), _convert_to_finite(complexity, "complexity")
    if len(accuracy) != len(order) or not len(accuracy):
        raise BadInput(f"There must be one complexity for each accuracy, not {len(order)} for {len(accuracy)}.")
    if n < 1 or accuracy.min() < 0 or accuracy.max() > 1:
        raise BadInput("accuracies must be fractions from 0 to 1, measured on one row or more.")
    best = float(accuracy.max())
    near = np.flatnonzero(accuracy >= best - math.sqrt(best * (1 - best) / n))
    return int(near[np.lexsort((-accuracy[near], order[near]))[0]])


def estimate_optimism(correct: Array, bootstrap: Bootstrap | None = None) -> Optimism:
    """Optimism of the best of M runs on the rows that picked it: its accuracy minus the mean out-of-bag accuracy.

    Each resample of the rows picks its own best run, which is then judged on the rows that were not drawn: they had no
    part in that choice, so their mean is fair. It errs, slightly, to the careful side, because a resample holds only
    63 % of the rows to choose by; and its interval is somewhat wide, because only 37 % of the rows evaluate.

    Args:
        correct: (M, n), bool, whether run m had row i right; n at least 20.
        bootstrap: resamples (1,000 by default), seed and confidence.

    Raises:
        BadInput: if correct is not bool of shape (M, n), or has fewer than 20 rows.

    Source: bootstrap bias corrected cross-validation, Tsamardinos, Greasidou and Borboudakis 2018, Machine Learning
    107; the problem is Tibshirani and Tibshirani's (2009, Annals of Applied Statistics 3).
    """
    _check_bool(correct, "correct", 2)
    if correct.shape[1] < MIN_ROWS_FOR_OPTIMISM:
        raise BadInput(f"Optimism needs {MIN_ROWS_FOR_OPTIMISM} rows or more to resample, not {correct.shape[1]}.")
    bootstrap = bootstrap or Bootstrap(n_resamples=1000)
    held_out = _judge_out_of_bag(correct.astype(np.float64), bootstrap)
    accuracy = correct.mean(axis=1)
    low, high = np.quantile(held_out, bootstrap.tails)
    corrected = float(held_out.mean())
    interval = Interval(corrected, float(low), float(high), bootstrap.confidence)
    best = int(accuracy.argmax())
    return Optimism(best, float(accuracy[best]), corrected, float(held_out.std(ddof=1)), interval)


def _judge_out_of_bag(hits: Array, bootstrap: Bootstrap) -> Array:
    """Accuracy on the rows left out, of the run that was best on those drawn; (n_resamples,) from hits (M, n)."""
    rng = np.random.default_rng(bootstrap.seed)
    n = hits.shape[1]
    held_out = np.empty(bootstrap.n_resamples)
    for index in range(bootstrap.n_resamples):
        drawn = np.bincount(rng.integers(0, n, n), minlength=n)
        picked = hits[(hits @ drawn).argmax()]
        held_out[index] = picked[drawn == 0].mean()
    return held_out


def _count_discordant(correct_a: Array, correct_b: Array) -> tuple[int, int, int]:
    """Rows that only the first had right, that only the second had right, and all rows."""
    _check_bool(correct_a, "correct_a", 1)
    _check_bool(correct_b, "correct_b", 1)
    if correct_a.shape != correct_b.shape:
        raise BadInput(f"correct_b must have {len(correct_a)} rows to go with correct_a, not {len(correct_b)}.")
    return int((correct_a & ~correct_b).sum()), int((correct_b & ~correct_a).sum()), len(correct_a)


def _check_bool(correct: Array, name: str, n_dims: int) -> None:
    shape = "(n,)" if n_dims == 1 else "(M, n)"
    if not isinstance(correct, np.ndarray) or correct.dtype != np.bool_ or correct.ndim != n_dims or not correct.size:
        raise BadInput(f"{name} must be a bool array of shape {shape} with one row or more.")


def _convert_to_finite(values: npt.ArrayLike, name: str) -> Array:
    try:
        column = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise BadInput(f"{name} must hold numbers only.") from None
    if column.ndim != 1 or not np.isfinite(column).all():
        raise BadInput(f"{name} must be finite numbers of shape (n,).")
    return column
