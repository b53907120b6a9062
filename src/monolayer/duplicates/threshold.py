"""Impostors: how similar different photographs get, learnt from the training pictures; the threshold follows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from monolayer.duplicates.constants import (
    DEFAULT_SIMILARITY,
    FALSE_PAIRS,
    FALSE_SHARE,
    LEAST_SIMILARITY,
    LEAST_TAIL,
    TAIL_START,
)
from monolayer.duplicates.fingerprints import Array


@dataclass(frozen=True)
class Tail:
    """Impostors as an exponential tail: ``count * exp(-rate * (t - start))`` of them reach a similarity of t or more.

    Args:
        start: where the tail starts.
        rate: how fast it falls.
        count: impostors at or above ``start``.
    """

    start: float
    rate: float
    count: float

    def expect(self, similarity: Array) -> Array:
        """Expected impostors at or above each similarity, shape kept, float64."""
        expected: Array = self.count * np.exp(-self.rate * (similarity - self.start))
        return expected


def compute_threshold(similarity: Array, probe: Array, share: float) -> float:
    """The similarity from which a pair counts as a duplicate, judged by the training pictures alone.

    Args:
        similarity: (m,) of some training pictures, the probes, with the candidates for each among all the others.
        probe: (m,) int64, whose candidate it is.
        share: all training pictures, divided by the number of probes.

    The threshold is the lowest similarity t at which the pairs of impostors that the tail lets expect above t are at
    most ``FALSE_SHARE`` of the probes with a pair there, or at most ``FALSE_PAIRS`` in a search with all pictures for
    probes. Probes are counted, not pairs: a photograph that is there a hundred times tells nothing about others. The
    tail is read between ``TAIL_START`` and ``LEAST_SIMILARITY``, below which no pair counts. That errs on the safe side
    twice: the duplicates in between count as impostors, and correlations fall off faster than an exponential. Where
    nothing tells duplicates from impostors the result is above 1.
    """
    between = similarity[(similarity >= TAIL_START) & (similarity < LEAST_SIMILARITY)].astype(np.float64)
    if len(between) < LEAST_TAIL:
        return DEFAULT_SIMILARITY
    tail = fit_tail(between, TAIL_START, LEAST_SIMILARITY)
    at = _find_best(similarity, probe)
    rare = np.flatnonzero(tail.expect(at) <= FALSE_SHARE * np.arange(len(at), 0, -1))
    by_share = float(at[rare[0]]) if len(rare) else math.inf
    by_count = tail.start + math.log(max(tail.count * share / FALSE_PAIRS, 1.0)) / tail.rate
    return max(min(by_share, by_count), LEAST_SIMILARITY)


def _find_best(similarity: Array, probe: Array) -> Array:
    """Each probe's highest similarity, where it is high enough to count; in rising order, (p,) float64."""
    best = np.zeros(int(probe.max()) + 1)
    np.maximum.at(best, probe, similarity)
    return np.sort(best[best >= LEAST_SIMILARITY])


def fit_tail(values: Array, start: float, stop: float) -> Tail:
    """The exponential tail through values between two bounds, (m,) float64, by maximum likelihood.

    The rate solves 1/rate - width / (exp(rate * width) - 1) = mean excess over ``start``, that of an exponential
    distribution cut off at both ends.
    """
    width = stop - start
    # In units of the width; a mean excess of half of it is a tail that does not fall: nothing can be told from chance.
    excess = min(max(float(np.mean(values - start)) / width, 0.01), 0.49)
    rate = float(brentq(lambda r: 1 / r - 1 / math.expm1(r) - excess, 1e-3, 200.0))
    return Tail(start=start, rate=rate / width, count=len(values) / -math.expm1(-rate))
