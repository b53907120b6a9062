"""ML003: whether an accuracy is too far above the training accuracy for a fair evaluation."""

import math
from dataclasses import dataclass

import numpy as np

from monolayer._typing import Array
from monolayer.checks.thresholds import IMPLAUSIBLE_LOG10_P
from monolayer.errors import BadInput
from monolayer.findings import Check, Finding

ABOVE_TRAINING = Check(
    "ML003",
    "Evaluation above training",
    "run",
    "the training accuracy, and another accuracy with its number of rows",
    ("IMPLAUSIBLE_LOG10_P",),
)


@dataclass(frozen=True)
class Accuracy:
    """An accuracy, 0 to 1, and the number of images that it was measured on.

    Raises:
        BadInput: if the accuracy is not within 0 and 1, or n is below 1.
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
        """Images classified correctly: the nearest whole number, since a reported accuracy is rounded."""
        return round(self.accuracy * self.n)


@dataclass(frozen=True)
class Plausibility:
    """The probability of an accuracy this high in a fair evaluation; see :func:`judge_claim`.

    Args:
        evaluation: the accuracy that is claimed.
        gap: the evaluation minus the training accuracy, in fractions.
        log10_p: log10 of the probability, with the training accuracy taken as exact.
        log10_p_both: the same, with the sampling error of the training accuracy included.
    """

    evaluation: Accuracy
    gap: float
    log10_p: float
    log10_p_both: float

    @property
    def p_value(self) -> float:
        """10 ** log10_p; 0 where that is too small for a float64."""
        return float(10.0**self.log10_p)


def judge_claim(train: Accuracy, *evaluations: Accuracy) -> list[Plausibility]:
    """Compute the probability of each evaluation, if the true accuracy is at most the training accuracy.

    log10_p is log10 P(B >= hits), B ~ Binomial(n, training accuracy): the exact one-sided tail. It assumes that a
    network fits its training images at least as well as new ones of the same kind, so that its training accuracy is an
    upper bound of its true accuracy in expectation. This fails if the training images are harder (noisy labels, heavy
    augmentation, dropout while measuring), or if the evaluation images have another source; then a small p has an
    innocent reason. log10_p_both lets the training accuracy vary too, as that of n_train independent images (Fisher's
    exact test, one-sided): use it if there are few training images.

    Args:
        train: accuracy on the training images.
        evaluations: one or more accuracies on images that, as claimed, were not trained on.

    Raises:
        BadInput: if there is no evaluation.
    """
    from scipy.stats import binom, hypergeom

    if not evaluations:
        raise BadInput("There is no evaluation to judge; give one or more.")
    judged = []
    for evaluation in evaluations:
        hits = np.arange(evaluation.hits, evaluation.n + 1)
        tail = binom.logpmf(hits, evaluation.n, train.accuracy)
        both = hypergeom.logpmf(hits, train.n + evaluation.n, train.hits + evaluation.hits, evaluation.n)
        gap = evaluation.accuracy - train.accuracy
        judged.append(Plausibility(evaluation, gap, _sum_logs(tail), _sum_logs(both)))
    return judged


def _sum_logs(logs: Array) -> float:
    """log10(sum(exp(logs))), at most 0; summed as logarithms, because such tails lie below the smallest float64."""
    from scipy.special import logsumexp

    return min(float(logsumexp(logs)) / math.log(10), 0.0)


def check_claims(train: float, evaluations: dict[str, Accuracy]) -> list[Finding]:
    """ML003, one finding for each evaluation: whether a fair evaluation can give an accuracy this high.

    Args:
        train: accuracy on the training rows, 0 to 1; taken as exact.
        evaluations: accuracies with their numbers of rows, by the name of the rows.
    """
    judged = judge_claim(Accuracy(train, max(e.n for e in evaluations.values())), *evaluations.values())
    findings = []
    for (name, evaluation), found in zip(evaluations.items(), judged, strict=True):
        p = f"{10**found.log10_p:.2g}" if found.log10_p > -300 else f"1e{found.log10_p:.0f}"
        evidence = (
            f"{name} accuracy {evaluation.accuracy:.2%} on {evaluation.n:,} rows, training accuracy {train:.2%}: if "
            f"the true accuracy equals the training accuracy, an accuracy this high or higher has probability {p}."
        )
        if found.log10_p > IMPLAUSIBLE_LOG10_P:
            findings.append(ABOVE_TRAINING.make_finding("passed", evidence))
            continue
        advice = (
            "Check whether these rows, or copies of them, were used for training, or to choose settings; otherwise "
            "they must be easier than the training rows."
        )
        findings.append(ABOVE_TRAINING.make_finding("issue", evidence, advice))
    return findings
