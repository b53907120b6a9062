"""Evidence maps: how much each place of an image contributes to each class's score."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

from monolayer._typing import Array
from monolayer.data.dataset import Rows
from monolayer.errors import BadInput
from monolayer.figures.chart import Canvas, Frame, find_network
from monolayer.figures.colours import draw_colour_bar
from monolayer.figures.image_grid import ImageGrid, list_places
from monolayer.network import OneLayer
from monolayer.training.run import Run

COLOUR_MAP = "RdBu_r"  # red adds, blue subtracts; distinguishable without red or green
BAR = 0.75  # inches, of the colour bar


@dataclass(frozen=True, eq=False)
class Evidence(ImageGrid):
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
        return super().size[0], super().size[1] + BAR

    def frame(self) -> Frame:
        """Columns row, column, then one for each class; one row for each place."""
        maps = {f"evidence_{k}_{name}": self.maps[k].ravel().tolist() for k, name in enumerate(self.class_names)}
        return {**list_places(self.maps.shape[1:]), **maps}

    def draw(self, figure: Canvas) -> None:
        """Draw on an empty figure or subfigure: the classes in order, five to a row."""
        mappable = ScalarMappable(self._norm, COLOUR_MAP)
        draw_colour_bar(figure, self.draw_images(figure), mappable, "contribution to the class's score")

    def draw_image(self, ax: Axes, i: int) -> None:
        """Draw the map of one class."""
        ax.imshow(self.maps[i], cmap=COLOUR_MAP, norm=self._norm, interpolation="none")

    @cached_property
    def _norm(self) -> Normalize:
        largest = float(np.nanmax(np.abs(self.maps), initial=0.0)) or 1.0
        return Normalize(-largest, largest)
