"""Choosing and opening the engine that trains a bank."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np

from monolayer._typing import Array
from monolayer.data.dataset import Dataset, Rows
from monolayer.engine.bank import Bank
from monolayer.engine.native import choose_instruction_set, explain_missing, find_native, open_native_engine
from monolayer.engine.numpy import open_numpy_engine
from monolayer.errors import BadInput
from monolayer.recipe.losses import get_loss

ENGINES = ("numpy", "native")
NATIVE_FEATURES = tuple(map(np.dtype, (np.uint8, np.float16, np.float32, np.float64)))


class Engine(Protocol):
    """Runs a bank's epochs and scores rows with it."""

    bank: Bank

    def run_epoch(self, rows: Rows, order: Array, mirrored: Array | None, rates: Array) -> None:
        """One pass over the rows in this order: each member takes one step for each batch at its rate (M,)."""

    def iterate_scores(self, rows: Rows) -> Iterator[tuple[Array, Array]]:
        """(scores, y) in blocks of rows: scores (M, n, K); y (n,) or (n, K)."""

    def iterate_losses(self, rows: Rows) -> Iterator[tuple[Array, Array]]:
        """(losses, correct) in blocks of rows: (M, n) each."""


def open_engine(bank: Bank, dataset: Dataset, n_threads: int) -> AbstractContextManager[Engine]:
    """The engine for this bank and these features on ``n_threads`` threads; the bytes are the same for any number.

    The native engine if it is installed, unless MONOLAYER_ENGINE is numpy. The NumPy engine trains float64 recipes and
    banks with a loss that the native engine does not have.

    Raises:
        BadInput: if MONOLAYER_ENGINE is not an engine, or one that is not installed.
    """
    open_it = open_native_engine if uses_native(bank, dataset) else open_numpy_engine
    return open_it(bank, dataset.image_shape, n_threads)


def choose_engine() -> str:
    """The engine to train banks with, if it can: MONOLAYER_ENGINE, or the native one if it is installed.

    Raises:
        BadInput: if MONOLAYER_ENGINE is not an engine, or one that is not installed.
    """
    wanted = os.environ.get("MONOLAYER_ENGINE", "")
    if wanted not in ("", *ENGINES):
        raise BadInput(f"MONOLAYER_ENGINE is {wanted!r}; accepted are {', '.join(ENGINES)}.")
    if wanted != "native":
        return wanted or ("numpy" if find_native() is None else "native")
    if find_native() is None:
        raise BadInput(f"The native engine was asked for. {explain_missing()} Accepted is numpy.")
    return wanted


def describe_engine() -> str:
    """The engine that :func:`choose_engine` chooses, with the instruction set of the native one."""
    native = find_native() if choose_engine() == "native" else None
    return "numpy" if native is None else f"native {choose_instruction_set(native)}"


def uses_native(bank: Bank, dataset: Dataset) -> bool:
    """Whether the native engine trains this bank on these features.

    Raises:
        BadInput: as :func:`choose_engine`.
    """
    is_known = all(get_loss(recipe.loss).native_number is not None for recipe in bank.recipes)
    is_served = is_known and bank.weights.dtype == np.float32 and dataset.X.dtype in NATIVE_FEATURES
    return is_served and choose_engine() == "native"
