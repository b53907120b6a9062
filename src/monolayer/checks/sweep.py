"""ML004, ML007: whether a sweep's best lies at the edge of its grid, and whether it can be told from the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from monolayer.findings import Finding, report
from monolayer.recipe.grid import NATURAL_ENDS

AT_EDGE, WITHIN_NOISE = "ML004", "ML007"

MOST_LISTED = 8  # values that a sentence names


def check_edges(
    axes: dict[str, tuple[Any, ...]], recipes: Sequence[dict[str, Any]], is_close: Sequence[bool | None]
) -> list[Finding]:
    """ML004, one finding an axis of numbers: whether the best recipe has the lowest or the highest value tried.

    Args:
        axes: the values tried, by field.
        recipes: fields of every run, best first.
        is_close: whether each run cannot be told from the best; None where that is unknown.
    """
    findings = [_check_axis(name, values, recipes, is_close) for name, values in axes.items()]
    return [f for f in findings if f] or [report(AT_EDGE, "not applicable", "No axis of numbers was tried.")]


def _check_axis(
    name: str, values: tuple[Any, ...], recipes: Sequence[dict[str, Any]], is_close: Sequence[bool | None]
) -> Finding | None:
    """The finding on one axis; None where its values are no numbers or there is one only."""
    ordered = sorted({v for v in values if isinstance(v, int | float) and not isinstance(v, bool)})
    if name == "seed" or len(ordered) < 2 or len(ordered) < len(set(values)):
        return None
    best = recipes[0][name]
    place = ordered.index(best)
    tried = f"{name} {best:g} of {_list_values(ordered)}"
    if 0 < place < len(ordered) - 1:
        return report(AT_EDGE, "passed", f"The best has {tried}: between others.")
    if (name, best) in NATURAL_ENDS:
        return report(AT_EDGE, "passed", f"The best has {tried}: the end of what there is.")
    inside = ordered[1] if place == 0 else ordered[-2]
    if _is_told_apart(name, inside, recipes, is_close):
        advice = f"Try values beyond {best:g}: the best may lie there."
        return report(AT_EDGE, "issue", f"The best has {tried}: the edge, and better than {inside:g}.", advice)
    seen = f"The best has {tried}: the edge, though it cannot be told from {inside:g}."
    return report(AT_EDGE, "tip", seen, "Values beyond may be as good; these rows would not show it.")


def _is_told_apart(name: str, inside: Any, recipes: Sequence[dict[str, Any]], is_close: Sequence[bool | None]) -> bool:
    """Whether the recipe that differs from the best in this value alone is told from it, or diverged."""
    wanted = {**recipes[0], name: inside}
    is_known = is_close[0] is not None
    return any(recipe == wanted and is_known and not close for recipe, close in zip(recipes, is_close, strict=True))


def _list_values(ordered: Sequence[float]) -> str:
    """All values, or of many how many and from where to where."""
    if len(ordered) <= MOST_LISTED:
        return ", ".join(f"{value:g}" for value in ordered)
    return f"{len(ordered)} values from {ordered[0]:g} to {ordered[-1]:g}"


def check_noise(n_runs: int, n_indistinguishable: int | None, n_rows: int) -> Finding:
    """ML007: how many runs of a sweep cannot be told from the best on the rows that ranked them.

    Args:
        n_runs: runs that were ranked.
        n_indistinguishable: how many cannot be told from the best, itself counted; None where that is unknown.
        n_rows: validation rows.
    """
    if n_runs < 2:
        return report(WITHIN_NOISE, "not applicable", "There is one run only.")
    if n_indistinguishable is None:
        return report(WITHIN_NOISE, "skipped", "Which rows the runs have right is not known.")
    if n_indistinguishable == 1:
        return report(WITHIN_NOISE, "passed", f"The best is told from all {n_runs - 1} others on {n_rows:,} rows.")
    return report(
        WITHIN_NOISE,
        "tip",
        f"{n_indistinguishable} of {n_runs} recipes, the best counted, cannot be told apart on {n_rows:,} rows.",
        "Take the simplest of them, or rank them on more rows; which of them comes first is chance.",
    )
