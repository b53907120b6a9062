"""The page of a run or a sweep, made from its folder alone, so that it can be made again later."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from monolayer.data.splits import Rows, Splits
from monolayer.evaluate.metrics import ROW_NAMES, format_accuracy
from monolayer.folder import (
    PREDICTIONS,
    REPORT,
    load_evaluation,
    load_history,
    load_network,
    load_recipe,
    save_run,
    save_sweep,
    write_table,
    write_text,
)
from monolayer.report.document import Block, Document, FigureRow, Notice, Paragraph, Section, Table
from monolayer.report.html import render_html
from monolayer.report.pictures import (
    Picture,
    draw_curves,
    draw_heat_map,
    draw_probabilities,
    draw_templates,
    save_pictures,
)
from monolayer.report.provenance import collect_provenance
from monolayer.sweeping import Sweep
from monolayer.training import Run, compute_probabilities

Array = npt.NDArray[Any]
PREDICTION_COLUMNS = ("row", "label", "predicted", "probability_of_label")


def save_run_with_report(run: Run, splits: Splits, folder: Path, test: Rows | None) -> None:
    """Write a run's folder: recipe, history, network, evaluation, figures, report.html, and predictions.

    Args:
        run: the run.
        splits: what it was trained on.
        folder: an empty folder.
        test: the opened test rows, for the predictions; None for a run that was not scored on them.
    """
    save_run(run, folder, **_describe(splits))
    if test is not None:
        _save_predictions(run, test, folder)
    write_run_report(folder)


def save_sweep_with_report(sweep: Sweep, splits: Splits, folder: Path) -> None:
    """Write a sweep's folder: its best run like any run, the table and histories of all, figures and report.html."""
    save_sweep(sweep, folder, **_describe(splits))
    write_run_report(folder)


def write_run_report(folder: Path) -> None:
    """Make figures/ and report.html from what a run's folder holds.

    Raises:
        BadData: if the folder is no run's folder.
    """
    evaluation = load_evaluation(folder)
    pictures = _draw_pictures(folder, evaluation)
    save_pictures(pictures, folder)
    write_text(folder / REPORT, render_html(_make_document(folder, evaluation, pictures)))


def _describe(splits: Splits) -> dict[str, Any]:
    dataset = splits.dataset
    return {
        "dataset": {"name": dataset.name, "source": dataset.source, "sha256": dataset.sha256},
        "test_openings": splits.openings,
        "provenance": collect_provenance(),
    }


def _save_predictions(run: Run, rows: Rows, folder: Path) -> None:
    """A line a test row: what the final evaluation saw."""
    probabilities = compute_probabilities(run.network, rows)
    columns = (rows.index, rows.y, probabilities.argmax(axis=1), probabilities[np.arange(len(rows)), rows.y])
    lines = (dict(zip(PREDICTION_COLUMNS, map(str, line), strict=True)) for line in zip(*columns, strict=True))
    write_table(folder / PREDICTIONS, PREDICTION_COLUMNS, lines)


def _draw_pictures(folder: Path, evaluation: dict[str, Any]) -> list[Picture]:
    history, network, sweep = load_history(folder), load_network(folder), evaluation.get("sweep")
    pictures: list[Picture | None] = [draw_heat_map(sweep["runs"], "grid")] if sweep else []
    if any(row.train_loss is not None or row.val_loss is not None for row in history):
        pictures += [draw_curves(history, quantity, "run") for quantity in ("loss", "cost", "accuracy")]
    pictures.append(draw_templates(network, "run"))
    if (folder / PREDICTIONS).is_file():
        with (folder / PREDICTIONS).open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        probability = np.array([float(row["probability_of_label"]) for row in rows])
        correct = np.array([row["label"] == row["predicted"] for row in rows])
        pictures.append(draw_probabilities(probability, correct, "run"))
    return [picture for picture in pictures if picture is not None]


def _make_document(folder: Path, evaluation: dict[str, Any], pictures: list[Picture]) -> Document:
    recipe, dataset, done = load_recipe(folder), evaluation["dataset"], evaluation["epochs_done"]
    sweep = evaluation.get("sweep")
    what = f"The best of {len(sweep['runs'])} recipes by validation accuracy" if sweep else "One network"
    settings = Table(
        "The recipe.", ("field", "value"), tuple((k, str(v)) for k, v in recipe.to_dict().items()), "plain"
    )
    blocks: list[Block] = [FigureRow((picture.render(),)) for picture in pictures]
    notices = [
        Notice(f"{f['evidence']} {f['advice']}", "bad", f"{f['code']} {f['title']}") for f in evaluation["findings"]
    ]
    if sweep and not sweep["is_complete"]:
        text = f"{sweep['n_complete']} of {sweep['n_recipes']} recipes went through all their epochs."
        notices.append(Notice(text, "warning", "The sweep was stopped"))
    elif done < recipe.epochs:
        notices.append(Notice(f"Stopped after {done} of {recipe.epochs} epochs.", "warning", "Not finished"))
    sections = [Section("Pictures", tuple(blocks)), Section("Recipe", (settings,))]
    if sweep:
        sections.insert(0, Section("Recipes", (_make_sweep_table(sweep["runs"], evaluation["axes"]),)))
    return Document(
        title=f"monolayer on {dataset['name']}",
        lead=f"{what}, trained on {evaluation['train']['n']:,} rows in {evaluation['seconds']:.1f} s.",
        notices=tuple(notices),
        sections=(*sections, _make_provenance_section(evaluation)),
        summary=_make_summary(evaluation),
    )


def _make_summary(evaluation: dict[str, Any]) -> Table:
    rows = tuple(
        (label, m["n"], _format(m["loss"]), _format(m["cost"]), format_accuracy(m["accuracy"], m["n"]))
        for name, label in ROW_NAMES.items()
        if (m := evaluation.get(name))
    )
    columns = ("rows", "n", "loss", "cost", "accuracy %, 95 % interval")
    return Table("What the network scores; intervals are Wilson's.", columns, rows)


def _make_sweep_table(runs: list[dict[str, Any]], axes: dict[str, Any], top: int = 10) -> Table:
    rows = tuple(
        (
            *(str(run["recipe"][axis]) for axis in axes),
            format_accuracy(run["val"]["accuracy"], run["val"]["n"]),
            f"{100 * run['train']['accuracy']:.2f}",
        )
        for run in runs[:top]
    )
    columns = (*axes, "validation accuracy %, 95 % interval", "training accuracy %")
    note = (
        "The first row's accuracy is the highest of all recipes on the rows that chose it, and so an optimistic one; "
        "the intervals are each row's own."
    )
    return Table(f"The best {len(rows)} of {len(runs)} recipes; all are in sweep.csv.", columns, rows, note=note)


def _make_provenance_section(evaluation: dict[str, Any]) -> Section:
    dataset = evaluation["dataset"]
    facts = {
        **evaluation["provenance"],
        "data": f"{dataset['name']}, from {dataset['source']}",
        "SHA-256 of the decoded data": dataset["sha256"],
        "test rows opened": "; ".join(evaluation["test_openings"]) or "never",
    }
    table = Table("How to get the same numbers.", ("what", "value"), tuple(facts.items()), "plain")
    return Section(
        "Provenance",
        (
            Paragraph("On the same machine, the same command on the same data gives the same weights, epoch by epoch."),
            table,
        ),
    )


def _format(value: float | None) -> str:
    return "diverged" if value is None else f"{value:.4f}"
