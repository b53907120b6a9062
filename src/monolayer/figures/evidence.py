"""Evidence maps: how much each place of an image contributes to each class's score."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

from monolayer._typing import Array
from monolayer.data.dataset import Rows
from monolayer.errors import BadInput
from monolayer.figures.chart import Canvas, Chart, Frame, find_network
from monolayer.figures.colours import draw_colour_bar
from monolayer.figures.style import SMALL_SIZE, scale_text
from monolayer.network import OneLayer
from monolayer.training.run import Run

COLOUR_MAP = "RdBu_r"  # red adds, blue subtracts; distinguishable without red or green
IN_ROW = 5
CELL_WIDTH, CELL_HEIGHT, BAR = 1.02, 1.28, 0.75  # inches, as templates have them


@dataclass(frozen=True, eq=False)
class Evidence(Chart):
    """One map for each class: mean contribution of each place to the class's score, own images minus all others.

    All maps share one symmetric colour scale.

    Args:
        maps: (K, rows, columns), from :func:`monolayer.evaluate.evidence.compute_evidence`.
        class_names: K names.

    Raises:
        BadInput: if there are not K maps or they are empty.
    """

    maps: Array
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "maps", np.asarray(self.maps, dtype=np.float64))
        if self.maps.ndim != 3 or len(self.maps) != len(self.class_names) or not self.maps.size:
            raise BadInput(f"Maps of {len(self.class_names)} classes must be (K, rows, columns): {self.maps.shape}.")

    @classmethod
    def of(cls, network: OneLayer | Run, rows: Rows) -> Evidence:
        """The maps of a network or run on these images.

        Raises:
            BadInput: if the network has no patch features, or the rows are not images of its shape.
        """
        from monolayer.evaluate.evidence import compute_evidence

        if rows.dataset.transformer is not None:
            raise BadInput("The rows are features already; accepted are rows of the images that these were made of.")
        shown = find_network(network)
        X = np.concatenate(list(rows.iterate_blocks(1024)))
        return cls(compute_evidence(shown, X, rows.y), shown.class_names)

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in inches."""
        lines, columns = self._grid()
        return CELL_WIDTH * columns, CELL_HEIGHT * lines + BAR

    @property
    def n_panels(self) -> int:
        """One for each class."""
        return len(self.class_names)

    def frame(self) -> Frame:
        """Columns row, column, then one for each class; one row for each place."""
        index = np.indices(self.maps.shape[1:]).reshape(2, -1)
        table: Frame = {name: values.tolist() for name, values in zip(("row", "column"), index, strict=True)}
        for number, name in enumerate(self.class_names):
            table[f"evidence_{number}_{name}"] = self.maps[number].ravel().tolist()
        return table

    def draw(self, figure: Canvas) -> None:
        """Draw on an empty figure or subfigure: the classes in order, five to a row."""
        axes = figure.subplots(*self._grid(), squeeze=False)
        largest = float(np.nanmax(np.abs(self.maps), initial=0.0)) or 1.0
        mappable = ScalarMappable(Normalize(-largest, largest), colormaps[COLOUR_MAP])
        for ax in axes.ravel():
            ax.axis("off")
        for ax, found, name in zip(axes.ravel(), self.maps, self.class_names, strict=False):
            ax.set_title(name, fontsize=scale_text(SMALL_SIZE), pad=4, parse_math=False)
            ax.imshow(found, cmap=mappable.cmap, norm=mappable.norm, interpolation="none")
        draw_colour_bar(figure, axes, mappable, "contribution to the class's score")

    def _grid(self) -> tuple[int, int]:
        columns = min(IN_ROW, len(self.class_names))
        return ceil(len(self.class_names) / columns), columns
