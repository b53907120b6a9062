"""NumPy's ``.npz`` files: no pickle in them is executed, and arrays that are not needed are not read."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from monolayer._typing import Array
from monolayer.data.memmap import NPY_ERRORS
from monolayer.data.readers.named_arrays import NamedArrays, NamedArraysReader
from monolayer.data.readers.npy import explain_npy_error
from monolayer.errors import BadData


class NpzReader(NamedArraysReader):
    """An ``.npz`` file."""

    kind = "arrays in an .npz file"
    accepted = ".npz"
    suffixes = (".npz",)

    @contextmanager
    def open(self, path: Path) -> Iterator[NamedArrays]:
        """The arrays by name."""
        with path.open("rb") as file:  # np.load(path) would leave a damaged file open
            try:
                archive = np.load(file, allow_pickle=False)
            except NPY_ERRORS:
                archive = None
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise BadData(f"{path}: cannot be read as an .npz file (it is not one, or is truncated).")

            def read_array(name: str) -> Array:
                try:
                    return archive[name]
                except NPY_ERRORS as error:
                    raise BadData(f"{path}: {name} cannot be read ({explain_npy_error(error)}).") from None

            with archive:
                yield NamedArrays(path, tuple(archive.files), read_array)


READERS = (NpzReader(),)
