"""Few-shot curve: test accuracy against the number of training rows for each class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.ticker import NullLocator

from monolayer._typing import Array
from monolayer.errors import BadInput
from monolayer.figures.chart import Canvas, Chart, Frame, convert_to_column, label_axes
from monolayer.figures.style import TRAIN, VAL, WIDTH, get_ink
from monolayer.tuning.probe import Probe

MIN_RATIO = 1.25  # between two numbers on the axis that both have a label
OFFSET = 0.92  # factor of the shots: single draws are left of the bar
MARGIN = 1.25  # factor by which the axis extends beyond the points


@dataclass(frozen=True, eq=False)
class FewShotCurve(Chart):
    """Test accuracy of few-shot probes against the number of shots, with that of all training rows.

    Args:
        shots: (m,), training rows for each class, above 0.
        accuracies: (m, r), fractions, one for each repeat.
        all_rows: accuracy with all training rows, or None.
        interval: of ``all_rows``, low and high.
        n_all: number of all training rows.

    Raises:
        BadInput: if shots is empty or not above 0, or the accuracies are not (m, r).
    """

    shots: Array
    accuracies: Array
    all_rows: float | None = None
    interval: tuple[float, float] | None = None
    n_all: int | None = None
    size = WIDTH, 3.4

    def __post_init__(self) -> None:
        shots = convert_to_column(self.shots, "shots")
        object.__setattr__(self, "shots", shots)
        object.__setattr__(self, "accuracies", np.asarray(self.accuracies, dtype=np.float64))
        if not len(shots) or not (shots > 0).all():
            raise BadInput("A few-shot curve needs at least one number of shots, each above 0.")
        if self.accuracies.ndim != 2 or len(self.accuracies) != len(shots) or not self.accuracies.size:
            raise BadInput(f"accuracies must have shape ({len(shots)}, repeats), not {self.accuracies.shape}.")

    @classmethod
    def of(cls, probe: Probe | dict[str, Any]) -> FewShotCurve:
        """The few-shot accuracies of a probe, or of what :meth:`monolayer.Probe.to_dict` returned.

        Raises:
            BadInput: if the probe has no shots.
        """
        found = probe if isinstance(probe, dict) else probe.to_dict()
        if not found["few_shot"]:
            raise BadInput("The probe has no shots, so there is no few-shot curve; probe with shots=(1, 5, 10).")
        winner = found["winner"]
        return cls(
            np.array([few["shots"] for few in found["few_shot"]]),
            np.array([[repeat["test"]["accuracy"] for repeat in few["repeats"]] for few in found["few_shot"]]),
            winner["test"]["accuracy"],
            tuple(winner["test"]["accuracy_interval"]),
            winner["train"]["n"],
        )

    @property
    def spread(self) -> Array | None:
        """Standard deviation over the repeats (ddof 1), (m,); None of a single one."""
        return np.std(self.accuracies, axis=1, ddof=1) if self.accuracies.shape[1] > 1 else None

    def frame(self) -> Frame:
        """Columns shots, mean, sd, n and one a repeat: a row for each number of shots."""
        n_repeats = self.accuracies.shape[1]
        return {
            "shots": [int(n) for n in self.shots],
            "mean": self.accuracies.mean(axis=1).tolist(),
            "sd": [None] * len(self.shots) if self.spread is None else self.spread.tolist(),
            "n": [n_repeats] * len(self.shots),
            **{f"repeat_{i}": self.accuracies[:, i].tolist() for i in range(n_repeats)},
        }

    def draw(self, figure: Canvas) -> None:
        """Draw on an empty figure or subfigure."""
        ax, n_repeats = figure.subplots(), self.accuracies.shape[1]
        if self.all_rows is not None:
            rows = "all rows" if self.n_all is None else f"all {self.n_all:,} rows"
            ax.axhline(self.all_rows, color=get_ink(), lw=1.2, ls="--", label=rows)
            if self.interval:
                ax.axhspan(*self.interval, color=get_ink(), alpha=0.12, lw=0)
        if n_repeats > 1:
            x_draws = np.repeat(self.shots * OFFSET, n_repeats)
            ax.plot(x_draws, self.accuracies.ravel(), "o", ms=4, color=TRAIN, alpha=0.8, ls="", label="single draws")
        label = "mean ± sd" if n_repeats > 1 else "one draw"
        style: dict[str, Any] = {"color": VAL, "lw": 1.6, "capsize": 4, "label": label}
        ax.errorbar(self.shots, self.accuracies.mean(axis=1), self.spread, fmt="o-", **style)
        ticks: list[float] = []
        for n in self.shots.tolist():
            if not ticks or n >= MIN_RATIO * ticks[-1]:
                ticks.append(n)
        ax.set_xscale("log")
        ax.set_xlim(self.shots.min() / MARGIN, self.shots.max() * MARGIN)
        ax.set_xticks(ticks, [f"{n:,.0f}" for n in ticks])
        ax.xaxis.set_minor_locator(NullLocator())
        label_axes(ax, "training rows per class", "test accuracy")
        figure.legend(loc="outside upper left", ncols=3, columnspacing=1.2, handlelength=1.6)
