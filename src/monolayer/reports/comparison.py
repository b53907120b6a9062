"""The page of a comparison: two runs side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from monolayer.evaluate.metrics import ROW_NAMES, format_accuracy
from monolayer.evaluate.predictions import Predictions
from monolayer.figures import Curve, Curves, ProbabilityHistogram, Templates
from monolayer.reports.calibration import (
    READING_NAMES,
    draw_reliability,
    make_brier_table,
    make_calibration_table,
    make_temperature_table,
)
from monolayer.reports.document import Block, Document, FigureRow, Notice, Paragraph, Section, Table
from monolayer.reports.html import render_html
from monolayer.reports.pictures import Picture, draw_probabilities, save_pictures
from monolayer.runs.compare import Comparison, Side
from monolayer.runs.folder import COMPARISON, REPORT, write_json, write_text

SIDES = ("A", "B")


def save_comparison(comparison: Comparison, folder: Path) -> None:
    """Write comparison.json, figures/ and report.html."""
    pictures = draw_comparison(comparison)
    save_pictures([picture for row in pictures.values() for picture in row], folder)
    write_json(folder / COMPARISON, comparison.to_dict())
    write_text(folder / REPORT, render_html(make_comparison_document(comparison, pictures)))


def draw_comparison(comparison: Comparison) -> dict[str, list[Picture]]:
    """The pictures by section: curves, templates, probabilities, reliability."""
    predictions = [side.predictions[comparison.paired.rows] for side in comparison.sides]
    return {
        "curves": _draw_curves(comparison),
        "templates": _draw_templates(comparison),
        "probabilities": _draw_probabilities(predictions),
        "reliability": [
            draw_reliability(said, reading, f"{name.lower()}-{reading}".replace("_", "-"), f"Run {name}")
            for name, said, readings in zip(SIDES, predictions, comparison.calibration, strict=True)
            for reading in readings
        ],
    }


def make_comparison_document(comparison: Comparison, pictures: dict[str, list[Picture]]) -> Document:
    """The comparison as a document."""
    matched = comparison.matched
    return Document(
        title="Two runs side by side",
        lead=" ".join(describe_comparison(comparison)),
        notices=(Notice(matched.text, "good" if matched.is_matched else "warning", "what is compared"),),
        summary=(make_accuracy_table(comparison), make_paired_table(comparison)),
        sections=(
            Section("Recipes", (_make_recipe_table(comparison),)),
            Section("Curves", (_row(pictures["curves"]),)),
            Section("Calibration", tuple(_make_calibration_blocks(comparison, pictures))),
            Section("Templates", tuple(_make_template_blocks(comparison, pictures["templates"]))),
        ),
    )


def describe_comparison(comparison: Comparison) -> list[str]:
    """What comes out, in a few sentences."""
    paired = comparison.paired
    points = 100 * paired.test.difference
    low, high = 100 * paired.interval.low, 100 * paired.interval.high
    rows = f"the same {paired.test.n:,} {ROW_NAMES[paired.rows]} rows"
    measured = f"{points:+.2f} points [{low:+.2f}, {high:+.2f}], exact McNemar test: p = {paired.test.p_value:.2g}"
    if paired.test.p_value < 0.05:
        better, other = SIDES if points > 0 else SIDES[::-1]
        verdict = f"Run {better} is more accurate than run {other} on {rows} ({measured})."
    else:
        verdict = f"On {rows} the two runs cannot be told apart by their accuracy ({measured})."
    gaps = [
        f"{name} {100 * side.gap:.2f}"
        for name, side in zip(SIDES, comparison.sides, strict=True)
        if side.gap is not None
    ]
    return [verdict, *([f"Training less held-out accuracy, in points: {', '.join(gaps)}."] if gaps else [])]


def make_accuracy_table(comparison: Comparison) -> Table:
    """Accuracies of both, a line a run."""
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
    note = "Gap: training less test accuracy (less validation where the test rows are sealed)."
    return Table("Accuracy of both runs, with 95 % intervals (Wilson).", columns, rows, note=note)


def make_paired_table(comparison: Comparison) -> Table:
    """How often both, either or neither is right."""
    paired = comparison.paired
    cells = (paired.both, paired.test.n_only_a, paired.test.n_only_b, paired.neither, f"{paired.test.p_value:.2g}")
    columns = ("both right", "only A right", "only B right", "neither", "p, exact McNemar test")
    return Table(f"The same {paired.test.n:,} {ROW_NAMES[paired.rows]} rows, answered by both.", columns, (cells,))


def _format(side: Side, part: str) -> str:
    metrics = side.evaluation.get(part)
    return format_accuracy(metrics["accuracy"], metrics["n"]) if metrics else "–"


def _make_recipe_table(comparison: Comparison) -> Table:
    rows = tuple((name, str(a), str(b)) for name, (a, b) in comparison.differing.items())
    caption = "Fields of the recipes that differ." if rows else "The recipes are the same."
    return Table(caption, ("field", *SIDES), rows, "plain")


def _row(pictures: list[Picture]) -> Block:
    return FigureRow(tuple(picture.render() for picture in pictures))


def _draw_curves(comparison: Comparison) -> list[Picture]:
    """Accuracy of both against epoch; and loss, if it is one loss."""
    losses = {side.recipe.loss for side in comparison.sides}
    quantities = ("accuracy", "loss") if len(losses) == 1 else ("accuracy",)
    pictures = []
    for quantity in quantities:
        curves = tuple(
            curve
            for name, side in zip(SIDES, comparison.sides, strict=True)
            if (curve := _follow(side, quantity, f"run {name}"))
        )
        if curves:
            caption = f"{quantity.capitalize()} of both runs after each epoch."
            chart = Curves(curves, quantity=quantity, percent=quantity == "accuracy")
            pictures.append(Picture(f"curves-{quantity}", chart, caption, caption))
    return pictures


def _follow(side: Side, quantity: str, name: str) -> Curve | None:
    """The epochs at which both training and validation rows were evaluated."""
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


def _draw_templates(comparison: Comparison) -> list[Picture]:
    """Both runs' templates, and their difference."""
    a, b = (side.network for side in comparison.sides)
    shape = a.image_shape
    if shape is None or shape != b.image_shape or shape[0] not in (1, 3) or a.weights.shape != b.weights.shape:
        return []
    parts = (("a", "Run A", a.weights), ("b", "Run B", b.weights), ("difference", "A less B", a.weights - b.weights))
    return [
        Picture(
            f"templates-{name}",
            Templates(weights, a.class_names, shape),
            f"{title}: each class's weights as a picture, scaled to its own minimum and maximum.",
            f"{title}: {len(a.class_names)} small pictures, one a class.",
        )
        for name, title, weights in parts
    ]


def _draw_probabilities(predictions: list[Predictions]) -> list[Picture]:
    """The histograms of the true class's probability, at one height, of the runs that have probabilities."""
    named = [(name, said) for name, said in zip(SIDES, predictions, strict=True) if said.has_probabilities]
    charts = [ProbabilityHistogram(said.probability_of_label, said.correct).frame() for _, said in named]
    heights = [max(frame[name]) for frame in charts for name in ("n_correct", "n_incorrect")]
    n_max = 1.05 * float(max(heights, default=1))
    pictures = (
        draw_probabilities(said.probability_of_label, said.correct, f"run-{name.lower()}", f"Run {name}", n_max)
        for name, said in named
    )
    return [picture for picture in pictures if picture is not None]


def _make_calibration_blocks(comparison: Comparison, pictures: dict[str, list[Picture]]) -> list[Block]:
    rows = f"the same {comparison.paired.test.n:,} {ROW_NAMES[comparison.paired.rows]} rows"
    named = {
        f"{name}, {READING_NAMES[reading]}": calibration
        for name, readings in zip(SIDES, comparison.calibration, strict=True)
        for reading, calibration in readings.items()
    }
    blocks: list[Block] = [make_calibration_table(named, rows), make_brier_table(named)] if named else []
    temperatures = {
        f"{name}, {READING_NAMES[reading]}": (readings[reading], result)
        for name, readings, rescaled in zip(SIDES, comparison.calibration, comparison.rescaled, strict=True)
        if not isinstance(rescaled, str)
        for reading, result in rescaled.items()
    }
    if temperatures:
        blocks.append(make_temperature_table(temperatures, rows))
    blocks += [
        Paragraph(f"A temperature for run {name} {rescaled}.")
        for name, rescaled in zip(SIDES, comparison.rescaled, strict=True)
        if isinstance(rescaled, str)
    ]
    drawn = pictures["probabilities"], pictures["reliability"]
    return blocks + [_row(row[i : i + 2]) for row in drawn for i in range(0, len(row), 2)]


def _make_template_blocks(comparison: Comparison, pictures: list[Picture]) -> list[Block]:
    if comparison.cosine is None:
        return [Paragraph("The two networks have weights of different shapes.")]
    names = comparison.sides[0].network.class_names
    rows = tuple((name, f"{value:.3f}") for name, value in zip(names, comparison.cosine, strict=True))
    table = Table(
        "How alike the two runs' weights of each class are.",
        ("class", "cosine"),
        rows,
        note="1: the same direction; 0: nothing in common.",
    )
    return [*(FigureRow((picture.render(),)) for picture in pictures), table]
