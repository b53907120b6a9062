"""What every figure is: a frozen table that can draw itself, on a page or in a reader's own axes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from monolayer.errors import BadInput

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

    from monolayer.figures.placing import Place
    from monolayer.network import OneLayer
    from monolayer.training import Run

Array = npt.NDArray[Any]
Frame = dict[str, list[Any]]
Canvas: TypeAlias = "FigureBase | Place"  # what a chart draws on: a figure, or a place in one


class Chart(ABC):
    """One figure: its data, its table and its drawing; drawing never changes the data."""

    @property
    @abstractmethod
    def size(self) -> tuple[float, float]:
        """Width and height in inches at which the text has its intended size."""

    @property
    def n_panels(self) -> int:
        """How many axes the figure fills; legends and the scales of colours are not counted."""
        return 1

    @abstractmethod
    def frame(self) -> Frame:
        """The figure as a table: column name -> values, every column of one length; ready for csv or pandas."""

    @abstractmethod
    def draw(self, figure: Canvas) -> None:
        """Draw on an empty matplotlib figure or subfigure, adding as many axes as the figure needs."""

    def plot(self, ax: Axes | Sequence[Axes] | Array | None = None) -> Any:
        """Draw with matplotlib, in the colours and at the size of text of the axes that are given.

        Args:
            ax: where to draw. A figure of one panel draws into these axes themselves; one of several panels fills
                their place with panels of its own, or takes a sequence of ``n_panels`` axes. By default a new figure
                of the right size is made: pyplot's in a notebook or where pyplot has been imported, so that it shows,
                and else one that nothing holds on to.

        Returns:
            The axes that were drawn into; of several panels, an array of axes, (n_panels,).

        Raises:
            BadInput: if ``ax`` is no axes, or not as many as there are panels.
        """
        from monolayer.figures.placing import plot

        return plot(self, ax)

    def _repr_svg_(self) -> str:
        """The figure as a notebook shows it, the same on light and dark pages."""
        from monolayer.figures.render import render_opaque_svg

        return render_opaque_svg(self)


def find_network(shown: OneLayer | Run) -> OneLayer:
    """The network itself, or a run's."""
    from monolayer.training import Run

    return shown.network if isinstance(shown, Run) else shown


def convert_to_column(values: npt.ArrayLike, name: str, length: int | None = None) -> Array:
    """Values as a float64 array of shape (n,).

    Raises:
        BadInput: if they are not one-dimensional numbers, or are not ``length`` many.
    """
    try:
        column = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise BadInput(f"{name} must hold numbers only.") from None
    if column.ndim != 1:
        raise BadInput(f"{name} must have shape (n,), not {column.shape}.")
    if length is not None and len(column) != length:
        raise BadInput(f"{name} must have {length} values to go with the others, not {len(column)}.")
    return column
