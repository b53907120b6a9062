"""The figures of one run with their captions, and the writing of figures into a folder."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from monolayer._typing import Array
from monolayer.evaluate.metrics import ROW_NAMES
from monolayer.figures import Curves, ProbabilityHistogram, Templates, save_csv, save_png
from monolayer.network import OneLayer
from monolayer.reports.blocks import FigureBlock
from monolayer.runs.folder import FIGURES
from monolayer.training.history import EpochRow


def save_figures(figures: Iterable[FigureBlock], folder: Path) -> dict[str, str]:
    """Write each figure as PNG and its table as CSV into ``folder``/figures; relative PNG paths by name."""
    (folder / FIGURES).mkdir(exist_ok=True)
    paths = {}
    for figure in figures:
        paths[figure.name] = f"{FIGURES}/{figure.name}.png"
        save_png(figure.chart, folder / paths[figure.name])
        save_csv(figure.chart, folder / FIGURES / f"{figure.name}.csv")
    return paths


def draw_curves(history: Sequence[EpochRow], quantity: str, name: str, title: str = "") -> FigureBlock:
    """Loss, cost or accuracy after each epoch, on the rows it was measured on; learning-rate steps are marked."""
    chart = Curves.of(history, quantity)
    (curve,) = chart.curves
    columns = {part: values for part, values in (("train", curve.train), ("val", curve.val)) if values is not None}
    ranges = "; ".join(_describe_range(part, values, quantity) for part, values in columns.items())
    caption = f"{_prefix(title)}{quantity} after each epoch: {ranges}."
    return FigureBlock(f"{name}-{quantity}", chart, _capitalise(caption), f"Curves of {quantity} by epoch. {caption}")


def _describe_range(part: str, values: Array, quantity: str) -> str:
    first, last = (f"{100 * v:.1f} %" if quantity == "accuracy" else f"{v:.4f}" for v in (values[0], values[-1]))
    return f"{ROW_NAMES[part]} from {first} to {last}" if len(values) > 1 else f"{ROW_NAMES[part]} {last} at the end"


def draw_templates(network: OneLayer, name: str, title: str = "") -> FigureBlock | None:
    """The template images of a network; None if its rows are not images of 1 or 3 channels."""
    if network.image_shape is None or network.image_shape[0] not in (1, 3):
        return None
    caption = (
        f"{_prefix(title)}template images: the weights of each class as an image, scaled to its own minimum and "
        "maximum. An image that resembles the template of a class has a high score for it."
    )
    alt = f"{len(network.class_names)} small images, one for each class: {', '.join(network.class_names)}."
    return FigureBlock(f"{name}-templates", Templates.of(network), _capitalise(caption), alt)


def draw_probabilities(
    probability: Array, correct: Array, name: str, title: str = "", n_max: float | None = None, rows: str = "test"
) -> FigureBlock | None:
    """Histogram of the predicted probability of the true class; None if a network diverged and has none.

    Args:
        probability: (n,), of the true class.
        correct: (n,), bool, whether the prediction is correct.
        name: of the figure, before ``-probability``.
        title: start of the caption.
        n_max: upper end of the count axis.
        rows: ``train``, ``val`` or ``test``.
    """
    if not np.isfinite(probability).all():
        return None
    means = [
        f"mean {np.mean(part):.2f} for {len(part):,} {what} predictions"
        for what, part in (("correct", probability[correct]), ("incorrect", probability[~correct]))
        if len(part)
    ]
    caption = (
        f"{_prefix(title)}predicted probability of the true class on {len(probability):,} {ROW_NAMES[rows]} rows: "
        f"{', '.join(means)}."
    )
    chart = ProbabilityHistogram(probability, correct, n_max=n_max)
    return FigureBlock(f"{name}-probability", chart, _capitalise(caption), f"Two overlaid histograms. {caption}")


def _prefix(title: str) -> str:
    return f"{title}: " if title else ""


def _capitalise(text: str) -> str:
    return text[0].upper() + text[1:]
