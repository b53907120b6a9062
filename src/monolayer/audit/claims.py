"""ML003: an evaluation above training that a fair evaluation does not give."""

from __future__ import annotations

from monolayer.audit.finding import Finding, report
from monolayer.audit.thresholds import IMPLAUSIBLE_LOG10_P
from monolayer.evaluate.significance import Accuracy, judge_claim

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
