"""Findings on a page: issues and tips as notices, and a table of all checks."""

from collections.abc import Sequence

from monolayer.reports.blocks import Level, Notice, Table

LEVELS: dict[str, Level] = {"issue": "bad", "tip": "note"}
ORDER = ("issue", "tip", "passed", "not applicable", "skipped", "muted")


def make_finding_notices(findings: Sequence[dict[str, str]]) -> list[Notice]:
    """Issues, then tips; other outcomes have no notice."""
    news = sorted((f for f in findings if f["outcome"] in LEVELS), key=lambda f: ORDER.index(f["outcome"]))
    return [Notice(f"{f['evidence']} {f['advice']}", LEVELS[f["outcome"]], f"{f['code']} {f['title']}") for f in news]


def make_findings_table(findings: Sequence[dict[str, str]], subjects: Sequence[str] = ()) -> Table | None:
    """One row for each finding, with its subject if there are several; None without findings."""
    if not findings:
        return None
    named = list(zip(subjects or [""] * len(findings), findings, strict=True))
    named.sort(key=lambda pair: (ORDER.index(pair[1]["outcome"]), pair[1]["code"]))
    rows = [
        (f["code"], *([subject] if subjects else []), f["title"], f["outcome"], f["evidence"]) for subject, f in named
    ]
    columns = ("code", *(["subject"] if subjects else []), "check", "outcome", "evidence")
    note = "Not applicable: the check does not concern this run. Skipped: the data that it needs were not measured."
    return Table("All checks and their outcomes; docs/findings has a page for each code.", columns, rows, note=note)
