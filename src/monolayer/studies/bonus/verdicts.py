"""Verdicts on claims: the data that claims are tested on, the evidence, and the rules for an outcome.

A claim is *supported* or *refuted* if the interval is entirely on one side of the bound in the claim, and *not
distinguishable* otherwise. The claims are in claims.py.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

from monolayer._typing import Array
from monolayer.checks.certificate import Certificate
from monolayer.evaluate.predictions import Predictions
from monolayer.evaluate.significance import Interval, summarise_seeds
from monolayer.training.run import Run
from monolayer.tuning.sweep import Sweep


@dataclass(frozen=True, eq=False)
class Scored:
    """A run, evaluated on training, validation and test rows, with its predictions for the test rows.

    Args:
        run: ``run.evaluation`` has ``train``, ``val`` and ``test``.
        test: predictions for the test rows, in the same order for every run of the study.
    """

    run: Run
    test: Predictions


Outcome = Literal["supported", "refuted", "not distinguishable"]


@dataclass(frozen=True)
class Evidence:
    """One measurement that a verdict is based on.

    Args:
        short: what was measured, in a few words.
        what: the same in a sentence.
        statistic: how the interval was computed.
        interval: the estimate with its interval, in ``unit``.
        unit: of the numbers; empty for a ratio.
        outcome: the outcome of this measurement alone.
        p_value: of a paired test, if there is one.
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
    """The result of testing one claim.

    Args:
        number: of the claim.
        claim: what the report claims, in short.
        outcome: of the whole claim.
        evidence: what it is based on; the pieces that decide come first.
        explanation: for a reader without previous knowledge.
    """

    number: int
    claim: str
    outcome: Outcome
    evidence: tuple[Evidence, ...]
    explanation: str

    def to_dict(self) -> dict[str, Any]:
        """The verdict as a dictionary that JSON can hold."""
        return {**asdict(self), "evidence": [asdict(piece) for piece in self.evidence]}


@dataclass(frozen=True, eq=False)
class ClaimData:
    """The data that the claims are tested on.

    Args:
        repeats: by key of the setting, a scored run for each seed; the same seeds in the same order for all.
        grid: the sweep, with the validation rows that each run classifies correctly.
        certificate: of the step-decay run of the first seed.
        start_cost: the cost of chance predictions, log K.
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
        """(S, n): ``correct`` or ``losses`` of the test rows, for a setting."""
        return np.array([getattr(scored.test, part) for scored in self.repeats[key]], np.float64)

    def measure(self, key: str, name: str, of: Callable[[Any], float]) -> Array:
        """(S,): a metric of the training, validation or test rows, for a setting."""
        return np.array([of(scored.run.evaluation[name]) for scored in self.repeats[key]])

    @property
    def two_way(self) -> str:
        """The method of an interval over seeds and test rows."""
        return f"pigeonhole bootstrap over {self.n_seeds} seeds and {self.n_test:,} test images"

    @property
    def over_seeds(self) -> str:
        """The method of an interval over seeds only."""
        return f"t-interval over {self.n_seeds} seeds; it covers the variation between seeds only"


def is_above(interval: Interval, bound: float = 0.0) -> Outcome:
    """Supported if the interval is entirely above the bound, refuted if entirely below."""
    return "supported" if interval.low > bound else "refuted" if interval.high < bound else "not distinguishable"


def is_below(interval: Interval, bound: float = 0.0) -> Outcome:
    """Supported if the interval is entirely below the bound, refuted if entirely above."""
    return "supported" if interval.high < bound else "refuted" if interval.low > bound else "not distinguishable"


def is_within(interval: Interval, margin: float) -> Outcome:
    """Supported if the interval is entirely within +- margin, refuted if entirely outside."""
    if -margin < interval.low and interval.high < margin:
        return "supported"
    return "refuted" if interval.low > margin or interval.high < -margin else "not distinguishable"


def combine(outcomes: Sequence[Outcome]) -> Outcome:
    """The outcome of a claim of several parts: refuted if one is refuted, supported if all are supported."""
    if "refuted" in outcomes:
        return "refuted"
    return "supported" if all(outcome == "supported" for outcome in outcomes) else "not distinguishable"


def scale(interval: Interval, factor: float) -> Interval:
    """Convert the interval to another unit; the factor is above 0."""
    return replace(
        interval, estimate=interval.estimate * factor, low=interval.low * factor, high=interval.high * factor
    )


def average_seeds(values: Array) -> Interval:
    """Mean over seeds with its 95 % t-interval."""
    summary = summarise_seeds(values)
    return Interval(summary.mean, summary.low, summary.high, 0.95)
