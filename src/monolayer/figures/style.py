"""The colours, fonts and sizes of all figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.colors import to_hex

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

# Colour of everything that is not data (text, axes, grid). In an SVG it becomes currentColor, so that one file serves
# light and dark pages; no data colour has this value.
INK = "#1b1d22"
# Background of labels that cover lines; in an SVG it becomes the page's colour.
PAPER = "#fefefd"

# Okabe and Ito's colour-blind safe palette (https://jfly.uni-koeln.de/color/), without the two that fall below a
# contrast of 2.8 on white; the first four are distinct on white and on dark pages.
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8c6bb1", "#7f7f7f")
TRAIN, VAL = SERIES[0], SERIES[1]
CORRECT, INCORRECT = SERIES[0], SERIES[1]

COLOUR_MAP = "viridis"  # perceptually uniform, readable without red or green
ON_DARK, ON_LIGHT = "#ffffff", "#101010"

# A font stack: text in an SVG stays text and has the font of the page.
FONT_STACK = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Liberation Sans', Arial, sans-serif"

# Figures are drawn narrow, about 5 inches, with large type: a phone shows them at about two thirds.
WIDTH = 5.0
TEXT_SIZE = 11.5
SMALL_SIZE = 10.5
DPI = 150

RC: dict[RcKeyType, Any] = {
    "font.family": "DejaVu Sans",  # ships with Matplotlib, so that the layout is the same everywhere
    **dict.fromkeys(("font.size", "axes.titlesize", "axes.labelsize"), TEXT_SIZE),
    **dict.fromkeys(("xtick.labelsize", "ytick.labelsize", "legend.fontsize"), SMALL_SIZE),
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "axes.titlecolor"), INK),
    **dict.fromkeys(("xtick.color", "ytick.color", "grid.color"), INK),
    "legend.frameon": False,
    "grid.alpha": 0.15,
    "grid.linewidth": 0.8,
    "axes.grid": False,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "lines.linewidth": 2.0,
    "lines.solid_capstyle": "round",
    "axes.formatter.useoffset": False,
    "text.parse_math": False,  # a class called "$5" is not a formula
    "svg.fonttype": "none",
    "svg.image_inline": True,
}


def get_ink() -> str:
    """The colour of everything that is not data: INK in files, the text colour of the axes in given axes."""
    return to_hex(mpl.rcParams["text.color"])


def get_paper() -> str:
    """The background colour: PAPER in files, which are transparent."""
    face = mpl.rcParams["axes.facecolor"]
    return PAPER if face == "none" else to_hex(face)


def scale_text(points: float) -> float:
    """A text size in points, scaled like the text of the figure that is being drawn."""
    return float(points * (mpl.rcParams["font.size"] / TEXT_SIZE))


def make_rc(ink: str, paper: str, text_size: float) -> dict[RcKeyType, Any]:
    """The style of all figures with other colours and another text size; the font is not changed."""
    rc: dict[RcKeyType, Any] = {}
    for key, value in RC.items():
        if key.endswith("size"):
            rc[key] = value * text_size / TEXT_SIZE
        elif not key.startswith(("font.", "svg.", "figure.")):
            rc[key] = ink if value == INK else value
    return {**rc, "axes.facecolor": paper}
