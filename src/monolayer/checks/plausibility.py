"""ML003: an evaluation above training that a fair evaluation does not give."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from monolayer.checks.thresholds import IMPLAUSIBLE_LOG10_P
from monolayer.errors import BadInput
from monolayer.findings import Finding, report

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Accuracy:
    """An accuracy, 0 to 1, and the number of images that it was measured on.

    Raises:
        BadInput: if the accuracy is not within 0 and 1, or there is no image.
    """

    accuracy: float
    n: int

    def __post_init__(self) -> None:
        if not 0 <= self.accuracy <= 1:
            raise BadInput(f"accuracy must be a fraction from 0 to 1, not {self.accuracy}.")
        if self.n < 1:
            raise BadInput(f"n must be 1 or more images, not {self.n}.")

    @property
    def hits(self) -> int:
        """Images classified correctly; a printed accuracy is rounded, so this is the nearest whole number."""
        return round(self.accuracy * self.n)


@dataclass(frozen=True)
class Verdict:
    """How probable an evaluation this high is, were it fair; see :func:`judge_claim`.

    Args:
        evaluation: the accuracy that is claimed.
        gap: its lead over the training accuracy, in fractions; negative where it lies below.
        log10_p: log10 of the probability, taking the training accuracy as exact.
        log10_p_both: the same, with the training accuracy's own chance counted too.
    """

    evaluation: Accuracy
    gap: float
    log10_p: float
    log10_p_both: float

    @property
    def p_value(self) -> float:
        """10 ** log10_p; 0 where that is too small for a float64."""
        return float(10.0**self.log10_p)


def judge_claim(train: Accuracy, *evaluations: Accuracy) -> list[Verdict]:
    """How probable is an evaluation this high, were it fair and the true accuracy no higher than in training?

    log10_p is log10 P(B >= hits), B ~ Binomial(n, training accuracy): the exact one-sided tail. It rests on one
    assumption: a network fits the images it was trained on at least as well as new ones of the same kind, so in
    expectation its training accuracy bounds its true accuracy from above. That fails when training images are harder
    (noisy labels, heavy augmentation, dropout while measuring), or when evaluation images come from elsewhere; then a
    small p has an innocent reason. log10_p_both lets the training accuracy vary too, as n_train independent images
    would (Fisher's exact test, one-sided): the one to read when training images are few.

    Args:
        train: accuracy on the training images.
        evaluations: one or more accuracies on images that were, it is claimed, not trained on.

    Raises:
        BadInput: if there is no evaluation.
    """
    if not evaluations:
        raise BadInput("There is no evaluation to judge; give one or more.")
    return [_judge(train, evaluation) for evaluation in evaluations]


def _judge(train: Accuracy, evaluation: Accuracy) -> Verdict:
    from scipy.stats import binom, hypergeom

    hits = np.arange(evaluation.hits, evaluation.n + 1)
    tail = binom.logpmf(hits, evaluation.n, train.accuracy)
    both = hypergeom.logpmf(hits, train.n + evaluation.n, train.hits + evaluation.hits, evaluation.n)
    return Verdict(evaluation, evaluation.accuracy - train.accuracy, _sum_logs(tail), _sum_logs(both))


def _sum_logs(logs: Array) -> float:
    """log10(sum(exp(logs))), at most 0; summed as logarithms, because such tails lie below the smallest float64."""
    from scipy.special import logsumexp

    return min(float(logsumexp(logs)) / math.log(10), 0.0)


ABOVE_TRAINING = "ML003"


def check_claims(train: float, evaluations: dict[str, Accuracy]) -> list[Finding]:
    """One finding an evaluation: whether an accuracy this high can come from a fair one.

    Args:
        train: accuracy on the training rows, 0 to 1; taken as it is, without an error of its own.
        evaluations: accuracies with their numbers of rows, by what they are of.
    """
    verdicts = judge_claim(Accuracy(train, max(e.n for e in evaluations.values())), *evaluations.values())
    return [
        _make_finding(name, train, evaluation, verdict.log10_p)
        for (name, evaluation), verdict in zip(evaluations.items(), verdicts, strict=True)
    ]


def _make_finding(name: str, train: float, evaluation: Accuracy, log10_p: float) -> Finding:
    is_plausible = log10_p > IMPLAUSIBLE_LOG10_P
    chance = f"{10**log10_p:.2g}" if log10_p > -300 else f"1e{log10_p:.0f}"
    evidence = (
        f"{name} accuracy {evaluation.accuracy:.2%} on {evaluation.n:,} rows, training {train:.2%}: were the true "
        f"accuracy as high as in training, one this high or higher would have probability {chance}."
    )
    if is_plausible:
        return report(ABOVE_TRAINING, "passed", evidence)
    advice = (
        "Look whether these rows, or copies of them, were trained on, or whether settings were chosen by them; a fair "
        "evaluation ends this high only if its rows are easier than the training rows."
    )
    return report(ABOVE_TRAINING, "issue", evidence, advice)
