"""Findings on a page: issues and tips as notices, and a table of all checks."""

from collections.abc import Sequence

from monolayer.reports.document import Level, Notice, Paragraph, Section, Table

LEVELS: dict[str, Level] = {"issue": "bad", "tip": "note"}
ORDER = ("issue", "tip", "passed", "not applicable", "skipped", "muted")


def make_finding_notices(findings: Sequence[dict[str, str]]) -> tuple[Notice, ...]:
    """Issues, then tips; other outcomes have no notice."""
    news = sorted((f for f in findings if f["outcome"] in LEVELS), key=lambda f: ORDER.index(f["outcome"]))
    return tuple(
        Notice(f"{f['evidence']} {f['advice']}", LEVELS[f["outcome"]], f"{f['code']} {f['title']}") for f in news
    )


def make_findings_section(findings: Sequence[dict[str, str]]) -> Section:
    """The section with all checks and their outcomes."""
    if not findings:
        return Section("Findings", (Paragraph("No checks were run."),))
    return Section("Findings", (make_findings_table([("", finding) for finding in findings]),))


def make_findings_table(findings: Sequence[tuple[str, dict[str, str]]]) -> Table:
    """One row for each (subject, finding); the subject is empty for the whole run."""
    ordered = sorted(findings, key=lambda pair: (ORDER.index(pair[1]["outcome"]), pair[1]["code"]))
    has_subject = any(subject for subject, _ in ordered)
    rows = tuple(
        (f["code"], *([subject] if has_subject else []), f["title"], f["outcome"], f["evidence"])
        for subject, f in ordered
    )
    columns = ("code", *(["subject"] if has_subject else []), "check", "outcome", "evidence")
    note = "Not applicable: the check does not concern this run. Skipped: the data that it needs were not measured."
    return Table("All checks and their outcomes; docs/findings has a page for each code.", columns, rows, note=note)
