"""Probe frozen features: train a grid of recipes on several feature sets of the same rows, and test the best once.

The winner is the feature set and recipe with the highest validation accuracy. The test rows are opened for it alone,
and in the same opening for its few-shot probes, if any. The protocol is all that others need to get the same numbers.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Unpack, cast

import numpy as np

from monolayer.data.dataset import Rows, Splits
from monolayer.errors import BadInput, MonolayerError
from monolayer.evaluate.predictions import Predictions, predict_rows
from monolayer.evaluate.significance import find_indistinguishable
from monolayer.recipe.grid import collect_axes
from monolayer.recipe.recipe import Recipe
from monolayer.training.options import TrainKeywords, TrainOptions
from monolayer.training.run import Run, add_test_metrics
from monolayer.tuning.few_shot import MIN_STEPS, RULE, STEPS_RULE, STOPPED, FewShot, adapt, train_shots, validate_shots
from monolayer.tuning.probe_grid import RATES, ProbeGrid, make_probe_grid
from monolayer.tuning.sweep import list_axes, rank_run, train_recipes

REASON = "the probe's winner is chosen"
PREPROCESSING = "every feature less its mean, divided by its standard deviation (of 0: by 1), of the rows trained on"
SELECTION = (
    "the highest validation accuracy, of equals the lower validation loss: the recipe within each feature set, then "
    "the feature set"
)
SHOTS_SELECTION = "the highest mean validation accuracy over the repeats, of equals the lower mean loss"
TEST = "exact McNemar test against the winner on the validation rows, p times the number of pairs of feature sets"


@dataclass(frozen=True, eq=False)
class FeatureSet:
    """One feature set and the results of its recipes.

    Args:
        name: the name of the feature set.
        n_features: D.
        dtype: of the features as stored.
        sha256: of features and labels.
        fingerprint: of features, labels and the split.
        grid: the values that were tried, by field.
        best: the run of the best recipe.
        runs: every recipe with its metrics, best first, as in :meth:`monolayer.Sweep.to_dict`.
        p_value: against the winner, corrected for all pairs of feature sets; None if the best recipe diverged.
        is_indistinguishable: whether it cannot be distinguished from the winner; None if the best recipe diverged.
    """

    name: str
    n_features: int
    dtype: str
    sha256: str
    fingerprint: str
    grid: dict[str, tuple[Any, ...]]
    best: Run
    runs: tuple[dict[str, Any], ...]
    p_value: float | None = None
    is_indistinguishable: bool | None = None

    def to_dict(self) -> dict[str, Any]:
        """The feature set for JSON, with its best recipe."""
        kept = ("name", "n_features", "dtype", "sha256", "fingerprint", "grid", "is_indistinguishable")
        return {
            **{name: getattr(self, name) for name in kept},
            "p_value_adjusted": self.p_value,
            "n_recipes": len(self.runs),
            "recipe": self.best.recipe.to_dict(),
            "has_diverged": self.best.has_diverged,
            **{name: self.best.evaluation[name].to_dict() for name in ("train", "val")},
        }


@dataclass(frozen=True, eq=False)
class Probe:
    """The result of a probe.

    Args:
        sets: the feature sets, best first.
        winner: the winner's run, with its metrics on the test rows.
        few_shot: few-shot probes of the winner's features, by increasing number of shots.
        protocol: what else others need to get the same numbers: rows, split, rules, grid, draws.
        predictions: the winner's predictions for the ``val`` and ``test`` rows.
        seconds: time of all training, by the clock.
    """

    sets: tuple[FeatureSet, ...]
    winner: Run
    few_shot: tuple[FewShot, ...]
    protocol: dict[str, Any]
    predictions: dict[str, Predictions]
    seconds: float

    def with_metadata(self, **entries: str) -> Probe:
        """A copy with these entries added to the metadata of the winner's network, such as its licence."""
        return replace(self, winner=replace(self.winner, network=self.winner.network.with_metadata(**entries)))

    def to_dict(self) -> dict[str, Any]:
        """The probe as ``monolayer probe --json`` prints it, without times."""
        run = {name: part for name, part in self.winner.to_dict().items() if name != "seconds"}
        return {
            "features": [one.to_dict() for one in self.sets],
            "winner": {"features": self.sets[0].name, **run},
            "few_shot": [few.to_dict() for few in self.few_shot],
            "protocol": self.protocol,
        }


def probe(
    splits: Mapping[str, Splits],
    recipe: Recipe | None = None,
    *,
    grid: Mapping[str, Any] | None = None,
    rates: Sequence[float] = RATES,
    shots: Sequence[int] = (),
    repeats: int = 5,
    draw_seed: int = 0,
    **options: Unpack[TrainKeywords],
) -> Probe:
    """Probe feature sets of the same rows: choose on validation, then open the test rows once, for the winner.

    Each recipe of the grid is trained on each feature set. Unless the grid has ``learning_rate``, the rates are
    multiples of the stable rate of each feature set; unless it has ``l2``, that goes from 0 to 0.1.

    Args:
        splits: the same split of each feature set, by name of the feature set.
        recipe: the fields that do not vary; by default with weights that start at 0 and a cosine schedule. Its learning
            rate is not used.
        grid: values to try by field of the recipe.
        rates: learning rates as multiples of each feature set's stable rate; not used if the grid has learning rates.
        shots: numbers of training rows per class, for few-shot probes of the winner's features.
        repeats: draws of each number of shots.
        draw_seed: seed of the few-shot draws.
        options: as for :func:`monolayer.train`, for the recipes of each feature set; a ``checkpointer`` is not
            accepted, since checkpoints do not name the feature set that they belong to.

    Raises:
        BadInput: if the feature sets differ in rows, labels or split; if there are no validation rows, or the test rows
            were opened before; if a class has fewer rows than shots; if a recipe does not fit the data, or all
            diverged.
        MonolayerError: if ``should_stop`` ended the training; the test rows are still sealed.
    """
    given, start = TrainOptions.from_keywords(options, function=probe), time.perf_counter()
    if given.checkpointer is not None:
        raise BadInput("A probe keeps no checkpoints; leave the checkpointer out.")
    probe_grid = make_probe_grid(recipe, list_axes(grid or {}), rates)
    check_sets(splits)
    first = next(iter(splits.values()))
    n_shots = validate_shots(shots, repeats, draw_seed, first.train)
    if n_shots:
        for candidate in probe_grid.list_recipes():
            adapt(candidate, len(first.train))
    sets = _rank([_sweep(name, one, probe_grid, options) for name, one in splits.items()])
    chosen = splits[sets[0].name]
    few = [train_shots(chosen, probe_grid, n, repeats, draw_seed, given) for n in n_shots]
    few_shot = {
        "shots": list(n_shots),
        "repeats": repeats,
        "seed": draw_seed,
        "draw": RULE,
        "training": STEPS_RULE.format(steps=MIN_STEPS),
        "selection": SHOTS_SELECTION,
    }
    protocol = _describe(chosen, probe_grid, sum(len(one.runs) for one in sets))
    protocol["few_shot"] = few_shot if n_shots else None
    rows = _open_test(sets[0].name, splits)
    network = sets[0].best.network
    predictions = {"val": predict_rows(network, cast(Rows, chosen.val)), "test": predict_rows(network, rows)}
    winner = add_test_metrics(sets[0].best, predictions["test"])
    opened = tuple(one.open_test(rows) for one in few)
    return Probe(sets, winner, opened, protocol, predictions, time.perf_counter() - start)


def check_sets(splits: Mapping[str, Splits]) -> None:
    """Raise BadInput unless these are feature sets of the same rows and split, with sealed test rows."""
    if not isinstance(splits, Mapping):
        raise BadInput(f"splits is a {type(splits).__name__}; accepted is a mapping of names to splits.")
    if not splits:
        raise BadInput("A probe needs at least one feature set.")
    first_name, first = next(iter(splits.items()))
    for name, one in splits.items():
        if one.val is None:
            raise BadInput("A probe chooses by validation accuracy, but no rows are held out; give a val_size above 0.")
        if one.openings:
            raise BadInput(
                f"The test rows of {name} were opened before ({one.openings[-1]}); a probe opens them once, for its "
                "winner, so split the data again."
            )
        _check_same((first_name, first), (name, one))


def _check_same(first: tuple[str, Splits], other: tuple[str, Splits]) -> None:
    """Raise BadInput unless both have the same labels in the same order and the same split."""
    names, accepted = f"{other[0]} and {first[0]}", "feature sets of a probe have the same rows in the same order"
    a, b = first[1].dataset, other[1].dataset
    if a.class_names != b.class_names:
        raise BadInput(f"{names} have different classes; {accepted}.")
    for kind, one, two in (("rows", a, b), ("validation rows", a.val, b.val), ("test rows", a.test, b.test)):
        sizes = [0 if part is None else len(part.y) for part in (one, two)]
        if sizes[0] != sizes[1]:
            raise BadInput(f"{names} have {sizes[1]:,} and {sizes[0]:,} {kind}; {accepted}.")
        if one is not None and two is not None and not np.array_equal(one.y, two.y):
            raise BadInput(f"{names} have different labels; {accepted}.")
    if not first[1].divides_like(other[1]):
        raise BadInput(
            f"{names} are split differently; feature sets of a probe have the same sizes and seed of the split."
        )


def _sweep(name: str, splits: Splits, grid: ProbeGrid, options: TrainKeywords) -> FeatureSet:
    """Train every recipe on one feature set; only the best network is kept."""
    recipes = grid.set_rates(grid.list_recipes(), [splits.train])
    axes = collect_axes(recipes, dict.fromkeys(grid.fields, ()))
    result = train_recipes(splits, recipes, axes, task=name, **options)
    if not result.is_complete:
        raise MonolayerError(STOPPED)
    dataset = splits.dataset
    return FeatureSet(
        name,
        int(dataset.X.shape[1]),
        dataset.X.dtype.name,
        dataset.sha256,
        splits.fingerprint,
        axes,
        result.best,
        tuple(result.to_dict()["runs"]),
    )


def _rank(sets: Sequence[FeatureSet]) -> tuple[FeatureSet, ...]:
    """The feature sets best first, each compared with the best."""
    ranked = sorted(sets, key=lambda one: rank_run(one.best))
    if ranked[0].best.has_diverged:
        raise BadInput(f"All {len(ranked[0].runs)} recipes of every feature set diverged; give lower learning rates.")
    valid = [one for one in ranked if not one.best.has_diverged]
    found = find_indistinguishable(np.array([one.best.val_correct for one in valid]))
    compared = [
        replace(one, p_value=float(p), is_indistinguishable=bool(is_equal))
        for one, p, is_equal in zip(valid, found.adjusted, found.mask, strict=True)
    ]
    return (*compared, *ranked[len(valid) :])


def _open_test(winner: str, splits: Mapping[str, Splits]) -> Rows:
    """Open the winner's test rows. The other feature sets have the same rows, so these count as opened too."""
    rows = splits[winner].open_test(f"{REASON}: {winner}")
    for name, one in splits.items():
        if name != winner:
            one.openings.extend(splits[winner].openings)
    return rows


def _describe(splits: Splits, grid: ProbeGrid, n_candidates: int) -> dict[str, Any]:
    """The part of the protocol that all feature sets share, for JSON."""
    dataset = splits.dataset
    fixed = {name: value for name, value in grid.base.to_dict().items() if name not in grid.fields}
    return {
        "data": {
            "n_classes": dataset.n_classes,
            "rows": {"train": len(splits.train), "val": len(splits.val or ()), "test": splits.n_test},
            "normalize": dataset.normalize,
        },
        "split": {"how": _describe_split(splits), **splits.request},
        "preprocessing": PREPROCESSING,
        "recipe": fixed,
        "axes": {name: list(values) for name, values in grid.axes.items()},
        "rates_as_multiples_of_stable": list(grid.multiples) or None,
        "n_candidates": n_candidates,
        "selection": SELECTION,
        "comparison": TEST,
    }


def _describe_split(splits: Splits) -> str:
    """One sentence on where validation and test rows come from."""
    dataset, seed = splits.dataset, splits.request.get("seed")
    drawn = "the last rows of the training file" if seed is None else f"drawn at random by class with seed {seed}"
    if seed is not None and dataset.groups is not None:
        drawn = f"whole groups, drawn at random with seed {seed}"
    val = "a part of its own" if dataset.val is not None else drawn
    test = "a part of its own" if dataset.test is not None else drawn
    return f"Validation rows: {val}. Test rows: {test}."
