"""A sweep in words and as a table, from what evaluation.json holds of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from monolayer.evaluate.metrics import format_accuracy
from monolayer.figures import CandidateCurves
from monolayer.figures.fields import format_setting
from monolayer.recipe.grid import format_value
from monolayer.reports.document import FigureRow, Paragraph, Section, Table
from monolayer.reports.pictures import Picture

SIGN = "="


def make_sweep_sections(
    sweep: dict[str, Any], axes: Iterable[str], pictures: Sequence[Picture], top: int = 10
) -> list[Section]:
    """The best recipes and what the ranking is worth, how all candidates learnt, and what their settings did.

    Args:
        sweep: as :meth:`monolayer.Sweep.to_dict` gives it.
        axes: names of the fields that vary.
        pictures: as :func:`monolayer.reports.sweep_pictures.draw_sweep` gives them.
        top: rows of the table.
    """
    axes = tuple(axes)
    paragraph = Paragraph(" ".join(describe_selection(sweep, axes)))
    curves = [picture.render() for picture in pictures if isinstance(picture.chart, CandidateCurves)]
    others = [picture.render() for picture in pictures if not isinstance(picture.chart, CandidateCurves)]
    halving = [Paragraph(text)] if (text := describe_halving(sweep)) else []
    sections = [Section("Recipes", (make_sweep_table(sweep["runs"], axes, top), paragraph, *halving))]
    if curves:
        sections.append(Section("How the candidates learnt", (FigureRow(tuple(curves)),)))
    if others:
        sections.append(Section("What the settings did", tuple(FigureRow((figure,)) for figure in others)))
    return sections


def make_sweep_table(runs: list[dict[str, Any]], axes: Iterable[str], top: int = 10) -> Table:
    """The best recipes by validation accuracy; after halving, with the epochs that each went through."""
    axes, is_halved = tuple(axes), any(run["epochs_done"] < run["recipe"]["epochs"] for run in runs[:top])
    rows = tuple(
        (
            *(format_value(run["recipe"][axis]) for axis in axes),
            *([str(run["epochs_done"])] if is_halved else []),
            format_accuracy(run["val"]["accuracy"], run["val"]["n"]),
            SIGN if run["is_indistinguishable"] else "",
            f"{100 * run['train']['accuracy']:.2f}",
        )
        for run in runs[:top]
    )
    epochs = ["epochs done"] if is_halved else []
    columns = (*axes, *epochs, "validation accuracy %, 95 % interval", SIGN, "training accuracy %")
    note = f"{SIGN} marks recipes that cannot be told from the first: exact McNemar tests, corrected for all pairs."
    return Table(f"The best {len(rows)} of {len(runs)} recipes by validation accuracy.", columns, rows, note=note)


def describe_halving(sweep: dict[str, Any]) -> str:
    """How many recipes went on at each rung of successive halving; empty where all went to their end."""
    rungs = sweep.get("rungs", [])  # folders of earlier versions do not say
    if not rungs:
        return ""
    steps = ", ".join(f"{rung['n_kept']} after {100 * rung['share']:.3g} %" for rung in rungs)
    return (
        f"The sweep went by successive halving: of {sweep['n_recipes']} recipes, these went on after a share of their "
        f"epochs: {steps}. Each other one is ranked below them, with what it had when it was let go."
    )


def merge_findings(findings: Sequence[dict[str, Any]], axes: Iterable[str], n_runs: int) -> list[dict[str, Any]]:
    """The findings of a sweep, with one for all recipes in which the same was found: that of the smallest rate.

    A sweep that goes to high rates on purpose has a diverged run for each of them, and one notice is enough.
    """
    axes, merged = tuple(axes), [finding for finding in findings if "recipe" not in finding]
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for finding in findings:
        if "recipe" in finding:
            groups.setdefault((finding["code"], finding["outcome"]), []).append(finding)
    for found in groups.values():
        first = min(found, key=lambda finding: float(finding["recipe"]["learning_rate"]))
        named = format_setting((axis, first["recipe"][axis]) for axis in axes)
        evidence = f"{len(found)} of {n_runs} recipes, such as {named}. {first['evidence']}"
        merged.append({**first, "evidence": evidence})
    return merged


def describe_selection(sweep: dict[str, Any], axes: Iterable[str]) -> list[str]:
    """What the ranking is worth, in at most three sentences; none where nothing can be said."""
    selection, runs = sweep["selection"], sweep["runs"]
    if selection is None or len(runs) < 2:
        return []
    simplest = selection["one_standard_error"]
    named = ", ".join(f"{axis} {format_value(simplest['recipe'][axis])}" for axis in axes)
    compared = (
        f"the {selection['n_compared']} recipes that went to their end"
        if sweep.get("rungs")
        else (f"{len(runs)} recipes")
    )
    sentences = [
        f"{selection['n_indistinguishable']} of {compared} cannot be told from the best ({SIGN}) on "
        f"{selection['n']:,} rows, itself counted.",
        f"The simplest within one standard error of it: {named} "
        f"({format_accuracy(simplest['val']['accuracy'], simplest['val']['n'])} %).",
    ]
    if optimism := selection["optimism"]:
        low, high = optimism["interval"]
        sentences.append(
            f"The best of {len(runs)} has {100 * optimism['apparent']:.1f} % on the rows that chose it; on rows that "
            f"had no part in choosing, expect about {100 * optimism['corrected']:.1f} [{100 * low:.1f}, "
            f"{100 * high:.1f}] %."
        )
    return sentences
