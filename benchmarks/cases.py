"""What is measured side by side, and what is promised of it."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass

TORCH = "PyTorch loop, one run"
GRID = "monolayer, 36-recipe grid, validated each epoch"
LIMIT = "sgemm limit"
SGEMM = "sgemm, one product"

MONOLAYER = (sys.executable, "-m", "monolayer")
DATA = ("cifar10", "--val-size", "1000", "--json")
GRID_AXES = ("learning-rate=0.001,0.005,0.01", "l2=0,0.001,0.1,1", "batch-size=50,100,200")
WIDE_AXES = ("learning-rate=log:1e-4:1e-1:16", "l2=log:1e-6:1e-1:16")


@dataclass(frozen=True)
class Promise:
    """A quantity of a case, divided by the same of another case or by its limit, is at most so much.

    Args:
        quantity: ``seconds`` or ``MiB`` (of peak memory).
        at_most: the largest value that keeps the promise.
        against: the name of a case, or LIMIT; None: the quantity itself.
    """

    quantity: str
    at_most: float
    against: str | None = None


@dataclass(frozen=True)
class Case:
    """One piece of work.

    Args:
        name: what tables call it.
        command: prints one JSON object, ``seconds`` in it.
        epochs: how many it runs.
        evaluates: its seconds include an evaluation of (training, validation) rows every so many epochs; 0: none.
        promises: what is promised of it.
        is_scaled: whether its seconds stand for a run of all epochs, of which it does a part.
    """

    name: str
    command: tuple[str, ...]
    epochs: int
    evaluates: tuple[int, int] = (0, 0)
    promises: tuple[Promise, ...] = ()
    is_scaled: bool = False


def make_cases(epochs: int) -> list[Case]:
    """All cases; peers that are slow run a part of the epochs."""
    return [*_make_peers(epochs), *_make_runs(epochs), *_make_sweeps(epochs)]


def _make_peers(epochs: int) -> list[Case]:
    return [
        _peer(TORCH, "torch_loop", epochs),
        _peer("PyTorch DataLoader, one run", "torch_dataloader", epochs, share=4),
        _peer("textbook loop in NumPy float64, one run", "textbook_float64", epochs, share=4),
        _peer("the same loop in float32, one run", "numpy_float32", epochs),
        _peer("scikit-learn SGDClassifier, one run", "sklearn_sgd", epochs, share=10),
    ]


def _peer(name: str, module: str, epochs: int, share: int = 1) -> Case:
    n = max(1, epochs // share)
    command = (sys.executable, "-m", f"benchmarks.peers.{module}", "--epochs", str(n))
    return Case(name, command, n, is_scaled=n < epochs)


def _make_runs(epochs: int) -> list[Case]:
    at_end = ("--evaluate-every", "0")
    fast = (Promise("seconds", 0.5, TORCH), Promise("MiB", 700))
    bce = ("--loss", "multiple-bce", "--learning-rate", "0.01")
    return [
        Case("monolayer, one run", _train(epochs, *at_end), epochs, (epochs, epochs), fast),
        Case("monolayer, one run, evaluated each epoch", _train(epochs), epochs, (1, 1)),
        Case("monolayer, one run with flips", _train(epochs, *at_end, "--flip", "0.5"), epochs, (epochs, epochs)),
        Case("monolayer, one run of multiple BCE", _train(epochs, *at_end, *bce), epochs, (epochs, epochs)),
    ]


def _make_sweeps(epochs: int) -> list[Case]:
    grid = _sweep(epochs, GRID_AXES)
    few = max(1, epochs // 10)
    promised = (Promise("seconds", 4, TORCH), Promise("seconds", 2, LIMIT), Promise("MiB", 700))
    halved = (Promise("seconds", 0.4, GRID),)
    limited = (Promise("seconds", 1.6, LIMIT),)
    return [
        Case(GRID, grid, epochs, _sweep_evaluates(epochs), promised),
        Case("monolayer, the same grid by halving", (*grid, "--halving"), epochs, _sweep_evaluates(epochs), halved),
        Case("monolayer, 256 recipes at batch 100", _sweep(few, WIDE_AXES), few, _sweep_evaluates(few), limited),
    ]


def _sweep_evaluates(epochs: int) -> tuple[int, int]:
    """A sweep evaluates validation rows after every epoch, and training rows about four times over the run."""
    return math.ceil(epochs / 4), 1


def _train(epochs: int, *words: str) -> tuple[str, ...]:
    return (*MONOLAYER, "train", *DATA, "--epochs", str(epochs), *words)


def _sweep(epochs: int, axes: tuple[str, ...]) -> tuple[str, ...]:
    grid = [word for axis in axes for word in ("--grid", axis)]
    # All runs are printed, since the epochs that they ran are added up.
    return (*MONOLAYER, "sweep", *DATA, "--epochs", str(epochs), *grid, "--top", "1000")
