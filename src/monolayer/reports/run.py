"""The page of a run or a sweep, made from its folder alone, so that it can be rewritten later."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from monolayer.checks.certificate import Certificate
from monolayer.data.dataset import Splits
from monolayer.errors import BadInput
from monolayer.evaluate.metrics import ROW_NAMES, format_accuracy, format_loss
from monolayer.evaluate.predictions import Predictions, predict_rows
from monolayer.figures.sweep_table import SweepTable
from monolayer.reports.blocks import FigureBlock, Notice, Table
from monolayer.reports.figures import draw_curves, draw_probabilities, draw_templates, save_figures
from monolayer.reports.findings import make_finding_notices, make_findings_table
from monolayer.reports.html import render_html
from monolayer.reports.model_card import write_card
from monolayer.reports.page import Page, fill_page
from monolayer.reports.sweep import describe_sweep, merge_findings
from monolayer.reports.sweep_figures import draw_sweep
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
    save_certificate,
    save_predictions,
    save_run,
    save_sweep,
    write_table,
    write_text,
)
from monolayer.runs.provenance import collect_provenance
from monolayer.training.run import Run
from monolayer.tuning.sweep import Sweep

PREDICTION_COLUMNS = ("row", "label", "predicted", "probability_of_label")


def save_run_with_report(
    run: Run,
    splits: Splits,
    folder: Path,
    predictions: dict[str, Predictions],
    command: Sequence[str] | None = None,
    *,
    certificate: Certificate | None = None,
) -> None:
    """Write a run's folder: recipe, history, network, evaluation, predictions, figures, page and model card.

    Args:
        run: the run.
        splits: those it was trained on.
        folder: an empty folder.
        predictions: for the rows ``val`` and, if they have been opened, ``test``.
        command: the command line; by default that of this process.
        certificate: the distance of the run to its optimum, if it was computed.
    """
    if certificate:
        save_certificate(certificate, folder)
    save_run(run, folder, **describe_origin(splits, command))
    write_predictions(predictions, folder)
    write_run_report(folder)


def save_sweep_with_report(sweep: Sweep, splits: Splits, folder: Path, command: Sequence[str] | None = None) -> None:
    """Write a sweep's folder: its best run as a run, the table and histories of all runs, figures and page."""
    save_sweep(sweep, folder, **describe_origin(splits, command))
    if splits.val is not None:
        write_predictions({"val": predict_rows(sweep.best.network, splits.val)}, folder)
    write_run_report(folder)


def write_run_report(folder: Path, heat_map: tuple[str, str] | None = None) -> None:
    """Write figures/, report.html and the model card from the contents of a run's folder.

    Args:
        folder: of a run or sweep.
        heat_map: the two fields of a sweep's heat map; chosen by default.

    Raises:
        BadData: if the folder is not a run's folder.
        BadInput: if the fields of the heat map do not vary in it.
    """
    evaluation = load_evaluation(folder)
    of_sweep, of_run = _draw_sweep(folder, evaluation, heat_map), draw_run(folder)
    save_figures([*of_sweep, *of_run], folder)
    write_text(folder / REPORT, render_html(_make_page(folder, evaluation, of_sweep, of_run)))
    write_card(folder)


def describe_origin(splits: Splits, command: Sequence[str] | None) -> dict[str, Any]:
    """Data, splits, openings of the test rows and provenance, as evaluation.json stores them."""
    dataset, transformer = splits.dataset, splits.dataset.transformer
    return {
        "dataset": {name: getattr(dataset, name) for name in ("name", "source", "sha256", "reading")},
        **({"features": {"by": transformer.describe(), "sha256": transformer.sha256}} if transformer else {}),
        "test_openings": [asdict(opening) for opening in splits.openings],
        "splits": {"fingerprint": splits.fingerprint, **splits.request},
        "provenance": collect_provenance(command),
    }


def write_predictions(predictions: dict[str, Predictions], folder: Path) -> None:
    """Write all scores to answers.safetensors, and readable test predictions to predictions.csv."""
    save_predictions(predictions, folder)
    if "test" not in predictions:
        return
    test = predictions["test"]
    probability = test.probability_of_label if test.has_probabilities else [""] * len(test)
    columns = (test.index, test.y, test.predicted, probability)
    lines = (dict(zip(PREDICTION_COLUMNS, map(str, line), strict=True)) for line in zip(*columns, strict=True))
    write_table(folder / PREDICTIONS, PREDICTION_COLUMNS, lines)


def _draw_sweep(folder: Path, evaluation: dict[str, Any], pair: tuple[str, str] | None) -> list[FigureBlock]:
    """The figures of a sweep; none for a single run."""
    sweep = evaluation.get("sweep")
    if sweep:
        return draw_sweep(SweepTable(sweep["runs"], tuple(evaluation["axes"]), load_histories(folder)), pair)
    if pair:
        raise BadInput(f"{folder} holds one run, which has no heat map; accepted is a sweep's folder.")
    return []


def draw_run(folder: Path) -> list[FigureBlock]:
    """The figures of one run, or of a sweep's best run."""
    history, network = load_history(folder), load_network(folder)
    figures: list[FigureBlock | None] = []
    if any(row.train_loss is not None or row.val_loss is not None for row in history):
        figures += [draw_curves(history, quantity, "run") for quantity in ("loss", "cost", "accuracy")]
    figures.append(draw_templates(network, "run"))
    test = load_predictions(folder).get("test")
    if test and test.has_probabilities:
        figures.append(draw_probabilities(test.probability_of_label, test.correct, "run"))
    return [figure for figure in figures if figure is not None]


def _make_page(
    folder: Path, evaluation: dict[str, Any], of_sweep: list[FigureBlock], of_run: list[FigureBlock]
) -> Page:
    recipe, done, sweep = load_recipe(folder), evaluation["epochs_done"], evaluation.get("sweep")
    findings, certificate = list(evaluation["findings"]), load_certificate(folder)
    values: dict[str, Any] = {"what": "One run", "seconds": evaluation["seconds"], "sweep_table": None}
    stopped = f"Stopped after {done} of {recipe.epochs} epochs." if done < recipe.epochs else ""
    if sweep:
        axes, n = evaluation["axes"], len(sweep["runs"])
        findings += merge_findings(sweep["findings"], axes, n)
        # Its time is that of all banks by the clock, not of the best run alone.
        values |= {"what": f"The best of {n} recipes by validation accuracy", "seconds": sweep["seconds"]}
        values |= describe_sweep(sweep, axes, of_sweep)
        if not sweep["is_complete"]:
            stopped = f"{sweep['n_complete']} of {sweep['n_recipes']} recipes completed all epochs."
    notices = [*make_finding_notices(findings)]
    if stopped:
        notices.append(Notice(stopped, "warning", f"The {'sweep' if sweep else 'run'} was stopped early"))
    return fill_page(
        "reports/templates/run.md.j2",
        **{**values, "seconds": f"{values['seconds']:.1f}"},
        evaluation=evaluation,
        notices=notices,
        summary=_make_summary(evaluation),
        of_run=of_run,
        recipe=Table.of_fields("The recipe.", recipe.to_dict()),
        certificate=certificate,
        distance=_make_distance_table(certificate, evaluation) if certificate else None,
        findings=make_findings_table(findings),
        provenance=_make_provenance_table(evaluation),
    )


def _make_summary(evaluation: dict[str, Any]) -> Table:
    rows = [
        (label, m["n"], _format(m["loss"]), _format(m["cost"]), format_accuracy(m["accuracy"], m["n"]))
        for name, label in ROW_NAMES.items()
        if (m := evaluation.get(name))
    ]
    columns = ("rows", "n", "loss", "cost", "accuracy %, 95 % interval")
    return Table("Evaluation, with 95 % Wilson intervals.", columns, rows)


def _make_distance_table(certificate: dict[str, Any], evaluation: dict[str, Any]) -> Table:
    """The distance between the run's cost and the optimum."""
    has_converged = certificate.get("converged", True)  # missing in folders of earlier versions
    at_run, at_optimum = evaluation.get("val"), certificate["val"]
    rows = {"cost of the run": _format(certificate["cost"])}
    if certificate.get("is_separable"):
        rows["lowest possible cost with its loss and l2"] = "0, not attained by any network"
    elif has_converged:
        rows["lowest possible cost with its loss and l2"] = f"{certificate['optimal_cost']:.4f}"
    else:
        rows["lowest cost found by the solver, which did not converge"] = f"{certificate['optimal_cost']:.4f}"
    if has_converged:
        rows["difference"] = _format(certificate["distance"])
    rows["gradient norm at the solver's solution"] = f"{certificate['gradient_norm']:.1e}"
    rows["estimated distance of that cost from the minimum"] = f"{certificate['gap_estimate']:.1e}"
    if at_run and at_optimum:
        rows["validation accuracy % of the run"] = format_accuracy(at_run["accuracy"], at_run["n"])
        rows["validation accuracy % of the optimum"] = format_accuracy(at_optimum["accuracy"], at_optimum["n"])
    return Table("Optimality certificate.", ("quantity", "value"), list(rows.items()))


def _make_provenance_table(evaluation: dict[str, Any]) -> Table:
    dataset, openings = evaluation["dataset"], evaluation["test_openings"]
    facts = {
        **evaluation["provenance"],
        "data": f"{dataset['name']}, from {dataset['source']}",
        "SHA-256 of the decoded data": dataset["sha256"],
    }
    if made := evaluation.get("features"):
        facts["image features"] = f"{made['by']}, SHA-256 {made['sha256']}"
    times = {0: "never", 1: "once"}.get(len(openings), f"{len(openings)} times")
    facts["test rows opened"] = "; ".join([times, *(f"{opening['when']}, {opening['why']}" for opening in openings)])
    return Table.of_fields("Command, versions, machine and data.", facts)


def _format(value: float | None) -> str:
    return "diverged" if value is None else format_loss(value)
