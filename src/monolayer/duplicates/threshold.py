"""The similarity threshold, learnt from the similarities of training images that are not duplicates."""

import math

import numpy as np
from scipy.optimize import brentq

from monolayer._typing import Array
from monolayer.duplicates.constants import (
    DEFAULT_SIMILARITY,
    LEAST_SIMILARITY,
    MAX_FALSE_DISCOVERY_RATE,
    MAX_FALSE_PAIRS,
    MIN_TAIL,
    TAIL_START,
)


def compute_threshold(similarity: Array, query: Array, share: float) -> float:
    """The similarity from which a pair counts as a duplicate, learnt from the training images only.

    The threshold is the lowest similarity t for which the tail expects at most ``MAX_FALSE_DISCOVERY_RATE`` false pairs
    above t for each query that has a pair there, or at most ``MAX_FALSE_PAIRS`` in a search with all images as queries.
    Queries are counted, not pairs: a photograph that occurs a hundred times gives no information on others. The tail is
    fitted between ``TAIL_START`` and ``LEAST_SIMILARITY``, below which no pair counts. This is conservative for two
    reasons: the duplicates in between count as non-duplicates, and correlations decay faster than an exponential. If
    duplicates cannot be distinguished from non-duplicates, the result is above 1.

    Args:
        similarity: (m,) of some training images, the queries, with their candidates among all the others.
        query: (m,) int64, the query of each candidate.
        share: number of training images, divided by the number of queries.
    """
    between = similarity[(similarity >= TAIL_START) & (similarity < LEAST_SIMILARITY)].astype(np.float64)
    if len(between) < MIN_TAIL:
        return DEFAULT_SIMILARITY
    rate, count = fit_tail(between, TAIL_START, LEAST_SIMILARITY)
    best = np.zeros(int(query.max()) + 1)
    np.maximum.at(best, query, similarity)
    at = np.sort(best[best >= LEAST_SIMILARITY])  # the highest similarity of each query, where it can count
    expected = count * np.exp(-rate * (at - TAIL_START))  # non-duplicate pairs at or above each of these
    rare = np.flatnonzero(expected <= MAX_FALSE_DISCOVERY_RATE * np.arange(len(at), 0, -1))
    by_rate = float(at[rare[0]]) if len(rare) else math.inf
    by_count = TAIL_START + math.log(max(count * share / MAX_FALSE_PAIRS, 1.0)) / rate
    return max(min(by_rate, by_count), LEAST_SIMILARITY)


def fit_tail(values: Array, start: float, stop: float) -> tuple[float, float]:
    """(rate, count) of an exponential tail, fitted by maximum likelihood to values between two bounds, (m,) float64.

    ``count * exp(-rate * (t - start))`` non-duplicate pairs have a similarity of t or more: ``count`` at or above
    ``start``. The rate solves 1/rate - width / (exp(rate * width) - 1) = mean excess over ``start``, the mean of an
    exponential distribution that is truncated at both ends.
    """
    width = stop - start
    # In units of the width. A mean excess of half of it is a tail that does not decay, which separates nothing.
    excess = min(max(float(np.mean(values - start)) / width, 0.01), 0.49)
    rate = float(brentq(lambda r: 1 / r - 1 / math.expm1(r) - excess, 1e-3, 200.0))
    return rate / width, len(values) / -math.expm1(-rate)
