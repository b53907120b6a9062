"""``monolayer train``: one recipe, one network."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monolayer.cli import options as opt
from monolayer.cli.console import INTERRUPTED, catch_interruption, open_console, print_json
from monolayer.cli.session import (
    DataRequest,
    fit_batch_sizes,
    open_work,
    read_command,
    read_data_request,
    settle,
    show_where,
)
from monolayer.cli.show import show_certificate, show_run
from monolayer.cli.tracking import TrackRequest, read_tracking

if TYPE_CHECKING:
    from monolayer.checks.certificate import Certificate
    from monolayer.cli.console import Console
    from monolayer.data.dataset import Splits
    from monolayer.recipe.recipe import Recipe
    from monolayer.runs.resume import Unfinished
    from monolayer.trackers import RunLogger
    from monolayer.training.history import EpochRow
    from monolayer.training.run import Run


def train(
    context: typer.Context,
    dataset: opt.DatasetToTrain = None,
    loss: opt.Loss = "cross-entropy",
    learning_rate: opt.LearningRate = 0.001,
    l2: opt.L2 = 0.0,
    batch_size: opt.BatchSize = 100,
    epochs: opt.Epochs = 40,
    schedule: opt.Schedule = "constant",
    flip: opt.Flip = 0.0,
    init_std: opt.InitStd = 0.01,
    seed: opt.Seed = 42,
    dtype: opt.Dtype = "float32",
    shuffle: opt.Shuffle = "full",
    engine: opt.Engine = None,
    threads: opt.Threads = None,
    train_size: opt.TrainSize = None,
    val_size: opt.ValSize = None,
    test_size: opt.TestSize = None,
    split_seed: opt.SplitSeed = None,
    evaluate_every: Annotated[
        int, typer.Option(min=0, help="Evaluate after every so many epochs; 0: only after the last.")
    ] = 1,
    certify: Annotated[
        bool, typer.Option("--certify", help="Solve the same problem exactly, and say how far the run stopped from it.")
    ] = False,
    sealed: Annotated[
        bool, typer.Option("--sealed", help="Leave the test rows sealed; `report --open-test` opens them later.")
    ] = False,
    licence: opt.Licence = "",
    mute: opt.Mute = None,
    track: opt.Track = None,
    data: opt.Data = None,
    label: opt.Label = None,
    features: opt.FeaturesToTrain = None,
    split_by: opt.SplitBy = None,
    group_by: opt.GroupBy = None,
    resize: opt.Resize = None,
    channels: opt.Channels = None,
    normalize: opt.Normalize = "none",
    out: opt.Out = None,
    resume: opt.Resume = None,
    as_json: opt.AsJson = False,
) -> None:
    """Train one network and score it on the test rows, once.

    Example: monolayer train cifar10 --learning-rate 0.001 --l2 0.001 --flip 0.5 --val-size 1000 --out runs/a

    Example: monolayer train --resume runs/a
    """
    from monolayer.findings import check_codes

    check_codes(mute or ())
    with ExitStack() as stack:
        console = stack.enter_context(open_console())
        work = stack.enter_context(open_work(context, console))
        request = _Request.from_dict(work.request) if work and work.request else _read_request(context)
        splits = request.rows.load(data, console, flips=request.recipe.flip > 0)
        request = request.fit(context, splits, console)
        if work is not None:
            settle(work, request.to_dict(), splits, console)
        logger = stack.enter_context(request.track.open(console, request.rows))
        run, certificate = _train(request, splits, work, console, logger)
        logger.log_result(run, splits=splits, folder=work.path if work else None)
    _print_run(run, certificate, as_json)
    if not as_json:
        show_where(context, is_complete=run.is_complete)
    if not run.is_complete:
        raise typer.Exit(INTERRUPTED)


@dataclass(frozen=True)
class _Request:
    """What the command was asked for, all that going on needs."""

    rows: DataRequest
    recipe: Recipe
    evaluate_every: int
    certify: bool
    sealed: bool
    mute: list[str]
    track: TrackRequest = field(default_factory=TrackRequest)
    licence: str = ""

    def fit(self, context: typer.Context, splits: Splits, console: Console) -> _Request:
        """The request with batches that the rows fill, where no batch size was asked for.

        Raises:
            BadInput: if the recipe does not fit the rows.
        """
        from monolayer.training.run import check_recipe

        recipe = fit_batch_sizes(context, [self.recipe], splits, console)[0]
        check_recipe(recipe, splits)
        return replace(self, recipe=recipe)

    def to_dict(self) -> dict[str, Any]:
        return {
            **vars(self),
            "rows": self.rows.to_dict(),
            "recipe": self.recipe.to_dict(),
            "track": self.track.to_dict(),
        }

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> _Request:
        from monolayer.recipe.recipe import Recipe

        rest = {name: content[name] for name in ("evaluate_every", "certify", "sealed", "mute")}
        rest["track"] = TrackRequest.from_dict(content.get("track"))
        rest["licence"] = content.get("licence", "")  # folders of earlier versions do not say
        return cls(DataRequest.from_dict(content["rows"]), Recipe.from_dict(content["recipe"]), **rest)


def _read_request(context: typer.Context) -> _Request:
    given = context.params
    rest = {name: given[name] for name in ("evaluate_every", "certify", "sealed", "licence")}
    rest |= {"mute": list(given["mute"] or ()), "track": read_tracking(context)}
    return _Request(read_data_request(context), opt.read_recipe(context), **rest)


def _train(
    request: _Request, splits: Splits, work: Unfinished | None, console: Console, logger: RunLogger
) -> tuple[Run, Certificate | None]:
    """Train, score and diagnose; everything goes into the folder, if there is one."""
    run = _run(splits, request, work, console, logger)
    # After the training, which need not wait for the libraries that search and draw.
    from monolayer.checks.diagnose import diagnose_run
    from monolayer.training.run import add_test_metrics, predict_rows

    predictions = {"val": predict_rows(run.network, splits.val)} if splits.val else {}
    # The test rows stay sealed for a run that was stopped: they are for the one that is finished.
    if run.is_complete and not request.sealed:
        predictions["test"] = predict_rows(run.network, splits.open_test("final evaluation"))
        run = add_test_metrics(run, predictions["test"])
    certificate = _certify(run, splits, console) if request.certify and run.is_complete else None
    run = diagnose_run(run, splits, predictions, certificate=certificate, muted=request.mute)
    run = replace(run, network=run.network.keep(licence=request.licence.strip()))

    def write(folder: Path) -> None:
        from monolayer.reports.run import save_run_with_report
        from monolayer.runs.folder import save_certificate

        if certificate:
            save_certificate(certificate, folder)
        save_run_with_report(run, splits, folder, predictions, read_command(work))

    if work is not None:
        work.publish(write, is_finished=run.is_complete)
    return run, certificate


def _run(splits: Splits, request: _Request, work: Unfinished | None, console: Console, logger: RunLogger) -> Run:
    from monolayer.training.history import format_epoch
    from monolayer.training.run import train

    recipe, every = request.recipe, request.evaluate_every

    def on_epoch(recipes: Sequence[Recipe], rows: Sequence[EpochRow]) -> None:
        logger.on_epoch(recipes, rows)
        if rows[0].train_loss is not None:
            console.info(format_epoch(rows[0], recipe.epochs))

    with catch_interruption(console) as interruption:
        run = train(
            splits,
            recipe,
            train_every=every,
            val_every=every,
            on_epoch=on_epoch,
            should_stop=interruption.should_stop,
            progress=console,
            checkpointer=logger.restore_from(work.checkpoints) if work else None,
        )
    console.close()
    return run


def _certify(run: Run, splits: Splits, console: Console) -> Certificate:
    from monolayer.checks.certificate import certify

    certificate = certify(run, splits, progress=console)
    console.close()
    return certificate


def _print_run(run: Run, certificate: Certificate | None, as_json: bool) -> None:
    if as_json:
        extra = {"certificate": certificate.to_dict()} if certificate else {}
        print_json({**run.to_dict(), **extra})
        return
    show_run(run)
    if certificate:
        show_certificate(certificate)
