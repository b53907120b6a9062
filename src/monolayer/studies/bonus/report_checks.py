"""Sections of the page on the quality of its results: optimum, leaked test images, calibration, findings."""

import numpy as np

from monolayer.checks.certificate import SIGNIFICANT
from monolayer.checks.diagnose import summarise_findings
from monolayer.duplicates.leaked import compute_shift
from monolayer.evaluate.metrics import format_accuracy
from monolayer.figures import DuplicatePairs
from monolayer.recipe.losses import get_loss
from monolayer.reports.blocks import Block, FigureBlock, FigureRow, Paragraph, Section, Table
from monolayer.reports.calibration import (
    READING_NAMES,
    draw_reliability,
    make_brier_table,
    make_calibration_table,
    make_temperature_table,
)
from monolayer.reports.findings import make_findings_table
from monolayer.studies.bonus.study import StudyResult

N_PAIRS_SHOWN = 12


def make_certificate_section(result: StudyResult) -> Section:
    """The distance of each run to the lowest possible cost, and the validation accuracy of that optimum."""
    titles = {e.key: e.title for e in result.experiments}
    rows = []
    for key, c in result.certificates.items():
        rows.append(
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
        )
    table = Table(
        "The final cost, and the lowest cost that is possible with the same loss and l2.",
        ("experiment", "cost", "lowest cost", "distance", "gap of the solver", "end of the run",
         "validation % of the optimum", "p"),
        tuple(rows),
        note="The gap of the solver is an estimate of how much lower the true minimum may be than the lowest cost. "
        "Left: the remaining share of the possible decrease from the cost of chance predictions. p: exact McNemar test "
        "between the run and its optimum on the validation images.",
    )  # fmt: skip
    return Section("Distance to the optimum", (Paragraph(_explain_certificates(result)), table), "optimum")


def _explain_certificates(result: StudyResult) -> str:
    compared = [c.val for c in result.certificates.values() if c.val]
    significant = [val for val in compared if val.p_value < SIGNIFICANT]
    n_better = sum(val.run.accuracy > val.optimum.accuracy for val in significant)
    compared_runs = (
        f"On validation, the run is significantly better than its optimum in {n_better} of {len(compared)} experiments "
        f"and worse in {len(significant) - n_better}; the others are statistically indistinguishable."
    )
    return (
        "The cost of one layer is convex: it has one minimum, which an exact solver (preconditioned L-BFGS) finds. A "
        "run that stops above it has not converged, whatever its curve looks like: a learning rate that is almost "
        f"zero makes any curve flat. {compared_runs}"
    )


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


def make_leaked_section(result: StudyResult, picture: FigureBlock | None) -> Section:
    """Test images with a duplicate among the training images, and the accuracies without them."""
    mask = result.leaked.mask
    n, leaked = len(mask), int(mask.sum())
    if not leaked:
        text = f"None of the {n:,} test images has a duplicate among the training images."
        return Section("Leaked test images", (Paragraph(text),), "leaked")
    mirrored = sum(pair.mirrored for pair in result.leaked.pairs)
    blocks: list[Block] = [
        Paragraph(
            f"Of the {n:,} test images, **{leaked:,}** ({leaked / n:.1%}) show the same photograph as one of the "
            f"{len(result.splits.train):,} training images, unchanged or mirrored ({mirrored:,} of "
            f"{len(result.leaked.pairs):,} pairs), recoloured, shifted or scaled. They were found from the images "
            "only, with a threshold that was learnt from the training images; by eye, a few in a hundred show two "
            "photographs (docs/leakage.md)."
        ),
        _make_leaked_table(result),
    ]
    if picture:
        blocks.append(FigureRow((picture,)))
    return Section("Leaked test images", tuple(blocks), "leaked")


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


def make_calibration_section(result: StudyResult, pictures: list[FigureBlock]) -> Section:
    """The calibration of the two losses, for every kind of probability."""
    rows = f"the {result.splits.n_test:,} test rows"
    named = {
        f"{get_loss(result.scored[key].run.recipe.loss).abbreviation}, {READING_NAMES[reading]}": (
            calibration,
            rescaled.get(reading),
        )
        for key, (readings, rescaled) in result.calibration.items()
        for reading, calibration in readings.items()
    }
    calibrations = {name: calibration for name, (calibration, _) in named.items()}
    temperatures = {name: (before, rescaled) for name, (before, rescaled) in named.items() if rescaled}
    blocks: list[Block] = [
        Paragraph(
            "A probability of 0.3 is calibrated if three in ten such predictions are right. Multiple binary "
            "cross-entropy gives one sigmoid for each class. Its probabilities are the sigmoids, the sigmoids divided "
            "by their sum, or the softmax of the scores: the predicted class is the same, the probabilities differ."
        ),
        make_calibration_table(calibrations, rows),
        make_brier_table(calibrations),
        *([make_temperature_table(temperatures, rows)] if temperatures else []),
        *(
            FigureRow(tuple(picture for picture in pair))
            for pair in (pictures[i : i + 2] for i in range(0, len(pictures), 2))
        ),
    ]
    return Section("Calibration", tuple(blocks), "calibration")


def make_study_findings_section(result: StudyResult) -> Section:
    """Every check on the declared runs, the grid and the rows."""
    findings = [finding for _, finding in result.findings]
    text = f"monolayer checks every run for common errors. {summarise_findings(findings)}. Issues and tips come first."
    table = make_findings_table([(on, finding.to_dict()) for on, finding in result.findings])
    return Section("Findings", (Paragraph(text), table), "findings")
