"""Finding: something the library noticed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

Outcome = Literal["issue", "tip", "passed", "not applicable", "skipped", "muted"]


@dataclass(frozen=True)
class Finding:
    """Something the library noticed, under a code that never changes its meaning.

    Args:
        code: permanent, such as ``ML001``.
        outcome: how the check ended.
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
