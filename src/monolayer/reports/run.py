"""The page of a run or a sweep, made from its folder alone, so that it can be made again later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from monolayer.data.dataset import Splits
from monolayer.errors import BadInput
from monolayer.evaluate.metrics import ROW_NAMES, format_accuracy, format_loss
from monolayer.evaluate.predictions import Predictions
from monolayer.reports.document import Block, Document, FigureRow, Notice, Paragraph, Section, Table
from monolayer.reports.findings import make_finding_notices, make_findings_section
from monolayer.reports.html import render_html
from monolayer.reports.model_card import write_card
from monolayer.reports.pictures import Picture, draw_curves, draw_probabilities, draw_templates, save_pictures
from monolayer.reports.provenance import collect_provenance
from monolayer.reports.sweep import make_sweep_sections, merge_findings
from monolayer.reports.sweep_pictures import draw_sweep
from monolayer.runs.folder import (
    PREDICTIONS,
    REPORT,
    load_certificate,
    load_evaluation,
    load_histories,
    load_history,
    load_network,
    load_predictions,
    load_recipe,
    save_predictions,
    save_run,
    save_sweep,
    write_table,
    write_text,
)
from monolayer.training.run import Run, predict_rows
from monolayer.tuning.sweep import Sweep

PREDICTION_COLUMNS = ("row", "label", "predicted", "probability_of_label")


def save_run_with_report(
    run: Run, splits: Splits, folder: Path, predictions: dict[str, Predictions], command: Sequence[str] | None = None
) -> None:
    """Write a run's folder: recipe, history, network, evaluation, answers, predictions, figures, page and card.

    Args:
        run: the run.
        splits: what it was trained on.
        folder: an empty folder.
        predictions: what the network says of the rows ``val`` and, if they have been opened, ``test``.
        command: what was asked for, word by word; by default the command of this process.
    """
    save_run(run, folder, **describe_origin(splits, command))
    write_predictions(predictions, folder)
    write_run_report(folder)


def save_sweep_with_report(sweep: Sweep, splits: Splits, folder: Path, command: Sequence[str] | None = None) -> None:
    """Write a sweep's folder: its best run like any run, the table and histories of all, figures and report.html."""
    save_sweep(sweep, folder, **describe_origin(splits, command))
    if splits.val is not None:
        write_predictions({"val": predict_rows(sweep.best.network, splits.val)}, folder)
    write_run_report(folder)


def write_run_report(folder: Path, heat_map: tuple[str, str] | None = None) -> None:
    """Make figures/, report.html and the model card from what a run's folder holds.

    Args:
        folder: that train or sweep made.
        heat_map: the two fields of a sweep's heat map; by default the two with most values.

    Raises:
        BadData: if the folder is no run's folder.
        BadInput: if a heat map of fields is asked for that do not vary in it.
    """
    evaluation = load_evaluation(folder)
    of_sweep, of_run = _draw_sweep(folder, evaluation, heat_map), draw_run(folder)
    save_pictures([*of_sweep, *of_run], folder)
    write_text(folder / REPORT, render_html(_make_document(folder, evaluation, of_sweep, of_run)))
    write_card(folder)


def describe_origin(splits: Splits, command: Sequence[str] | None) -> dict[str, Any]:
    """Data, splits, openings of the test rows and versions, as evaluation.json holds them beside a run."""
    dataset = splits.dataset
    return {
        "dataset": {name: getattr(dataset, name) for name in ("name", "source", "sha256", "reading")},
        **_describe_features(splits),
        "test_openings": [asdict(opening) for opening in splits.openings],
        "splits": {"fingerprint": splits.fingerprint, **splits.request},
        "provenance": collect_provenance(command),
    }


def _describe_features(splits: Splits) -> dict[str, Any]:
    """What made the features of images, where it did."""
    transformer = splits.dataset.transformer
    return {"features": {"by": transformer.describe(), "sha256": transformer.sha256}} if transformer else {}


def write_predictions(predictions: dict[str, Predictions], folder: Path) -> None:
    """All scores as answers.safetensors, and a line a test row, for people, in predictions.csv."""
    save_predictions(predictions, folder)
    if "test" not in predictions:
        return
    test = predictions["test"]
    probability = test.probability_of_label if test.has_probabilities else [""] * len(test)
    columns = (test.index, test.y, test.predicted, probability)
    lines = (dict(zip(PREDICTION_COLUMNS, map(str, line), strict=True)) for line in zip(*columns, strict=True))
    write_table(folder / PREDICTIONS, PREDICTION_COLUMNS, lines)


def _draw_sweep(folder: Path, evaluation: dict[str, Any], pair: tuple[str, str] | None) -> list[Picture]:
    """The pictures of all runs of a sweep; none where the folder holds one run."""
    sweep = evaluation.get("sweep")
    if sweep:
        return draw_sweep(sweep, evaluation["axes"], load_histories(folder), pair)
    if pair:
        raise BadInput(f"{folder} holds one run, so there is no heat map of it; accepted is a sweep's folder.")
    return []


def draw_run(folder: Path) -> list[Picture]:
    """The pictures of one run, or of a sweep's best, from what its folder holds."""
    history, network = load_history(folder), load_network(folder)
    pictures: list[Picture | None] = []
    if any(row.train_loss is not None or row.val_loss is not None for row in history):
        pictures += [draw_curves(history, quantity, "run") for quantity in ("loss", "cost", "accuracy")]
    pictures.append(draw_templates(network, "run"))
    test = load_predictions(folder).get("test")
    if test and test.has_probabilities:
        pictures.append(draw_probabilities(test.probability_of_label, test.correct, "run"))
    return [picture for picture in pictures if picture is not None]


def _make_document(
    folder: Path, evaluation: dict[str, Any], of_sweep: list[Picture], of_run: list[Picture]
) -> Document:
    recipe, dataset, done = load_recipe(folder), evaluation["dataset"], evaluation["epochs_done"]
    sweep = evaluation.get("sweep")
    seconds = (sweep or evaluation)["seconds"]  # of all banks by the clock, not of the best run's alone
    what = f"The best of {len(sweep['runs'])} recipes by validation accuracy" if sweep else "One network"
    settings = Table(
        "The recipe.", ("field", "value"), tuple((k, str(v)) for k, v in recipe.to_dict().items()), "plain"
    )
    findings = list(evaluation["findings"])
    if sweep:
        findings += merge_findings(sweep["findings"], evaluation["axes"], len(sweep["runs"]))
    notices = [*make_finding_notices(findings)]
    if sweep and not sweep["is_complete"]:
        text = f"{sweep['n_complete']} of {sweep['n_recipes']} recipes went through all their epochs."
        notices.append(Notice(text, "warning", "The sweep was stopped"))
    elif done < recipe.epochs:
        notices.append(Notice(f"Stopped after {done} of {recipe.epochs} epochs.", "warning", "Not finished"))
    blocks: list[Block] = [FigureRow((picture.render(),)) for picture in of_run]
    sections = [Section("The best run" if sweep else "Pictures", tuple(blocks)), Section("Recipe", (settings,))]
    if sweep:
        sections = [*make_sweep_sections(sweep, evaluation["axes"], of_sweep), *sections]
    if certificate := load_certificate(folder):
        sections.append(_make_certificate_section(certificate, evaluation))
    return Document(
        title=f"monolayer on {dataset['name']}",
        lead=f"{what}, trained on {evaluation['train']['n']:,} rows in {seconds:.1f} s.",
        notices=tuple(notices),
        sections=(*sections, make_findings_section(findings), _make_provenance_section(evaluation)),
        summary=(_make_summary(evaluation),),
    )


def _make_summary(evaluation: dict[str, Any]) -> Table:
    rows = tuple(
        (label, m["n"], _format(m["loss"]), _format(m["cost"]), format_accuracy(m["accuracy"], m["n"]))
        for name, label in ROW_NAMES.items()
        if (m := evaluation.get(name))
    )
    columns = ("rows", "n", "loss", "cost", "accuracy %, 95 % interval")
    return Table("What the network scores; intervals are Wilson's.", columns, rows)


def _make_certificate_section(certificate: dict[str, Any], evaluation: dict[str, Any]) -> Section:
    """How far the run stopped from the optimum of its cost."""
    at_run, at_optimum = evaluation.get("val"), certificate["val"]
    rows = [("cost of the run", _format(certificate["cost"]))]
    if certificate.get("is_separable"):
        rows.append(("lowest cost that its loss and l2 allow", "0, which no network has"))
    elif certificate.get("converged", True):  # folders of earlier versions do not say
        rows.append(("lowest cost that its loss and l2 allow", f"{certificate['optimal_cost']:.4f}"))
    else:
        rows.append(("lowest cost that the solver found, not the optimum's", f"{certificate['optimal_cost']:.4f}"))
    if certificate.get("converged", True):
        rows.append(("distance", _format(certificate["distance"])))
    rows += [
        ("norm of the gradient where the solver ended", f"{certificate['gradient_norm']:.1e}"),
        ("how far below that the minimum may lie, estimated", f"{certificate['gap_estimate']:.1e}"),
    ]
    if at_run and at_optimum:
        rows += [
            ("validation accuracy % of the run", format_accuracy(at_run["accuracy"], at_run["n"])),
            ("validation accuracy % of the optimum", format_accuracy(at_optimum["accuracy"], at_optimum["n"])),
        ]
    text = (
        "The cost of one layer is convex, so an exact solver looks for its lowest value; a run stops above it. "
        f"**{certificate['description']}**"
    )
    table = Table("The certificate.", ("what", "value"), tuple(rows))
    return Section("Distance to the optimum", (Paragraph(text), table))


def _make_provenance_section(evaluation: dict[str, Any]) -> Section:
    dataset = evaluation["dataset"]
    facts = {
        **evaluation["provenance"],
        "data": f"{dataset['name']}, from {dataset['source']}",
        "SHA-256 of the decoded data": dataset["sha256"],
        **_say_features(evaluation),
        "test rows opened": _describe_openings(evaluation["test_openings"]),
    }
    table = Table("How to get the same numbers.", ("what", "value"), tuple(facts.items()), "plain")
    return Section(
        "Provenance",
        (
            Paragraph("On the same machine, the same command on the same data gives the same weights, epoch by epoch."),
            table,
        ),
    )


def _say_features(evaluation: dict[str, Any]) -> dict[str, str]:
    made = evaluation.get("features")
    return {"features of the images": f"{made['by']}, SHA-256 {made['sha256']}"} if made else {}


def _describe_openings(openings: list[dict[str, str]]) -> str:
    """``once`` or ``3 times``, then when and why each time."""
    times = {0: "never", 1: "once"}.get(len(openings), f"{len(openings)} times")
    return "; ".join([times, *(f"{opening['when']}, {opening['why']}" for opening in openings)])


def _format(value: float | None) -> str:
    return "diverged" if value is None else format_loss(value)
