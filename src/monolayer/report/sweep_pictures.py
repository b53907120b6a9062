"""The pictures of a sweep, from what its folder holds: every candidate, and what their settings did."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from monolayer.errors import BadInput
from monolayer.evaluate.metrics import format_accuracy
from monolayer.figures import (
    MOST_NAMED,
    Candidate,
    CandidateCurves,
    HeatMap,
    ParallelCoordinates,
    Response,
    Scatter,
)
from monolayer.figures.fields import format_setting
from monolayer.history import EpochRow
from monolayer.report.pictures import Picture

Array = npt.NDArray[Any]
Runs = Sequence[dict[str, Any]]
Histories = Sequence[Sequence[EpochRow]]

MOST_PANELS = 6
MOST_CELLS_ALONG = 25  # values of an axis of a heat map; more are points of a scatter plot
LEAST_FILLED = 0.25  # of the cells; recipes that fill fewer lie on no grid
NAME_WIDTH = 52  # characters; a longer name takes two lines of the legend
OUTLINE_NOTE = "outlined: the best, and those that cannot be told from it"


def draw_sweep(
    sweep: dict[str, Any], axes: Iterable[str], histories: Histories, pair: tuple[str, str] | None = None
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
    axes = find_varying(runs, axes)
    if len(runs) < 2 or (quantity != "accuracy" and "loss" in axes):
        return None
    followed = [*histories, *([()] * (len(runs) - len(histories)))]
    names = _name_best(runs, axes)
    candidates = tuple(
        _make_candidate(run, history, quantity, names.get(place, ""))
        for place, (run, history) in enumerate(zip(runs, followed, strict=True))
    )
    if not any(len(candidate.follow("val")) for candidate in candidates):
        return None
    chart = CandidateCurves(candidates, quantity=f"validation {quantity}", percent=quantity == "accuracy")
    named = [run for place, run in enumerate(runs) if place in names]
    caption = _join(
        _describe_candidates(chart, quantity, _name(runs[0], axes)),
        _describe_agreement(named, axes, f"The {len(named)} with a name all have"),
    )
    return Picture(f"{name}-{quantity}", chart, caption, f"Curves of {len(runs)} candidates. {caption}")


def draw_heat_map(runs: Runs, name: str, axes: Iterable[str], pair: tuple[str, str] | None = None) -> Picture | None:
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
    if pair is not None and not (len(set(pair)) == 2 and set(pair) <= set(varying)):
        accepted = ", ".join(varying) if varying else "none"
        raise BadInput(
            f"A heat map needs two different fields that vary in this sweep ({accepted}), not {' and '.join(pair)}."
        )
    if pair is None and len(varying) < 2:
        return None
    x, y = pair or choose_pair(runs, varying)
    settings, accuracy, is_close = _collect(runs, varying)
    best, early = _describe_best(runs, varying, "outlined"), _describe_early(runs)
    if not _lies_on_grid(runs, (x, y)):
        scatter = Scatter(settings, accuracy, x, y, is_close, OUTLINE_NOTE)
        caption = _join(best, "Each point is a recipe.", early)
        return Picture(name, scatter, caption, f"Scatter plot. {caption}")
    panels = _choose_panels(runs, [axis for axis in varying if axis not in (x, y)])
    chart = HeatMap(settings, accuracy, x, y, panels, is_close, OUTLINE_NOTE)
    caption = _join(best, _describe_cells(chart), early)
    return Picture(name, chart, caption, f"Heat map. {caption}")


def draw_response(runs: Runs, name: str, axes: Iterable[str]) -> Picture | None:
    """Accuracy with its interval against the one field that varies; nothing where none or several do."""
    varying = find_varying(runs, axes)
    if len(varying) != 1:
        return None
    settings, accuracy, _ = _collect(runs, varying)
    low, high = np.array([run["val"]["accuracy_interval"] for run in runs]).T
    train = np.array([run["train"]["accuracy"] for run in runs])
    chart = Response(varying[0], settings[varying[0]], accuracy, low, high, train)
    rows = f"Bars are 95 % Wilson intervals on {runs[0]['val']['n']:,} validation rows."
    caption = _join(_describe_best(runs, varying), rows, _describe_early(runs))
    return Picture(name, chart, caption, f"Points with intervals. {caption}")


def draw_parallel(runs: Runs, name: str, axes: Iterable[str]) -> Picture | None:
    """One line a recipe through its settings to its validation accuracy; nothing where fewer than two fields vary."""
    varying = find_varying(runs, axes)
    if len(varying) < 2:
        return None
    settings, accuracy, is_close = _collect(runs, varying)
    chart = ParallelCoordinates(settings, accuracy, is_close)
    close = [run for run, is_one in zip(runs, is_close, strict=True) if is_one]
    caption = _join(
        "Each line is a recipe, from its settings on the left to its validation accuracy on the right.",
        "" if has_diverged(runs[0]) else "The thick line is the best; the strong ones cannot be told from it.",
        _describe_agreement(close, varying, f"All {len(close)} of these have"),
        _describe_early(runs),
    )
    return Picture(name, chart, caption, f"Parallel coordinates. {caption} {_describe_best(runs, varying)}")


def find_varying(runs: Runs, axes: Iterable[str]) -> tuple[str, ...]:
    """The swept fields that have two values or more among these runs."""
    return tuple(axis for axis in axes if _count_values(runs, (axis,)) > 1)


def choose_pair(runs: Runs, varying: Sequence[str]) -> tuple[str, str]:
    """The fields of a heat map: learning_rate and l2 where both vary, else the two with the most values."""
    if {"learning_rate", "l2"} <= set(varying):
        return "learning_rate", "l2"
    first, second = sorted(varying, key=lambda axis: -_count_values(runs, (axis,)))[:2]
    if "learning_rate" in (first, second) or "l2" in (first, second):
        is_turned = second == "learning_rate" or first == "l2"
    else:  # long words have more room beside the rows than below the columns
        is_turned = _measure_words(runs, first) > _measure_words(runs, second)
    return (second, first) if is_turned else (first, second)


def _measure_words(runs: Runs, axis: str) -> int:
    """Characters of the longest value; 0 for numbers, which are short."""
    values = [run["recipe"][axis] for run in runs]
    return max(len(value) if isinstance(value, str) else 0 for value in values)


def has_diverged(run: dict[str, Any]) -> bool:
    """Whether a run's accuracy is one by accident; folders of earlier versions do not say."""
    return bool(run.get("has_diverged", run["is_indistinguishable"] is None)) or run["val"]["loss"] is None


def ends_early(run: dict[str, Any]) -> bool:
    """Whether a run was let go, or the sweep was stopped, before its last epoch."""
    return not has_diverged(run) and run["epochs_done"] < run["recipe"]["epochs"]


def _collect(runs: Runs, varying: Sequence[str]) -> tuple[dict[str, list[Any]], Array, Array]:
    """Settings by field, accuracies (n,), NaN where a run diverged, and which are the best or as good, (n,) bool."""
    settings = {axis: [run["recipe"][axis] for run in runs] for axis in varying}
    accuracy = np.array([np.nan if has_diverged(run) else run["val"]["accuracy"] for run in runs])
    is_close = np.array([bool(run["is_indistinguishable"]) for run in runs])
    is_close[0] = not has_diverged(runs[0])
    return settings, accuracy, is_close


def _count_values(runs: Runs, axes: Sequence[str]) -> int:
    """How many different combinations of these fields the runs have."""
    return len({tuple(run["recipe"][axis] for axis in axes) for run in runs})


def _choose_panels(runs: Runs, others: Sequence[str]) -> tuple[str, ...]:
    return tuple(others) if _count_values(runs, others) <= MOST_PANELS else ()


def _lies_on_grid(runs: Runs, pair: tuple[str, str]) -> bool:
    counts = [_count_values(runs, (axis,)) for axis in pair]
    return max(counts) <= MOST_CELLS_ALONG and _count_values(runs, pair) >= LEAST_FILLED * math.prod(counts)


def _name_best(runs: Runs, axes: Sequence[str]) -> dict[int, str]:
    """Names of the best few by place: what varies, or where that is long, what varies among them."""
    places = [place for place, run in enumerate(runs) if not has_diverged(run)][:MOST_NAMED]
    best = [runs[place] for place in places]
    names = [_name(run, axes) for run in best]
    if max(map(len, names), default=0) > NAME_WIDTH and len(best) > 1:
        axes = find_varying(best, axes)
        names = [_name(run, axes) for run in best]
    if len(set(names)) < len(names):  # three digits do not tell them apart
        names = [", ".join(f"{axis} {run['recipe'][axis]}" for axis in axes) for run in best]
    return dict(zip(places, names, strict=True))


def _name(run: dict[str, Any], axes: Sequence[str]) -> str:
    return format_setting((axis, run["recipe"][axis]) for axis in axes)


def _make_candidate(run: dict[str, Any], history: Sequence[EpochRow], quantity: str, name: str) -> Candidate:
    columns = {
        part: np.array([_read(row, part, quantity) for row in history], dtype=np.float64) for part in ("val", "train")
    }
    epoch = np.array([row.epoch for row in history], dtype=np.float64)
    return Candidate(epoch, columns["val"], columns["train"], run["recipe"]["epochs"], has_diverged(run), name)


def _read(row: EpochRow, part: str, quantity: str) -> float:
    """The value of a row; NaN where it was not measured, or is one by accident because the loss is no number."""
    value, loss = getattr(row, f"{part}_{quantity}"), getattr(row, f"{part}_loss")
    return math.nan if value is None or loss is None or not math.isfinite(loss) else float(value)


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
        f"Validation accuracy of {len(runs)} recipes: the best ({_name(runs[0], axes)}) has "
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
    agreed = [(axis, runs[0]["recipe"][axis]) for axis in varying if runs and _count_values(runs, (axis,)) == 1]
    return f"{opening} {format_setting(agreed)}." if len(runs) > 1 and agreed else ""
