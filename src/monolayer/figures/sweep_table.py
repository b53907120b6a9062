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
from monolayer.figures.chart import Chart, Frame, convert_to_column
from monolayer.figures.scales import FieldScale, Settings, check_settings, format_setting, make_scale
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


def check_accuracy(accuracy: Array, what: str) -> Array:
    """Accuracies as float64, (n,) with n >= 1.

    Raises:
        BadInput: if they are not numbers, or there is no run to draw in ``what``.
    """
    checked = convert_to_column(accuracy, "accuracy")
    if not len(checked):
        raise BadInput(f"There is no run to draw in {what}.")
    return checked


class SweepChart(Chart):
    """Runs of a sweep by setting; a subclass is a dataclass with these columns and checks the fields of its axes.

    ``settings`` are the fields that vary, by name, (n,) each; ``accuracy`` is (n,), runs best first, NaN or infinite
    where the run diverged; ``marked`` is (n,) bool, or None where no run is marked.
    """

    settings: Settings
    accuracy: Array
    marked: Array | None
    what = ""  # the figure's name in messages

    def __post_init__(self) -> None:
        accuracy = check_accuracy(self.accuracy, self.what)
        marked = np.zeros(len(accuracy), dtype=bool) if self.marked is None else np.asarray(self.marked, dtype=bool)
        if marked.shape != accuracy.shape:
            raise BadInput(
                f"marked must have {len(accuracy)} values, like the other columns, not shape {marked.shape}."
            )
        checked = {"accuracy": accuracy, "settings": check_settings(self.settings, len(accuracy)), "marked": marked}
        for name, column in checked.items():
            object.__setattr__(self, name, column)

    def frame(self) -> Frame:
        """Columns: the settings, val_accuracy and marked; one row for each run, as they were given."""
        return self.tabulate(list(range(len(self.accuracy))))

    def tabulate(self, runs: list[int]) -> Frame:
        """The table of some of the runs."""
        columns = {name: [column[i] for i in runs] for name, column in self.settings.items()}
        return {**columns, "val_accuracy": self.accuracy[runs].tolist(), "marked": self.is_marked[runs].tolist()}

    @property
    def is_marked(self) -> Array:
        """Whether each run is marked, (n,) bool."""
        return np.asarray(self.marked)

    @property
    def is_finite(self) -> Array:
        """Whether each run has an accuracy: it did not diverge, (n,) bool."""
        return np.isfinite(self.accuracy)

    @property
    def drawing_order(self) -> list[int]:
        """The indices of the runs: diverged ones, then the worst to the best; what is later covers what is worse."""
        is_finite = self.is_finite
        return sorted(range(len(is_finite)), key=lambda i: (is_finite[i], -i))

    def scale(self, name: str) -> FieldScale:
        """The scale of one field."""
        return make_scale(name, self.settings[name])
