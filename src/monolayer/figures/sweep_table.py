"""What the figures of a sweep take from it: its runs, best first, and the fields that vary among them.

Runs are dictionaries as :meth:`monolayer.Sweep.to_dict` and ``evaluation.json`` hold them, so that a page can be made
from a folder alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from monolayer.errors import BadInput
from monolayer.figures.chart import Array
from monolayer.figures.fields import format_setting
from monolayer.training.history import EpochRow

if TYPE_CHECKING:
    from monolayer.tuning.sweep import Sweep


Runs = Sequence[dict[str, Any]]
Histories = Sequence[Sequence[EpochRow]]
Pair = tuple[str, str]
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
