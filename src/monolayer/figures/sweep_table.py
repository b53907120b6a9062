"""The runs of a sweep, best first, and the fields that vary among them: the data of all sweep figures.

Runs are dictionaries as :meth:`monolayer.Sweep.to_dict` and ``evaluation.json`` hold them, so that a report can be
made from a folder alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from monolayer._typing import Array
from monolayer.errors import BadInput
from monolayer.figures.chart import convert_to_column
from monolayer.figures.scales import format_setting
from monolayer.training.history import EpochRow
from monolayer.tuning.sweep import Sweep

Runs = Sequence[dict[str, Any]]
Histories = Sequence[Sequence[EpochRow]]
Pair = tuple[str, str]
OUTLINE_NOTE = "outlined: the best, and all not significantly different from it"


@dataclass(frozen=True, eq=False)
class SweepTable:
    """What the figures of a sweep need.

    Args:
        runs: best first, at least one.
        axes: names of the swept fields.
        histories: one for each run, in the same order; missing ones at the end count as empty.
    """

    runs: Runs
    axes: tuple[str, ...]
    histories: Histories = ()

    @classmethod
    def of(cls, sweep: Sweep | SweepTable) -> SweepTable:
        """The table of a sweep."""
        if isinstance(sweep, SweepTable):
            return sweep
        return cls(sweep.to_dict()["runs"], tuple(sweep.axes), [run.history for run in sweep.runs])

    @cached_property
    def varying(self) -> tuple[str, ...]:
        """The swept fields that have at least two values among these runs."""
        return find_varying(self.runs, self.axes)

    @cached_property
    def settings(self) -> dict[str, list[Any]]:
        """The values of the varying fields, (n,) each."""
        return {axis: [run["recipe"][axis] for run in self.runs] for axis in self.varying}

    @cached_property
    def accuracy(self) -> Array:
        """Validation accuracy, (n,), fractions; NaN where a run diverged."""
        return np.array([np.nan if has_diverged(run) else run["val"]["accuracy"] for run in self.runs])

    @cached_property
    def is_close(self) -> Array:
        """Whether a run is the best one or not significantly different from it, (n,) bool."""
        close = np.array([bool(run["is_indistinguishable"]) for run in self.runs])
        close[0] = not has_diverged(self.runs[0])
        return close

    def choose_pair(self, x: str | None = None, y: str | None = None) -> Pair:
        """The two fields of a figure: x and y, or by default learning_rate and l2, or those with the most values.

        Raises:
            BadInput: if only one field is given, fewer than two fields vary, or x and y are not two different ones.
        """
        if (x is None) != (y is None):
            raise BadInput(f"x and y must both be given, or neither; only {x or y} is.")
        asked = None if x is None or y is None else (x, y)
        if (asked and not (x != y and set(asked) <= set(self.varying))) or len(self.varying) < 2:
            accepted = ", ".join(self.varying) if self.varying else "none"
            given = f", not {x} and {y}" if asked else ""
            raise BadInput(f"The figure needs two different fields that vary in this sweep ({accepted}){given}.")
        if asked:
            return asked
        if {"learning_rate", "l2"} <= set(self.varying):
            return "learning_rate", "l2"
        first, second = sorted(self.varying, key=lambda axis: -count_values(self.runs, (axis,)))[:2]
        if "learning_rate" in (first, second) or "l2" in (first, second):
            is_swapped = second == "learning_rate" or first == "l2"
        else:  # there is more space for long words beside the rows than below the columns
            is_swapped = self._measure_words(first) > self._measure_words(second)
        return (second, first) if is_swapped else (first, second)

    def _measure_words(self, axis: str) -> int:
        """Characters of the longest value; 0 for numbers, which are short."""
        return max(len(value) if isinstance(value, str) else 0 for value in self.settings[axis])


def find_varying(runs: Runs, axes: Iterable[str]) -> tuple[str, ...]:
    """Those of the fields that have at least two values among these runs."""
    return tuple(axis for axis in axes if count_values(runs, (axis,)) > 1)


def count_values(runs: Runs, axes: Sequence[str]) -> int:
    """How many different combinations of these fields the runs have."""
    return len({tuple(run["recipe"][axis] for axis in axes) for run in runs})


def name_run(run: dict[str, Any], axes: Sequence[str]) -> str:
    """A run by its settings, such as ``learning_rate 0.005, l2 0``."""
    return format_setting((axis, run["recipe"][axis]) for axis in axes)


def has_diverged(run: dict[str, Any]) -> bool:
    """Whether a run diverged, so that its accuracy means nothing; derived for folders of earlier versions."""
    return bool(run.get("has_diverged", run["is_indistinguishable"] is None)) or run["val"]["loss"] is None


def ends_early(run: dict[str, Any]) -> bool:
    """Whether halving or an interruption stopped a run before its last epoch."""
    return not has_diverged(run) and run["epochs_done"] < run["recipe"]["epochs"]


def check_marked(marked: Array | None, n_runs: int) -> Array:
    """Whether each run is marked, (n,) bool; None marks nothing.

    Raises:
        BadInput: if there are not ``n_runs``.
    """
    checked: Array = np.zeros(n_runs, dtype=bool) if marked is None else np.asarray(marked, dtype=bool)
    if checked.shape != (n_runs,):
        raise BadInput(f"marked must have {n_runs} values, like the other columns, not shape {checked.shape}.")
    return checked


def check_accuracy(accuracy: Array, what: str) -> Array:
    """Accuracies as float64, (n,) with n >= 1.

    Raises:
        BadInput: if they are not numbers, or there is no run to draw in ``what``.
    """
    checked = convert_to_column(accuracy, "accuracy")
    if not len(checked):
        raise BadInput(f"There is no run to draw in {what}.")
    return checked


def order_from_last(accuracy: Array) -> list[int]:
    """Indices of runs that come best first, in drawing order: diverged ones (NaN), then the worst to the best.

    What is drawn later covers what is worse.
    """
    is_finite = np.isfinite(accuracy)
    return sorted(range(len(is_finite)), key=lambda i: (is_finite[i], -i))


def find_best(accuracy: Array) -> int | None:
    """Index of the best run, the first that did not diverge; None if every run diverged."""
    finite = np.flatnonzero(np.isfinite(accuracy))
    return int(finite[0]) if len(finite) else None
