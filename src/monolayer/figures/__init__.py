"""Figures: one file a figure.

Every figure is a frozen dataclass that holds its data and is a :class:`Chart`: ``frame()`` gives the table behind it,
``plot(ax)`` draws it into the axes of a reader's own figure, ``size`` is the size in inches, and a notebook shows it as
it stands. ``of(...)`` makes it from a result::

    Curves.of(run, "accuracy")                  # or several: Curves.of({"a": run_a, "b": run_b})
    Templates.of(run)
    Filters.of(run)                             # of patches; and Evidence.of(run, splits.val)
    ReliabilityDiagram.of(run, splits.val)      # and ProbabilityHistogram
    FewShotCurve.of(probe)
    HeatMap.of(sweep, "learning_rate", "l2")    # and Scatter, Response, ParallelCoordinates, CandidateCurves
    pandas.DataFrame(Curves.of(run).frame())

``draw(figure)`` is what a figure implements: it draws on an empty matplotlib figure or subfigure (not on one axes,
because some figures have several panels), or on a place within one (``placing.py``). ``render_svg``, ``save_png`` and
``save_csv`` take any of them. Nothing here changes matplotlib's global state, and pyplot is used only where ``plot()``
makes a figure that a notebook is to show.
"""

from monolayer.figures.accuracy_cost import AccuracyCost
from monolayer.figures.candidates import MOST_NAMED, Candidate, CandidateCurves
from monolayer.figures.chart import Chart, Frame, render_svg, save_csv, save_png
from monolayer.figures.contact_sheet import ContactSheet
from monolayer.figures.curves import Curve, Curves
from monolayer.figures.evidence import Evidence
from monolayer.figures.few_shot import FewShotCurve
from monolayer.figures.filters import Filters
from monolayer.figures.heat_map import HeatMap
from monolayer.figures.pairs import DuplicatePairs
from monolayer.figures.parallel import ParallelCoordinates
from monolayer.figures.probabilities import ProbabilityHistogram
from monolayer.figures.reliability import ReliabilityDiagram
from monolayer.figures.response import Response
from monolayer.figures.scatter import Scatter
from monolayer.figures.templates import Templates

__all__ = [
    "MOST_NAMED",
    "AccuracyCost",
    "Candidate",
    "CandidateCurves",
    "Chart",
    "ContactSheet",
    "Curve",
    "Curves",
    "DuplicatePairs",
    "Evidence",
    "FewShotCurve",
    "Filters",
    "Frame",
    "HeatMap",
    "ParallelCoordinates",
    "ProbabilityHistogram",
    "ReliabilityDiagram",
    "Response",
    "Scatter",
    "Templates",
    "render_svg",
    "save_csv",
    "save_png",
]
