"""A sweep in words and as a table, from what evaluation.json holds of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from monolayer.evaluate.metrics import format_accuracy
from monolayer.report.document import Paragraph, Section, Table

SIGN = "="


def make_sweep_section(sweep: dict[str, Any], axes: Iterable[str], top: int = 10) -> Section:
    """The best recipes, marked where they cannot be told from the best, and what the ranking is worth.

    Args:
        sweep: as :meth:`monolayer.Sweep.to_dict` gives it.
        axes: names of the fields that vary.
        top: rows of the table.
    """
    axes = tuple(axes)
    paragraph = Paragraph(" ".join(describe_selection(sweep, axes)))
    return Section("Recipes", (make_sweep_table(sweep["runs"], axes, top), paragraph))


def make_sweep_table(runs: list[dict[str, Any]], axes: Iterable[str], top: int = 10) -> Table:
    """The best recipes by validation accuracy."""
    axes = tuple(axes)
    rows = tuple(
        (
            *(str(run["recipe"][axis]) for axis in axes),
            format_accuracy(run["val"]["accuracy"], run["val"]["n"]),
            SIGN if run["is_indistinguishable"] else "",
            f"{100 * run['train']['accuracy']:.2f}",
        )
        for run in runs[:top]
    )
    columns = (*axes, "validation accuracy %, 95 % interval", SIGN, "training accuracy %")
    note = f"{SIGN} marks recipes that cannot be told from the first: exact McNemar tests, corrected for all pairs."
    return Table(f"The best {len(rows)} of {len(runs)} recipes by validation accuracy.", columns, rows, note=note)


def describe_selection(sweep: dict[str, Any], axes: Iterable[str]) -> list[str]:
    """What the ranking is worth, in at most three sentences; none where nothing can be said."""
    selection, runs = sweep["selection"], sweep["runs"]
    if selection is None or len(runs) < 2:
        return []
    simplest = selection["one_standard_error"]
    named = ", ".join(f"{axis} {simplest['recipe'][axis]}" for axis in axes)
    sentences = [
        f"{selection['n_indistinguishable']} of {len(runs)} recipes cannot be told from the best ({SIGN}) on "
        f"{selection['n']:,} rows, itself counted.",
        f"The simplest within one standard error of it: {named} "
        f"({format_accuracy(simplest['val']['accuracy'], simplest['val']['n'])} %).",
    ]
    if optimism := selection["optimism"]:
        low, high = optimism["interval"]
        sentences.append(
            f"The best of {len(runs)} has {100 * optimism['apparent']:.1f} % on the rows that chose it; on rows that "
            f"had no part in choosing, expect about {100 * optimism['corrected']:.1f} [{100 * low:.1f}, "
            f"{100 * high:.1f}] %."
        )
    return sentences
