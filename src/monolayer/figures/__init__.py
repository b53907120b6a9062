"""Figures: one file a figure.

Every figure is a :class:`Chart`, a frozen dataclass that holds its data: ``frame()`` returns its table, ``plot(ax)``
draws it into existing axes, ``size`` is the size in inches, and a notebook displays it. ``of(...)`` makes it from a
result::

    Curves.of(run, "accuracy")                  # or several: Curves.of({"a": run_a, "b": run_b})
    Templates.of(run)
    Filters.of(run)                             # of patches; and Evidence.of(run, splits.val)
    ReliabilityDiagram.of(run, splits.val)      # and ProbabilityHistogram
    FewShotCurve.of(probe)
    HeatMap.of(sweep, "learning_rate", "l2")    # and Scatter, Response, ParallelCoordinates, CandidateCurves
    pandas.DataFrame(Curves.of(run).frame())

Each class implements ``draw(figure)``, which draws on an empty Matplotlib figure or subfigure (not on one axes,
because some figures have several panels). ``render_svg``, ``save_png`` and ``save_csv`` take any chart. Nothing here
changes Matplotlib's global state, and pyplot is used only if ``plot()`` makes a figure for a notebook.
"""

from monolayer.figures.accuracy_cost import AccuracyCost
from monolayer.figures.candidate_curves import MOST_NAMED, Candidate, CandidateCurves
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
