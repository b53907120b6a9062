"""ML003: whether an accuracy is too far above the training accuracy for a fair evaluation."""

import math
from dataclasses import dataclass

import numpy as np

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


def validate_accuracy(accuracy: float) -> None:
    """Raise BadInput if an accuracy is not a fraction from 0 to 1."""
    if not 0 <= accuracy <= 1:
        raise BadInput(f"accuracy must be a fraction from 0 to 1, not {accuracy}.")


@dataclass(frozen=True)
class Accuracy:
    """An accuracy, 0 to 1, and the number of images that it was measured on.

    Raises:
        BadInput: if the accuracy is not within 0 and 1, or n is below 1.
    """

    accuracy: float
    n: int

    def __post_init__(self) -> None:
        validate_accuracy(self.accuracy)
        if self.n < 1:
            raise BadInput(f"n must be 1 or more images, not {self.n}.")

    @property
    def hits(self) -> int:
        """Images classified correctly: the nearest whole number, since a reported accuracy is rounded."""
        return round(self.accuracy * self.n)


def compute_log10_p(train: float, evaluation: Accuracy) -> float:
    """Log10 of the probability of this accuracy or a higher one, if the true accuracy is the training accuracy.

    log10 P(B >= hits), B ~ Binomial(n, training accuracy): the exact one-sided tail. It assumes that a network fits its
    training images at least as well as new ones of the same kind, so that its training accuracy is an upper bound of
    its true accuracy in expectation. This fails if the training images are harder (noisy labels, heavy augmentation,
    dropout while measuring), or if the evaluation images have another source; then a small p has an innocent reason.

    Args:
        train: accuracy on the training images, 0 to 1; taken as exact.
        evaluation: accuracy on images that, as claimed, were not trained on.
    """
    from scipy.special import logsumexp
    from scipy.stats import binom

    tail = binom.logpmf(np.arange(evaluation.hits, evaluation.n + 1), evaluation.n, train)
    # Summed as logarithms, because such tails lie below the smallest float64.
    return min(float(logsumexp(tail)) / math.log(10), 0.0)


def check_claims(train: float, evaluations: dict[str, Accuracy]) -> list[Finding]:
    """ML003, one finding for each evaluation: whether a fair evaluation can give an accuracy this high.

    Args:
        train: accuracy on the training rows, 0 to 1; taken as exact.
        evaluations: accuracies with their numbers of rows, by the name of the rows.

    Raises:
        BadInput: if the training accuracy is not within 0 and 1.
    """
    validate_accuracy(train)
    findings = []
    for name, evaluation in evaluations.items():
        log10_p = compute_log10_p(train, evaluation)
        p = f"{10**log10_p:.2g}" if log10_p > -300 else f"1e{log10_p:.0f}"
        evidence = (
            f"{name} accuracy {evaluation.accuracy:.2%} on {evaluation.n:,} rows, training accuracy {train:.2%}: if "
            f"the true accuracy equals the training accuracy, an accuracy this high or higher has probability {p}."
        )
        advice = (
            "Check whether these rows, or copies of them, were used for training, or to choose settings; otherwise "
            "they must be easier than the training rows."
        )
        findings.append(ABOVE_TRAINING.judge(log10_p <= IMPLAUSIBLE_LOG10_P, evidence, advice))
    return findings
