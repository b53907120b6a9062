"""Checkpoints: where each bank of a run stands, a file a bank, so that a run that is killed can be taken up again."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from monolayer.errors import BadData
from monolayer.files import explain_os_error, pack_tensors, write_whole
from monolayer.recipe.recipe import Recipe
from monolayer.training.history import HISTORY_COLUMNS, EpochRow

FORMAT = "monolayer-checkpoint-1"
# A checkpoint may cost one part in so many of the time since the last: 2 %.
COST_SHARE = 50
PATTERN = "bank-*.safetensors"

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class BankState:
    """Where a bank stands between two epochs: all that going on needs besides the recipes and the rows.

    Args:
        epoch: epochs done.
        weights: as :class:`Bank` has them, (K * M, D), of every member, those that have left included.
        bias: (K * M,).
        alive: places of the members that still train.
        histories: a list of rows a member; those that have left have fewer.
        seconds: training time so far.
    """

    epoch: int
    weights: Array
    bias: Array
    alive: tuple[int, ...]
    histories: tuple[tuple[EpochRow, ...], ...]
    seconds: float


class Checkpointer(Protocol):
    """Where the state of a bank is kept, so that a run that is killed can be taken up again.

    Banks that train at once call it from their own threads.
    """

    @property
    def seconds_before(self) -> float:
        """How long what was loaded had been in training, by the clock, when it was kept."""

    def load(self, recipes: Sequence[Recipe]) -> BankState | None:
        """The last state kept of the bank of these recipes, or None."""

    def save_if_due(self, recipes: Sequence[Recipe], make_state: Callable[[], BankState], *, is_last: bool) -> None:
        """Keep the state, or let it pass if keeping would cost too much now; the last of a stretch is always kept."""


class Checkpoints:
    """Where each bank stands, a file a bank; a Keeper.

    A state is kept if the last took at most a fiftieth of the time since: between the first and the last of a stretch,
    which are always kept, keeping costs 2 % at most. A run that is killed does again what came after the last.

    Attributes:
        seconds_before: training time by the clock, of earlier processes, as far as it was kept.
        on_load: called with the recipes and histories of each bank whose state is loaded; None for nothing.
    """

    def __init__(self, folder: Path, check: Callable[[], None]) -> None:
        self.seconds_before = 0.0
        self.on_load: Callable[[Sequence[Recipe], Sequence[Sequence[EpochRow]]], None] | None = None
        self._folder, self._check = folder, check
        self._begun: float | None = None  # with the first bank, so that loading the data is no training time
        self._due: dict[Path, float] = {}

    def load(self, recipes: Sequence[Recipe]) -> BankState | None:
        """The last state kept of the bank of these recipes, or None."""
        self._begin()
        path = self._name(recipes)
        if not path.is_file():
            return None
        state, seconds = _read_state(path, recipes)
        self.seconds_before = max(self.seconds_before, seconds)
        if self.on_load:
            self.on_load(recipes, state.histories)
        return state

    def save_if_due(self, recipes: Sequence[Recipe], make_state: Callable[[], BankState], *, is_last: bool) -> None:
        """Keep the state, or let it pass if keeping would cost too much now; the last of a stretch is always kept."""
        begun, path, start = self._begin(), self._name(recipes), time.monotonic()
        if start < self._due.get(path, 0.0) and not is_last:
            return
        self._check()
        content = _pack_state(make_state(), self.seconds_before + start - begun)
        advice = f"; what was kept before is still there: go on with --resume {self._folder.parent}"
        with explain_os_error(self._folder.parent, advice):
            write_whole(path, content, fsync=True)
        end = time.monotonic()
        self._due[path] = end + COST_SHARE * (end - start)

    def _begin(self) -> float:
        if self._begun is None:
            self._begun = time.monotonic()
        return self._begun

    def _name(self, recipes: Sequence[Recipe]) -> Path:
        text = json.dumps([recipe.to_dict() for recipe in recipes])
        return self._folder / f"bank-{hashlib.sha256(text.encode()).hexdigest()[:16]}.safetensors"


def _pack_state(state: BankState, seconds: float) -> bytes:
    """A checkpoint's bytes; histories as one table of floats, and which of its cells were never measured."""
    cells = [getattr(row, name) for rows in state.histories for row in rows for name in HISTORY_COLUMNS]
    shape = (-1, len(HISTORY_COLUMNS))
    tensors = {
        "weights": state.weights,
        "bias": state.bias,
        "alive": np.array(state.alive, np.int64),
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
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dictionary
        if header.get("format") != FORMAT or len(tensors["lengths"]) != len(recipes):
            raise KeyError("format")
        state = BankState(
            int(header["epoch"]),
            tensors["weights"],
            tensors["bias"],
            tuple(int(member) for member in tensors["alive"]),
            _unpack_histories(tensors["history"], tensors["missing"], tensors["lengths"]),
            float(header["seconds"]),
        )
        return state, float(header["all_seconds"])
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise BadData(f"{path}: is not a checkpoint written by monolayer ({error}).") from None


def _unpack_histories(table: Array, missing: Array, lengths: Array) -> tuple[tuple[EpochRow, ...], ...]:
    rows = [
        EpochRow(int(cells[0]), cells[1], *(None if gone else c for c, gone in zip(cells[2:], holes[2:], strict=True)))
        for cells, holes in zip(table.tolist(), missing.tolist(), strict=True)
    ]
    ends = np.cumsum(lengths).tolist()
    return tuple(tuple(rows[end - n : end]) for end, n in zip(ends, lengths.tolist(), strict=True))
