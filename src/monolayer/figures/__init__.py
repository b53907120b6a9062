"""Figures: one file a figure.

Every figure is a frozen dataclass that holds its data and follows one protocol, :class:`Chart`:
``frame()`` gives the table behind it, ``draw(figure)`` draws it on an empty matplotlib figure or subfigure (not on one
axes, because some figures have several panels), ``size`` is the size in inches. ``render_svg``, ``save_png`` and
``save_csv`` take any of them. Nothing here uses pyplot or changes matplotlib's global state.
"""

from monolayer.figures.base import Chart, Frame
from monolayer.figures.candidates import MOST_NAMED, Candidate, CandidateCurves
from monolayer.figures.curves import Curve, Curves
from monolayer.figures.heat_map import HeatMap
from monolayer.figures.pairs import DuplicatePairs
from monolayer.figures.parallel import ParallelCoordinates
from monolayer.figures.probabilities import ProbabilityHistogram
from monolayer.figures.reliability import ReliabilityDiagram
from monolayer.figures.render import render_svg, save_csv, save_png
from monolayer.figures.response import Response
from monolayer.figures.scatter import Scatter
from monolayer.figures.templates import Templates

__all__ = [
    "MOST_NAMED",
    "Candidate",
    "CandidateCurves",
    "Chart",
    "Curve",
    "Curves",
    "DuplicatePairs",
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
