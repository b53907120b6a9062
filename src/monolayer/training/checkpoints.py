"""Checkpoints: the state of each bank in a file, from which a killed or stopped run is resumed."""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from monolayer._typing import Array
from monolayer.errors import BadData
from monolayer.files import explain_os_error, pack_tensors, write_whole
from monolayer.recipe.recipe import Recipe
from monolayer.training.history import HISTORY_COLUMNS, EpochRow

FORMAT = "monolayer-checkpoint-1"
# A save may take this fraction of the time since the last save: one part in 50, or 2 %.
COST_SHARE = 50
PATTERN = "bank-*.safetensors"


@dataclass(frozen=True, eq=False)
class BankState:
    """The state of a bank between two epochs: with the recipes and the rows, all that is needed to continue.

    Args:
        epoch: epochs done.
        weights: (K * M, D), as :class:`Bank` has them, of all members, those that have left included.
        bias: (K * M,).
        active: indices of the members that still train.
        histories: a tuple of rows for each member; members that have left have fewer.
        seconds: training time so far.
    """

    epoch: int
    weights: Array
    bias: Array
    active: tuple[int, ...]
    histories: tuple[tuple[EpochRow, ...], ...]
    seconds: float


class Checkpoints:
    """Saves and loads the states of banks, one file per bank; banks that train at the same time use it from threads.

    Without ``force`` a state is saved only if the last save took at most a fiftieth of the time since, so saving takes
    2 % of the time at most. A run that is killed repeats the epochs after the last save.

    Args:
        folder: where the files are written.
        check: called before each save; raises if the folder may no longer be written to.

    Attributes:
        seconds_before: wall-clock training time of earlier processes, up to their last save.
        on_load: called with the recipes and histories of each bank whose state is loaded; None for no call.
    """

    def __init__(self, folder: Path, check: Callable[[], None]) -> None:
        self.seconds_before = 0.0
        self.on_load: Callable[[Sequence[Recipe], Sequence[Sequence[EpochRow]]], None] | None = None
        self._folder, self._check = folder, check
        self._start: float | None = None  # of the first bank: loading the data is not training time
        self._next_save: dict[Path, float] = {}

    def load(self, recipes: Sequence[Recipe]) -> BankState | None:
        """The last state saved of the bank of these recipes, or None."""
        self._start_clock()
        path = self._name_file(recipes)
        if not path.is_file():
            return None
        state, seconds = _read_state(path, recipes)
        self.seconds_before = max(self.seconds_before, seconds)
        if self.on_load:
            self.on_load(recipes, state.histories)
        return state

    def save_if_due(self, recipes: Sequence[Recipe], make_state: Callable[[], BankState], *, force: bool) -> None:
        """Save the state; without ``force`` only if the last save took at most a fiftieth of the time since."""
        start, path, now = self._start_clock(), self._name_file(recipes), time.monotonic()
        if now < self._next_save.get(path, 0.0) and not force:
            return
        self._check()
        content = _pack_state(make_state(), self.seconds_before + now - start)
        advice = f"; what was saved before is still there: continue with --resume {self._folder.parent}"
        with explain_os_error(self._folder.parent, advice):
            write_whole(path, content, fsync=True)
        end = time.monotonic()
        self._next_save[path] = end + COST_SHARE * (end - now)

    def _start_clock(self) -> float:
        if self._start is None:
            self._start = time.monotonic()
        return self._start

    def _name_file(self, recipes: Sequence[Recipe]) -> Path:
        text = json.dumps([recipe.to_dict() for recipe in recipes])
        return self._folder / f"bank-{hashlib.sha256(text.encode()).hexdigest()[:16]}.safetensors"


def _pack_state(state: BankState, seconds: float) -> bytes:
    """The bytes of a checkpoint: histories are one table of floats, beside a mask of the values that are missing."""
    cells = [getattr(row, name) for rows in state.histories for row in rows for name in HISTORY_COLUMNS]
    shape = (-1, len(HISTORY_COLUMNS))
    tensors = {
        "weights": state.weights,
        "bias": state.bias,
        "alive": np.array(state.active, np.int64),
        "lengths": np.array([len(rows) for rows in state.histories], np.int64),
        "history": np.array([np.nan if cell is None else cell for cell in cells], np.float64).reshape(shape),
        "missing": np.array([cell is None for cell in cells], bool).reshape(shape),
    }
    header = {"format": FORMAT, "epoch": str(state.epoch), "seconds": repr(state.seconds)}
    return pack_tensors(tensors, {**header, "all_seconds": repr(seconds)})


def _read_state(path: Path, recipes: Sequence[Recipe]) -> tuple[BankState, float]:
    try:
        with safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dictionary
        if header.get("format") != FORMAT or len(tensors["lengths"]) != len(recipes):
            raise KeyError("format")
        cells, missing = tensors["history"].tolist(), tensors["missing"].tolist()
        rows = [
            EpochRow(int(row[0]), row[1], *(None if gone else c for c, gone in zip(row[2:], holes[2:], strict=True)))
            for row, holes in zip(cells, missing, strict=True)
        ]
        remaining = iter(rows)
        state = BankState(
            int(header["epoch"]),
            tensors["weights"],
            tensors["bias"],
            tuple(int(member) for member in tensors["alive"]),
            tuple(tuple(islice(remaining, n)) for n in tensors["lengths"].tolist()),
            float(header["seconds"]),
        )
        return state, float(header["all_seconds"])
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise BadData(f"{path}: is not a checkpoint of monolayer ({error}).") from None
