"""The colours of accuracies and the colour bar."""

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, to_hex

from monolayer._typing import Array
from monolayer.figures.chart import Canvas
from monolayer.figures.style import COLOUR_MAP

CROSS = "\N{MULTIPLICATION SIGN}"
# Points of grey or faint lines, about 20 bytes each in an SVG; if there are more, the lines are rasterised in it.
VECTOR_POINTS = 15_000
MIN_SPREAD = 0.5  # percentage points: a scale from one number to itself would have no colours


def make_mappable(accuracy: Array) -> ScalarMappable:
    """The colour scale of accuracies (n,), fractions: per cent, from the lowest finite one to the highest."""
    finite = 100 * accuracy[np.isfinite(accuracy)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 100.0)
    if high - low < MIN_SPREAD:
        low, high = low - MIN_SPREAD / 2, high + MIN_SPREAD / 2
    return ScalarMappable(Normalize(low, high), COLOUR_MAP)


def choose_colour(mappable: ScalarMappable, accuracy: float) -> str:
    """The colour of one accuracy, a fraction, such as ``#21918c``."""
    return to_hex(mappable.to_rgba(100 * accuracy))  # type: ignore[arg-type]  # the stub knows arrays only


def draw_colour_bar(figure: Canvas, axes: Array, mappable: ScalarMappable, label: str) -> None:
    """Add a colour bar below the axes."""
    bar = figure.colorbar(mappable, ax=axes, location="bottom", aspect=45, shrink=0.85, label=label)
    bar.outline.set_visible(False)
