"""The ladder: one layer on ever better features of the same images, both losses, every recipe chosen on validation.

The test rows are opened once, for all steps together, after the last choice.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from monolayer.audit.leaked import Leaked, compute_shift, find_leaked
from monolayer.data.extracted import Extracted, extract_features
from monolayer.data.splits import Splits
from monolayer.epochs import TrainOptions
from monolayer.errors import BadInput
from monolayer.evaluate.answers import Answers
from monolayer.evaluate.calibrated import measure_readings
from monolayer.features.spec import parse_features
from monolayer.probe_grid import BASE, make_probe_grid
from monolayer.progress import SILENCE, Progress
from monolayer.recipe import Recipe
from monolayer.sweeping import SweepOptions, has_diverged, rank_run, train_recipes
from monolayer.training import Run, add_test_metrics, answer

RUNGS = ("pixels", "hog", "patches:200", "patches:800", "patches:1600", "patches:4000")
LOSSES = ("cross_entropy", "multiple_bce")
# What is tried of each rung and loss: multiples of the rate that the features bear, and l2.
RATES, L2 = (1.0, 3.0, 10.0, 30.0), (0.0, 1e-4, 1e-3, 1e-2)
REASON = "every step of the ladder is chosen on validation"


@dataclass(frozen=True)
class Plan:
    """What the ladder is made of.

    Args:
        rungs: kinds of features, as ``--features`` takes them.
        losses: of each rung.
        epochs: of every recipe.
        flip: probability that an image is mirrored when it is met.
        seed: of weights and orders.
    """

    rungs: tuple[str, ...] = RUNGS
    losses: tuple[str, ...] = LOSSES
    epochs: int = 20
    flip: float = 0.5
    seed: int = 42


@dataclass(frozen=True, eq=False)
class Step:
    """A rung with one loss.

    Args:
        features: the rung, as it was asked for.
        by: what made the features, in a line.
        n_features: D.
        run: the recipe that validation chose, with its measures on training, validation and test rows.
        test: what it says of the test rows.
        n_recipes: how many it was chosen among.
        feature_s: seconds that making the features took, when they were made.
        choice_s: seconds of training all recipes of the rung, both losses together.
        peak_mib: the most memory that the process had had by then.
    """

    features: str
    by: str
    n_features: int
    run: Run
    test: Answers
    n_recipes: int
    feature_s: float
    choice_s: float
    peak_mib: float

    @property
    def seconds(self) -> float:
        """From images to the chosen network."""
        return self.feature_s + self.choice_s


@dataclass(frozen=True, eq=False)
class Ladder:
    """What was found.

    Args:
        splits: of the images, and when and why the test rows were opened.
        plan: what was asked for.
        steps: rung by rung, loss by loss.
        leaked: test rows with a duplicate among the training rows.
    """

    splits: Splits
    plan: Plan
    steps: tuple[Step, ...]
    leaked: Leaked

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        dataset = self.splits.dataset
        return {
            "dataset": {"name": dataset.name, "source": dataset.source, "sha256": dataset.sha256},
            "splits": {"fingerprint": self.splits.fingerprint, **self.splits.request},
            "test_openings": [asdict(opening) for opening in self.splits.openings],
            "plan": asdict(self.plan),
            "leaked": {"n_pairs": len(self.leaked.pairs), "n_test_rows": int(self.leaked.mask.sum())},
            "steps": [self._describe(step) for step in self.steps],
        }

    def _describe(self, step: Step) -> dict[str, Any]:
        kept = ("features", "by", "n_features", "n_recipes", "feature_s", "choice_s", "peak_mib")
        shift = compute_shift(step.test.correct, self.leaked.mask) if not self.leaked.mask.all() else None
        return {
            **{name: getattr(step, name) for name in kept},
            "recipe": step.run.recipe.to_dict(),
            **{rows: step.run.evaluation[rows].to_dict() for rows in ("train", "val", "test")},
            "without_leaked": shift and {"shift": shift.estimate, "interval": [shift.low, shift.high]},
            "calibration": {name: found.to_dict() for name, found in measure_readings(step.test).items()},
        }


def climb(
    splits: Splits, plan: Plan | None = None, *, folder: Path | None = None, progress: Progress = SILENCE
) -> Ladder:
    """Make the features of every rung, choose its recipes on validation, then open the test rows for all steps.

    Args:
        splits: images, with validation rows and sealed test rows.
        plan: the rungs, the losses, and how to train.
        folder: of features that are kept; None: the cache.
        progress: told how far it is.

    Raises:
        BadInput: if nothing is held out for validation, a rung is no kind of features or does not fit the images, or
            all recipes of a step diverge.
    """
    plan = plan or Plan()
    if splits.val is None:
        raise BadInput("A ladder chooses by validation accuracy, but no rows are held out; give a val_size above 0.")
    for rung in plan.rungs:
        parse_features(rung)
    climbed = [(rung, *_climb(splits, rung, plan, folder, progress)) for rung in plan.rungs]
    test = splits.open_test(REASON)
    steps = [
        _score(rung, extracted, run, n_recipes=n, choice_s=seconds, peak_mib=peak)
        for rung, extracted, runs, n, seconds, peak in climbed
        for run in runs
    ]
    return Ladder(splits, plan, tuple(steps), find_leaked(splits.train, test, progress=progress))


def _climb(
    splits: Splits, rung: str, plan: Plan, folder: Path | None, progress: Progress
) -> tuple[Extracted, list[Run], int, float, float]:
    """(features, the best run of each loss, recipes a loss, seconds of training, MiB)."""
    extracted = extract_features(splits, parse_features(rung), flips=plan.flip > 0, folder=folder, progress=progress)
    start = time.perf_counter()
    recipes = _list_recipes(extracted.splits, plan)
    options = SweepOptions(TrainOptions(train_every=0, progress=progress, task=rung))
    swept = train_recipes(extracted.splits, recipes, {}, options)
    best = [_choose([run for run in swept.runs if run.recipe.loss == loss], rung) for loss in plan.losses]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return extracted, best, len(recipes) // len(plan.losses), time.perf_counter() - start, peak


def _list_recipes(splits: Splits, plan: Plan) -> list[Recipe]:
    """Every loss with every l2 and multiple of the rate that these features bear with that loss."""
    base = BASE.replace(epochs=plan.epochs, flip=plan.flip, seed=plan.seed)
    grid = make_probe_grid(base, {"loss": plan.losses, "l2": L2}, RATES)
    return grid.give_rates(grid.list_recipes(), [splits.train])


def _choose(runs: Sequence[Run], rung: str) -> Run:
    best = min(runs, key=rank_run)
    if has_diverged(best):
        raise BadInput(f"All {len(runs)} recipes of {rung} with {best.recipe.loss} diverged.")
    return best


def _score(rung: str, extracted: Extracted, run: Run, **measured: Any) -> Step:
    said = answer(run.network, extracted.splits._test)
    transformer = extracted.transformer
    return Step(
        rung,
        transformer.say(),
        transformer.n_features_out,
        add_test_metrics(run, said),
        said,
        feature_s=extracted.seconds,
        **measured,
    )
