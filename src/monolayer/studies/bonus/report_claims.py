"""The page of the bonus assignment: the reported figures, how they arise, and the verdicts on the ten claims."""

from collections import Counter
from collections.abc import Iterable

from monolayer.checks.plausibility import Accuracy, check_claims
from monolayer.evaluate.metrics import format_accuracy
from monolayer.findings import Finding
from monolayer.reports.blocks import Block, Notice, Paragraph, Section, Table
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
    """The summary, for a reader without previous knowledge."""
    held_out = [100 * result.runs[key].evaluation["test"].accuracy for key in SETTINGS]
    rerun = [100 * row["test"].accuracy for row in result.published.values()]
    n_val, n_test = len(result.splits.val or ()), result.splits.n_test
    counts = Counter(verdict.outcome for verdict in result.verdicts)
    verdicts = (
        f"Of ten claims, the measurements support {counts['supported']} and refute {counts['refuted']}; "
        f"{counts['not distinguishable']} cannot be decided."
    )
    if not is_comparable:
        return (
            f"One layer, evaluated on {n_test:,} test images that were not trained on, reaches **{span(held_out)} %** "
            f"with the settings of the report. Trained on these images, as in the report, it appears to reach "
            f"{span(rerun)} %. {verdicts}"
        )
    val, test = (max(getattr(row, name) for row in reported.ACCURACIES.values()) for name in ("val", "test"))
    return (
        f"A student's report states accuracies of up to {val:.0f} % on validation and {test:.0f} % on test images for "
        f"one layer. On images that were not trained on, the same settings reach **{span(held_out)} %**. The reported "
        f"figures are reproduced ({span(rerun)} % on test) if the network is **trained on the {n_val:,} validation or "
        f"{n_test:,} test images that it is then evaluated on**, so they are not accuracies on new images. {verdicts}"
    )


def span(values: Iterable[float]) -> str:
    """The lowest and the highest of some values with one decimal, or one value if they are equal."""
    low, *_, high = sorted(values)
    return f"{low:.1f} to {high:.1f}" if round(low, 1) != round(high, 1) else f"{low:.1f}"


def make_first_screen(result: StudyResult, is_comparable: bool) -> tuple[Table, ...]:
    """The four settings as reported, as reproduced and on held-out images; and the ten verdicts."""
    return make_settings_table(result, is_comparable), make_verdict_table(result)


def make_settings_table(result: StudyResult, is_comparable: bool) -> Table:
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


def make_procedures_table(result: StudyResult, is_comparable: bool) -> Table:
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


def make_verdict_table(result: StudyResult) -> Table:
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


def make_published_section(result: StudyResult, is_comparable: bool) -> Section:
    """How the reported figures arise, with all columns of every setting."""
    blocks: list[Block] = [
        Paragraph(
            "A network is trained on some images and evaluated on others, since only these show its accuracy on new "
            "images. Apart from chance, it is not better on new images than on its training images: an evaluation "
            "accuracy far above the training accuracy shows that the images were not new."
        ),
        make_procedures_table(result, is_comparable),
        Paragraph(_explain_procedures(result)),
    ]
    if is_comparable:
        blocks += [Paragraph(_compare_with_reported(result)), _make_claims_notice()]
    return Section("How the reported figures arise", tuple(blocks), "as-published")


def _explain_procedures(result: StudyResult) -> str:
    epochs, n_val, n_test = result.experiments[0].recipe.epochs, len(result.splits.val or ()), result.splits.n_test
    return (
        f"**The procedure of the report**, for cross-entropy: the trained weights are trained for {epochs} more epochs "
        f"on the {n_val:,} validation images and evaluated on them, and separately the same on the {n_test:,} test "
        "images. For multiple binary cross-entropy: the gradient lacks the 1/K that the report derives, and untrained "
        "weights are trained on each of the three sets and evaluated on the same set. A network memorises a larger "
        "share of fewer images, so the validation figures rise most. Nothing on this page is selected by these runs, "
        "or concluded from them."
    )


def _compare_with_reported(result: StudyResult) -> str:
    again = {
        name: [abs(getattr(row, name) - 100 * result.published[key][name].accuracy)
               for key, row in reported.ACCURACIES.items()]
        for name in PARTS
    }  # fmt: skip
    held_out = [
        abs(row.train - 100 * result.runs[key].evaluation["train"].accuracy) for key, row in reported.ACCURACIES.items()
    ]
    return (
        f"The reproduced accuracies differ from the reported ones by {span(again['train'])} points in training, "
        f"{span(again['val'])} in validation and {span(again['test'])} in test. The reported training accuracies "
        f"differ by {span(held_out)} points from those measured here: **these are correct in the report**."
    )


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


def make_verdict_section(result: StudyResult) -> Section:
    """Every verdict with all of its evidence."""
    blocks: list[Block] = [Paragraph(_explain_verdicts(result))]
    for verdict in result.verdicts:
        blocks += _make_verdict_blocks(verdict)
    return Section("Ten verdicts", tuple(blocks), "verdicts")


def _explain_verdicts(result: StudyResult) -> str:
    n_seeds, n_test = len(result.repeats["all_data"]), result.splits.n_test
    return (
        f"Every setting was trained with {n_seeds} seeds and evaluated on the same {n_test:,} test images. A claim is "
        "**supported** or **refuted** if the 95 % interval is entirely on one side of the bound in the claim, and "
        "**not distinguishable** otherwise; a claim of several parts is refuted if one of them is."
    )


def _make_verdict_blocks(verdict: Verdict) -> list[Block]:
    rows = tuple((e.what, format_evidence(e), MARKS[e.outcome], e.statistic) for e in verdict.evidence)
    return [
        Paragraph(f"**{verdict.number}. {verdict.claim}:** {MARKS[verdict.outcome]}. {verdict.explanation}"),
        Table(f"Evidence on claim {verdict.number}.", ("compared", "measured", "outcome", "method"), rows),
    ]


def make_repeats_table(result: StudyResult) -> Table:
    """Accuracies of every declared setting: mean and standard deviation over its seeds."""
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
        note="Seeds change the initial weights and the order of the images. The intervals show the uncertainty from "
        "the finite number of images, which is larger on test.",
    )
