"""``monolayer train``: one recipe, one network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monolayer.cli import options as opt
from monolayer.cli.console import INTERRUPTED, catch_interruption, print_json
from monolayer.cli.options import Request, Without, with_options
from monolayer.cli.session import DataSource, fit_batch_size, open_session
from monolayer.cli.show import show_certificate, show_run
from monolayer.cli.tracking import TrackingOptions
from monolayer.data.options import DataOptions, SplitOptions
from monolayer.recipe.recipe import Recipe
from monolayer.runs.options import RunOptions

if TYPE_CHECKING:
    from monolayer.checks.certificate import Certificate
    from monolayer.cli.console import Console
    from monolayer.cli.session import Session
    from monolayer.data.dataset import Splits
    from monolayer.evaluate.predictions import Predictions
    from monolayer.trackers import RunLogger
    from monolayer.training.history import EpochRow
    from monolayer.training.run import Run

Certify = Annotated[
    bool, typer.Option("--certify", help="Solve the same problem exactly, and show how far from it the run ended.")
]
Sealed = Annotated[
    bool, typer.Option("--sealed", help="Leave the test rows sealed; `report --open-test` opens them later.")
]


@with_options
def train(
    request: Request,
    dataset: opt.DatasetToTrain = None,
    recipe: Recipe = opt.RECIPE,
    training: Annotated[RunOptions, Without("train_every")] = opt.TRAINING,
    split: SplitOptions = opt.SPLIT,
    certify: Certify = False,
    sealed: Sealed = False,
    tracking: TrackingOptions = opt.TRACKING,
    data: opt.Data = None,
    features: opt.FeaturesToTrain = None,
    reading: Annotated[DataOptions, Without("features")] = opt.READING,
    out: opt.Out = None,
    resume: opt.Resume = None,
    config: opt.Config = None,
    as_json: opt.AsJson = False,
) -> None:
    """Train one network and score it on the test rows, once.

    Example: monolayer train cifar10 --learning-rate 0.001 --l2 0.001 --flip 0.5 --val-size 1000 --out runs/a

    Example: monolayer train --config runs/a/config.json --seed 7 --out runs/b

    Example: monolayer train --resume runs/a
    """
    if certify:
        from monolayer.engine.exact import check_solvable

        check_solvable(recipe.loss)
    with open_session(request, training, tracking, out=out, resume=resume) as session:
        source = DataSource(dataset, data, features, reading)
        splits = session.load_splits(source, split, flips=recipe.flip > 0)
        [recipe] = fit_batch_size([recipe], splits, request, session.console)
        session.start(splits, [recipe])
        with session.open_logger(tracking) as logger:
            run = _train(splits, recipe, training.evaluate_every, session, logger)
            run, predictions = _evaluate(run, splits, is_sealed=sealed)
            certificate = _certify(run, splits, session.console) if certify and run.is_complete else None
            run = _check(run, splits, predictions, certificate, training)
            session.publish(
                partial(_save, run, splits, predictions, certificate, session.arguments), is_finished=run.is_complete
            )
            logger.log_result(run, splits=splits, folder=session.folder)
    if as_json:
        print_json(run.to_dict() | ({"certificate": certificate.to_dict()} if certificate else {}))
    else:
        show_run(run)
        if certificate:
            show_certificate(certificate)
        session.show_folder(is_complete=run.is_complete)
    if not run.is_complete:
        raise typer.Exit(INTERRUPTED)


def _train(splits: Splits, recipe: Recipe, evaluate_every: int, session: Session, logger: RunLogger) -> Run:
    """Train to the last epoch or until Ctrl-C, and print a line an epoch."""
    from monolayer.training.history import format_epoch
    from monolayer.training.train import train

    def on_epoch(recipes: Sequence[Recipe], rows: Sequence[EpochRow]) -> None:
        logger.on_epoch(recipes, rows)
        if rows[0].train_loss is not None:
            session.console.info(format_epoch(rows[0], recipe.epochs))

    with catch_interruption(session.console) as interruption:
        run = train(
            splits,
            recipe,
            train_every=evaluate_every,
            val_every=evaluate_every,
            on_epoch=on_epoch,
            should_stop=interruption.should_stop,
            progress=session.console,
            checkpointer=session.open_checkpoints(logger),
        )
    session.console.close()
    return run


def _evaluate(run: Run, splits: Splits, *, is_sealed: bool) -> tuple[Run, dict[str, Predictions]]:
    """The run with its test metrics, and its predictions for the validation and test rows."""
    from monolayer.evaluate.predictions import predict_rows
    from monolayer.training.run import add_test_metrics

    predictions = {"val": predict_rows(run.network, splits.val)} if splits.val else {}
    # The test rows of a run that was stopped stay sealed until it is finished.
    if run.is_complete and not is_sealed:
        predictions["test"] = predict_rows(run.network, splits.open_test("final evaluation"))
        run = add_test_metrics(run, predictions["test"])
    return run, predictions


def _certify(run: Run, splits: Splits, console: Console) -> Certificate:
    from monolayer.checks.certificate import certify

    certificate = certify(run, splits, progress=console)
    console.close()
    return certificate


def _check(
    run: Run,
    splits: Splits,
    predictions: dict[str, Predictions],
    certificate: Certificate | None,
    training: RunOptions,
) -> Run:
    """The run with its findings and its licence."""
    # Imported after the training, which need not wait for the libraries that search.
    from monolayer.checks.diagnose import diagnose_run

    run = diagnose_run(run, splits, predictions, certificate=certificate, muted=training.mute)
    return replace(run, network=run.network.with_metadata(licence=training.licence.strip()))


def _save(
    run: Run,
    splits: Splits,
    predictions: dict[str, Predictions],
    certificate: Certificate | None,
    arguments: list[str] | None,
    folder: Path,
) -> None:
    from monolayer.reports.run import save_run_with_report
    from monolayer.runs.folder import save_certificate

    if certificate:
        save_certificate(certificate, folder)
    save_run_with_report(run, splits, folder, predictions, arguments)
