"""What the figures of a sweep share: the colours of accuracies, and the order in which runs are drawn."""

from __future__ import annotations

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, to_hex

from monolayer.errors import BadInput
from monolayer.figures.chart import Array, Canvas, convert_to_column
from monolayer.figures.style import COLOUR_MAP

CROSS = "\N{MULTIPLICATION SIGN}"
# Of grey or faint lines, some 20 bytes each in an SVG; more of them become an image within it.
VECTOR_POINTS = 15_000
LEAST_SPREAD = 0.5  # points of accuracy: a scale from one number to itself would have no colours


def make_mappable(accuracy: Array) -> ScalarMappable:
    """The colours of accuracies (n,), fractions, as per cent from the lowest finite one to the highest."""
    finite = 100 * accuracy[np.isfinite(accuracy)]
    if not finite.size:
        return ScalarMappable(Normalize(0.0, 100.0), colormaps[COLOUR_MAP])
    low, high = float(finite.min()), float(finite.max())
    if high - low < LEAST_SPREAD:
        low, high = low - LEAST_SPREAD / 2, high + LEAST_SPREAD / 2
    return ScalarMappable(Normalize(low, high), colormaps[COLOUR_MAP])


def choose_colour(mappable: ScalarMappable, accuracy: float) -> str:
    """The colour of one accuracy, a fraction, such as ``#21918c``."""
    return to_hex(mappable.to_rgba(100 * accuracy))  # type: ignore[arg-type]  # the stub knows arrays only


def draw_colour_bar(figure: Canvas, axes: Array, mappable: ScalarMappable, label: str) -> None:
    """The scale of the colours, below the axes."""
    bar = figure.colorbar(mappable, ax=axes, location="bottom", aspect=45, shrink=0.85, label=label)
    bar.outline.set_visible(False)


def check_marked(marked: Array | None, n_runs: int) -> Array:
    """Whether each run is marked, (n,) bool; None marks nothing.

    Raises:
        BadInput: if there are not ``n_runs``.
    """
    checked: Array = np.zeros(n_runs, dtype=bool) if marked is None else np.asarray(marked, dtype=bool)
    if checked.shape != (n_runs,):
        raise BadInput(f"marked must have {n_runs} values to go with the others, not shape {checked.shape}.")
    return checked


def check_accuracy(accuracy: Array, what: str) -> Array:
    """Accuracies as float64, (n,) with n of 1 or more.

    Raises:
        BadInput: if they are no numbers, or there is no run to draw in ``what``.
    """
    checked = convert_to_column(accuracy, "accuracy")
    if not len(checked):
        raise BadInput(f"There is no run to draw in {what}.")
    return checked


def order_from_last(accuracy: Array) -> list[int]:
    """Places of the runs, which come best first: diverged ones (NaN), then from the last to the first.

    So what is drawn later hides what is worse.
    """
    is_finite = np.isfinite(accuracy)
    return sorted(range(len(is_finite)), key=lambda i: (is_finite[i], -i))


def find_best(accuracy: Array) -> int | None:
    """Place of the best run, the first that did not diverge; None where every run did."""
    finite = np.flatnonzero(np.isfinite(accuracy))
    return int(finite[0]) if len(finite) else None
