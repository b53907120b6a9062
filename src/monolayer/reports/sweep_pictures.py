"""The pictures of a sweep, from what its folder holds: every candidate, and what their settings did."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from monolayer.evaluate.metrics import format_accuracy
from monolayer.figures import CandidateCurves, HeatMap
from monolayer.figures.candidates import is_measured, make_candidates
from monolayer.figures.fields import format_setting
from monolayer.figures.heat_map import lies_on_grid, make_heat_map
from monolayer.figures.parallel import make_parallel
from monolayer.figures.response import make_response
from monolayer.figures.scatter import make_scatter
from monolayer.figures.sweep_table import (
    Histories,
    Pair,
    Runs,
    choose_pair,
    count_values,
    ends_early,
    find_varying,
    has_diverged,
    name_run,
)
from monolayer.reports.pictures import Picture


def draw_sweep(
    sweep: dict[str, Any], axes: Iterable[str], histories: Histories, pair: Pair | None = None
) -> list[Picture]:
    """All pictures of a sweep that say something: the candidates' curves, then what their settings did.

    Args:
        sweep: as :meth:`monolayer.Sweep.to_dict` gives it, with all its runs.
        axes: names of the fields that were swept.
        histories: one a run, in the order of the runs.
        pair: the two fields of the heat map; by default :func:`choose_pair` takes them.

    Raises:
        BadInput: if the pair is not two different fields that vary.
    """
    runs, axes = sweep["runs"], tuple(axes)
    pictures = [
        draw_candidates(runs, histories, "candidates", axes, quantity=quantity) for quantity in ("accuracy", "loss")
    ]
    pictures += [
        draw_heat_map(runs, "grid", axes, pair),
        draw_response(runs, "response", axes),
        draw_parallel(runs, "parallel", axes),
    ]
    return [picture for picture in pictures if picture is not None]


def draw_candidates(
    runs: Runs, histories: Histories, name: str, axes: Iterable[str], *, quantity: str = "accuracy"
) -> Picture | None:
    """Accuracy, loss or cost of every candidate after each epoch; the best five are named.

    Nothing where there is one candidate only, none has a finite value, or the candidates' losses are not on one scale.

    Args:
        runs: best first, as ``evaluation.json`` holds them.
        histories: one a run, in the same order; missing ones at the end are empty.
        name: of the picture, before the quantity.
        axes: names of the fields that were swept.
        quantity: ``accuracy``, ``loss`` or ``cost``.
    """
    varying = find_varying(runs, axes)
    is_one_scale = quantity == "accuracy" or "loss" not in varying
    if len(runs) < 2 or not is_one_scale or not is_measured(histories, quantity):
        return None
    chart = make_candidates(runs, histories, varying, quantity)
    named = [run for run, candidate in zip(runs, chart.candidates, strict=True) if candidate.name]
    caption = _join(
        _describe_candidates(chart, quantity, name_run(runs[0], varying)),
        _describe_agreement(named, varying, f"The {len(named)} with a name all have"),
    )
    return Picture(f"{name}-{quantity}", chart, caption, f"Curves of {len(runs)} candidates. {caption}")


def draw_heat_map(runs: Runs, name: str, axes: Iterable[str], pair: Pair | None = None) -> Picture | None:
    """Validation accuracy over two fields: a heat map, or a point a recipe where recipes lie on no grid.

    Nothing where fewer than two fields vary and no pair is asked for.

    Args:
        runs: best first, as ``evaluation.json`` holds them.
        name: of the picture.
        axes: names of the fields that were swept.
        pair: the fields along the horizontal and the vertical axis; by default :func:`choose_pair` takes them.

    Raises:
        BadInput: if the pair is not two different fields that vary.
    """
    varying = find_varying(runs, axes)
    if pair is None and len(varying) < 2:
        return None
    pair = choose_pair(runs, varying, pair)
    best, early = _describe_best(runs, varying, "outlined"), _describe_early(runs)
    if not lies_on_grid(runs, pair):
        caption = _join(best, "Each point is a recipe.", early)
        return Picture(name, make_scatter(runs, varying, pair), caption, f"Scatter plot. {caption}")
    chart = make_heat_map(runs, varying, pair)
    caption = _join(best, _describe_cells(chart), early)
    return Picture(name, chart, caption, f"Heat map. {caption}")


def draw_response(runs: Runs, name: str, axes: Iterable[str]) -> Picture | None:
    """Accuracy with its interval against the one field that varies; nothing where none or several do."""
    varying = find_varying(runs, axes)
    if len(varying) != 1:
        return None
    rows = f"Bars are 95 % Wilson intervals on {runs[0]['val']['n']:,} validation rows."
    caption = _join(_describe_best(runs, varying), rows, _describe_early(runs))
    return Picture(name, make_response(runs, varying), caption, f"Points with intervals. {caption}")


def draw_parallel(runs: Runs, name: str, axes: Iterable[str]) -> Picture | None:
    """One line a recipe through its settings to its validation accuracy; nothing where fewer than two fields vary."""
    varying = find_varying(runs, axes)
    if len(varying) < 2:
        return None
    chart = make_parallel(runs, varying)
    close = [run for run, is_one in zip(runs, np.asarray(chart.marked), strict=True) if is_one]
    caption = _join(
        "Each line is a recipe, from its settings on the left to its validation accuracy on the right.",
        "" if has_diverged(runs[0]) else "The thick line is the best; the strong ones cannot be told from it.",
        _describe_agreement(close, varying, f"All {len(close)} of these have"),
        _describe_early(runs),
    )
    return Picture(name, chart, caption, f"Parallel coordinates. {caption} {_describe_best(runs, varying)}")


def _describe_candidates(chart: CandidateCurves, quantity: str, name: str) -> str:
    """What the curves show, in sentences; ``name`` is the best one's, with all that varies."""
    ends = [candidate.follow("val")[-1, 1] for candidate in chart.candidates if len(candidate.follow("val"))]
    sentences = [f"Validation {quantity} of all {len(chart.candidates)} candidates after each epoch."]
    if chart.candidates[0].name:
        sentences.append(
            f"The best by accuracy ({name}) ends at {_show(ends[0], quantity)}, half of all at "
            f"{_show(float(np.median(ends)), quantity)} or {'less' if quantity == 'accuracy' else 'more'}."
        )
    counts = {
        "ended early": sum(candidate.ends_early for candidate in chart.candidates),
        "diverged": sum(candidate.has_diverged for candidate in chart.candidates),
        "lie partly outside the picture": chart.count_hidden(),
    }
    told = [f"{count} {what}" for what, count in counts.items() if count]
    return _join(*sentences, f"{'; '.join(told)}." if told else "")


def _join(*sentences: str) -> str:
    return " ".join(sentence for sentence in sentences if sentence)


def _show(value: float, quantity: str) -> str:
    return f"{100 * value:.1f} %" if quantity == "accuracy" else f"{value:.3g}"


def _describe_best(runs: Runs, axes: Sequence[str], how: str = "") -> str:
    """The best recipe, and how many cannot be told from it."""
    if has_diverged(runs[0]):
        return f"All {len(runs)} recipes diverged."
    n_close = sum(bool(run["is_indistinguishable"]) for run in runs[1:])
    val, manner = runs[0]["val"], f"{how}; exact paired tests, corrected" if how else "exact paired tests, corrected"
    return (
        f"Validation accuracy of {len(runs)} recipes: the best ({name_run(runs[0], axes)}) has "
        f"{format_accuracy(val['accuracy'], val['n'])} %, and of the other {len(runs) - 1}, {n_close} cannot be told "
        f"from it ({manner})."
    )


def _describe_cells(chart: HeatMap) -> str:
    most = max(chart.frame()["n_runs"])
    return f"A cell shows the best of its recipes, up to {most}, which differ in other fields." if most > 1 else ""


def _describe_early(runs: Runs) -> str:
    n_early = sum(map(ends_early, runs))
    return f"{n_early} ended before their last epoch and are shown with what they had then." if n_early else ""


def _describe_agreement(runs: Runs, varying: Sequence[str], opening: str) -> str:
    """In which fields all of these recipes, two or more, agree."""
    agreed = [(axis, runs[0]["recipe"][axis]) for axis in varying if runs and count_values(runs, (axis,)) == 1]
    return f"{opening} {format_setting(agreed)}." if len(runs) > 1 and agreed else ""
