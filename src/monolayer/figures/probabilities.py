"""Histogram of the predicted probability of the true class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monolayer._typing import Array
from monolayer.data.dataset import Rows
from monolayer.errors import BadInput
from monolayer.figures.chart import Canvas, Chart, Frame, convert_to_column, find_network
from monolayer.figures.style import CORRECT, INCORRECT, WIDTH
from monolayer.network import OneLayer
from monolayer.training.run import Run

N_BINS = 20


@dataclass(frozen=True, eq=False)
class ProbabilityHistogram(Chart):
    """The predicted probability of the true class, for correct and incorrect predictions.

    Args:
        probability: (n,), of each row's true class, 0 to 1.
        correct: (n,), bool, whether the row was classified correctly.
        title: optional line above the axes.
        n_max: upper end of the count axis, so that two histograms can be compared; by default from the data.

    Raises:
        BadInput: if the shapes differ, or a probability is outside 0..1.
    """

    probability: Array
    correct: Array
    title: str = ""
    n_max: float | None = None

    def __post_init__(self) -> None:
        probability = convert_to_column(self.probability, "probability")
        correct = np.asarray(self.correct)
        if correct.dtype != np.bool_ or correct.shape != probability.shape:
            raise BadInput(f"correct must be bool of shape {probability.shape}, not {correct.dtype} {correct.shape}.")
        wrong = np.flatnonzero(~((probability >= 0) & (probability <= 1)))
        if wrong.size:
            raise BadInput(f"probability of row {wrong[0]} is {probability[wrong[0]]}; accepted are 0 to 1.")
        object.__setattr__(self, "probability", probability)
        object.__setattr__(self, "correct", correct)

    @classmethod
    def of(cls, network: OneLayer | Run, rows: Rows) -> ProbabilityHistogram:
        """Of the predictions of a network or run for some rows, such as ``splits.val``.

        Raises:
            BadInput: if the network has diverged, so that its probabilities are not finite.
        """
        from monolayer.evaluate.predictions import predict_rows

        predictions = predict_rows(find_network(network), rows)
        return cls(predictions.probability_of_label, predictions.correct)

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in inches."""
        return WIDTH, 3.5 + (0.3 if self.title else 0.0)

    def frame(self) -> Frame:
        """Columns bin_low, bin_high, n_correct, n_incorrect: 20 bins [low, high), the last one [0.95, 1]."""
        edges = np.linspace(0.0, 1.0, N_BINS + 1)
        return {
            "bin_low": edges[:-1].tolist(),
            "bin_high": edges[1:].tolist(),
            "n_correct": np.histogram(self.probability[self.correct], edges)[0].tolist(),
            "n_incorrect": np.histogram(self.probability[~self.correct], edges)[0].tolist(),
        }

    def draw(self, figure: Canvas) -> None:
        """Draw on an empty figure or subfigure: both histograms from one baseline, overlaid."""
        ax, table = figure.subplots(), self.frame()
        edges = [*table["bin_low"], 1.0]
        for column, name, colour in (("n_incorrect", "incorrect", INCORRECT), ("n_correct", "correct", CORRECT)):
            label = f"{name} ({sum(table[column]):,})"
            ax.stairs(table[column], edges, fill=True, color=colour, alpha=0.4, lw=0, label=label)
            ax.stairs(table[column], edges, color=colour, lw=1.5)
        ax.set(xlabel="probability of the true class", ylabel="examples", xlim=(0, 1), ylim=(0, self.n_max))
        ax.grid(axis="y")
        # Above the axes, because bars may be anywhere inside them.
        figure.legend(loc="outside upper right", ncols=2)
        if self.title:
            ax.set_title(self.title, loc="left")
