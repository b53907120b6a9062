"""Runs that are really killed, at random moments, end with the same bytes as runs that are not.

Every child is a process of its own, forked from one that has loaded the library (a second less each), and ended with
SIGKILL, which no process can see coming.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open

from monolayer.cli.main import main
from monolayer.data.load import load
from monolayer.recipe.grid import make_grid
from monolayer.recipe.recipe import Recipe
from monolayer.runs.folder import save_sweep
from monolayer.runs.unfinished import begin_folder, is_unfinished, resume_folder
from monolayer.tuning.sweep import train_recipes

# 120 in all, with the five on CIFAR-10 below.
LIBRARY_KILLS, SWEEP_KILLS, TRAIN_KILLS, CIFAR10_KILLS = 85, 15, 15, 5
SAME_BYTES = (
    "recipe.json", "history.csv", "network.safetensors", "sweep.csv", "histories.csv", "answers.safetensors",
    "model-card.md", "model-card.json",
)  # fmt: skip

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["monolayer.cli.main", "monolayer.reports.run", "tests.end_to_end.test_kills"])


@dataclass(frozen=True)
class Killed:
    """How a run went that was killed again and again."""

    n_kills: int
    n_attempts: int


def run_until_done(attempt: Callable[..., None], folder: Path, n_kills: int, draw: Callable[[], float]) -> Killed:
    """Start it, kill it, resume it, kill it, ... until so many kills have hit; then let it end."""
    hits = attempts = 0
    epochs: dict[str, int] = {}
    while is_unfinished(folder) or not (folder / "network.safetensors").is_file():
        child = CONTEXT.Process(target=attempt, args=(folder,))
        child.start()
        attempts += 1
        child.join(draw() if hits < n_kills else 120)
        if child.is_alive():
            child.kill()
            child.join()
            hits += 1
        else:
            assert child.exitcode == 0, f"attempt {attempts} ended with exit code {child.exitcode}"
        now = read_epochs(folder)
        assert all(now.get(name, epoch) >= epoch for name, epoch in epochs.items()), "an epoch that was kept was lost"
        epochs = now
    return Killed(hits, attempts)


def read_epochs(folder: Path) -> dict[str, int]:
    """Epochs done by name of the checkpoint; reading them proves that each is whole."""
    found = {}
    for path in (folder / "unfinished").glob("bank-*.safetensors"):
        with safe_open(path, framework="numpy") as file:
            found[path.name] = int(file.metadata()["epoch"])
    return found


def kill_often(attempt: Callable[..., None], tmp_path: Path, n_kills: int, longest_s: float, seed: int) -> None:
    """Run once undisturbed; then kill runs of the same until so many kills have hit; all must end as the first."""
    attempt(tmp_path / "whole")
    whole = read_bytes(tmp_path / "whole")
    assert {"history.csv", "network.safetensors"} <= set(whole)
    rng, hits, number = random.Random(seed), 0, 0
    while hits < n_kills:
        number += 1
        folder = tmp_path / f"killed-{number}"
        # At most a dozen a run, so that there are several runs and several ends.
        outcome = run_until_done(attempt, folder, min(12, n_kills - hits), lambda: rng.uniform(0, longest_s))
        hits += outcome.n_kills
        assert read_bytes(folder) == whole
        assert "unfinished" not in os.listdir(folder)


def read_bytes(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in SAME_BYTES if (folder / name).is_file()}


def sweep_with_library(folder: Path) -> None:
    """Banks of all kinds, one of which diverges, with halving; no page, so that a kill hits the training."""
    splits = load("digits").split(200)
    base = Recipe(epochs=48, flip=0.5, schedule="cosine")
    axes: dict[str, Any] = {
        "loss": ("cross_entropy", "multiple_bce"), "learning_rate": (0.001, 0.1, 1e6), "l2": (0.0, 0.5),
        "batch_size": (20, 50),
    }  # fmt: skip
    work = resume_folder(folder, "sweep") if is_unfinished(folder) else begin_folder(folder, "sweep")
    with work as unfinished:
        if not unfinished.request:
            unfinished.describe({"rows": "digits"})
        options = {"checkpointer": unfinished.checkpoints, "halving": 4}
        result = train_recipes(splits, make_grid(base, axes), axes, **options)
        unfinished.publish(lambda draft: save_sweep(result, draft), is_finished=True)


def run_command(folder: Path, *words: str) -> None:
    """The command as people give it, for the first time or with --resume."""
    where = ["--resume", str(folder)] if is_unfinished(folder) else [*words[1:], "--out", str(folder)]
    sys.argv = ["monolayer", words[0], *where]
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        try:
            main()
        except SystemExit as stop:
            if stop.code:
                raise


def sweep_digits(folder: Path) -> None:
    grid = ("--grid", "learning-rate=0.001,0.1", "--grid", "batch-size=20,50", "--grid", "flip=0,0.5")
    run_command(folder, "sweep", "digits", *grid, "--epochs", "60", "--val-size", "200")


def train_digits(folder: Path) -> None:
    run_command(folder, "train", "digits", "--epochs", "150", "--batch-size", "10", "--schedule", "step:50:0.1")


def sweep_cifar10(folder: Path) -> None:
    grid = ("--grid", "learning-rate=0.001,0.01", "--grid", "batch-size=50,100", "--grid", "flip=0,0.5")
    run_command(folder, "sweep", "cifar10", *grid, "--epochs", "6", "--train-size", "8000")


def test_a_killed_sweep_ends_as_one_that_was_not(tmp_path: Path) -> None:
    kill_often(sweep_with_library, tmp_path, LIBRARY_KILLS, 0.8, seed=1)


@pytest.mark.parametrize(("attempt", "n_kills"), [(sweep_digits, SWEEP_KILLS), (train_digits, TRAIN_KILLS)])
def test_a_killed_command_ends_as_one_that_was_not(tmp_path: Path, attempt: Callable[..., None], n_kills: int) -> None:
    kill_often(attempt, tmp_path, n_kills, 3.0, seed=2)


@pytest.mark.cifar10
@pytest.mark.usefixtures("cifar10")
def test_a_killed_sweep_on_cifar10_ends_as_one_that_was_not(tmp_path: Path) -> None:
    kill_often(sweep_cifar10, tmp_path, CIFAR10_KILLS, 8.0, seed=3)
