"""What is measured side by side, and what is promised of it."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, replace

from benchmarks.limit import CIFAR10, EMBEDDINGS, PATCHES, Extraction, Task

TORCH = "PyTorch loop, one run"
TORCH_EMBEDDINGS = "PyTorch loop, embeddings"
RUN = "monolayer, one run"
GRID = "monolayer, 36-recipe grid, validated each epoch"
LIMIT = "sgemm limit"
SGEMM = "sgemm, one product"
ROOFLINE = "roofline"

MONOLAYER = (sys.executable, "-m", "monolayer")
WALL = (sys.executable, "-m", "benchmarks.wall")
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
        task: what is learned or extracted; None: its seconds are a whole process's, and are compared with neither limit
            nor peer.
        is_once: whether it runs in the first round only, since it takes as long as a round.
    """

    name: str
    command: tuple[str, ...]
    epochs: int
    evaluates: tuple[int, int] = (0, 0)
    promises: tuple[Promise, ...] = ()
    is_scaled: bool = False
    task: Task | Extraction | None = CIFAR10
    is_once: bool = False


# The PyTorch loop that does the same task.
PEERS = {CIFAR10: TORCH, EMBEDDINGS: TORCH_EMBEDDINGS}


def make_cases(epochs: int) -> list[Case]:
    """All cases; peers that are slow run a part of the epochs."""
    return [
        *_make_peers(epochs),
        *_make_runs(epochs),
        *_make_sweeps(epochs),
        *_make_numpy_cases(epochs),
        *_make_embeddings(epochs),
        _make_extraction(),
        *_make_processes(epochs),
    ]


def _make_peers(epochs: int) -> list[Case]:
    return [
        _peer(TORCH, "torch_loop", epochs),
        _peer("PyTorch DataLoader, one run", "torch_dataloader", epochs, share=4),
        _peer("textbook loop in NumPy float64, one run", "textbook_float64", epochs, share=4),
        _peer("the same loop in float32, one run", "numpy_float32", epochs, share=4),
        _peer("scikit-learn SGDClassifier, one run", "sklearn_sgd", epochs, share=10),
    ]


def _peer(name: str, module: str, epochs: int, share: int = 1) -> Case:
    n = max(1, epochs // share)
    command = (sys.executable, "-m", f"benchmarks.peers.{module}", "--epochs", str(n))
    return Case(name, command, n, is_scaled=n < epochs)


def _make_runs(epochs: int) -> list[Case]:
    at_end, last = ("--evaluate-every", "0"), (epochs, epochs)
    fast = (Promise("seconds", 1 / 8, TORCH), Promise("seconds", 2.2, LIMIT), Promise("MiB", 450))
    as_fast = (Promise("seconds", 1.1, RUN),)
    bce = ("--loss", "multiple-bce", "--learning-rate", "0.01")
    evaluated = (Promise("seconds", 1 / 6, TORCH),)
    return [
        Case(RUN, _train(epochs, *at_end), epochs, last, fast),
        Case("monolayer, one run, evaluated each epoch", _train(epochs), epochs, (1, 1), evaluated),
        Case("monolayer, one run with flips", _train(epochs, *at_end, "--flip", "0.5"), epochs, last, as_fast),
        Case("monolayer, one run of multiple BCE", _train(epochs, *at_end, *bce), epochs, last, as_fast),
    ]


def _make_sweeps(epochs: int) -> list[Case]:
    grid = _sweep(epochs, GRID_AXES)
    few = max(1, epochs // 10)
    promised = (Promise("seconds", 2.5, TORCH), Promise("seconds", 1.3, LIMIT), Promise("MiB", 700))
    halved = (Promise("seconds", 0.4, GRID),)
    limited = (Promise("seconds", 1.6, LIMIT),)
    return [
        Case(GRID, grid, epochs, _sweep_evaluates(epochs), promised),
        Case("monolayer, the same grid by halving", (*grid, "--halving"), epochs, _sweep_evaluates(epochs), halved),
        Case("monolayer, 256 recipes at batch 100", _sweep(few, WIDE_AXES), few, _sweep_evaluates(few), limited),
    ]


def _make_numpy_cases(epochs: int) -> list[Case]:
    """What an installation without a compiler does, or what the compiled engine brings."""
    numpy = ("--engine", "numpy")
    few = max(1, epochs // 4)
    run, grid = _train(epochs, "--evaluate-every", "0", *numpy), (*_sweep(few, GRID_AXES), *numpy)
    is_scaled = few < epochs
    return [
        Case("NumPy engine, one run", run, epochs, (epochs, epochs)),
        Case("NumPy engine, 36-recipe grid", grid, few, _sweep_evaluates(few), is_scaled=is_scaled),
    ]


def _make_embeddings(epochs: int) -> list[Case]:
    few = max(1, epochs // 8)
    promised = (Promise("seconds", 1 / 3, TORCH_EMBEDDINGS),)
    return [
        _embed(TORCH_EMBEDDINGS, "benchmarks.peers.torch_embeddings", few),
        replace(_embed("monolayer, embeddings", "benchmarks.embeddings", few), evaluates=(few, 0), promises=promised),
    ]


def _embed(name: str, module: str, epochs: int) -> Case:
    return Case(name, (sys.executable, "-m", module, "--epochs", str(epochs)), epochs, task=EMBEDDINGS)


def _make_extraction() -> Case:
    promised = (Promise("seconds", 1 / 0.6, LIMIT),)  # 60 % of the rate of matrix products
    command = (sys.executable, "-m", "benchmarks.extraction")
    return Case("monolayer, features by 1,600 filters", command, 1, promises=promised, task=PATCHES)


def _make_processes(epochs: int) -> list[Case]:
    first = ("--until", "Epoch 1/1", *_train(1))
    report = ("--out", *MONOLAYER, "reproduce", "cifar10", "--epochs", str(epochs), "--json")
    return [
        Case(
            "monolayer, from start to the end of epoch 1",
            (*WALL, *first),
            1,
            promises=(Promise("seconds", 1.5),),
            task=None,
        ),
        Case(
            "monolayer, the whole report",
            (*WALL, *report),
            epochs,
            promises=(Promise("seconds", 150),),
            task=None,
            is_once=True,
        ),
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
