"""The page of the bonus assignment: the reported figures, how they arise, and the verdicts on the ten claims."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from monolayer.checks.plausibility import Accuracy, check_claims
from monolayer.evaluate.metrics import format_accuracy
from monolayer.evaluate.significance import summarise_seeds
from monolayer.findings import Finding
from monolayer.reports.blocks import Notice, Table
from monolayer.studies.bonus import reported
from monolayer.studies.bonus.study import StudyResult
from monolayer.studies.bonus.verdicts import Evidence, Verdict

MARKS = {
    outcome: f"{mark}\N{NO-BREAK SPACE}{outcome}"
    for outcome, mark in (("supported", "✓"), ("refuted", "✗"), ("not distinguishable", "≈"))
}
SETTINGS = tuple(reported.ACCURACIES)
TITLES = {
    "all_data": "CE, all data",
    "flips": "CE, l2, flips",
    "cross_entropy": "CE, l2",
    "multiple_bce": "Multiple BCE, l2",
}
PARTS = {"train": "training", "val": "validation", "test": "test"}


def describe_claims(result: StudyResult, is_comparable: bool) -> dict[str, Any]:
    """The reported figures, how they arise, and the verdicts, as values for report.md.j2."""
    values: dict[str, Any] = {
        "held_out": span(100 * result.runs[key].evaluation["test"].accuracy for key in SETTINGS),
        "reproduced": span(100 * row["test"].accuracy for row in result.published.values()),
        "counts": Counter(verdict.outcome for verdict in result.verdicts),
        "marks": MARKS,
        "settings": _make_settings_table(result, is_comparable),
        "verdicts": _make_verdict_table(result),
        "procedures": _make_procedures_table(result, is_comparable),
        "verdicts_in_full": [(verdict, _make_evidence_table(verdict)) for verdict in result.verdicts],
    }
    if is_comparable:
        rows = reported.ACCURACIES.values()
        values |= {
            "highest_val": f"{max(row.val for row in rows):.0f}",
            "highest_test": f"{max(row.test for row in rows):.0f}",
            "apart": _compare_with_reported(result),
            "implausible": _make_claims_notice(),
        }
    return values


def span(values: Iterable[float]) -> str:
    """The lowest and the highest of some values with one decimal, or one value if they are equal."""
    low, *_, high = sorted(values)
    return f"{low:.1f} to {high:.1f}" if round(low, 1) != round(high, 1) else f"{low:.1f}"


def _make_settings_table(result: StudyResult, is_comparable: bool) -> Table:
    """A row for each setting: accuracy as reported, as its procedure gives it, and on held-out images."""
    columns = ["setting"]
    for name in ("validation", "test"):
        columns += [*([f"{name} %"] if is_comparable else []), f"{name}, reproduced", f"{name}, held out"]
    rows = tuple(
        (TITLES[key], *(cell for part in ("val", "test") for cell in _make_cells(result, key, part, is_comparable)))
        for key in SETTINGS
    )
    return Table(
        "Accuracy: as reported, as the procedure of the report gives it, and on held-out images.",
        tuple(columns),
        rows,
        note="Reproduced: trained on the images that are then evaluated. Held out: on images that were not trained on, "
        "with 95 % intervals.",
        printed_columns=("validation %", "test %") if is_comparable else (),
    )


def _make_procedures_table(result: StudyResult, is_comparable: bool) -> Table:
    """The same with the training rows, a line for each setting and split."""
    rows = tuple(
        (TITLES[key], name, *_make_cells(result, key, part, is_comparable))
        for key in SETTINGS
        for part, name in PARTS.items()
    )
    columns = ("setting", "rows", *(["reported %"] if is_comparable else []), "reproduced %", "held out %")
    return Table(
        "Every setting on every split.",
        columns,
        rows,
        note="The training images are trained on in both columns.",
        printed_columns=("reported %",) if is_comparable else (),
    )


def _make_cells(result: StudyResult, key: str, part: str, is_comparable: bool) -> list[str]:
    again, held_out = result.published[key].get(part), result.runs[key].evaluation.get(part)
    return [
        *([f"{getattr(reported.ACCURACIES[key], part):.2f}"] if is_comparable else []),
        f"{100 * again.accuracy:.2f}" if again else "–",
        format_accuracy(held_out.accuracy, held_out.n) if held_out else "–",
    ]


def _make_verdict_table(result: StudyResult) -> Table:
    """The ten verdicts with the evidence that decides each."""
    rows = tuple((v.number, v.claim, f"**{MARKS[v.outcome]}**", _format_deciding(v)) for v in result.verdicts)
    n_seeds = len(result.repeats["all_data"])
    return Table(
        "The claims of the report, and the verdicts of the measurements.",
        ("", "claim", "verdict", "measured, 95 % interval"),
        rows,
        note=f"CE: cross-entropy; BCE: multiple binary cross-entropy. {n_seeds} seeds. The section on the ten verdicts "
        "describes the methods.",
    )


def _format_deciding(verdict: Verdict) -> str:
    """The evidence that decides the verdict, or the first if no single piece decides."""
    deciding = [e for e in verdict.evidence if e.outcome == verdict.outcome] or list(verdict.evidence)
    return f"{deciding[0].short}: {format_evidence(deciding[0])}"


def format_evidence(evidence: Evidence) -> str:
    """Estimate and interval with their unit, such as ``-0.3 [-0.6, 0.1] points``."""
    interval = evidence.interval
    values = (interval.estimate, interval.low, interval.high)
    digits = 2 if evidence.unit else 3
    estimate, low, high = (f"{v:.1e}" if 0 < abs(v) < 1e-4 else f"{v:.{digits}f}" for v in values)
    text = estimate if interval.low == interval.high else f"{estimate} [{low}, {high}]"
    return f"{text} {evidence.unit}".rstrip()


def _compare_with_reported(result: StudyResult) -> dict[str, str]:
    """The distances in points between reported and reproduced accuracies, and training accuracies measured here."""
    reproduced = {
        name: span(
            abs(getattr(row, name) - 100 * result.published[key][name].accuracy)
            for key, row in reported.ACCURACIES.items()
        )
        for name in PARTS
    }
    held_out = span(
        abs(row.train - 100 * result.runs[key].evaluation["train"].accuracy) for key, row in reported.ACCURACIES.items()
    )
    return {**reproduced, "held_out": held_out}


def _make_claims_notice() -> Notice:
    """The plausibility check of the reported figures, from the figures and the numbers of images only."""
    findings = [finding for row in reported.ACCURACIES.values() for finding in _check_reported(row)]
    issues = [finding for finding in findings if finding.outcome == "issue"]
    widest = max(reported.ACCURACIES.values(), key=lambda row: row.val - row.train)
    return Notice(
        f"Of the {len(findings)} reported validation and test accuracies, {len(issues)} are implausible in a fair "
        f"evaluation, by the reported figures alone. The largest lead: {_check_reported(widest)[0].evidence}",
        "bad",
        f"{issues[0].code}: {issues[0].title.lower()}",
    )


def _check_reported(row: reported.PrintedAccuracies) -> list[Finding]:
    evaluations = {
        "Validation": Accuracy(row.val / 100, reported.N_VAL),
        "Test": Accuracy(row.test / 100, reported.N_TEST),
    }
    return check_claims(row.train / 100, evaluations)


def _make_evidence_table(verdict: Verdict) -> Table:
    rows = [(e.what, format_evidence(e), MARKS[e.outcome], e.statistic) for e in verdict.evidence]
    return Table(f"Evidence on claim {verdict.number}.", ("compared", "measured", "outcome", "method"), rows)


def make_repeats_table(result: StudyResult) -> Table:
    """Accuracies of every declared setting: mean and standard deviation over its seeds."""
    titles = {e.key: e.title for e in result.experiments}
    rows = []
    for key, title in titles.items():
        columns = [[s.run.evaluation[part].accuracy for s in result.repeats[key]] for part in PARTS]
        summaries = [summarise_seeds(column) for column in columns]
        rows.append((title, *(f"{100 * s.mean:.2f} ± {100 * s.sd:.2f}" for s in summaries)))
    n = len(result.repeats["all_data"])
    return Table(
        f"Mean and standard deviation over {n} seeds, accuracy in per cent.",
        ("experiment", *PARTS.values()),
        tuple(rows),
        note="Seeds change the initial weights and the order of the images. The intervals show the uncertainty from "
        "the finite number of images, which is larger on test.",
    )
