"""Sweep: many recipes, grouped into banks, to a table of runs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from monolayer.audit.finding import Finding
from monolayer.axes import make_grid
from monolayer.data.scaler import fit_scaler
from monolayer.data.splits import Splits
from monolayer.engine.bank import SHARED_FIELDS
from monolayer.epochs import TrainOptions
from monolayer.errors import BadInput
from monolayer.recipe import Recipe
from monolayer.selection import Selection, analyse_selection
from monolayer.training import Run, check_recipe, train_bank

# A bank holds its weights three times over while it trains: 64 members of 10 classes on CIFAR-10 take 24 MiB.
MAX_MEMBERS = 64


@dataclass(frozen=True, eq=False)
class Sweep:
    """The runs of a sweep, best validation accuracy first; ties go to the lower loss, diverged runs to the end.

    Args:
        runs: one a recipe; a run's ``seconds`` are its bank's.
        axes: the fields that vary, with their values in the order given.
        seconds: training of all banks, validation included.
        n_recipes: how many were asked for; fewer runs mean that the sweep was stopped.
        findings: on the sweep as a whole; those on single runs are the runs'.
    """

    runs: tuple[Run, ...]
    axes: dict[str, tuple[Any, ...]]
    seconds: float
    n_recipes: int
    findings: tuple[Finding, ...] = ()

    @property
    def best(self) -> Run:
        """The run with the highest validation accuracy."""
        return self.runs[0]

    @cached_property
    def selection(self) -> Selection | None:
        """What the ranking is worth: which runs cannot be told from the best, and what picking it added."""
        return analyse_selection(self.runs)

    @property
    def is_complete(self) -> bool:
        """Whether every run went through all its epochs."""
        return len(self.runs) == self.n_recipes and all(run.is_complete for run in self.runs)

    def _describe_selection(self) -> dict[str, Any] | None:
        if self.selection is None:
            return None
        simplest = self.runs[self.selection.one_standard_error]
        described = {"recipe": simplest.recipe.to_dict(), "val": simplest.evaluation["val"].to_dict()}
        return {**self.selection.to_dict(), "one_standard_error": described}

    def describe_rank(self, place: int) -> dict[str, Any]:
        """Whether the run at this place cannot be told from the best, and by which corrected p-value."""
        selection = self.selection
        return {
            "is_indistinguishable": selection.is_indistinguishable[place] if selection else None,
            "p_value_adjusted": selection.p_values[place] if selection else None,
        }

    def to_dict(self, top: int | None = None) -> dict[str, Any]:
        """The sweep as ``monolayer sweep --json`` prints it; ``top`` limits the runs, best first."""
        runs = [
            {
                **{name: part for name, part in run.to_dict().items() if name not in ("seconds", "test", "findings")},
                **self.describe_rank(place),
            }
            for place, run in enumerate(self.runs[:top])
        ]
        of_runs = [
            {**finding.to_dict(), "recipe": run.recipe.to_dict()} for run in self.runs for finding in run.findings
        ]
        findings = [*(finding.to_dict() for finding in self.findings), *of_runs]
        return {
            "runs": runs,
            "selection": self._describe_selection(),
            "seconds": self.seconds,
            "findings": findings,
            "n_recipes": self.n_recipes,
            "n_complete": sum(run.is_complete for run in self.runs),
            "is_complete": self.is_complete,
        }


def sweep(splits: Splits, base: Recipe | None = None, *, options: TrainOptions | None = None, **axes: Any) -> Sweep:
    """Train every combination of the axes' values; the test rows stay sealed.

    Recipes that can share their batches are trained as one bank. Training rows are evaluated after the last epoch
    only, validation rows after every one, unless ``options`` says otherwise.

    Raises:
        BadInput: if an axis is no recipe field or empty, or a recipe does not fit the data, or nothing is held out.
    """
    values = {name: _list_values(axis) for name, axis in axes.items()}
    return train_recipes(splits, make_grid(base or Recipe(), values), values, options)


def _list_values(axis: Any) -> tuple[Any, ...]:
    """An axis's values; a single value, text included, is an axis of one."""
    return tuple(axis) if isinstance(axis, Iterable) and not isinstance(axis, str) else (axis,)


def group_recipes(recipes: Sequence[Recipe]) -> list[list[Recipe]]:
    """The recipes by what the members of a bank must share; within a group, those of one loss side by side."""
    groups: dict[tuple[Any, ...], list[Recipe]] = {}
    for recipe in recipes:
        groups.setdefault(tuple(getattr(recipe, name) for name in SHARED_FIELDS), []).append(recipe)
    ordered = (sorted(group, key=lambda recipe: recipe.loss) for group in groups.values())
    return [group[i : i + MAX_MEMBERS] for group in ordered for i in range(0, len(group), MAX_MEMBERS)]


def train_recipes(
    splits: Splits, recipes: Sequence[Recipe], axes: dict[str, tuple[Any, ...]], options: TrainOptions | None = None
) -> Sweep:
    """Train these recipes in as few banks as their shared fields allow; see :func:`sweep`."""
    options = options or TrainOptions()
    if options.train_every is None:
        options = replace(options, train_every=0)
    if splits.val is None:
        raise BadInput("A sweep chooses by validation accuracy, but no rows are held out; give a val_size above 0.")
    for recipe in recipes:
        check_recipe(recipe, splits)
    runs: list[Run] = []
    seconds = 0.0
    groups = group_recipes(recipes)
    scaler = fit_scaler(splits.train)
    for number, group in enumerate(groups, 1):
        task = f"{options.task}, bank {number} of {len(groups)} ({len(group)} at once)"
        trained = train_bank(splits, group, replace(options, task=task), scaler)
        runs += trained
        seconds += trained[0].seconds
        if options.should_stop():
            break
    return Sweep(tuple(sorted(runs, key=_rank)), axes, seconds, len(recipes))


def _rank(run: Run) -> tuple[bool, float, float]:
    val = run.evaluation["val"]
    return run.has_diverged or not math.isfinite(val.loss), -val.accuracy, val.loss
