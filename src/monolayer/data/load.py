"""Datasets by name."""

from __future__ import annotations

from pathlib import Path

from monolayer.data.cifar10 import load_cifar10
from monolayer.data.dataset import Dataset
from monolayer.data.digits import load_digits
from monolayer.errors import BadInput
from monolayer.progress import SILENCE, Progress

NAMES = ("cifar10", "digits")


def load(name: str | Path, *, path: Path | str | None = None, progress: Progress = SILENCE) -> Dataset:
    """The dataset of that name.

    Args:
        name: ``cifar10`` or ``digits``.
        path: where a copy of it is, for a dataset that has to be fetched; else it is looked for.
        progress: told what is being tried and how far it is.

    Raises:
        BadInput: if the name is unknown, or a path is given to a dataset that has none.
        BadData: if the copy named is damaged.
        DataUnavailable: if no source answered.
    """
    if str(name) == "cifar10":
        return load_cifar10(None if path is None else Path(path).expanduser(), progress=progress)
    if str(name) != "digits":
        raise BadInput(f"{str(name)!r} is not a dataset; accepted are {', '.join(NAMES)}.")
    if path is not None:
        raise BadInput("digits comes with scikit-learn and is read from no path; leave the path out.")
    return load_digits()
