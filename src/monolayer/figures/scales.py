"""Axis scales of recipe fields: linear or logarithmic for numbers, evenly spaced for words."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.ticker import MaxNLocator

from monolayer._typing import Array
from monolayer.errors import BadInput

Value = float | int | str
Column = Sequence[Value]
Settings = Mapping[str, Column]
Ticks = list[tuple[float, str]]

DECADE = 10.0  # values that span this factor have a logarithmic scale
ZERO_GAP = 0.15  # of the axis, between the place of 0 and the lowest value on a logarithmic scale
FOLD_WIDTH = 9  # characters of a line of a folded word
MAX_TICKS = 12  # values; with more of them the ticks are round numbers


@dataclass(frozen=True)
class FieldScale:
    """Positions of the values of one field on an axis from 0 to 1.

    Args:
        name: of the recipe's field.
        values: the different values, at least one: increasing numbers, or words in natural order (layer2 before
            layer10).
    """

    name: str
    values: tuple[Value, ...]

    @property
    def is_words(self) -> bool:
        """Whether the values are words."""
        return isinstance(self.values[0], str)

    @property
    def is_log(self) -> bool:
        """Whether the scale is logarithmic: positive numbers that span a decade or more, and perhaps 0."""
        if self.is_words or float(self.values[0]) < 0:
            return False
        positive = self._positive()
        return len(positive) > 1 and positive[-1] / positive[0] >= DECADE

    @property
    def has_zero_apart(self) -> bool:
        """Whether a logarithmic scale has a separate position for 0 below it."""
        return self.is_log and self.values[0] == 0

    @property
    def title(self) -> str:
        """The label of the axis."""
        return self.name.replace("_", " ")

    def place(self, column: Column) -> Array:
        """Positions of values (n,), (n,) float64 in 0..1; 0.5 if the scale has a single value."""
        if self.is_words:
            order = {value: i for i, value in enumerate(self.values)}
            numbers = np.array([order[value] for value in column], dtype=np.float64)
            return _spread(numbers, 0.0, len(self.values) - 1.0)
        numbers = np.asarray(column, dtype=np.float64)
        if not self.is_log:
            return _spread(numbers, float(self.values[0]), float(self.values[-1]))
        positive, low = self._positive(), ZERO_GAP if self.has_zero_apart else 0.0
        with np.errstate(divide="ignore"):
            places = _spread(np.log10(numbers), math.log10(positive[0]), math.log10(positive[-1]))
        return np.where(numbers == 0, 0.0, low + (1 - low) * places)

    def choose_ticks(self, gap: float) -> Ticks:
        """Positions and labels, at least ``gap`` apart: the values, or round numbers if there are many."""
        values = self.values if self.is_words or len(self.values) <= MAX_TICKS else self._find_round_values()
        places = self.place(values).tolist()
        # The ends first, then from low to high: a value too close to an earlier one has no tick.
        kept: list[int] = []
        for i in dict.fromkeys([0, len(values) - 1, *range(len(values))]):
            if all(abs(places[i] - places[other]) >= gap for other in kept):
                kept.append(i)
        return [(places[i], format_value(values[i])) for i in sorted(kept)]

    def _positive(self) -> list[float]:
        return [float(value) for value in self.values if float(value) > 0]

    def _find_round_values(self) -> tuple[float, ...]:
        low, high = float(self.values[0]), float(self.values[-1])
        if not self.is_log:
            whole = all(float(value).is_integer() for value in self.values)
            ticks = MaxNLocator(5, integer=whole).tick_values(low, high)
            return tuple(float(f"{tick:.12g}") for tick in ticks if low <= tick <= high)
        low = self._positive()[0]
        exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        decades = [10.0**e for e in exponents if low <= 10.0**e <= high]
        if len(decades) < 2:
            decades = [m * 10.0**e for e in exponents for m in (1, 2, 5) if low <= m * 10.0**e <= high]
        return (*([0.0] if self.has_zero_apart else []), *decades)


def make_scale(name: str, column: Column) -> FieldScale:
    """The scale of a field with these values.

    Raises:
        BadInput: if there is no value, or they are not all finite numbers or all words.
    """
    if not len(column):
        raise BadInput(f"{name} has no value to draw.")
    if all(isinstance(value, str) for value in column):
        return FieldScale(name, tuple(sorted(set(column), key=_order_word)))
    try:
        is_finite = not any(isinstance(value, str) for value in column) and all(map(math.isfinite, column))  # type: ignore[arg-type]
    except TypeError:
        is_finite = False
    if not is_finite:
        raise BadInput(f"{name} must contain only finite numbers or only words.")
    return FieldScale(name, tuple(sorted({_plain(value) for value in column})))


def check_settings(settings: Settings, n_runs: int) -> dict[str, list[Value]]:
    """The settings as lists of Python numbers and words, by field.

    Raises:
        BadInput: if a field has not ``n_runs`` values, or contains anything but finite numbers or words.
    """
    checked = {}
    for name, column in settings.items():
        if len(column) != n_runs:
            raise BadInput(f"{name} must have {n_runs} values, like the other columns, not {len(column)}.")
        make_scale(name, column)
        checked[name] = [_plain(value) for value in column]
    return checked


def format_value(value: Value) -> str:
    """A value in few characters: whole numbers in full, others with three significant digits."""
    if isinstance(value, str):
        return value
    return f"{value:.0f}" if float(value).is_integer() and abs(value) < 1e6 else f"{value:.3g}"


def fold(word: str, width: int = FOLD_WIDTH) -> str:
    """A long word on several lines, broken after ``_`` and ``:``."""
    lines = [""]
    for part in re.findall(r"[^_:]+[_:]?|[_:]", word):
        if lines[-1] and len(lines[-1]) + len(part) > width:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)


def format_setting(settings: Iterable[tuple[str, Value]]) -> str:
    """Such as ``learning_rate 0.005, l2 0``."""
    return ", ".join(f"{name} {format_value(value)}" for name, value in settings)


def _order_word(word: Value) -> tuple[tuple[str, int], ...]:
    """Sort key of words: letters, then the number that follows them."""
    return tuple((letters, int(digits or -1)) for letters, digits in re.findall(r"(\D*)(\d*)", str(word)))


def _plain(value: Value) -> Value:
    """A NumPy number as a Python number."""
    return value.item() if isinstance(value, np.generic) else value


def _spread(numbers: Array, low: float, high: float) -> Array:
    places: Array = np.full(len(numbers), 0.5) if high == low else (numbers - low) / (high - low)
    return places
