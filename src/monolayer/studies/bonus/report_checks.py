"""The part of the page on the quality of its results: optimum, leaked test images, calibration, findings."""

from typing import Any

import numpy as np

from monolayer.checks.certificate import SIGNIFICANT
from monolayer.checks.diagnose import summarise_findings
from monolayer.duplicates.leaked import compute_shift
from monolayer.evaluate.metrics import format_accuracy
from monolayer.figures import DuplicatePairs
from monolayer.recipe.losses import get_loss
from monolayer.reports.blocks import FigureBlock, Table
from monolayer.reports.calibration import READING_NAMES, draw_reliability, make_calibration_tables
from monolayer.reports.findings import make_findings_table
from monolayer.studies.bonus.study import StudyResult

N_PAIRS_SHOWN = 12


def describe_checks(result: StudyResult) -> dict[str, Any]:
    """The optimum, leaked images, calibration and findings, as values for report.md.j2."""
    mask, compared = result.leaked.mask, [c.val for c in result.certificates.values() if c.val]
    significant = [val for val in compared if val.p_value < SIGNIFICANT]
    n_better = sum(val.run.accuracy > val.optimum.accuracy for val in significant)
    findings = [finding for _, finding in result.findings]
    return {
        "n_compared": len(compared),
        "n_better": n_better,
        "n_worse": len(significant) - n_better,
        "certificates": _make_certificate_table(result),
        "n_leaked": int(mask.sum()),
        "pairs": result.leaked.pairs,
        "n_mirrored": sum(pair.mirrored for pair in result.leaked.pairs),
        "leaked": _make_leaked_table(result) if mask.any() else None,
        "calibration": _make_calibration_tables(result),
        "findings_summary": summarise_findings(findings),
        "findings": make_findings_table([finding.to_dict() for finding in findings], [on for on, _ in result.findings]),
    }


def _make_certificate_table(result: StudyResult) -> Table:
    titles = {e.key: e.title for e in result.experiments}
    rows = [
        (
            titles[key],
            f"{c.cost:.4f}",
            f"{c.optimal_cost:.4f}",
            f"{c.distance:.4f}" if c.has_converged else "–",
            f"{c.gap:.0e}",
            f"{c.ending}: {c.left:.1%} left" if c.has_converged else c.ending,
            format_accuracy(c.val.optimum.accuracy, c.val.optimum.n) if c.val else "–",
            f"{c.val.p_value:.2g}" if c.val else "–",
        )
        for key, c in result.certificates.items()
    ]
    return Table(
        "The final cost, and the lowest cost that is possible with the same loss and l2.",
        ("experiment", "cost", "lowest cost", "distance", "gap of the solver", "end of the run",
         "validation % of the optimum", "p"),
        rows,
        note="The gap of the solver is an estimate of how much lower the true minimum may be than the lowest cost. "
        "Left: the remaining share of the possible decrease from the cost of chance predictions. p: exact McNemar test "
        "between the run and its optimum on the validation images.",
    )  # fmt: skip


def draw_leaked(result: StudyResult) -> FigureBlock | None:
    """Some pairs of a training image and a test image that show the same photograph, over the whole ranking."""
    pairs, dataset = result.leaked.pairs, result.dataset
    if not pairs or dataset.image_shape is None or dataset.image_shape[0] not in (1, 3):
        return None
    places = np.unique(np.linspace(0, len(pairs) - 1, N_PAIRS_SHOWN).round().astype(int))
    chart = DuplicatePairs.of([pairs[i] for i in places], dataset, dataset.test, splits=("train", "test"))
    caption = (
        f"{len(places)} of the {len(pairs):,} pairs, evenly spaced from the most to the least similar: a training "
        "image, and the test image of the same photograph."
    )
    return FigureBlock("leaked-pairs", chart, caption, f"A contact sheet of image pairs. {caption}")


def _make_leaked_table(result: StudyResult) -> Table:
    mask = result.leaked.mask
    titles = {e.key: e.title for e in result.experiments}
    rows = []
    for key, title in titles.items():
        correct = result.repeats[key][0].test.correct
        shift = compute_shift(correct, mask)
        cells = [format_accuracy(float(part.mean()), len(part)) for part in (correct, correct[~mask], correct[mask])]
        rows.append((title, *cells, f"{100 * shift.estimate:+.2f} [{100 * shift.low:+.2f}, {100 * shift.high:+.2f}]"))
    columns = ("experiment", "all test images", "without leaked", "leaked only", "change without leaked, points")
    return Table("Test accuracy in per cent, with and without the leaked images.", columns, tuple(rows))


def draw_calibration(result: StudyResult) -> list[FigureBlock]:
    """A reliability diagram for cross-entropy and for each reading of multiple binary cross-entropy."""
    titles = {e.key: e.title for e in result.experiments}
    return [
        draw_reliability(result.scored[key].test, reading, f"{key}-{reading}".replace("_", "-"), titles[key])
        for key, (readings, _) in result.calibration.items()
        for reading in readings
    ]


def _make_calibration_tables(result: StudyResult) -> list[Table]:
    measured = {
        f"{get_loss(result.scored[key].run.recipe.loss).abbreviation}, {READING_NAMES[reading]}": (
            calibration,
            rescaled.get(reading),
        )
        for key, (readings, rescaled) in result.calibration.items()
        for reading, calibration in readings.items()
    }
    return make_calibration_tables(measured, f"the {result.splits.n_test:,} test rows")
