"""The grid of a probe, whose learning rates are multiples of each feature set's stable rate.

A rate that suits pixels is a hundred times too high for one layer's features and too low for another's, so the same
rates for all would favour some feature sets. The stable rate 1 / L (see :mod:`monolayer.training.stable_rate`) depends
on the features, and a few multiples of it cover the useful range.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from monolayer.data.dataset import Rows
from monolayer.data.scaler import BLOCK, fit_scaler
from monolayer.errors import BadInput
from monolayer.features.normalize import NORMALIZATIONS
from monolayer.recipe.grid import Axis, Range, make_grid
from monolayer.recipe.recipe import PROBE, Recipe
from monolayer.training.stable_rate import MAX_ROWS, compute_stable_rate

# The stable rate is conservative: on pixels, histograms of gradients and pooled patches of CIFAR-10, the best rate of
# 40 epochs with a cosine schedule is 1, 0.3 and 10 times the stable rate; nothing diverged at 30 times.
RATES = (0.3, 1.0, 3.0, 10.0)
L2 = (0.0, 1e-4, 1e-3, 1e-2, 1e-1)
# Significant digits of a rate, so that a report shows the exact rate in a few digits.
DIGITS = 3
# Weights start at 0, because in directions in which no training row varies (with few rows, most) they never change.
# With a cosine schedule those three features gain 1.5, 0.6 and 1 points over a constant rate, and higher rates are
# stable.
BASE = PROBE


@dataclass(frozen=True)
class ProbeGrid:
    """The recipes that are tried on every feature set.

    Args:
        base: the fields that do not vary.
        axes: values by field.
        multiples: learning rates as multiples of the stable rate; empty where ``axes`` has learning rates.
    """

    base: Recipe
    axes: dict[str, tuple[Any, ...]]
    multiples: tuple[float, ...]

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that vary; a learning rate that is a multiple comes first."""
        return (*(["learning_rate"] if self.multiples else []), *self.axes)

    def list_recipes(self) -> list[Recipe]:
        """Every combination of the axes' values; learning rates that are multiples are not set yet."""
        return make_grid(self.base, self.axes)

    def set_rates(self, recipes: Sequence[Recipe], draws: Sequence[Rows]) -> list[Recipe]:
        """The recipes, each with every multiple of a rate that is stable on all these draws of training rows.

        The stable rate is that of the largest l2 among the recipes, the lowest one, so that the grid has the same rates
        for every l2.
        """
        if not self.multiples:
            return list(recipes)
        samples = [sample_rows(rows) for rows in draws]
        scalers = [fit_scaler(sample) for sample in samples]
        max_l2 = max(recipe.l2 for recipe in recipes)
        rates: dict[Recipe, float] = {}
        found: dict[Recipe, None] = {}
        for recipe in recipes:
            kind = Recipe(loss=recipe.loss, batch_size=recipe.batch_size, l2=max_l2)  # the stable rate depends on these
            if kind not in rates:
                rates[kind] = min(
                    compute_stable_rate(sample, np.ones(len(sample)), scaler, kind, sample.dataset.n_classes)
                    for sample, scaler in zip(samples, scalers, strict=True)
                )
            for multiple in self.multiples:
                found.setdefault(recipe.replace(learning_rate=float(f"{multiple * rates[kind]:.{DIGITS}g}")))
        return list(found)


def make_probe_grid(base: Recipe | None, axes: Mapping[str, Axis], multiples: Sequence[float] = RATES) -> ProbeGrid:
    """The grid of a probe: by default l2 from 0 to 0.1 and multiples of each feature set's stable rate.

    Raises:
        BadInput: if an axis is not a recipe field or has no values, or a multiple is not above 0.
    """
    values: dict[str, tuple[Any, ...]] = {"l2": L2}
    for name, axis in axes.items():
        if isinstance(axis, Range):
            raise BadInput(f"The axis {name} is a range without a number of values; give one, such as {axis}:5.")
        values[name] = axis
    if not multiples or not all(math.isfinite(m) and m > 0 for m in multiples):
        raise BadInput(f"rates is {list(multiples)}; accepted are multiples above 0 of the stable rate.")
    rates = () if "learning_rate" in values else tuple(sorted({float(m) for m in multiples}))
    grid = ProbeGrid(base or BASE, values, rates)
    grid.list_recipes()  # raises for an invalid axis before any features are read
    return grid


def sample_rows(rows: Rows) -> Rows:
    """About two thousand rows, evenly spaced, in memory and normalised: enough to compute a stable rate."""
    chosen = Rows(rows.dataset, rows.index[:: -(-len(rows) // MAX_ROWS)])
    X = np.concatenate(list(chosen.iterate_blocks(BLOCK)))
    sample = replace(
        rows.dataset, X=X, y=rows.dataset.y[chosen.index], normalize=NORMALIZATIONS[0], both_ways=None, **ALONE
    )
    return Rows(sample, np.arange(len(X)))


# The fields of a dataset that a copy of some of its rows does not have.
ALONE: dict[str, Any] = {"test": None, "val": None, "groups": None, "known_sha256": "", "reading": {}}
