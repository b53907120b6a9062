"""What the figures of a sweep take from it: its runs, best first, and the fields that vary among them.

Runs are dictionaries as :meth:`monolayer.Sweep.to_dict` and ``evaluation.json`` hold them, so that a page can be made
from a folder alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from monolayer.errors import BadInput
from monolayer.figures.base import Array
from monolayer.figures.candidates import MOST_NAMED, Candidate, CandidateCurves
from monolayer.figures.fields import format_setting
from monolayer.figures.heat_map import HeatMap
from monolayer.figures.parallel import ParallelCoordinates
from monolayer.figures.response import Response
from monolayer.figures.scatter import Scatter
from monolayer.history import EpochRow

if TYPE_CHECKING:
    from monolayer.sweeping import Sweep

Runs = Sequence[dict[str, Any]]
Histories = Sequence[Sequence[EpochRow]]
Pair = tuple[str, str]

MOST_PANELS = 6
MOST_CELLS_ALONG = 25  # values of an axis of a heat map; more are points of a scatter plot
LEAST_FILLED = 0.25  # of the cells; recipes that fill fewer lie on no grid
NAME_WIDTH = 52  # characters; a longer name takes two lines of the legend
OUTLINE_NOTE = "outlined: the best, and those that cannot be told from it"


def read_sweep(sweep: Sweep) -> tuple[Runs, tuple[str, ...]]:
    """The runs of a sweep, and the fields that vary among them."""
    runs: Runs = sweep.to_dict()["runs"]
    return runs, find_varying(runs, sweep.axes)


def read_pair(x: str | None, y: str | None) -> Pair | None:
    """The two fields of a picture, or None where they are to be chosen.

    Raises:
        BadInput: if one is named and the other is not.
    """
    if x is None and y is None:
        return None
    if x is None or y is None:
        raise BadInput(f"Two fields make a picture; name both, x and y, or none, not {x or y} alone.")
    return x, y


def find_varying(runs: Runs, axes: Iterable[str]) -> tuple[str, ...]:
    """The swept fields that have two values or more among these runs."""
    return tuple(axis for axis in axes if count_values(runs, (axis,)) > 1)


def count_values(runs: Runs, axes: Sequence[str]) -> int:
    """How many different combinations of these fields the runs have."""
    return len({tuple(run["recipe"][axis] for axis in axes) for run in runs})


def name_run(run: dict[str, Any], axes: Sequence[str]) -> str:
    """A run by its settings, such as ``learning_rate 0.005, l2 0``."""
    return format_setting((axis, run["recipe"][axis]) for axis in axes)


def has_diverged(run: dict[str, Any]) -> bool:
    """Whether a run's accuracy is one by accident; folders of earlier versions do not say."""
    return bool(run.get("has_diverged", run["is_indistinguishable"] is None)) or run["val"]["loss"] is None


def ends_early(run: dict[str, Any]) -> bool:
    """Whether a run was let go, or the sweep was stopped, before its last epoch."""
    return not has_diverged(run) and run["epochs_done"] < run["recipe"]["epochs"]


def choose_pair(runs: Runs, varying: Sequence[str], pair: Pair | None = None) -> Pair:
    """The fields of a heat map, along x and y: those asked for, or learning_rate and l2, or those with most values.

    Raises:
        BadInput: if fewer than two fields vary, or the pair is not two different ones of them.
    """
    if (pair is not None and not (len(set(pair)) == 2 and set(pair) <= set(varying))) or len(varying) < 2:
        accepted = ", ".join(varying) if varying else "none"
        asked = f", not {' and '.join(pair)}" if pair else ""
        raise BadInput(f"A heat map needs two different fields that vary in this sweep ({accepted}){asked}.")
    if pair is not None:
        return pair
    if {"learning_rate", "l2"} <= set(varying):
        return "learning_rate", "l2"
    first, second = sorted(varying, key=lambda axis: -count_values(runs, (axis,)))[:2]
    if "learning_rate" in (first, second) or "l2" in (first, second):
        is_turned = second == "learning_rate" or first == "l2"
    else:  # long words have more room beside the rows than below the columns
        is_turned = _measure_words(runs, first) > _measure_words(runs, second)
    return (second, first) if is_turned else (first, second)


def lies_on_grid(runs: Runs, pair: Pair) -> bool:
    """Whether the recipes fill the cells of a heat map over these fields, or enough of them."""
    counts = [count_values(runs, (axis,)) for axis in pair]
    return max(counts) <= MOST_CELLS_ALONG and count_values(runs, pair) >= LEAST_FILLED * math.prod(counts)


def make_heat_map(runs: Runs, varying: Sequence[str], pair: Pair | None = None) -> HeatMap:
    """Accuracy over two fields, with a panel for each combination of the others where these are few."""
    x, y = choose_pair(runs, varying, pair)
    others = tuple(axis for axis in varying if axis not in (x, y))
    panels = others if count_values(runs, others) <= MOST_PANELS else ()
    settings, accuracy, is_close = collect(runs, varying)
    return HeatMap(settings, accuracy, x, y, panels, is_close, OUTLINE_NOTE)


def make_scatter(runs: Runs, varying: Sequence[str], pair: Pair | None = None) -> Scatter:
    """Accuracy over two fields, a point a recipe."""
    x, y = choose_pair(runs, varying, pair)
    settings, accuracy, is_close = collect(runs, varying)
    return Scatter(settings, accuracy, x, y, is_close, OUTLINE_NOTE)


def make_response(runs: Runs, varying: Sequence[str]) -> Response:
    """Accuracy with its interval against the one field that varies.

    Raises:
        BadInput: if none or several do.
    """
    if len(varying) != 1:
        found = ", ".join(varying) if varying else "none"
        raise BadInput(f"The picture of one field needs a sweep in which one field varies, not {found}.")
    settings, accuracy, _ = collect(runs, varying)
    low, high = np.array([run["val"]["accuracy_interval"] for run in runs]).T
    train = np.array([run["train"]["accuracy"] for run in runs])
    return Response(varying[0], settings[varying[0]], accuracy, low, high, train)


def make_parallel(runs: Runs, varying: Sequence[str]) -> ParallelCoordinates:
    """One line a recipe through its settings to its accuracy."""
    settings, accuracy, is_close = collect(runs, varying)
    return ParallelCoordinates(settings, accuracy, is_close)


def make_candidates(runs: Runs, histories: Histories, varying: Sequence[str], quantity: str) -> CandidateCurves:
    """Accuracy, loss or cost of every candidate after each epoch; the best five are named.

    Raises:
        BadInput: if the candidates' losses are not on one scale, or none of them has a finite value.
    """
    if quantity != "accuracy" and "loss" in varying:
        raise BadInput(f"The {quantity} of these recipes is not on one scale, since their losses differ; use accuracy.")
    followed = [*histories, *([()] * (len(runs) - len(histories)))]
    names = _name_best(runs, varying)
    candidates = tuple(
        _make_candidate(run, history, quantity, names.get(place, ""))
        for place, (run, history) in enumerate(zip(runs, followed, strict=True))
    )
    return CandidateCurves(candidates, quantity=f"validation {quantity}", percent=quantity == "accuracy")


def is_measured(histories: Histories, quantity: str) -> bool:
    """Whether there is a finite validation value of this quantity in any of the histories."""
    return any(math.isfinite(_read(row, "val", quantity)) for rows in histories for row in rows)


def collect(runs: Runs, varying: Sequence[str]) -> tuple[dict[str, list[Any]], Array, Array]:
    """Settings by field, accuracies (n,), NaN where a run diverged, and which are the best or as good, (n,) bool."""
    settings = {axis: [run["recipe"][axis] for run in runs] for axis in varying}
    accuracy = np.array([np.nan if has_diverged(run) else run["val"]["accuracy"] for run in runs])
    is_close = np.array([bool(run["is_indistinguishable"]) for run in runs])
    is_close[0] = not has_diverged(runs[0])
    return settings, accuracy, is_close


def _measure_words(runs: Runs, axis: str) -> int:
    """Characters of the longest value; 0 for numbers, which are short."""
    values = [run["recipe"][axis] for run in runs]
    return max(len(value) if isinstance(value, str) else 0 for value in values)


def _name_best(runs: Runs, axes: Sequence[str]) -> dict[int, str]:
    """Names of the best few by place: what varies, or where that is long, what varies among them."""
    places = [place for place, run in enumerate(runs) if not has_diverged(run)][:MOST_NAMED]
    best = [runs[place] for place in places]
    names = [name_run(run, axes) for run in best]
    if max(map(len, names), default=0) > NAME_WIDTH and len(best) > 1:
        axes = find_varying(best, axes)
        names = [name_run(run, axes) for run in best]
    if len(set(names)) < len(names):  # three digits do not tell them apart
        names = [", ".join(f"{axis} {run['recipe'][axis]}" for axis in axes) for run in best]
    return dict(zip(places, names, strict=True))


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
