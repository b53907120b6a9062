"""The bonus assignment: five recipes and a grid of 36, trained as declared here and scored on the test rows once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from monolayer.data.dataset import Dataset
from monolayer.data.splits import Rows, Splits, choose_val_size
from monolayer.progress import SILENCE, Progress
from monolayer.recipe import Recipe
from monolayer.sweeping import Sweep, group_recipes, make_grid, train_recipes
from monolayer.training import Run, TrainOptions, add_test_metrics, compute_probabilities, train_bank

Array = npt.NDArray[Any]

GRID_AXES: dict[str, tuple[Any, ...]] = {
    "l2": (0.0, 0.001, 0.1, 1.0),
    "learning_rate": (0.001, 0.005, 0.01),
    "batch_size": (50, 100, 200),
}
WINNER = "grid_winner"


@dataclass(frozen=True)
class Experiment:
    """One recipe of the study: its exercise in the assignment, and what it is."""

    key: str
    exercise: str
    title: str
    recipe: Recipe


def declare_experiments(seed: int, epochs: int) -> tuple[Experiment, ...]:
    """The five recipes of the report, in its order; the grid is apart."""
    base = Recipe(learning_rate=0.001, batch_size=100, epochs=epochs, seed=seed)
    weak = base.replace(l2=0.001)
    return (
        Experiment("all_data", "2.1 a", "All training data", base),
        Experiment("flips", "2.1 b", "All training data, flips", weak.replace(flip=0.5)),
        Experiment("step_decay", "2.1 d", "Step decay", weak.replace(schedule="step:10:0.1")),
        Experiment("cross_entropy", "2.2", "Cross-entropy", weak),
        Experiment("multiple_bce", "2.2", "Multiple binary cross-entropy",
                   weak.replace(loss="multiple_bce", learning_rate=0.01)),
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class TrueClassProbabilities:
    """What a network says of the test rows: the true class's probability (n,), and whether it was right (n,) bool."""

    probability: Array
    correct: Array


@dataclass(frozen=True, eq=False)
class StudyResult:
    """Everything that the study measured.

    Args:
        dataset: what it was run on.
        splits: how its rows were divided, and why the test rows were opened.
        experiments: what was declared.
        runs: by key of the experiment, and the grid's winner under WINNER; scored on the test rows.
        grid: the sweep.
        probabilities: by key of the experiment.
        fallback: why this is not the dataset that was meant, or nothing.
    """

    dataset: Dataset
    splits: Splits
    experiments: tuple[Experiment, ...]
    runs: dict[str, Run]
    grid: Sweep
    probabilities: dict[str, TrueClassProbabilities]
    fallback: str = ""

    @property
    def seconds(self) -> float:
        """Training of everything, evaluation included."""
        # Four of the five share a bank, and each of them tells the seconds of the whole bank.
        return self.runs["all_data"].seconds + self.runs["flips"].seconds + self.grid.seconds

    def to_dict(self) -> dict[str, Any]:
        """The study's numbers as JSON holds them."""
        runs = {
            key: {**run.to_dict(), "history": [row.to_dict() for row in run.history]} for key, run in self.runs.items()
        }
        dataset = self.dataset
        return {
            "dataset": {"name": dataset.name, "source": dataset.source, "sha256": dataset.sha256},
            "rows": {
                "train": len(self.splits.train),
                "val": len(self.splits.val) if self.splits.val else 0,
                "test": self.splits.n_test,
            },
            "test_openings": self.splits.openings,
            "fallback": self.fallback,
            "experiments": runs,
            "grid": self.grid.to_dict(),
            "seconds": self.seconds,
        }


def run_study(
    dataset: Dataset, *, seed: int = 42, epochs: int = 40, progress: Progress = SILENCE, fallback: str = ""
) -> StudyResult:
    """Train everything, then open the test rows once for the declared recipes and the grid's winner.

    Recipes that can share their batches are one bank: four of the five, the flips, and three banks for the grid.

    Args:
        dataset: cifar10, or another dataset of images.
        seed: of every recipe.
        epochs: of every recipe.
        progress: told how far the whole study is.
        fallback: why this is not the dataset that was meant.
    """
    splits = dataset.split(choose_val_size(dataset))
    experiments = declare_experiments(seed, epochs)
    base = experiments[0].recipe
    grid_recipes = make_grid(base, GRID_AXES)
    stages = _Stages(progress, [*group_recipes([e.recipe for e in experiments]), *group_recipes(grid_recipes)])
    runs = _train_experiments(splits, experiments, stages)
    grid = train_recipes(splits, grid_recipes, GRID_AXES, stages.make_options(train_every=0))
    test = splits.open_test("final evaluation of the declared recipes and of the grid's choice by validation")
    scored = {key: add_test_metrics(run, test) for key, run in {**runs, WINNER: grid.best}.items()}
    probabilities = {key: compute_true_class_probabilities(run, test) for key, run in scored.items()}
    return StudyResult(dataset, splits, experiments, scored, grid, probabilities, fallback)


def compute_true_class_probabilities(run: Run, rows: Rows) -> TrueClassProbabilities:
    """The probability that the run's network gives to each row's true class, and where it is right."""
    probabilities = compute_probabilities(run.network, rows)
    y = rows.y
    return TrueClassProbabilities(probabilities[np.arange(len(y)), y].astype(np.float64), probabilities.argmax(1) == y)


def _train_experiments(splits: Splits, experiments: tuple[Experiment, ...], stages: _Stages) -> dict[str, Run]:
    runs: dict[str, Run] = {}
    for group in group_recipes([experiment.recipe for experiment in experiments]):
        by_recipe = dict(zip(group, train_bank(splits, group, stages.make_options(train_every=1)), strict=True))
        runs |= {e.key: by_recipe[e.recipe] for e in experiments if e.recipe in by_recipe}
    return {experiment.key: runs[experiment.key] for experiment in experiments}


class _Stages:
    """One progress for a study of several banks, weighed by how long an epoch of each takes."""

    def __init__(self, progress: Progress, banks: list[list[Recipe]]) -> None:
        self._progress = progress
        # Measured on CIFAR-10: an epoch of M members takes about as long as 2 + M thirds of a single run's.
        self._weights = [2.0 + len(bank) for bank in banks]
        self._stage = -1

    def make_options(self, train_every: int) -> TrainOptions:
        """Options for the banks that come next, which tell their progress as the study's."""
        return TrainOptions(train_every, val_every=1, progress=self)

    def say(self, text: str) -> None:
        """Pass a line on."""
        self._progress.say(text)

    def advance(self, task: str, done: float, total: float | None, unit: str = "") -> None:
        """Turn a bank's progress into the study's; a bank begins by telling that nothing is done."""
        if done == 0:
            self._stage += 1
        share = sum(self._weights[: self._stage]) + self._weights[self._stage] * done / (total or 1)
        self._progress.advance("The study", round(100 * share / sum(self._weights), 1), 100, "%")
