"""ML004, ML007: whether the best of a sweep is at the edge of its grid, and significantly better than the others."""

from collections.abc import Sequence
from typing import Any

from monolayer.findings import Check, Finding
from monolayer.recipe.grid import NATURAL_ENDS, sort_numbers

GRID_EDGE = Check(
    "ML004", "Optimum at the edge of the grid", "sweep", "the recipes of a sweep, ranked, and the tests between them"
)
NOISE = Check("ML007", "Differences within noise", "sweep", "the validation rows that each recipe classifies correctly")
MOST_LISTED = 8  # values that a sentence lists


def check_edges(
    axes: dict[str, tuple[Any, ...]], recipes: Sequence[dict[str, Any]], is_close: Sequence[bool | None]
) -> list[Finding]:
    """ML004, one finding for each numeric axis: whether the best recipe has the lowest or the highest value tried.

    Args:
        axes: the values tried, by field.
        recipes: fields of every run, best first.
        is_close: whether each run is statistically indistinguishable from the best; None if that is unknown.
    """
    findings = [_check_axis(name, values, recipes, is_close) for name, values in axes.items()]
    return [f for f in findings if f] or [GRID_EDGE.make_finding("not applicable", "No numeric axis was tried.")]


def _check_axis(
    name: str, values: tuple[Any, ...], recipes: Sequence[dict[str, Any]], is_close: Sequence[bool | None]
) -> Finding | None:
    """The finding on one axis; None if its values are not numbers or there is only one."""
    ordered = sort_numbers(name, values)
    if not ordered:
        return None
    best = recipes[0][name]
    place = ordered.index(best)
    listed = ", ".join(f"{value:g}" for value in ordered)
    if len(ordered) > MOST_LISTED:
        listed = f"{len(ordered)} values from {ordered[0]:g} to {ordered[-1]:g}"
    tried = f"The best recipe has {name} {best:g} of {listed}"
    if 0 < place < len(ordered) - 1:
        return GRID_EDGE.make_finding("passed", f"{tried}: not at the edge.")
    if (name, best) in NATURAL_ENDS:
        return GRID_EDGE.make_finding("passed", f"{tried}: the smallest or largest value that is possible.")
    inside = ordered[1] if place == 0 else ordered[-2]
    if _is_distinct(name, inside, recipes, is_close):
        advice = f"Try values beyond {best:g}: the optimum may be there."
        return GRID_EDGE.make_finding("issue", f"{tried}: at the edge, and better than {inside:g}.", advice)
    evidence = f"{tried}: at the edge, but not significantly better than {inside:g}."
    advice = "Values beyond may be as good; these validation rows are too few to show it."
    return GRID_EDGE.make_finding("tip", evidence, advice)


def _is_distinct(name: str, inside: Any, recipes: Sequence[dict[str, Any]], is_close: Sequence[bool | None]) -> bool:
    """Whether the recipe that differs from the best in this value only is significantly worse, or diverged."""
    wanted = {**recipes[0], name: inside}
    is_known = is_close[0] is not None
    return any(recipe == wanted and is_known and not close for recipe, close in zip(recipes, is_close, strict=True))


def check_noise(n_runs: int, n_indistinguishable: int | None, n_rows: int) -> Finding:
    """ML007: how many runs of a sweep are indistinguishable from the best on the rows that ranked them.

    Args:
        n_runs: runs that were ranked.
        n_indistinguishable: how many are indistinguishable from the best, including itself; None if unknown.
        n_rows: validation rows.
    """
    if n_runs < 2:
        return NOISE.make_finding("not applicable", "There is only one run.")
    if n_indistinguishable is None:
        return NOISE.make_finding("skipped", "It is not known which rows each run classifies correctly.")
    if n_indistinguishable == 1:
        evidence = f"The best recipe is significantly better than all {n_runs - 1} others on {n_rows:,} rows."
        return NOISE.make_finding("passed", evidence)
    evidence = (
        f"{n_indistinguishable} of {n_runs} recipes, including the best, are statistically indistinguishable on "
        f"{n_rows:,} rows."
    )
    return NOISE.make_finding(
        "tip", evidence, "Choose the simplest of them, or rank them on more rows; their order is due to chance."
    )
