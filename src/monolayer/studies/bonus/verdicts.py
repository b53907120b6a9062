"""A verdict: what it rests on, what it is reached from, and the rules that every claim is judged by.

A claim is *supported* or *refuted* where an interval lies wholly on one side of the bound that the claim names, else
*not distinguishable*. The claims themselves stand in claims.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from monolayer.checks.certificate import Certificate
from monolayer.evaluate.predictions import Predictions
from monolayer.evaluate.significance import Interval, summarise_seeds
from monolayer.training.run import Run
from monolayer.tuning.sweep import Sweep


@dataclass(frozen=True, eq=False)
class Scored:
    """A run, evaluated on training, validation and test rows, with what it said of each test row.

    Args:
        run: ``run.evaluation`` has ``train``, ``val`` and ``test``.
        test: the answers to the test rows, the same rows in the same order for every run of the study.
    """

    run: Run
    test: Predictions


Array = npt.NDArray[Any]
Outcome = Literal["supported", "refuted", "not distinguishable"]


@dataclass(frozen=True)
class Evidence:
    """One measurement that a verdict rests on.

    Args:
        short: what was measured, in a few words.
        what: the same in a sentence.
        statistic: how the interval came about.
        interval: the estimate with its interval, in ``unit``.
        unit: of the numbers; empty for a ratio.
        outcome: what this alone says of the claim.
        p_value: of a paired test, where there is one.
    """

    short: str
    what: str
    statistic: str
    interval: Interval
    unit: str
    outcome: Outcome
    p_value: float | None = None


@dataclass(frozen=True)
class Verdict:
    """What the measurements say of one claim.

    Args:
        number: of the claim.
        claim: what the report says, in short.
        outcome: of the whole claim.
        evidence: what it rests on; the pieces that decide come first.
        explanation: for a reader who knows nothing of the matter.
    """

    number: int
    claim: str
    outcome: Outcome
    evidence: tuple[Evidence, ...]
    explanation: str

    def to_dict(self) -> dict[str, Any]:
        """The verdict as JSON holds it."""
        return {**asdict(self), "evidence": [asdict(piece) for piece in self.evidence]}


@dataclass(frozen=True, eq=False)
class ClaimData:
    """What the claims are tested on.

    Args:
        repeats: by key of the setting, a scored run a seed, the same seeds in the same order for all.
        grid: the sweep, with each run's right validation rows.
        certificate: of the step-decay run of the first seed.
        start_cost: what a network pays that says nothing: log K.
    """

    repeats: dict[str, tuple[Scored, ...]]
    grid: Sweep
    certificate: Certificate
    start_cost: float

    @property
    def n_seeds(self) -> int:
        """Number of seeds S."""
        return len(self.repeats["all_data"])

    @property
    def n_test(self) -> int:
        """Number of test rows n."""
        return len(self.repeats["all_data"][0].test)

    def stack(self, key: str, part: str) -> Array:
        """(S, n) of a setting: ``correct`` or ``losses`` of the test rows."""
        return np.array([getattr(scored.test, part) for scored in self.repeats[key]], np.float64)

    def measure(self, key: str, name: str, of: Callable[[Any], float]) -> Array:
        """(S,) of a setting: a measure of the training, validation or test rows."""
        return np.array([of(scored.run.evaluation[name]) for scored in self.repeats[key]])

    def describe(self, text: str) -> str:
        """How an interval came about, with the numbers of seeds and images."""
        return text.format(n_seeds=self.n_seeds, n=self.n_test)


def is_above(interval: Interval, bound: float = 0.0) -> Outcome:
    """Supported if the interval lies wholly above the bound, refuted if wholly below."""
    return "supported" if interval.low > bound else "refuted" if interval.high < bound else "not distinguishable"


def is_below(interval: Interval, bound: float = 0.0) -> Outcome:
    """Supported if the interval lies wholly below the bound, refuted if wholly above."""
    return "supported" if interval.high < bound else "refuted" if interval.low > bound else "not distinguishable"


def is_within(interval: Interval, margin: float) -> Outcome:
    """Supported if the interval lies wholly within +- margin, refuted if wholly outside."""
    if -margin < interval.low and interval.high < margin:
        return "supported"
    return "refuted" if interval.low > margin or interval.high < -margin else "not distinguishable"


def combine(outcomes: Sequence[Outcome]) -> Outcome:
    """Of a claim of several parts: refuted by one of them, supported by all."""
    if "refuted" in outcomes:
        return "refuted"
    return "supported" if all(outcome == "supported" for outcome in outcomes) else "not distinguishable"


def scale(interval: Interval, factor: float) -> Interval:
    """The interval in another unit; the factor is above 0."""
    return replace(
        interval, estimate=interval.estimate * factor, low=interval.low * factor, high=interval.high * factor
    )


def average_seeds(values: Array) -> Interval:
    """Mean over seeds with its t-interval."""
    summary = summarise_seeds(values)
    return Interval(summary.mean, summary.low, summary.high, 0.95)
