"""A sweep's part of a page: its table, what the ranking is worth, and its figures."""

from collections.abc import Iterable, Sequence
from typing import Any

from monolayer.evaluate.metrics import format_accuracy
from monolayer.figures.scales import format_setting
from monolayer.recipe.grid import format_value
from monolayer.reports.blocks import FigureBlock, FigureRow, Table

SIGN = "="


def describe_sweep(sweep: dict[str, Any], axes: Iterable[str], figures: Sequence[FigureBlock]) -> dict[str, Any]:
    """The best recipes, the uncertainty of their ranking, and the figures, as values for sweep.md.j2.

    Args:
        sweep: as :meth:`monolayer.Sweep.to_dict` returns it.
        axes: names of the fields that vary.
        figures: as :func:`monolayer.reports.sweep_figures.draw_sweep` returns them.
    """
    candidates = [figure for figure in figures if figure.name.startswith("candidates")]
    return {
        "sweep_table": make_sweep_table(sweep["runs"], axes),
        "selection": " ".join(describe_selection(sweep, axes)),
        "halving": describe_halving(sweep),
        "candidates": FigureRow(candidates) if candidates else None,
        "by_setting": [figure for figure in figures if figure not in candidates],
    }


def make_sweep_table(runs: list[dict[str, Any]], axes: Iterable[str], top: int = 10) -> Table:
    """The best recipes by validation accuracy; after halving, with the number of epochs of each."""
    axes, is_halved = tuple(axes), any(run["epochs_done"] < run["recipe"]["epochs"] for run in runs[:top])
    rows = [
        (
            *(format_value(run["recipe"][axis]) for axis in axes),
            *([str(run["epochs_done"])] if is_halved else []),
            format_accuracy(run["val"]["accuracy"], run["val"]["n"]),
            SIGN if run["is_indistinguishable"] else "",
            f"{100 * run['train']['accuracy']:.2f}",
        )
        for run in runs[:top]
    ]
    epochs = ["epochs done"] if is_halved else []
    columns = (*axes, *epochs, "validation accuracy %, 95 % interval", SIGN, "training accuracy %")
    note = (
        f"{SIGN}: not significantly different from the best (exact McNemar test, p-value corrected for all pairs, 5 % "
        "level). Intervals are Wilson intervals."
    )
    return Table(f"The best {len(rows)} of {len(runs)} recipes by validation accuracy.", columns, rows, note=note)


def describe_halving(sweep: dict[str, Any]) -> str:
    """How many recipes continued at each rung of successive halving; empty without halving."""
    rungs = sweep.get("rungs", [])  # missing in folders of earlier versions
    if not rungs:
        return ""
    steps = ", ".join(f"{rung['n_kept']} after {100 * rung['share']:.3g} %" for rung in rungs)
    return (
        f"Successive halving: of {sweep['n_recipes']} recipes, this many continued after a share of their epochs: "
        f"{steps}. The others rank below them, with their accuracy when they were stopped."
    )


def merge_findings(findings: Sequence[dict[str, Any]], axes: Iterable[str], n_runs: int) -> list[dict[str, Any]]:
    """The findings of a sweep, where equal findings of several recipes become one: that of the smallest rate.

    A sweep that includes high rates on purpose has a diverged run for each of them, and one notice is enough.
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
    """The uncertainty of the ranking in at most three sentences; none with a single run or without validation."""
    selection, runs = sweep["selection"], sweep["runs"]
    if selection is None or len(runs) < 2:
        return []
    simplest = selection["one_standard_error"]
    named = ", ".join(f"{axis} {format_value(simplest['recipe'][axis])}" for axis in axes)
    is_halved = bool(sweep.get("rungs"))
    compared = f"the {selection['n_compared']} fully trained recipes" if is_halved else f"{len(runs)} recipes"
    sentences = [
        f"{selection['n_indistinguishable']} of {compared}, including the best, are not significantly different from "
        f"the best ({SIGN}) on {selection['n']:,} rows.",
        f"Simplest recipe within one standard error of the best: {named} "
        f"({format_accuracy(simplest['val']['accuracy'], simplest['val']['n'])} %).",
    ]
    if optimism := selection["optimism"]:
        low, high = optimism["interval"]
        sentences.append(
            f"The best of {len(runs)} has {100 * optimism['apparent']:.1f} % accuracy on the rows that selected it; "
            f"its expected accuracy on other rows is about {100 * optimism['corrected']:.1f} [{100 * low:.1f}, "
            f"{100 * high:.1f}] %."
        )
    return sentences
