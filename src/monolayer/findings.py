"""Finding: something the library noticed, or looked for and did not find."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

from monolayer.errors import BadInput

Outcome = Literal["issue", "tip", "passed", "not applicable", "skipped", "muted"]

# Codes never change their meaning, and are never used again.
CODES = {
    "ML001": "Learning rate too high",
    "ML002": "Duplicates across splits",
    "ML003": "Evaluation above training",
    "ML004": "Optimum at the edge of the grid",
    "ML005": "Rate vanished before arrival",
    "ML006": "Still descending at the last epoch",
    "ML007": "Differences within noise",
    "ML008": "Test rows opened more than once",
    "ML009": "Evaluation rows took part in fitting",
    "ML010": "Class imbalance and rare classes",
    "ML011": "Probabilities miscalibrated",
    "ML012": "No better than the most frequent class",
    "ML013": "Weights shift the probabilities",
    "ML014": "Constant features",
    "ML015": "Rows that stand twice",
    "ML016": "Values that are not finite",
    "ML017": "Files that cannot be read",
    "ML020": "A group in two parts",
    "ML021": "The compiled engine is not there",
}
# Of the machine that trains, told with a run or a sweep: nothing that the network's readers would need.
OF_THE_INSTALLATION = frozenset({"ML021"})
# Those that are no single run's: a sweep's, of weights, of data before it is trained on, and of the installation.
NOT_OF_A_RUN = OF_THE_INSTALLATION | {"ML004", "ML007", "ML013", "ML014", "ML015", "ML016", "ML017", "ML020"}
NOTHING = "Nothing to do."


@dataclass(frozen=True)
class Finding:
    """Something the library noticed, under a code that never changes its meaning.

    Args:
        code: permanent, such as ``ML001``; docs/findings has a page for each.
        outcome: how the check ended: ``issue`` (wrong, or to be explained), ``tip`` (worth knowing), ``passed``, ``not
            applicable`` (the question does not arise), ``skipped`` (it arises, but what it needs was not measured), or
            ``muted``.
        title: what it is about, in a few words.
        evidence: what was seen, with numbers.
        advice: what to do.
    """

    code: str
    outcome: Outcome
    title: str
    evidence: str
    advice: str

    def to_dict(self) -> dict[str, str]:
        """The finding as JSON holds it."""
        return asdict(self)

    @property
    def is_news(self) -> bool:
        """Whether it is something to be told without being asked: an issue or a tip."""
        return self.outcome in ("issue", "tip")


def report(code: str, outcome: Outcome, evidence: str, advice: str = NOTHING) -> Finding:
    """A finding under its code's own title."""
    return Finding(code, outcome, CODES[code], evidence, advice)


def check_codes(codes: Iterable[str]) -> None:
    """Refuse what is no code.

    Raises:
        BadInput: if it is none.
    """
    for code in codes:
        if code not in CODES:
            raise BadInput(f"{code!r} is no finding's code; accepted are {', '.join(CODES)}.")


def mute(findings: Iterable[Finding], codes: Sequence[str]) -> tuple[Finding, ...]:
    """The findings, those of the given codes as ``muted`` whatever they found; their evidence stays.

    Raises:
        BadInput: if a code is none.
    """
    check_codes(codes)
    return tuple(replace(f, outcome="muted") if f.code in codes else f for f in findings)
