"""The ladder: one layer on ever better features of the same images, both losses, every recipe chosen on validation.

The test rows are opened once, for all steps together, after the last choice.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from monolayer.data.dataset import Splits
from monolayer.data.features_cache import Extracted, check_features, extract_features
from monolayer.duplicates.leaked import Leaked, compute_shift, find_leaked
from monolayer.duplicates.search import name_obstacle
from monolayer.errors import BadInput
from monolayer.evaluate.calibration_summary import measure_readings
from monolayer.evaluate.localisation import compute_evidence
from monolayer.evaluate.metrics import compute_wilson_interval
from monolayer.evaluate.predictions import Predictions
from monolayer.features import PatchFeatures
from monolayer.features.registry import parse_features
from monolayer.progress import SILENCE, Progress
from monolayer.recipe.grid import make_grid
from monolayer.recipe.recipe import Recipe
from monolayer.training.run import Run, add_test_metrics, check_recipe, fit_batch_size, predict_rows
from monolayer.tuning.probe_grid import BASE, make_probe_grid
from monolayer.tuning.selection import analyse_selection
from monolayer.tuning.sweep import rank_run, train_recipes

Array = npt.NDArray[Any]
RUNGS = ("pixels", "hog", "patches:200", "patches:800", "patches:1600", "patches:4000")
LOSSES = ("cross_entropy", "multiple_bce")
REASON = "every step of the ladder is chosen on validation"


@dataclass(frozen=True)
class Plan:
    """What the ladder is made of.

    Args:
        rungs: kinds of features, as ``--features`` takes them.
        losses: of each rung.
        rates: learning rates to try, as multiples of the one that the features bear with the loss.
        l2: to try with each.
        epochs: of every recipe.
        flip: probability that an image is mirrored when it is met.
        seed: of weights and orders.
    """

    rungs: tuple[str, ...] = RUNGS
    losses: tuple[str, ...] = LOSSES
    rates: tuple[float, ...] = (1.0, 3.0, 10.0, 30.0)
    l2: tuple[float, ...] = (0.0, 1e-4, 1e-3, 3e-3)
    epochs: int = 25
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
        rate_at_edge: whether its learning rate is the largest or the smallest of them.
        l2_at_edge: the same of its l2, but that none is below 0.
        feature_s: seconds that making the features took, when they were made.
        choice_s: seconds of training all recipes of the rung, both losses together.
        peak_mib: the most memory that the process had had by then.
    """

    features: str
    by: str
    n_features: int
    run: Run
    test: Predictions
    n_recipes: int
    rate_at_edge: bool
    l2_at_edge: bool
    feature_s: float
    choice_s: float
    peak_mib: float

    @property
    def val_accuracy(self) -> float:
        """By which it was chosen."""
        return self.run.evaluation["val"].accuracy


@dataclass(frozen=True, eq=False)
class Ladder:
    """What was found.

    Args:
        splits: of the images, and when and why the test rows were opened.
        plan: what was asked for.
        steps: rung by rung, loss by loss.
        leaked: test rows with a duplicate among the training rows.
        evidence: of the best step on patches, by validation: where it finds each class in the validation images, as
            :func:`monolayer.evaluate.localisation.compute_evidence` gives it; None where no rung is of patches.
    """

    splits: Splits
    plan: Plan
    steps: tuple[Step, ...]
    leaked: Leaked
    evidence: Array | None

    @property
    def best(self) -> Step:
        """The step with the highest validation accuracy, the first of equal ones."""
        return max(self.steps, key=lambda step: step.val_accuracy)

    @property
    def best_on_patches(self) -> Step | None:
        """The same among those that look at patches."""
        return _find_best_on_patches(self.steps)

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        dataset = self.splits.dataset
        return {
            "dataset": {name: getattr(dataset, name) for name in ("name", "source", "sha256", "class_names")},
            "splits": {"fingerprint": self.splits.fingerprint, **self.splits.request},
            "test_openings": [asdict(opening) for opening in self.splits.openings],
            "plan": asdict(self.plan),
            "leaked": {
                "n_pairs": len(self.leaked.pairs),
                "n_test_rows": int(self.leaked.mask.sum()),
                "obstacle": name_obstacle(dataset),
            },
            "steps": [self._describe(step) for step in self.steps],
            "best": self.steps.index(self.best),
            "like_the_best": self._list_like_the_best(),
        }

    def _list_like_the_best(self) -> list[int]:
        """Places of the other steps that validation cannot tell from the best, by exact tests on the same rows."""
        best = self.steps.index(self.best)
        order = sorted(range(len(self.steps)), key=lambda i: (i != best, -self.steps[i].val_accuracy))
        selection = analyse_selection([self.steps[i].run for i in order])
        flags = selection.is_indistinguishable if selection else ()
        return sorted(i for i, flag in zip(order, flags, strict=False) if flag and i != best)

    def _describe(self, step: Step) -> dict[str, Any]:
        kept = ("features", "by", "n_features", "n_recipes", "rate_at_edge", "l2_at_edge", "feature_s", "choice_s")
        transformer = step.run.network.transformer
        return {
            **{name: getattr(step, name) for name in kept},
            "peak_mib": step.peak_mib,
            "features_sha256": transformer and transformer.sha256,
            "is_learnt": transformer is not None and transformer.learns,
            "recipe": step.run.recipe.to_dict(),
            **{rows: step.run.evaluation[rows].to_dict() for rows in ("train", "val", "test")},
            "without_leaked": self._leave_out_leaked(step.test.correct),
            "calibration": {name: found.to_dict() for name, found in measure_readings(step.test).items()},
        }

    def _leave_out_leaked(self, correct: Array) -> dict[str, Any] | None:
        """Accuracy on the test rows that are not leaked, and what that is more than on all; None if all are."""
        mask = self.leaked.mask
        if mask.all():
            return None
        shift, left = compute_shift(correct, mask), correct[~mask]
        return {
            "n": len(left),
            "accuracy": float(left.mean()),
            "accuracy_interval": list(compute_wilson_interval(float(left.mean()), len(left))),
            "shift": shift.estimate,
            "shift_interval": [shift.low, shift.high],
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
        BadInput: if nothing is held out for validation, a rung is no kind of features or does not fit the images, the
            disk has no room for all of them, or all recipes of a step diverge.
    """
    plan = plan or Plan()
    _check(splits, plan, folder)
    climbed = [_climb(splits, rung, plan, folder, progress) for rung in plan.rungs]
    test = splits.open_test(REASON)
    steps = tuple(step for rung in climbed for step in rung.open_steps())
    evidence = _find_evidence(_find_best_on_patches(steps), splits)
    return Ladder(splits, plan, steps, find_leaked(splits.train, test, progress=progress), evidence)


def _check(splits: Splits, plan: Plan, folder: Path | None) -> None:
    """Raise BadInput for what is wrong, before anything is made."""
    if splits.val is None:
        raise BadInput(
            "A ladder chooses by validation accuracy, but no rows are held out; give a val_size above 0 (--val-size)."
        )
    if splits.dataset.is_multi_label:
        raise BadInput(f"{splits.dataset.name}: rows have several labels; a ladder compares losses where each has one.")
    kinds = [parse_features(rung) for rung in plan.rungs]
    described = [(type(kind), kind.describe()) for kind in kinds]
    twice = [rung for rung, kind in zip(plan.rungs, described, strict=True) if described.count(kind) > 1]
    if twice or not kinds:
        said = f"{' and '.join(twice)} are the same rung" if twice else "A ladder without a rung is none"
        raise BadInput(f"{said}; accepted are one or more, and each once.")
    if not plan.losses or len(set(plan.losses)) < len(plan.losses):
        raise BadInput(f"A ladder has one loss or more, and each once: {', '.join(plan.losses) or 'none'}.")
    for recipe in make_grid(_make_base(splits, plan), {"loss": plan.losses}):
        check_recipe(recipe, splits)
    check_features(splits, kinds, flips=plan.flip > 0, folder=folder)


def _find_best_on_patches(steps: Sequence[Step]) -> Step | None:
    on_patches = [step for step in steps if isinstance(step.run.network.transformer, PatchFeatures)]
    return max(on_patches, key=lambda step: step.val_accuracy, default=None)


def _find_evidence(step: Step | None, splits: Splits) -> Array | None:
    if step is None or splits.val is None:
        return None
    images = np.concatenate(list(splits.val.iterate_blocks(1024)))
    return compute_evidence(step.run.network, images, splits.val.y)


@dataclass(frozen=True, eq=False)
class _Rung:
    """A rung after the choice: what a step says of it, and the best runs, one a loss."""

    features: str
    extracted: Extracted
    best: list[Run]
    recipes: list[Recipe]
    choice_s: float
    peak_mib: float

    def open_steps(self) -> list[Step]:
        """A step a loss, scored on the test rows."""
        return [self._open_step(run) for run in self.best]

    def _open_step(self, run: Run) -> Step:
        said, transformer = predict_rows(run.network, self.extracted.splits._test), self.extracted.transformer
        tried = [recipe for recipe in self.recipes if recipe.loss == run.recipe.loss]
        rates = [recipe.learning_rate for recipe in tried]
        return Step(
            features=self.features,
            by=transformer.say(),
            n_features=transformer.n_features_out,
            run=add_test_metrics(run, said),
            test=said,
            n_recipes=len(tried),
            rate_at_edge=run.recipe.learning_rate in (min(rates), max(rates)),
            l2_at_edge=run.recipe.l2 == max(recipe.l2 for recipe in tried),
            feature_s=self.extracted.seconds,
            choice_s=self.choice_s,
            peak_mib=self.peak_mib,
        )


def _climb(splits: Splits, rung: str, plan: Plan, folder: Path | None, progress: Progress) -> _Rung:
    extracted = extract_features(splits, parse_features(rung), flips=plan.flip > 0, folder=folder, progress=progress)
    start = time.perf_counter()
    recipes = _list_recipes(extracted.splits, plan)
    runs = train_recipes(extracted.splits, recipes, {}, train_every=0, progress=progress, task=rung).runs
    best = [_choose([run for run in runs if run.recipe.loss == loss], rung) for loss in plan.losses]
    return _Rung(rung, extracted, best, recipes, time.perf_counter() - start, _measure_peak())


def _measure_peak() -> float:
    """The most memory that this process has had, in MiB; macOS tells it in bytes, others in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def _list_recipes(splits: Splits, plan: Plan) -> list[Recipe]:
    """Every loss with every l2 and multiple of the rate that these features bear with that loss."""
    grid = make_probe_grid(_make_base(splits, plan), {"loss": plan.losses, "l2": plan.l2}, plan.rates)
    return grid.set_rates(grid.list_recipes(), [splits.train])


def _make_base(splits: Splits, plan: Plan) -> Recipe:
    """What all recipes share; batches have all training rows where these are few."""
    return fit_batch_size(BASE.replace(epochs=plan.epochs, flip=plan.flip, seed=plan.seed), splits)


def _choose(runs: Sequence[Run], rung: str) -> Run:
    best = min(runs, key=rank_run)
    if best.has_diverged:
        raise BadInput(f"All {len(runs)} recipes of {rung} with {best.recipe.loss} diverged.")
    return best
