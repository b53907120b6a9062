"""What every figure is: a frozen table that can draw itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from monolayer.errors import BadInput

if TYPE_CHECKING:
    from matplotlib.figure import FigureBase

Array = npt.NDArray[Any]
Frame = dict[str, list[Any]]


class Chart(Protocol):
    """One figure: its data, its table and its drawing; drawing never changes the data."""

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in inches at which the text has its intended size."""

    def frame(self) -> Frame:
        """The figure as a table: column name -> values, every column of one length; ready for csv or pandas."""

    def draw(self, figure: FigureBase) -> None:
        """Draw on an empty matplotlib figure or subfigure, adding as many axes as the figure needs."""


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
