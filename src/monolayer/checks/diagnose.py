"""Run every check that applies to a run, a sweep or a probe; each has exactly one outcome."""

import os
from collections.abc import Sequence
from dataclasses import replace

from monolayer.checks.certificate import Certificate
from monolayer.checks.installation import check_engine
from monolayer.checks.learning_rate import check_descending, check_diverged, check_rate, check_vanished
from monolayer.checks.predictions import check_above_training, check_calibration, check_majority
from monolayer.checks.registry import mute
from monolayer.checks.splits import check_classes, check_fitted, check_leaked, check_openings
from monolayer.checks.sweep import check_edges, check_noise
from monolayer.data.dataset import Splits
from monolayer.engine.native import explain_missing
from monolayer.evaluate.predictions import Predictions, predict_rows
from monolayer.findings import Finding
from monolayer.recipe.losses import compute_chance_loss, get_loss
from monolayer.recipe.recipe import Recipe
from monolayer.training.run import Run
from monolayer.tuning.probe import Probe
from monolayer.tuning.sweep import Sweep


def diagnose_run(
    run: Run,
    splits: Splits,
    predictions: dict[str, Predictions] | None = None,
    *,
    certificate: Certificate | None = None,
    muted: Sequence[str] = (),
) -> Run:
    """Return the run with the findings of every check on it.

    Args:
        run: a trained run.
        splits: what it was trained on.
        predictions: for ``val`` and ``test`` rows, as far as there are any; by default those for the validation rows
            are computed.
        certificate: its distance to the optimum, if that was computed.
        muted: codes of findings to mute.

    Raises:
        BadInput: if a muted code is not that of a check.
    """
    if predictions is None:
        predictions = {"val": predict_rows(run.network, splits.val)} if splits.val else {}
    new = predictions.get("test") or predictions.get("val")
    findings = [
        *_check_descent(run, splits, certificate),
        *check_above_training(run.evaluation),
        *_check_rows(splits),
        check_calibration(new),
        check_majority(new, splits.train.y),
        *_check_installation([run.recipe]),
    ]
    return replace(run, findings=mute(findings, muted))


def diagnose_sweep(sweep: Sweep, splits: Splits, *, muted: Sequence[str] = ()) -> Sweep:
    """Return the sweep with the findings on its ranking and its rows, and ML001 for each run that diverged.

    Args:
        sweep: a finished or stopped sweep.
        splits: what it was trained on.
        muted: codes of findings to mute.

    Raises:
        BadInput: if a muted code is not that of a check.
    """
    is_close: Sequence[bool | None] = [None] * len(sweep.runs)
    noise = check_noise(len(sweep.runs), None, 0)
    if selection := sweep.selection:
        is_close = selection.is_indistinguishable
        noise = check_noise(selection.n_compared, selection.n_indistinguishable, selection.n)
    findings = [
        *check_edges(sweep.axes, [run.recipe.to_dict() for run in sweep.runs], is_close),
        noise,
        *_check_rows(splits),
        *_check_installation([run.recipe for run in sweep.runs]),
    ]
    runs = tuple(replace(run, findings=_list_divergence(run, splits)) for run in sweep.runs)
    return replace(sweep, runs=runs, findings=mute(findings, muted))


def diagnose_probe(probe: Probe, splits: Splits, *, muted: Sequence[str] = ()) -> Probe:
    """Return the probe with the findings of every check on its winner, and on the grid of the winner's feature set.

    Args:
        probe: a finished probe.
        splits: those of the winner's feature set.
        muted: codes of findings to mute.

    Raises:
        BadInput: if a muted code is not that of a check.
    """
    won = probe.sets[0]
    recipes, is_close = zip(*((run["recipe"], run["is_indistinguishable"]) for run in won.runs), strict=True)
    winner = diagnose_run(probe.winner, splits, probe.predictions, muted=muted)
    edges = mute(check_edges(won.grid, recipes, is_close), muted)
    return replace(probe, winner=replace(winner, findings=(*edges, *winner.findings)))


def summarise_findings(findings: Sequence[Finding]) -> str:
    """Count the outcomes of checks, such as ``12 checks: 1 issue, 2 tips, 8 passed, 1 not applicable``."""
    names = {"issue": "issues", "tip": "tips"}
    outcomes = [finding.outcome for finding in findings]
    counts = [
        f"{n} {names.get(outcome, outcome) if n > 1 else outcome}"
        for outcome in ("issue", "tip", "passed", "not applicable", "skipped", "muted")
        if (n := outcomes.count(outcome))
    ]
    return f"{len(findings)} checks: {', '.join(counts)}"


def _list_divergence(run: Run, splits: Splits) -> tuple[Finding, ...]:
    losses = [row.train_loss for row in run.history if row.train_loss is not None]
    start = compute_chance_loss(run.recipe.loss, splits.dataset.n_classes)
    return tuple(check_diverged(run.recipe, losses, start)) if run.has_diverged else ()


def _check_descent(run: Run, splits: Splits, certificate: Certificate | None) -> list[Finding]:
    start = compute_chance_loss(run.recipe.loss, splits.dataset.n_classes)
    rates = [row.learning_rate for row in run.history]
    costs = [row.train_cost for row in run.history]
    losses = [row.train_loss for row in run.history if row.train_loss is not None]
    left = certificate.left if certificate and certificate.has_converged else None
    return [
        check_rate(run.recipe, losses, costs, start),
        check_vanished(rates, left, is_solvable=get_loss(run.recipe.loss).is_smooth),
        check_descending(rates, costs, start),
    ]


def _check_rows(splits: Splits) -> list[Finding]:
    return [
        *check_leaked(None, splits.n_test),
        check_openings([opening.why for opening in splits.openings]),
        check_fitted(splits),
        check_classes(splits.train.y, splits.val.y if splits.val else None, splits.dataset.class_names),
    ]


def _check_installation(recipes: Sequence[Recipe]) -> list[Finding]:
    """ML021, unless no recipe is in float32: the compiled engine trains in float32 only."""
    is_used = any(recipe.dtype == "float32" for recipe in recipes)
    return check_engine(explain_missing(), os.environ.get("MONOLAYER_ENGINE", "")) if is_used else []
