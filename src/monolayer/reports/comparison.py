"""The page of a comparison of two runs."""

from pathlib import Path

import numpy as np

from monolayer.evaluate.metrics import ROW_NAMES, format_accuracy
from monolayer.evaluate.predictions import Predictions
from monolayer.figures import Curve, Curves, ProbabilityHistogram, Templates
from monolayer.reports.blocks import FigureBlock, FigureRow, Notice, Table
from monolayer.reports.calibration import READING_NAMES, draw_reliability, make_calibration_tables
from monolayer.reports.figures import draw_probabilities, save_figures
from monolayer.reports.html import render_html
from monolayer.reports.page import Page, fill_page
from monolayer.runs.compare import Comparison, Side
from monolayer.runs.folder import COMPARISON, REPORT, write_json, write_text

SIDES = ("A", "B")


def save_comparison(comparison: Comparison, folder: Path) -> None:
    """Write comparison.json, figures/ and report.html."""
    figures = draw_comparison(comparison)
    save_figures([figure for row in figures.values() for figure in row], folder)
    write_json(folder / COMPARISON, comparison.to_dict())
    write_text(folder / REPORT, render_html(make_comparison_page(comparison, figures)))


def draw_comparison(comparison: Comparison) -> dict[str, list[FigureBlock]]:
    """The figures by section: curves, templates, probabilities, reliability."""
    predictions = [side.predictions[comparison.paired.rows] for side in comparison.sides]
    return {
        "curves": _draw_curves(comparison),
        "templates": _draw_templates(comparison),
        "probabilities": _draw_probabilities(predictions, comparison.paired.rows),
        "reliability": [
            draw_reliability(p, reading, f"{name.lower()}-{reading}".replace("_", "-"), f"Run {name}")
            for name, p, readings in zip(SIDES, predictions, comparison.calibration, strict=True)
            for reading in readings
        ],
    }


def make_comparison_page(comparison: Comparison, figures: dict[str, list[FigureBlock]]) -> Page:
    """The page of a comparison."""
    matched = comparison.matched
    measured = {
        f"{name}, {READING_NAMES[reading]}": (calibration, None if isinstance(rescaled, str) else rescaled[reading])
        for name, readings, rescaled in zip(SIDES, comparison.calibration, comparison.rescaled, strict=True)
        for reading, calibration in readings.items()
    }
    return fill_page(
        "reports/templates/comparison.md.j2",
        sentences=describe_comparison(comparison),
        matched=Notice(matched.text, "good" if matched.is_matched else "warning", "comparability"),
        accuracy=make_accuracy_table(comparison),
        paired=_make_paired_table(comparison),
        recipes=_make_recipe_table(comparison),
        curves=FigureRow(figures["curves"]),
        calibration=make_calibration_tables(measured, f"the same {_name_rows(comparison)}"),
        not_rescaled=[(name, r) for name, r in zip(SIDES, comparison.rescaled, strict=True) if isinstance(r, str)],
        probabilities=figures["probabilities"],
        reliability=figures["reliability"],
        templates=[*figures["templates"], *_make_cosine_tables(comparison)],
    )


def describe_comparison(comparison: Comparison) -> list[str]:
    """The result in a few sentences."""
    paired = comparison.paired
    points = 100 * paired.test.difference
    low, high = 100 * paired.interval.low, 100 * paired.interval.high
    rows = f"the same {_name_rows(comparison)}"
    measured = (
        f"A minus B {points:+.2f} points [{low:+.2f}, {high:+.2f}], exact McNemar test: p = {paired.test.p_value:.2g}"
    )
    if paired.test.p_value < 0.05:
        better, other = SIDES if points > 0 else SIDES[::-1]
        verdict = f"Run {better} is significantly more accurate than run {other} on {rows} ({measured})."
    else:
        verdict = f"The accuracies of the two runs on {rows} are not significantly different ({measured})."
    gaps = [
        f"{name} {100 * side.gap:.2f}"
        for name, side in zip(SIDES, comparison.sides, strict=True)
        if side.gap is not None
    ]
    return [verdict, *([f"Training minus held-out accuracy, in percentage points: {', '.join(gaps)}."] if gaps else [])]


def make_accuracy_table(comparison: Comparison) -> Table:
    """Accuracies of both runs."""
    names = [name for name in ROW_NAMES if any(side.evaluation.get(name) for side in comparison.sides)]
    rows = tuple(
        (
            name,
            side.name,
            *(_format(side, part) for part in names),
            f"{100 * side.gap:.2f}" if side.gap is not None else "–",
        )
        for name, side in zip(SIDES, comparison.sides, strict=True)
    )
    columns = ("run", "folder", *(f"{ROW_NAMES[part]} %" for part in names), "gap, points")
    note = "Gap: training minus test accuracy, or minus validation accuracy if the test rows are sealed."
    return Table("Accuracy of both runs, with 95 % Wilson intervals.", columns, rows, note=note)


def _name_rows(comparison: Comparison) -> str:
    return f"{comparison.paired.test.n:,} {ROW_NAMES[comparison.paired.rows]} rows"


def _make_paired_table(comparison: Comparison) -> Table:
    """How often both, one or neither of the runs is correct."""
    paired = comparison.paired
    cells = (paired.both, paired.test.n_only_a, paired.test.n_only_b, paired.neither, f"{paired.test.p_value:.2g}")
    columns = ("both correct", "only A correct", "only B correct", "neither", "p, exact McNemar test")
    return Table(f"The same {_name_rows(comparison)}, predicted by both runs.", columns, [cells])


def _format(side: Side, part: str) -> str:
    metrics = side.evaluation.get(part)
    return format_accuracy(metrics["accuracy"], metrics["n"]) if metrics else "–"


def _make_recipe_table(comparison: Comparison) -> Table:
    rows = tuple((name, str(a), str(b)) for name, (a, b) in comparison.differing.items())
    caption = "Fields in which the recipes differ." if rows else "The recipes are equal."
    return Table(caption, ("field", *SIDES), rows, "plain")


def _draw_curves(comparison: Comparison) -> list[FigureBlock]:
    """Accuracy of both runs by epoch, and the loss if both have the same."""
    losses = {side.recipe.loss for side in comparison.sides}
    quantities = ("accuracy", "loss") if len(losses) == 1 else ("accuracy",)
    figures = []
    for quantity in quantities:
        curves = tuple(
            curve
            for name, side in zip(SIDES, comparison.sides, strict=True)
            if (curve := _follow(side, quantity, f"run {name}"))
        )
        if curves:
            caption = f"{quantity.capitalize()} of both runs after each epoch."
            chart = Curves(curves, quantity=quantity, percent=quantity == "accuracy")
            figures.append(FigureBlock(f"curves-{quantity}", chart, caption, caption))
    return figures


def _follow(side: Side, quantity: str, name: str) -> Curve | None:
    """The epochs after which training and validation rows were both evaluated."""
    points = [
        (row.epoch, train, val)
        for row in side.history
        if (train := getattr(row, f"train_{quantity}")) is not None
        and (val := getattr(row, f"val_{quantity}")) is not None
    ]
    if not points:
        return None
    epoch, train, val = np.array(points).T
    return Curve(epoch, train, val, name)


def _draw_templates(comparison: Comparison) -> list[FigureBlock]:
    """The template images of both runs, and of their difference."""
    a, b = (side.network for side in comparison.sides)
    shape = a.image_shape
    if shape is None or shape != b.image_shape or shape[0] not in (1, 3) or a.weights.shape != b.weights.shape:
        return []
    parts = (("a", "Run A", a.weights), ("b", "Run B", b.weights), ("difference", "A minus B", a.weights - b.weights))
    return [
        FigureBlock(
            f"templates-{name}",
            Templates(weights, a.class_names, shape),
            f"{title}: the weights of each class as an image, scaled to its own minimum and maximum.",
            f"{title}: {len(a.class_names)} small images, one for each class.",
        )
        for name, title, weights in parts
    ]


def _draw_probabilities(predictions: list[Predictions], rows: str) -> list[FigureBlock]:
    """Histograms of the probability of the true class, with the same count axis, of the runs with probabilities."""
    named = [(name, p) for name, p in zip(SIDES, predictions, strict=True) if p.has_probabilities]
    charts = [ProbabilityHistogram(p.probability_of_label, p.correct).frame() for _, p in named]
    heights = [max(frame[name]) for frame in charts for name in ("n_correct", "n_incorrect")]
    n_max = 1.05 * float(max(heights, default=1))
    figures = (
        draw_probabilities(p.probability_of_label, p.correct, f"run-{name.lower()}", f"Run {name}", n_max, rows)
        for name, p in named
    )
    return [figure for figure in figures if figure is not None]


def _make_cosine_tables(comparison: Comparison) -> list[Table]:
    """The similarity of the weights; none if the networks have different shapes."""
    if comparison.cosine is None:
        return []
    names = comparison.sides[0].network.class_names
    rows = [(name, f"{value:.3f}") for name, value in zip(names, comparison.cosine, strict=True)]
    caption = "Cosine similarity between the weights of the two runs, by class."
    return [Table(caption, ("class", "cosine similarity"), rows, note="1: same direction; 0: orthogonal.")]
