"""Types as a reader wants them: `ndarray` and `ArrayLike`, not what NumPy makes of them; texts give shape and dtype."""

from typing import Any

import numpy as np
import numpy.typing as npt


class NDArray:
    """Stands for numpy.typing.NDArray: whatever its dtype, the name is ndarray."""

    def __class_getitem__(cls, dtype: Any) -> type:
        """The array type itself."""
        return np.ndarray


class ArrayLike:
    """Stands for numpy.typing.ArrayLike, a union of a dozen types."""


def shorten() -> None:
    """Have modules that are imported from here on show the short names."""
    ArrayLike.__module__ = "numpy.typing"
    npt.NDArray = NDArray  # type: ignore[misc]
    npt.ArrayLike = ArrayLike  # type: ignore[misc]
