"""Findings on a page: what is news as notices, and every check with its outcome as a table."""

from __future__ import annotations

from collections.abc import Sequence

from monolayer.reports.document import Level, Notice, Paragraph, Section, Table

LEVELS: dict[str, Level] = {"issue": "bad", "tip": "note"}
ORDER = ("issue", "tip", "passed", "not applicable", "skipped", "muted")


def make_finding_notices(findings: Sequence[dict[str, str]]) -> tuple[Notice, ...]:
    """Issues, then tips; what passed, does not apply, was skipped or is muted makes no notice."""
    news = sorted((f for f in findings if f["outcome"] in LEVELS), key=lambda f: ORDER.index(f["outcome"]))
    return tuple(
        Notice(f"{f['evidence']} {f['advice']}", LEVELS[f["outcome"]], f"{f['code']} {f['title']}") for f in news
    )


def make_findings_section(findings: Sequence[dict[str, str]]) -> Section:
    """Every check and how it ended."""
    if not findings:
        return Section("Findings", (Paragraph("No check was made."),))
    return Section("Findings", (make_findings_table([("", finding) for finding in findings]),))


def make_findings_table(findings: Sequence[tuple[str, dict[str, str]]]) -> Table:
    """A line a finding, with what it is on where that is not the whole: (what, finding)."""
    ordered = sorted(findings, key=lambda pair: (ORDER.index(pair[1]["outcome"]), pair[1]["code"]))
    has_subject = any(subject for subject, _ in ordered)
    rows = tuple(
        (f["code"], *([subject] if has_subject else []), f["title"], f["outcome"], f["evidence"])
        for subject, f in ordered
    )
    columns = ("code", *(["on"] if has_subject else []), "check", "outcome", "what was seen")
    note = "Not applicable: the question does not arise. Skipped: it arises, but what it needs was not measured."
    return Table("Every check and how it ended; docs/findings has a page for each code.", columns, rows, note=note)
