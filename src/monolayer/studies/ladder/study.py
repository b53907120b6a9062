"""Run the ladder: one layer on several kinds of features of the same images, with both losses.

Each recipe is chosen on validation; after the last choice the test rows are opened once for all steps.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from monolayer._typing import Array
from monolayer.data.dataset import Splits
from monolayer.data.extraction import Extracted, check_features, extract_features
from monolayer.duplicates.leaked import Leaked, compute_shift, find_leaked
from monolayer.duplicates.search import name_obstacle
from monolayer.errors import BadInput
from monolayer.evaluate.calibration_summary import measure_readings
from monolayer.evaluate.evidence import compute_evidence
from monolayer.evaluate.metrics import compute_wilson_interval
from monolayer.evaluate.predictions import Predictions, predict_rows
from monolayer.features.registry import parse_features
from monolayer.progress import SILENCE, Progress
from monolayer.recipe.grid import make_grid
from monolayer.recipe.recipe import Recipe
from monolayer.training.run import Run, add_test_metrics
from monolayer.training.train import check_recipe, fit_batch_size
from monolayer.tuning.probe_grid import BASE, make_probe_grid
from monolayer.tuning.selection import analyse_selection
from monolayer.tuning.sweep import rank_run, train_recipes

FEATURES = ("pixels", "hog", "patches:200", "patches:800", "patches:1600", "patches:4000")
LOSSES = ("cross_entropy", "multiple_bce")
REASON = "every step of the ladder is chosen on validation"


@dataclass(frozen=True)
class LadderPlan:
    """The features and recipes of a ladder.

    Args:
        features: kinds of features, as ``--features`` takes them.
        losses: losses to train on each.
        rates: learning rates to try, as multiples of the stable rate of the features with the loss.
        l2: values to try with each.
        epochs: of every recipe.
        flip: probability that an image is mirrored when it is read.
        seed: of weights and orders.
    """

    features: tuple[str, ...] = FEATURES
    losses: tuple[str, ...] = LOSSES
    rates: tuple[float, ...] = (1.0, 3.0, 10.0, 30.0)
    l2: tuple[float, ...] = (0.0, 1e-4, 1e-3, 3e-3)
    epochs: int = 25
    flip: float = 0.5
    seed: int = 42


@dataclass(frozen=True, eq=False)
class Step:
    """One kind of features with one loss.

    Args:
        features: the kind of features, as given in the plan.
        by: the description of the transformer.
        n_features: D.
        run: the best recipe by validation, with its metrics on training, validation and test rows.
        test: its predictions for the test rows.
        n_recipes: number of recipes that it was chosen from.
        rate_at_edge: whether its learning rate is the largest or the smallest of them.
        l2_at_edge: whether its l2 is the largest of them.
        feature_s: seconds for computing the features, when they were computed.
        choice_s: seconds for training all recipes on these features, with all losses.
        peak_mib: peak memory of the process until then; None on Windows, which does not report it.
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
    peak_mib: float | None

    @property
    def val_accuracy(self) -> float:
        """The accuracy by which it was chosen."""
        return self.run.evaluation["val"].accuracy


@dataclass(frozen=True, eq=False)
class Ladder:
    """Results of a ladder.

    Args:
        splits: of the images, with the recorded openings of the test rows.
        plan: the features and recipes.
        steps: one for each kind of features and loss, in the order of the plan.
        leaked: test rows with a duplicate among the training rows.
    """

    splits: Splits
    plan: LadderPlan
    steps: tuple[Step, ...]
    leaked: Leaked

    @property
    def best(self) -> Step:
        """The step with the highest validation accuracy, the first of equal ones."""
        return max(self.steps, key=lambda step: step.val_accuracy)

    @property
    def best_on_patches(self) -> Step | None:
        """The best step with features of patches."""
        on_patches = [step for step in self.steps if (made := step.run.network.transformer) and made.patch_shape]
        return max(on_patches, key=lambda step: step.val_accuracy, default=None)

    @cached_property
    def evidence(self) -> Array | None:
        """Where the best step on patches, by validation, finds each class in the validation images.

        As :func:`monolayer.evaluate.evidence.compute_evidence` gives it; None without patches.
        """
        step, val = self.best_on_patches, self.splits.val
        if step is None or val is None:
            return None
        return compute_evidence(step.run.network, np.concatenate(list(val.iterate_blocks(1024))), val.y)

    def to_dict(self) -> dict[str, Any]:
        """The results as a dictionary that JSON can hold."""
        dataset = self.splits.dataset
        return {
            "dataset": {name: getattr(dataset, name) for name in ("name", "source", "sha256", "class_names")},
            "splits": {"fingerprint": self.splits.fingerprint, **self.splits.request},
            "test_openings": [asdict(opening) for opening in self.splits.openings],
            "plan": {{"features": "rungs"}.get(name, name): value for name, value in asdict(self.plan).items()},
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
        """Indices of the other steps that are statistically indistinguishable from the best on validation."""
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
        """Accuracy without the leaked test rows, and its difference from that on all; None if all are leaked."""
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


def run_ladder(
    splits: Splits, plan: LadderPlan | None = None, *, folder: Path | None = None, progress: Progress = SILENCE
) -> Ladder:
    """Compute each kind of features, choose the recipes on validation, then open the test rows for all steps.

    Args:
        splits: images, with validation rows and sealed test rows.
        plan: the features, the losses, and how to train.
        folder: where features are stored; by default the cache.
        progress: receives the progress.

    Raises:
        BadInput: if there are no validation rows, features are unknown or do not fit the images, the disk is too small
            for them, or all recipes of a step diverge.
    """
    plan = plan or LadderPlan()
    _check(splits, plan, folder)
    trained = [_train(splits, features, plan, folder, progress) for features in plan.features]
    test = splits.open_test(REASON)
    steps = tuple(_open_step(*chosen) for of_features in trained for chosen in of_features)
    return Ladder(splits, plan, steps, find_leaked(splits.train, test, progress=progress))


def _check(splits: Splits, plan: LadderPlan, folder: Path | None) -> None:
    """Raise BadInput for invalid input, before any features are computed."""
    if splits.val is None:
        raise BadInput(
            "A ladder chooses by validation accuracy, but no rows are held out; set val_size above 0 (--val-size)."
        )
    if splits.dataset.is_multi_label:
        raise BadInput(f"{splits.dataset.name}: rows have several labels; a ladder needs rows with one label.")
    kinds = [parse_features(features) for features in plan.features]
    described = [(type(kind), kind.describe()) for kind in kinds]
    twice = [features for features, kind in zip(plan.features, described, strict=True) if described.count(kind) > 1]
    if twice or not kinds:
        wrong = f"{' and '.join(twice)} are the same features" if twice else "A ladder needs features"
        raise BadInput(f"{wrong}; accepted are one kind or more, each once.")
    if not plan.losses or len(set(plan.losses)) < len(plan.losses):
        raise BadInput(f"The losses are {', '.join(plan.losses) or 'none'}; accepted are one or more, each once.")
    for recipe in make_grid(_make_base(splits, plan), {"loss": plan.losses}):
        check_recipe(recipe, splits)
    check_features(splits, kinds, flips=plan.flip > 0, folder=folder)


def _train(
    splits: Splits, features: str, plan: LadderPlan, folder: Path | None, progress: Progress
) -> list[tuple[Run, Extracted, Callable[..., Step]]]:
    """For each loss the best run, what it was trained on, and its step, which lacks what the test rows give."""
    kind = parse_features(features)
    extracted = extract_features(splits, kind, flips=plan.flip > 0, folder=folder, progress=progress)
    start = time.perf_counter()
    # Every loss with every l2 and every multiple of the stable rate of these features.
    axes = {"loss": plan.losses, "l2": plan.l2}
    grid = make_probe_grid(_make_base(extracted.splits, plan), axes, plan.rates)
    recipes = grid.set_rates(grid.list_recipes(), [extracted.splits.train])
    runs = train_recipes(extracted.splits, recipes, {}, train_every=0, progress=progress, task=features).runs
    measured: dict[str, Any] = {
        "features": features,
        "by": extracted.transformer.describe(),
        "n_features": extracted.transformer.n_features_out,
        "feature_s": extracted.seconds,
        "choice_s": time.perf_counter() - start,
        "peak_mib": _measure_peak(),
    }
    chosen: list[tuple[Run, Extracted, Callable[..., Step]]] = []
    for loss in plan.losses:
        best = min((run for run in runs if run.recipe.loss == loss), key=rank_run)
        tried = [recipe for recipe in recipes if recipe.loss == loss]
        if best.has_diverged:
            raise BadInput(f"All {len(tried)} recipes of {features} with {loss} diverged.")
        rates = [recipe.learning_rate for recipe in tried]
        make_step = partial(
            Step,
            **measured,
            n_recipes=len(tried),
            rate_at_edge=best.recipe.learning_rate in (min(rates), max(rates)),
            l2_at_edge=best.recipe.l2 == max(recipe.l2 for recipe in tried),
        )
        chosen.append((best, extracted, make_step))
    return chosen


def _open_step(run: Run, extracted: Extracted, make_step: Callable[..., Step]) -> Step:
    predictions = predict_rows(run.network, extracted.splits._test)
    return make_step(run=add_test_metrics(run, predictions), test=predictions)


def _measure_peak() -> float | None:
    """Peak memory of this process in MiB; macOS reports bytes, others KiB, and Windows nothing."""
    try:
        import resource
    except ModuleNotFoundError:  # on Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def _make_base(splits: Splits, plan: LadderPlan) -> Recipe:
    """The common fields of all recipes; the batch size is at most the number of training rows."""
    return fit_batch_size(BASE.replace(epochs=plan.epochs, flip=plan.flip, seed=plan.seed), splits)
