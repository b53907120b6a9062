"""Axes of a sweep: the values of one recipe field, listed, spread over a range, or drawn from it."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from monolayer.errors import BadInput
from monolayer.recipe.recipe import FIELDS, Recipe

WHOLE_FIELDS = ("batch_size", "epochs", "seed")
KINDS = ("log", "linear")
# Draws for each recipe, before the different ones so far are taken for all that exist.
TRIES_A_RECIPE = 100
LONGEST_NUMBER = 8  # characters in a table


@dataclass(frozen=True)
class Range:
    """All numbers from ``low`` to ``high``, evenly spread on a linear or on a logarithmic scale.

    Raises:
        BadInput: if the kind is unknown, or the ends are not numbers in order, above 0 for ``log``.
    """

    kind: str
    low: float
    high: float

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise BadInput(f"A range is {' or '.join(KINDS)}, not {self.kind!r}.")
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise BadInput(f"The range {self} must go from a number to a larger one.")
        if self.kind == "log" and self.low <= 0:
            raise BadInput(f"The range {self} starts at {self.low:g}; a logarithmic one starts above 0.")

    def __str__(self) -> str:
        return f"{self.kind}:{self.low:g}:{self.high:g}"

    def spread(self, n: int) -> tuple[float, ...]:
        """N values (2 or more) from the low end to the high end, both included."""
        if n < 2:
            raise BadInput(f"The range {self} needs 2 values or more, not {n}.")
        # Rounded to 12 digits, so that 0.001 is not written as the nearest float that the power returned.
        return tuple(float(f"{self._place(i / (n - 1)):.12g}") for i in range(n))

    def draw(self, rng: np.random.Generator) -> float:
        """One value at random."""
        return float(f"{self._place(float(rng.random())):.12g}")

    def _place(self, share: float) -> float:
        if self.kind == "linear":
            return self.low + share * (self.high - self.low)
        return float(self.low * (self.high / self.low) ** share)


Axis = tuple[Any, ...] | Range


def make_grid(base: Recipe, axes: Mapping[str, Axis]) -> list[Recipe]:
    """Every combination of the axes' values, the last axis running fastest; repeated recipes are kept once.

    Raises:
        BadInput: if an axis is not a recipe field, has no values or is a range, or a value is not accepted.
    """
    check_axes(axes)
    values = []
    for name, axis in axes.items():
        if isinstance(axis, Range):
            raise BadInput(
                f"The axis {name} is a range without a number of values; give one ({axis}:20), or draw recipes at "
                "random (--random N, n_random)."
            )
        values.append(axis)
    recipes = [base.replace(**dict(zip(axes, point, strict=True))) for point in itertools.product(*values)]
    return list(dict.fromkeys(recipes))


def draw_recipes(base: Recipe, axes: Mapping[str, Axis], n: int) -> list[Recipe]:
    """N different recipes, each axis drawn independently: uniformly from its values, or from its range.

    The draws come from the base recipe's seed, in a stream of their own.

    Raises:
        BadInput: if an axis is not a recipe field or is empty, a value is not accepted, or fewer than n recipes exist.
    """
    check_axes(axes)
    if n < 1:
        raise BadInput(f"The number of random recipes is {n}; accepted are 1 and above.")
    rng = np.random.default_rng([base.seed, 2])
    drawn: dict[Recipe, None] = {}
    for _ in range(TRIES_A_RECIPE * n):
        drawn.setdefault(base.replace(**{name: _draw(name, axis, rng) for name, axis in axes.items()}))
        if len(drawn) == n:
            return list(drawn)
    raise BadInput(f"The axes give {len(drawn)} different recipes, not {n}; draw fewer, or widen an axis.")


def collect_axes(recipes: list[Recipe], names: Mapping[str, Axis]) -> dict[str, tuple[Any, ...]]:
    """The values that the recipes have in these fields: in the order of the recipes, those of a range sorted."""
    collected = {}
    for name, axis in names.items():
        values = dict.fromkeys(getattr(recipe, name) for recipe in recipes)
        collected[name] = tuple(sorted(values)) if isinstance(axis, Range) else tuple(values)
    return collected


def format_value(value: Any) -> str:
    """A value as tables have it; one that was drawn has a dozen digits, of which five are shown."""
    return f"{value:.5g}" if isinstance(value, float) and len(str(value)) > LONGEST_NUMBER else str(value)


def _draw(name: str, axis: Axis, rng: np.random.Generator) -> Any:
    if not isinstance(axis, Range):
        return axis[int(rng.integers(len(axis)))]
    value = axis.draw(rng)
    return round(value) if name in WHOLE_FIELDS else value


def check_axes(axes: Mapping[str, Axis]) -> None:
    """Raise BadInput if an axis is not a field of a recipe, or has no values."""
    for name, axis in axes.items():
        if name not in FIELDS:
            raise BadInput(f"A recipe has no field {name!r} to sweep; it has {', '.join(FIELDS)}.")
        if not isinstance(axis, Range) and len(axis) == 0:
            raise BadInput(f"The axis {name} has no values; give at least one.")
        if isinstance(axis, Range) and not isinstance(getattr(Recipe(), name), int | float):
            raise BadInput(f"{name} takes words, so it has no range; list its values.")


# Bounds of what is accepted: the best value there does not call for a wider grid.
NATURAL_ENDS = {("l2", 0.0), ("flip", 0.0), ("flip", 1.0), ("batch_size", 1)}


def sort_numbers(name: str, values: Sequence[Any]) -> list[Any]:
    """The different values of an axis in order; none unless they are two numbers or more, and their order counts."""
    ordered = sorted({v for v in values if isinstance(v, int | float) and not isinstance(v, bool)})
    return [] if name == "seed" or len(ordered) < 2 or len(ordered) < len(set(values)) else ordered


def is_edge(name: str, value: Any, values: Sequence[Any]) -> bool:
    """Whether a value is the lowest or the highest of several numbers tried, and there are others beyond it."""
    ordered = sort_numbers(name, values)
    return value in (*ordered[:1], *ordered[-1:]) and (name, value) not in NATURAL_ENDS
