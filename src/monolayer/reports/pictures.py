"""The pictures of a run, ready for a page: a chart with its name, its caption and its alternative text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from monolayer.figures import Chart, Curves, ProbabilityHistogram, Templates, render_svg, save_csv, save_png
from monolayer.network import OneLayer
from monolayer.reports.document import FigureBlock
from monolayer.training.history import EpochRow

Array = npt.NDArray[Any]
_PART_NAMES = {"train": "training", "val": "validation"}


@dataclass(frozen=True, eq=False)
class Picture:
    """A chart on its way to a page.

    Args:
        name: of its files, unique in a report.
        chart: what is drawn.
        caption: one sentence on what to see.
        alt: what it shows, for those who do not see it.
    """

    name: str
    chart: Chart
    caption: str
    alt: str

    def render(self) -> FigureBlock:
        """The picture as a block of a document."""
        return FigureBlock(render_svg(self.chart, self.name), self.caption, self.alt, self.name)


def save_pictures(pictures: Iterable[Picture], folder: Path) -> dict[str, str]:
    """Write each picture as PNG and its table as CSV into ``folder``/figures; relative PNG paths by name."""
    figures = folder / "figures"
    figures.mkdir(exist_ok=True)
    paths = {}
    for picture in pictures:
        save_png(picture.chart, figures / f"{picture.name}.png")
        save_csv(picture.chart, figures / f"{picture.name}.csv")
        paths[picture.name] = f"figures/{picture.name}.png"
    return paths


def draw_curves(history: Sequence[EpochRow], quantity: str, name: str, title: str = "") -> Picture:
    """Loss, cost or accuracy against epoch, of the rows that were followed; steps of the learning rate are marked."""
    chart = Curves.of(history, quantity)
    (curve,) = chart.curves
    columns = {part: values for part, values in (("train", curve.train), ("val", curve.val)) if values is not None}
    ways = "; ".join(_describe_way(part, values, quantity) for part, values in columns.items())
    caption = f"{_prefix(title)}{quantity} after each epoch: {ways}."
    return Picture(f"{name}-{quantity}", chart, _capitalise(caption), f"Curves of {quantity} against epoch. {caption}")


def _describe_way(part: str, values: Array, quantity: str) -> str:
    start = f"goes from {_show(values[0], quantity)} to" if len(values) > 1 else "ends at"
    return f"{_PART_NAMES[part]} {start} {_show(values[-1], quantity)}"


def _show(value: float, quantity: str) -> str:
    return f"{100 * value:.1f} %" if quantity == "accuracy" else f"{value:.4f}"


def draw_templates(network: OneLayer, name: str, title: str = "") -> Picture | None:
    """The rows of W as pictures, or nothing where rows are not images of 1 or 3 channels."""
    if network.image_shape is None or network.image_shape[0] not in (1, 3):
        return None
    chart = Templates.of(network)
    caption = (
        f"{_prefix(title)}templates: each class's weights as a picture, scaled to its own minimum and maximum; "
        "an image scores high where it resembles one."
    )
    alt = f"{len(network.class_names)} small pictures, one a class: {', '.join(network.class_names)}."
    return Picture(f"{name}-templates", chart, _capitalise(caption), alt)


def draw_probabilities(
    probability: Array, correct: Array, name: str, title: str = "", n_max: float | None = None
) -> Picture | None:
    """Histogram of the true class's probability (n,), right and wrong answers (n,) bool overlaid, n_max high.

    Nothing where a diverged network gives no probabilities any more.
    """
    if not np.isfinite(probability).all():
        return None
    means = [
        float(np.mean(part)) if len(part) else float("nan") for part in (probability[correct], probability[~correct])
    ]
    caption = (
        f"{_prefix(title)}probability given to the true class on the {len(probability):,} test rows: "
        f"{means[0]:.2f} on average where the answer is right, {means[1]:.2f} where it is wrong."
    )
    chart = ProbabilityHistogram(probability, correct, n_max=n_max)
    return Picture(f"{name}-probability", chart, _capitalise(caption), f"Two overlaid histograms. {caption}")


def _prefix(title: str) -> str:
    return f"{title}: " if title else ""


def _capitalise(text: str) -> str:
    return text[0].upper() + text[1:]
