"""The first screen of the study's page: what the original printed, where it comes from, and ten verdicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from monolayer.checks.plausibility import Accuracy, check_claims
from monolayer.evaluate.metrics import format_accuracy
from monolayer.findings import Finding
from monolayer.reports.document import Block, Notice, Paragraph, Section, Table
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


def write_lead(result: StudyResult, is_comparable: bool) -> str:
    """What was done and what came out, for a reader who knows nothing of the matter."""
    honest = [100 * result.runs[key].evaluation["test"].accuracy for key in SETTINGS]
    rerun = [100 * row["test"].accuracy for row in result.published.values()]
    n_val, n_test = len(result.splits.val or ()), result.splits.n_test
    counts = Counter(verdict.outcome for verdict in result.verdicts)
    verdicts = (
        f"Of ten claims, {counts['supported']} are supported by the measurements, {counts['refuted']} are refuted, and "
        f"{counts['not distinguishable']} cannot be decided."
    )
    if not is_comparable:
        return (
            f"One layer, scored on {n_test:,} test images that no training step has seen, reaches **{span(honest)} %** "
            f"with the report's settings. Trained on those very images, as the report did, it seems to reach "
            f"{span(rerun)} %. {verdicts}"
        )
    val, test = (max(getattr(row, name) for row in reported.ACCURACIES.values()) for name in ("val", "test"))
    return (
        f"A student's report gives one layer up to {val:.0f} % on validation and {test:.0f} % on test images. On "
        f"images that no training step has seen, the same settings reach **{span(honest)} %**. The printed figures "
        f"come out again ({span(rerun)} % on test) when the network is **trained on the {n_val:,} validation or "
        f"{n_test:,} test images that it is then scored on**: they say nothing of new images. {verdicts}"
    )


def span(values: Iterable[float]) -> str:
    """The lowest and the highest of some values with one decimal, or one where they are alike."""
    low, *_, high = sorted(values)
    return f"{low:.1f} to {high:.1f}" if round(low, 1) != round(high, 1) else f"{low:.1f}"


def make_first_screen(result: StudyResult, is_comparable: bool) -> tuple[Table, ...]:
    """The four settings as printed, as run again and as they are; and the ten verdicts."""
    return make_settings_table(result, is_comparable), make_verdict_table(result)


def make_settings_table(result: StudyResult, is_comparable: bool) -> Table:
    """A row a setting: what is printed for validation and test, what its procedure gives, and the honest figure."""
    columns = ["setting"]
    for name in ("validation", "test"):
        columns += [*([f"{name} %"] if is_comparable else []), f"{name}, re-run", f"{name}, honest"]
    rows = tuple(
        (TITLES[key], *(cell for part in ("val", "test") for cell in _make_cells(result, key, part, is_comparable)))
        for key in SETTINGS
    )
    return Table(
        "Accuracy: as printed, as the report's procedure gives it when run again, and honest.",
        tuple(columns),
        rows,
        note="Re-run: trained on the images that are then scored. Honest: on images that no step has seen, with 95 % "
        "intervals.",
        printed_columns=("validation %", "test %") if is_comparable else (),
    )


def make_procedures_table(result: StudyResult, is_comparable: bool) -> Table:
    """The same with the training rows, a line a setting and part of the rows."""
    rows = tuple(
        (TITLES[key], name, *_make_cells(result, key, part, is_comparable))
        for key in SETTINGS
        for part, name in PARTS.items()
    )
    columns = ("setting", "rows", *(["printed %"] if is_comparable else []), "its procedure, run again %", "honest %")
    return Table(
        "Every setting and every part of the rows.",
        columns,
        rows,
        printed_columns=("printed %",) if is_comparable else (),
    )


def _make_cells(result: StudyResult, key: str, part: str, is_comparable: bool) -> list[str]:
    again, honest = result.published[key].get(part), result.runs[key].evaluation.get(part)
    return [
        *([f"{getattr(reported.ACCURACIES[key], part):.2f}"] if is_comparable else []),
        f"{100 * again.accuracy:.2f}" if again else "–",
        format_accuracy(honest.accuracy, honest.n) if honest else "–",
    ]


def make_verdict_table(result: StudyResult) -> Table:
    """The ten verdicts with the evidence that decides each."""
    rows = tuple((v.number, v.claim, f"**{MARKS[v.outcome]}**", _format_deciding(v)) for v in result.verdicts)
    n_seeds = len(result.repeats["all_data"])
    return Table(
        "What the report claims, and what the measurements say of it.",
        ("", "the report says", "verdict", "measured, 95 % interval"),
        rows,
        note=f"CE: cross-entropy; BCE: multiple binary cross-entropy. {n_seeds} seeds; how, stands under Ten verdicts.",
    )


def _format_deciding(verdict: Verdict) -> str:
    """The piece of evidence that settles the verdict, or the first where none does by itself."""
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


def make_published_section(result: StudyResult, is_comparable: bool) -> Section:
    """Where the printed figures come from, in plain words, with all three columns of every setting."""
    blocks: list[Block] = [
        Paragraph(
            "A network is trained on some images and scored on others, since only those tell what it makes of images "
            "that it has never seen. It cannot be better on them than on the ones it learnt from, chance aside: an "
            "accuracy far above that of training says that the images were not new."
        ),
        make_procedures_table(result, is_comparable),
        Paragraph(_explain_procedures(result)),
    ]
    if is_comparable:
        blocks += [Paragraph(_compare_with_printed(result)), _make_claims_notice()]
    return Section("Where the printed figures come from", tuple(blocks), "as-published")


def _explain_procedures(result: StudyResult) -> str:
    epochs, n_val, n_test = result.experiments[0].recipe.epochs, len(result.splits.val or ()), result.splits.n_test
    return (
        f"**Its procedure run again**, for cross-entropy: the trained weights are trained for {epochs} epochs more on "
        f"the {n_val:,} validation images and scored on them; and, separately, the same on the {n_test:,} test images. "
        "For multiple binary cross-entropy: the gradient lacks the 1/K that the report derives, and untrained weights "
        "are trained on each of the three sets and scored on the same. The fewer the images, the more of them a "
        "network can learn by heart, which is why the validation figures rise most. Nothing on this page is chosen "
        "by, or concluded from, these runs."
    )


def _compare_with_printed(result: StudyResult) -> str:
    again = {
        name: [abs(getattr(row, name) - 100 * result.published[key][name].accuracy)
               for key, row in reported.ACCURACIES.items()]
        for name in PARTS
    }  # fmt: skip
    honest = [
        abs(row.train - 100 * result.runs[key].evaluation["train"].accuracy) for key, row in reported.ACCURACIES.items()
    ]
    return (
        f"Run again, the procedure's accuracies differ from the printed ones by {span(again['train'])} points in "
        f"training, {span(again['val'])} in validation and {span(again['test'])} in test. The printed training "
        f"accuracies differ by {span(honest)} points from the honest ones: **these the report got right**."
    )


def _make_claims_notice() -> Notice:
    """The claims audit of the printed figures; it needs nothing but the figures and the numbers of images."""
    findings = [finding for row in reported.ACCURACIES.values() for finding in _judge_printed(row)]
    issues = [finding for finding in findings if finding.outcome == "issue"]
    widest = max(reported.ACCURACIES.values(), key=lambda row: row.val - row.train)
    return Notice(
        f"Of the {len(findings)} printed validation and test accuracies, {len(issues)} cannot come from a fair "
        f"evaluation, by the printed figures alone. The widest lead: {_judge_printed(widest)[0].evidence}",
        "bad",
        f"{issues[0].code}: {issues[0].title.lower()}",
    )


def _judge_printed(row: reported.PrintedAccuracies) -> list[Finding]:
    evaluations = {
        "Validation": Accuracy(row.val / 100, reported.N_VAL),
        "Test": Accuracy(row.test / 100, reported.N_TEST),
    }
    return check_claims(row.train / 100, evaluations)


def make_verdict_section(result: StudyResult) -> Section:
    """Every verdict with all its evidence."""
    blocks: list[Block] = [Paragraph(_explain_verdicts(result))]
    for verdict in result.verdicts:
        blocks += _make_verdict_blocks(verdict)
    return Section("Ten verdicts", tuple(blocks), "verdicts")


def _explain_verdicts(result: StudyResult) -> str:
    n_seeds, n_test = len(result.repeats["all_data"]), result.splits.n_test
    return (
        f"Every setting was trained with {n_seeds} seeds and scored on the same {n_test:,} test images. A claim is "
        "**supported** or **refuted** where a 95 % interval lies wholly on one side of the bound that the claim names, "
        "and **not distinguishable** where it does not; a claim of several parts is refuted by one of them."
    )


def _make_verdict_blocks(verdict: Verdict) -> list[Block]:
    rows = tuple((e.what, format_evidence(e), MARKS[e.outcome], e.statistic) for e in verdict.evidence)
    return [
        Paragraph(f"**{verdict.number}. {verdict.claim}:** {MARKS[verdict.outcome]}. {verdict.explanation}"),
        Table(f"What claim {verdict.number} rests on.", ("what was compared", "measured", "by itself", "how"), rows),
    ]


def make_repeats_table(result: StudyResult) -> Table:
    """Accuracies of every declared setting over its seeds: mean, and the seeds' standard deviation."""
    from monolayer.evaluate.significance import summarise_seeds

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
        note="Seeds change the first weights and the order of the images. That the images are finitely many is "
        "another uncertainty, and on test a larger one: see the intervals.",
    )
