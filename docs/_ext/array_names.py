"""Short type names in the reference: `ndarray` and `ArrayLike` instead of NumPy's long forms."""

from typing import Any

import numpy as np
import numpy.typing as npt


class NDArray:
    """Replaces numpy.typing.NDArray: any dtype is shown as ndarray."""

    def __class_getitem__(cls, dtype: Any) -> type:
        """The array type itself."""
        return np.ndarray


class ArrayLike:
    """Replaces numpy.typing.ArrayLike, a union of a dozen types."""


def shorten() -> None:
    """Make modules that are imported later show the short names."""
    ArrayLike.__module__ = "numpy.typing"
    npt.NDArray = NDArray  # type: ignore[misc]
    npt.ArrayLike = ArrayLike  # type: ignore[misc]
