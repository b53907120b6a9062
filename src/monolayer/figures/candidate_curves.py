"""Learning curves of every candidate of a sweep: the best five in colour, the others in grey."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from monolayer._typing import Array
from monolayer.errors import BadInput
from monolayer.figures.chart import Canvas, Chart, Frame, convert_to_column, label_axes, list_finite
from monolayer.figures.colours import VECTOR_POINTS
from monolayer.figures.curves import check_quantity
from monolayer.figures.style import SERIES, WIDTH, get_ink
from monolayer.figures.sweep_table import Histories, SweepTable, find_varying, has_diverged, name_run
from monolayer.training.history import EpochRow
from monolayer.tuning.sweep import Sweep

MOST_NAMED = 5  # more colours are hard to distinguish
GREY = SERIES[-1]
NAME_WIDTH = 52  # characters of a line of the legend; a longer name has two lines
MAX_MARKERS = 12  # training values of a curve; with more the line needs no markers
MAX_WHOLE = 12  # candidates; up to so many, all accuracies are shown, outliers too
RIM = 0.8  # of a line's width: how much wider a curve is under a better one that coincides with it
MIN_DISTANCE = 0.01  # of the height: curves closer than this everywhere coincide
FENCE = 1.5  # Tukey's fences: how many interquartile ranges beyond the quartiles are shown


@dataclass(frozen=True, eq=False)
class Candidate:
    """One run of a sweep: its history of one quantity.

    Args:
        epoch: (n,), increasing; n is 0 for a run without a complete epoch.
        val: (n,), the quantity on the validation rows; NaN where it was not measured or has diverged.
        train: (n,), the same on the training rows; NaN where it was not measured, None if it never was.
        epochs: number of epochs in the recipe; a curve that ends earlier is marked at its end.
        has_diverged: whether the run diverged.
        name: for the legend; a candidate with a name has a colour, one without is grey.

    Raises:
        BadInput: if the columns differ in length or contain anything but numbers.
    """

    epoch: Array
    val: Array
    train: Array | None
    epochs: int
    has_diverged: bool = False
    name: str = ""

    def __post_init__(self) -> None:
        label = f"candidate {self.name}".strip()
        epoch = convert_to_column(self.epoch, f"{label}: epoch")
        train = np.full(len(epoch), np.nan) if self.train is None else self.train
        object.__setattr__(self, "epoch", epoch)
        for part, values in (("val", self.val), ("train", train)):
            object.__setattr__(self, part, convert_to_column(values, f"{label}: {part}", len(epoch)))

    def follow(self, part: str) -> Array:
        """Epochs and finite values of ``val`` or ``train``, (m, 2)."""
        values = getattr(self, part)
        points: Array = np.column_stack([self.epoch, values])[np.isfinite(values)]
        return points

    @property
    def ends_early(self) -> bool:
        """Whether halving or an interruption stopped the run before its last epoch."""
        return not self.has_diverged and len(self.epoch) > 0 and self.epoch[-1] < self.epochs

    @property
    def label(self) -> str:
        """The name in lines, broken between settings only."""
        glued = ", ".join(part.replace(" ", "\N{NO-BREAK SPACE}") for part in self.name.split(", "))
        return "\n".join(textwrap.wrap(glued, NAME_WIDTH, break_long_words=False)).replace("\N{NO-BREAK SPACE}", " ")


@dataclass(frozen=True, eq=False)
class CandidateCurves(Chart):
    """One quantity of every candidate against the epoch: validation solid, training (of named ones) dashed.

    Args:
        candidates: the runs, best first; at most five have a name.
        quantity: label of the y axis, such as ``accuracy``.
        percent: whether the values are fractions to be shown in per cent.

    Raises:
        BadInput: if no value is finite, names repeat, or there are more than five names.
    """

    candidates: tuple[Candidate, ...]
    quantity: str = "accuracy"
    percent: bool = False

    def __post_init__(self) -> None:
        names = [candidate.name for candidate in self.candidates if candidate.name]
        if len(names) > MOST_NAMED or len(set(names)) < len(names):
            raise BadInput(f"At most {MOST_NAMED} candidates can have names, all different; not {', '.join(names)}.")
        if not self._drawn:
            raise BadInput("No candidate has a finite validation value to draw.")

    @classmethod
    def of(cls, sweep: Sweep | SweepTable, quantity: str = "accuracy") -> CandidateCurves:
        """Accuracy, loss or cost of every recipe of a sweep after each epoch; the best five have names.

        Raises:
            BadInput: if ``quantity`` is unknown, the recipes have different losses, or no value is finite.
        """
        check_quantity(quantity)
        table = SweepTable.of(sweep)
        if quantity != "accuracy" and "loss" in table.varying:
            raise BadInput(f"The recipes have different losses, so their {quantity} is not comparable; use accuracy.")
        names = _name_best(table)
        histories = [*table.histories, *[()] * (len(table.runs) - len(table.histories))]
        candidates = tuple(
            _make_candidate(run, history, quantity, names.get(place, ""))
            for place, (run, history) in enumerate(zip(table.runs, histories, strict=True))
        )
        return cls(candidates, quantity=f"validation {quantity}", percent=quantity == "accuracy")

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in inches; higher when the legend is."""
        lines = sum(str(handle.get_label()).count("\n") + 1 for handle in self._make_legend())
        return WIDTH, 3.4 + 0.2 * lines

    def frame(self) -> Frame:
        """Columns run (1 is the best), name, epoch, train, val: one row for each epoch; None where not finite."""
        table: Frame = {"run": [], "name": [], "epoch": [], "train": [], "val": []}
        for number, candidate in enumerate(self.candidates, 1):
            table["run"] += [number] * len(candidate.epoch)
            table["name"] += [candidate.name] * len(candidate.epoch)
            table["epoch"] += [int(epoch) for epoch in candidate.epoch]
            for part in ("train", "val"):
                table[part] += list_finite(getattr(candidate, part))
        return table

    def draw(self, figure: Canvas) -> None:
        """Draw on an empty figure or subfigure: grey curves first, the best on top."""
        ax, limits, named = figure.subplots(), self.choose_limits(), self._named
        lines = [candidate.follow("val") for candidate in self._grey]
        alpha = float(np.clip(16 / max(1, len(lines)), 0.35, 0.75))
        field = LineCollection(lines, colors=GREY, linewidths=0.9, alpha=alpha, zorder=1.5)
        field.set_rasterized(sum(map(len, lines)) > VECTOR_POINTS)
        ax.add_collection(field)
        for place, candidate in reversed(list(enumerate(named))):
            # A curve that coincides with better ones is wider, so that its colour is visible on both sides.
            n_above = sum(_coincide(candidate, better, limits) for better in named[:place])
            _draw_named(ax, candidate, SERIES[place], 4.0 - 0.1 * place, 1 + RIM * n_above)
        early, diverged = [c for c in self._grey if c.ends_early], [c for c in self._grey if c.has_diverged]
        for ended, marker, size, edge in ((early, "o", 2.6, 0.0), (diverged, "x", 4.5, 1.1)):
            ends = np.array([candidate.follow("val")[-1] for candidate in ended])
            ax.plot(*ends.reshape(-1, 2).T, marker, ms=size, mew=edge, color=GREY, zorder=1.6)
        label_axes(ax, "epoch", self.quantity, is_percent=self.percent)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set(ylim=limits)
        ax.autoscale_view(scaley=False)
        handles = self._make_legend()
        figure.legend(handles=handles, loc="outside upper left", handlelength=1.8, labelspacing=0.35)

    def choose_limits(self) -> tuple[float, float]:
        """Limits of the y axis: all values of named candidates, and of the others those that are not outliers.

        Diverged candidates do not count: an exploding loss would press all other curves onto the axis.
        """
        drawn = self._drawn
        # With few candidates all are shown; fractions lie in 0..1 anyway.
        is_whole = self.percent and len(drawn) <= MAX_WHOLE
        judged = drawn if is_whole else [candidate for candidate in drawn if not candidate.has_diverged] or drawn
        values = np.concatenate([candidate.follow("val")[:, 1] for candidate in judged])
        if not is_whole:
            # Tukey's fences of the candidates' last values, so that long histories weigh no more.
            low, high = np.quantile([candidate.follow("val")[-1, 1] for candidate in judged], [0.25, 0.75])
            reach = FENCE * (high - low)
            values = values[(values >= low - reach) & (values <= high + reach)]
        named = [candidate.follow(part)[:, 1] for candidate in self._named for part in ("val", "train")]
        kept = np.concatenate([values, *named])
        low, high = float(kept.min()), float(kept.max())
        margin = 0.05 * (high - low) or 0.05 * abs(high) or 0.05
        return low - margin, high + margin

    def count_hidden(self) -> int:
        """How many curves lie at least partly outside the limits."""
        low, high = self.choose_limits()
        values = (candidate.follow("val")[:, 1] for candidate in self.candidates)
        return sum(bool(((column < low) | (column > high)).any()) for column in values)

    @cached_property
    def _drawn(self) -> list[Candidate]:
        return [candidate for candidate in self.candidates if len(candidate.follow("val"))]

    @property
    def _named(self) -> list[Candidate]:
        return [candidate for candidate in self.candidates if candidate.name]

    @property
    def _grey(self) -> list[Candidate]:
        return [candidate for candidate in self._drawn if not candidate.name]

    def _make_legend(self) -> list[Line2D]:
        """Handles, with labels, of what the figure contains."""
        named, n_grey = self._named, len(self._grey)
        keys: list[dict[str, Any]] = [{"label": c.label, "color": SERIES[i]} for i, c in enumerate(named)]
        if any(len(candidate.follow("train")) for candidate in named):
            style: dict[str, Any] = {"color": get_ink(), "alpha": 0.8, "ls": (0, (4, 1.5)), "lw": 1.4}
            keys.append({"label": "the same, training rows", **style})
        if n_grey:
            others = "candidate" if n_grey == 1 else f"{n_grey} candidates"
            article = "the other " if named else "the " if n_grey == 1 else ""
            keys.append({"label": article + others, "color": GREY, "lw": 0.9})
        if any(candidate.ends_early for candidate in self._drawn):
            keys.append({"label": "stopped early", "color": GREY, "ls": "", "marker": "o", "ms": 3.5, "mew": 0})
        if any(candidate.has_diverged for candidate in self._drawn):
            keys.append({"label": "diverged", "color": GREY, "ls": "", "marker": "x", "ms": 5})
        return [Line2D([], [], **{"lw": 2.2, **key}) for key in keys]


def _coincide(one: Candidate, other: Candidate, limits: tuple[float, float]) -> bool:
    """Whether two validation curves coincide."""
    first, second = one.follow("val"), other.follow("val")
    distance = MIN_DISTANCE * (limits[1] - limits[0])
    return first.shape == second.shape and bool(np.abs(first - second).max(initial=0.0) < distance)


def _draw_named(ax: Axes, candidate: Candidate, colour: str, zorder: float, widening: float) -> None:
    val, train = candidate.follow("val"), candidate.follow("train")
    is_dot = len(val) == 1  # a line through one point is invisible
    ax.plot(*val.T, color=colour, lw=2.2 * widening, zorder=zorder, marker="o" if is_dot else "", ms=6 * widening)
    marker = "o" if len(train) <= MAX_MARKERS else ""
    ax.plot(*train.T, color=colour, lw=1.3, ls=(0, (4, 1.5)), marker=marker, ms=3.5, zorder=zorder - 0.05)
    if candidate.ends_early:
        ax.plot(*val[-1], "o", ms=6, mew=0, color=colour, zorder=4.1)


def is_measured(histories: Histories, quantity: str) -> bool:
    """Whether any history has a finite validation value of this quantity."""
    return any(math.isfinite(_read(row, "val", quantity)) for rows in histories for row in rows)


def _name_best(table: SweepTable) -> dict[int, str]:
    """Names of the best five by index: the varying fields, or if that is too long, those that vary among the five."""
    runs, axes = table.runs, table.varying
    places = [place for place, run in enumerate(runs) if not has_diverged(run)][:MOST_NAMED]
    best = [runs[place] for place in places]
    names = [name_run(run, axes) for run in best]
    if max(map(len, names), default=0) > NAME_WIDTH and len(best) > 1:
        axes = find_varying(best, axes)
        names = [name_run(run, axes) for run in best]
    if len(set(names)) < len(names):  # equal to three digits
        names = [", ".join(f"{axis} {run['recipe'][axis]}" for axis in axes) for run in best]
    return dict(zip(places, names, strict=True))


def _make_candidate(run: dict[str, Any], history: Sequence[EpochRow], quantity: str, name: str) -> Candidate:
    val, train = (np.array([_read(row, part, quantity) for row in history]) for part in ("val", "train"))
    epoch = np.array([row.epoch for row in history])
    return Candidate(epoch, val, train, run["recipe"]["epochs"], has_diverged(run), name)


def _read(row: EpochRow, part: str, quantity: str) -> float:
    """The value of a row; NaN where it was not measured, or where the loss is not finite."""
    value, loss = getattr(row, f"{part}_{quantity}"), getattr(row, f"{part}_loss")
    return math.nan if value is None or loss is None or not math.isfinite(loss) else float(value)
