"""A check's declaration, and the finding that it returns."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

Outcome = Literal["issue", "tip", "passed", "not applicable", "skipped", "muted"]
Subject = Literal["run", "rows", "sweep", "weights", "dataset", "installation"]


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Args:
        code: permanent, such as ``ML001``; docs/findings has a page for each.
        outcome: how the check ended: ``issue`` (an error, or something that needs an explanation), ``tip`` (useful to
            know), ``passed``, ``not applicable`` (the check has no meaning here), ``skipped`` (it has, but its input
            was not measured), or ``muted``.
        title: the title of the check.
        evidence: what was measured, with numbers.
        advice: what to do.
    """

    code: str
    outcome: Outcome
    title: str
    evidence: str
    advice: str

    def to_dict(self) -> dict[str, str]:
        """The finding as a dictionary that JSON can hold."""
        return asdict(self)

    @property
    def is_news(self) -> bool:
        """Whether it is shown without being asked for: an issue or a tip."""
        return self.outcome in ("issue", "tip")


@dataclass(frozen=True)
class Check:
    """A check: everything that the rest of the library asks about it, and the findings that it can return.

    Each check is declared in the file of ``monolayer.checks`` that implements it; ``monolayer.checks.registry`` has all
    of them.

    Args:
        code: permanent, such as ``ML001``; it never changes its meaning and is never used again.
        title: what it checks, in a few words.
        subject: what it describes: a ``run``; the ``rows`` that runs share; a ``sweep``; the ``weights`` of rows; a
            ``dataset`` before training; or the ``installation``.
        needs: its input, in words.
        thresholds: names of the constants in ``monolayer.checks.thresholds`` that it uses.
    """

    code: str
    title: str
    subject: Subject
    needs: str
    thresholds: Sequence[str] = ()

    @property
    def page(self) -> str:
        """Its documentation, below docs/."""
        return f"findings/{self.code}.md"

    def make_finding(self, outcome: Outcome, evidence: str, advice: str = "Nothing to do.") -> Finding:
        """A finding with the code and the title of this check."""
        return Finding(self.code, outcome, self.title, evidence, advice)

    def judge(self, is_wrong: bool, evidence: str, advice: str, outcome: Outcome = "issue") -> Finding:
        """A finding with this outcome and advice if something is wrong; otherwise the check passed."""
        return self.make_finding(outcome, evidence, advice) if is_wrong else self.make_finding("passed", evidence)
