"""``monolayer train``: one recipe, one network."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import typer

from monolayer.checks.certificate import certify as certify_run
from monolayer.cli import options as opt
from monolayer.cli.console import INTERRUPTED, catch_interruption, print_json
from monolayer.cli.options import Request, Without, with_options
from monolayer.cli.run_options import RunOptions
from monolayer.cli.session import DataSource, Session, fit_batch_sizes, open_session
from monolayer.cli.show import show_certificate, show_run
from monolayer.cli.tracking import TrackingOptions
from monolayer.data.dataset import Splits
from monolayer.data.options import DataOptions, SplitOptions
from monolayer.engine.exact import check_solvable
from monolayer.evaluate.predictions import predict_rows
from monolayer.recipe.recipe import Recipe
from monolayer.trackers import RunLogger
from monolayer.training.history import EpochRow, format_epoch
from monolayer.training.run import Run, add_test_metrics
from monolayer.training.train import train as train_recipe

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
        check_solvable(recipe.loss)
    with open_session(request, training, tracking, out=out, resume=resume) as session:
        source = DataSource(dataset, data, features, reading)
        splits = session.load_splits(source, split, flips=recipe.flip > 0)
        [recipe] = fit_batch_sizes([recipe], splits, request, session.console)
        session.start(splits, [recipe])
        with session.open_logger(tracking) as logger:
            run = _train(splits, recipe, training.evaluate_every, session, logger)
            predictions = {"val": predict_rows(run.network, splits.val)} if splits.val else {}
            if run.is_complete and not sealed:  # a run that was stopped is evaluated on test rows when it is finished
                predictions["test"] = predict_rows(run.network, splits.open_test("final evaluation"))
                run = add_test_metrics(run, predictions["test"])
            certificate = certify_run(run, splits, progress=session.console) if certify and run.is_complete else None
            session.console.close()
            # Imported after the training, which does not need Matplotlib and SciPy.
            from monolayer.checks.diagnose import diagnose_run
            from monolayer.reports.run import save_run_with_report

            run = diagnose_run(run, splits, predictions, certificate=certificate, muted=training.mute)
            run = replace(run, network=run.network.with_metadata(licence=training.licence.strip()))
            session.publish(
                lambda folder: save_run_with_report(
                    run, splits, folder, predictions, session.arguments, certificate=certificate
                ),
                is_finished=run.is_complete,
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
    """Train to the last epoch or until Ctrl-C, and print a line for each epoch."""

    def on_epoch(recipes: Sequence[Recipe], rows: Sequence[EpochRow]) -> None:
        logger.on_epoch(recipes, rows)
        if rows[0].train_loss is not None:
            session.console.info(format_epoch(rows[0], recipe.epochs))

    with catch_interruption(session.console) as interruption:
        return train_recipe(
            splits,
            recipe,
            train_every=evaluate_every,
            val_every=evaluate_every,
            on_epoch=on_epoch,
            should_stop=interruption.should_stop,
            progress=session.console,
            checkpointer=session.open_checkpoints(logger),
        )
