"""The figures of a sweep with their captions: learning curves of all candidates, and accuracy by setting."""

from collections.abc import Sequence

import numpy as np

from monolayer.evaluate.metrics import format_accuracy
from monolayer.figures import CandidateCurves, HeatMap, ParallelCoordinates, Response, Scatter
from monolayer.figures.candidate_curves import is_measured
from monolayer.figures.heat_map import lies_on_grid
from monolayer.figures.scales import format_setting
from monolayer.figures.sweep_table import Pair, Runs, SweepTable, count_values, ends_early, has_diverged, name_run
from monolayer.reports.blocks import FigureBlock


def draw_sweep(table: SweepTable, pair: Pair | None = None) -> list[FigureBlock]:
    """All figures that apply to a sweep.

    Args:
        table: the sweep, with all its runs.
        pair: the two fields of the heat map; by default chosen by :meth:`SweepTable.choose_pair`.

    Raises:
        BadInput: if the pair is not two different fields that vary.
    """
    figures = [
        *(draw_candidates(table, "candidates", quantity=quantity) for quantity in ("accuracy", "loss")),
        draw_heat_map(table, "grid", pair),
        draw_response(table, "response"),
        draw_parallel(table, "parallel"),
    ]
    return [figure for figure in figures if figure is not None]


def draw_candidates(table: SweepTable, name: str, *, quantity: str = "accuracy") -> FigureBlock | None:
    """Accuracy, loss or cost of every candidate after each epoch; the best five have names.

    None if there is only one candidate, no value is finite, or the candidates have different losses.

    Args:
        table: the sweep.
        name: of the figure, before the quantity.
        quantity: ``accuracy``, ``loss`` or ``cost``.
    """
    is_comparable = quantity == "accuracy" or "loss" not in table.varying
    if len(table.runs) < 2 or not is_comparable or not is_measured(table.histories, quantity):
        return None
    chart = CandidateCurves.of(table, quantity)
    named = [run for run, candidate in zip(table.runs, chart.candidates, strict=True) if candidate.name]
    caption = _join(
        _describe_candidates(chart, quantity, name_run(table.runs[0], table.varying)),
        _describe_agreement(named, table.varying, f"The {len(named)} named candidates all have"),
    )
    return FigureBlock(f"{name}-{quantity}", chart, caption, f"Curves of {len(table.runs)} candidates. {caption}")


def draw_heat_map(table: SweepTable, name: str, pair: Pair | None = None) -> FigureBlock | None:
    """Validation accuracy over two fields: a heat map, or a scatter plot if the recipes do not form a grid.

    None if fewer than two fields vary and no pair is given.

    Args:
        table: the sweep.
        name: of the figure.
        pair: the fields along x and y; by default chosen by :meth:`SweepTable.choose_pair`.

    Raises:
        BadInput: if the pair is not two different fields that vary.
    """
    if pair is None and len(table.varying) < 2:
        return None
    pair = table.choose_pair(*(pair or ()))
    best, early = _describe_best(table, "outlined"), _describe_early(table.runs)
    if not lies_on_grid(table, pair):
        caption = _join(best, "Each point is a recipe.", early)
        return FigureBlock(name, Scatter.of(table, *pair), caption, f"Scatter plot. {caption}")
    chart = HeatMap.of(table, *pair)
    most = max(chart.frame()["n_runs"])
    cells = f"Each cell shows the best of up to {most} recipes that differ in other fields." if most > 1 else ""
    caption = _join(best, cells, early)
    return FigureBlock(name, chart, caption, f"Heat map. {caption}")


def draw_response(table: SweepTable, name: str) -> FigureBlock | None:
    """Accuracy with its interval against the only varying field; None if no field or several fields vary."""
    if len(table.varying) != 1:
        return None
    rows = f"Bars are 95 % Wilson intervals on {table.runs[0]['val']['n']:,} validation rows."
    caption = _join(_describe_best(table), rows, _describe_early(table.runs))
    return FigureBlock(name, Response.of(table), caption, f"Points with intervals. {caption}")


def draw_parallel(table: SweepTable, name: str) -> FigureBlock | None:
    """One line for each recipe through its settings to its accuracy; None if fewer than two fields vary."""
    if len(table.varying) < 2:
        return None
    close = [run for run, is_close in zip(table.runs, table.is_close, strict=True) if is_close]
    caption = _join(
        "Each line is a recipe, from its settings on the left to its validation accuracy on the right.",
        ""
        if has_diverged(table.runs[0])
        else "The thick line is the best recipe; strong lines are not significantly different from it.",
        _describe_agreement(close, table.varying, f"All {len(close)} of these have"),
        _describe_early(table.runs),
    )
    alt = f"Parallel coordinates. {caption} {_describe_best(table)}"
    return FigureBlock(name, ParallelCoordinates.of(table), caption, alt)


def _describe_candidates(chart: CandidateCurves, quantity: str, name: str) -> str:
    """The final values and what is not visible; ``name`` is that of the best candidate, with all varying fields."""
    ends = [candidate.follow("val")[-1, 1] for candidate in chart.candidates if len(candidate.follow("val"))]
    best, median = (
        f"{100 * value:.1f} %" if quantity == "accuracy" else f"{value:.3g}" for value in (ends[0], np.median(ends))
    )
    final = f"Final value of the most accurate ({name}): {best}; median of all candidates: {median}."
    counts = {
        "stopped early": sum(candidate.ends_early for candidate in chart.candidates),
        "diverged": sum(candidate.has_diverged for candidate in chart.candidates),
        "lie partly outside the axes": chart.count_hidden(),
    }
    remarks = "; ".join(f"{count} {what}" for what, count in counts.items() if count)
    return _join(
        f"Validation {quantity} of all {len(chart.candidates)} candidates after each epoch.",
        final if chart.candidates[0].name else "",
        f"{remarks}." if remarks else "",
    )


def _join(*sentences: str) -> str:
    return " ".join(sentence for sentence in sentences if sentence)


def _describe_best(table: SweepTable, marks: str = "") -> str:
    """The best recipe, and how many are not significantly different from it."""
    runs, n_others = table.runs, len(table.runs) - 1
    if has_diverged(runs[0]):
        return f"All {len(runs)} recipes diverged."
    n_close = sum(bool(run["is_indistinguishable"]) for run in runs[1:])
    val, marks = runs[0]["val"], f"{marks}; " if marks else ""
    return (
        f"Validation accuracy of {len(runs)} recipes. The best ({name_run(runs[0], table.varying)}) has "
        f"{format_accuracy(val['accuracy'], val['n'])} %; {n_close} of the other {n_others} "
        f"{'is' if n_close == 1 else 'are'} not significantly different from it ({marks}exact McNemar tests, p-values "
        "corrected for all pairs)."
    )


def _describe_early(runs: Runs) -> str:
    n_early = sum(map(ends_early, runs))
    return (
        f"{n_early} stopped before the last epoch and are shown with their accuracy at that point." if n_early else ""
    )


def _describe_agreement(runs: Runs, varying: Sequence[str], opening: str) -> str:
    """The fields in which all of these recipes, at least two, agree."""
    agreed = [(axis, runs[0]["recipe"][axis]) for axis in varying if runs and count_values(runs, (axis,)) == 1]
    return f"{opening} {format_setting(agreed)}." if len(runs) > 1 and agreed else ""
