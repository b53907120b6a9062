"""ML002: images of one split that stand in another."""

from __future__ import annotations

from monolayer.audit.finding import Finding, report
from monolayer.audit.leakage import Duplicate

DUPLICATED = "ML002"


def check_duplicates(pairs: list[Duplicate], n_test: int, part: str = "test") -> list[Finding]:
    """The finding on duplicates between training rows and test rows, or those of another part.

    Args:
        pairs: first is a training row, second a test row.
        n_test: number of test rows that were searched.
        part: what these rows are called.
    """
    if not pairs:
        return [report(DUPLICATED, "passed", f"None of {n_test:,} {part} rows stands among the training rows.")]
    rows = {pair.second for pair in pairs}
    n_mirrored, n_labels = sum(pair.mirrored for pair in pairs), sum(len(set(pair.labels)) > 1 for pair in pairs)
    return [
        report(
            DUPLICATED,
            "issue",
            f"{len(rows):,} of {n_test:,} {part} rows ({len(rows) / n_test:.1%}) stand among the training rows too: "
            f"{len(pairs):,} pairs, "
            f"{n_mirrored:,} of them mirrored, {n_labels:,} with labels that differ.",
            f"Score without these {part} rows too, and say both; look at the pairs first, since some may be wrong.",
        )
    ]
