"""The folder of a probe: tables, the winner as a run, the protocol card, and the page."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from monolayer.data.dataset import Splits
from monolayer.errors import BadData
from monolayer.evaluate.metrics import ROW_NAMES
from monolayer.figures import FewShotCurve, Response
from monolayer.reports.blocks import FigureBlock
from monolayer.reports.figures import save_figures
from monolayer.reports.findings import make_finding_notices, make_findings_table
from monolayer.reports.html import render_html
from monolayer.reports.markdown import render_markdown
from monolayer.reports.model_card import write_card
from monolayer.reports.page import Page, fill_page
from monolayer.reports.protocol import describe_few_shot, describe_protocol
from monolayer.reports.run import describe_origin, draw_run, write_predictions
from monolayer.runs.folder import (
    FEW_SHOT,
    PROBE,
    PROTOCOL,
    PROTOCOL_PAGE,
    REPORT,
    SWEEP,
    save_run,
    write_json,
    write_table,
    write_text,
)
from monolayer.runs.provenance import collect_provenance
from monolayer.tuning.few_shot import FewShot
from monolayer.tuning.probe import FeatureSet, Probe

FORMAT = "monolayer-probe-1"


def save_probe(probe: Probe, splits: Splits, folder: Path, command: Sequence[str] | None = None) -> None:
    """Write a probe's folder: the tables, the winner as a run, the protocol card, figures and report.html.

    Args:
        probe: the probe.
        splits: of the winner's feature set.
        folder: an empty folder.
        command: the command line; by default that of this process.
    """
    save_run(probe.winner, folder, **describe_origin(splits, command))
    write_predictions(probe.predictions, folder)
    _write_tables(probe, folder)
    facts = {"format": FORMAT, **probe.to_dict(), "provenance": collect_provenance(command)}
    write_json(folder / PROTOCOL, facts)
    page = fill_page("reports/templates/protocol.md.j2", **describe_protocol(facts))
    write_text(folder / PROTOCOL_PAGE, render_markdown(page))
    write_probe_report(folder)


def is_probe(folder: Path) -> bool:
    """Whether this is a probe's folder."""
    return (folder / PROTOCOL).is_file()


def write_probe_report(folder: Path) -> None:
    """Write figures/, report.html and the winner's model card from the contents of a probe's folder.

    Raises:
        BadData: if its protocol was not written by monolayer.
    """
    facts = load_protocol(folder)
    of_probe, of_run = draw_probe(facts), draw_run(folder)
    save_figures([*of_probe, *of_run], folder)
    write_text(folder / REPORT, render_html(_make_page(facts, of_probe, of_run)))
    write_card(folder)


def load_protocol(folder: Path) -> dict[str, Any]:
    """The content of protocol.json.

    Raises:
        BadData: if it was not written by monolayer.
    """
    try:
        facts = json.loads((folder / PROTOCOL).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        facts = None
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        raise BadData(f"{folder / PROTOCOL}: not a protocol written by monolayer.")
    return facts


def _write_tables(probe: Probe, folder: Path) -> None:
    sets = [_list_set(one, one is probe.sets[0]) for one in probe.sets]
    write_table(folder / PROBE, tuple(sets[0]), sets)
    candidates = [{"features": one.name, **_list_candidate(run)} for one in probe.sets for run in one.runs]
    write_table(folder / SWEEP, tuple(candidates[0]), candidates)
    repeats = [row for few in probe.few_shot for row in _list_repeats(few)]
    if repeats:
        write_table(folder / FEW_SHOT, tuple(repeats[0]), repeats)


def _list_set(one: FeatureSet, is_winner: bool) -> dict[str, Any]:
    """A feature set's row of probe.csv."""
    return {
        "features": one.name,
        "n_features": one.n_features,
        "dtype": one.dtype,
        "sha256": one.sha256,
        "n_recipes": len(one.runs),
        **one.best.recipe.to_dict(),
        **{f"{rows}_{k}": v for rows in ("train", "val") for k, v in one.best.evaluation[rows].to_dict().items()},
        "is_winner": is_winner,
        "is_indistinguishable": one.is_indistinguishable,
        "p_value_adjusted": one.p_value,
    }


def _list_candidate(run: dict[str, Any]) -> dict[str, Any]:
    """A recipe's row of sweep.csv; the comparison with the best is within its feature set."""
    measured = {f"{rows}_{k}": v for rows in ("train", "val") for k, v in run[rows].items()}
    kept = ("has_diverged", "is_indistinguishable", "p_value_adjusted")
    return {**run["recipe"], **measured, **{name: run[name] for name in kept}}


def _list_repeats(few: FewShot) -> list[dict[str, Any]]:
    """The rows of few-shot.csv, one for each draw."""
    return [
        {
            "shots": few.shots,
            "repeat": repeat.draw.repeat,
            "n_rows": few.n_rows,
            **few.recipe.to_dict(),
            **{
                f"{rows}_{name}": getattr(metrics, name)
                for rows in ROW_NAMES
                if (metrics := repeat.run.evaluation.get(rows)) is not None
                for name in ("loss", "accuracy")
            },
            "rows_sha256": repeat.draw.sha256,
        }
        for repeat in few.repeats
    ]


def draw_probe(facts: dict[str, Any]) -> list[FigureBlock]:
    """Accuracy by feature set, if there are several, and accuracy by shots, if there are any."""
    figures = []
    sound = [one for one in facts["features"] if not one["has_diverged"]]
    if len(sound) > 1:
        figures.append(_draw_sets(sound))
    if facts["few_shot"]:
        n = facts["winner"]["train"]["n"]
        dashed = f"Dashed line: the winner with all {n:,} training rows, with its 95 % interval."
        caption = f"{describe_few_shot(facts)} {dashed}"
        alt = f"Points with the standard deviation over the draws. {caption}"
        figures.append(FigureBlock("few-shot", FewShotCurve.of(facts), caption, alt))
    return figures


def _draw_sets(sets: list[dict[str, Any]]) -> FigureBlock:
    low, high = np.array([one["val"]["accuracy_interval"] for one in sets]).T
    val, train = (np.array([one[rows]["accuracy"] for one in sets]) for rows in ("val", "train"))
    chart = Response("features", [one["name"] for one in sets], val, low, high, train)
    caption = (
        f"Accuracy of each feature set with its best recipe. Bars are 95 % Wilson intervals on {sets[0]['val']['n']:,} "
        "validation rows."
    )
    return FigureBlock("features", chart, caption, f"Points with intervals. {caption}")


def _make_page(facts: dict[str, Any], of_probe: list[FigureBlock], of_run: list[FigureBlock]) -> Page:
    winner, n_sets = facts["winner"], len(facts["features"])
    return fill_page(
        "reports/templates/probe.md.j2",
        **describe_protocol(facts),
        title=f"Probe of {n_sets} feature sets" if n_sets > 1 else f"Probe of {winner['features']}",
        notices=make_finding_notices(winner["findings"]),
        of_sets=[figure for figure in of_probe if figure.name == "features"],
        of_few_shot=[figure for figure in of_probe if figure.name == "few-shot"],
        of_run=of_run,
        findings=make_findings_table(winner["findings"]),
    )
