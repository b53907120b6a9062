"""The candidates of a probe: a grid whose learning rates are multiples of what the features bear.

A rate that suits pixels is a hundred times too high for one layer's features and too low for another's, so a grid of
numbers that is the same for all of them favours some. The rate 1 / L (see :mod:`monolayer.training.stable_rate`) is
each feature set's own, and a few multiples of it bracket what is worth trying.
"""

from __future__ import annotations

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

# The bound is careful: of pixels, histograms of gradients and pooled patches of CIFAR-10, the best of 40 epochs along a
# cosine has 1, 0.3 and 10 times the stable rate; nothing diverged at 30 times.
RATES = (0.3, 1.0, 3.0, 10.0)
L2 = (0.0, 1e-4, 1e-3, 1e-2, 1e-1)
# Digits of a rate: a card that says 0.0123 is followed to the letter, and nobody needs the fourth.
DIGITS = 3
# Weights start at 0: directions in which no training row varies, of which few rows leave most, keep what they had. With
# the rate along a cosine those three gain 1.5, 0.6 and 1 points over a constant one, and bear higher rates.
BASE = PROBE


@dataclass(frozen=True)
class ProbeGrid:
    """What is tried on every feature set.

    Args:
        base: the fields that do not vary.
        axes: values by field.
        multiples: of the rate that the features bear; none where ``axes`` has learning rates.
    """

    base: Recipe
    axes: dict[str, Axis]
    multiples: tuple[float, ...]

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that vary, the learning rate first where it is a multiple."""
        return (*(["learning_rate"] if self.multiples else []), *self.axes)

    def list_recipes(self) -> list[Recipe]:
        """Every combination of the axes' values; rates that are multiples are still the base's."""
        return make_grid(self.base, self.axes)

    def give_rates(self, recipes: Sequence[Recipe], lots: Sequence[Rows]) -> list[Recipe]:
        """The recipes, each with every multiple of a rate that all these lots of training rows bear.

        The rate is that of the largest l2 among the recipes, the lowest of theirs, so that the grid stays one.
        """
        if not self.multiples:
            return list(recipes)
        samples = [take_sample(rows) for rows in lots]
        most = max(recipe.l2 for recipe in recipes)
        kinds = dict.fromkeys(_describe_kind(recipe, most) for recipe in recipes)
        rates = {kind: min(_compute_rate(sample, kind) for sample in samples) for kind in kinds}
        given = [
            recipe.replace(learning_rate=_round(multiple * rates[_describe_kind(recipe, most)]))
            for recipe in recipes
            for multiple in self.multiples
        ]
        return list(dict.fromkeys(given))


def make_probe_grid(base: Recipe | None, axes: Mapping[str, Axis], multiples: Sequence[float] = RATES) -> ProbeGrid:
    """The grid of a probe: l2 from 0 to 0.1 and multiples of each feature set's stable rate, unless axes say others.

    Raises:
        BadInput: if an axis is no recipe field or has no values, or a multiple is not above 0.
    """
    axes = {"l2": L2, **axes}
    for name, axis in axes.items():
        if isinstance(axis, Range):
            raise BadInput(f"The axis {name} is a range without a number of values; give one, such as {axis}:5.")
    if not multiples or not all(math.isfinite(m) and m > 0 for m in multiples):
        raise BadInput(f"Rates of a probe are multiples above 0 of the stable rate, not {list(multiples)}.")
    own = () if "learning_rate" in axes else tuple(sorted({float(m) for m in multiples}))
    grid = ProbeGrid(base or BASE, axes, own)
    grid.list_recipes()  # what is wrong with an axis is known before anything is read
    return grid


def take_sample(rows: Rows) -> Rows:
    """Some two thousand rows, evenly spread, in memory and normalised: enough to say which rates they bear."""
    chosen = Rows(rows.dataset, rows.index[:: -(-len(rows) // MAX_ROWS)])
    X = np.concatenate(list(chosen.iterate_blocks(BLOCK)))
    sample = replace(
        rows.dataset, X=X, y=rows.dataset.y[chosen.index], normalize=NORMALIZATIONS[0], both_ways=None, **ALONE
    )
    return Rows(sample, np.arange(len(X)))


# What a copy of some of a dataset's rows does not have.
ALONE: dict[str, Any] = {"test": None, "val": None, "groups": None, "known_sha256": "", "reading": {}}


def _describe_kind(recipe: Recipe, l2: float) -> Recipe:
    """Recipes that bear the same rate are equal so."""
    return Recipe(loss=recipe.loss, batch_size=recipe.batch_size, l2=l2)


def _compute_rate(sample: Rows, kind: Recipe) -> float:
    return compute_stable_rate(sample, np.ones(len(sample)), fit_scaler(sample), kind, sample.dataset.n_classes)


def _round(rate: float) -> float:
    return float(f"{rate:.{DIGITS}g}")
