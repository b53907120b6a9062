"""``monolayer train``: one recipe, one network."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from monolayer.cli import options as opt
from monolayer.cli.console import INTERRUPTED, catch_interruption, open_console, print_json, print_line
from monolayer.cli.show import show_certificate, show_run

if TYPE_CHECKING:
    from monolayer.certificate import Certificate
    from monolayer.cli.console import Console
    from monolayer.data.splits import Splits
    from monolayer.history import EpochRow
    from monolayer.recipe import Recipe
    from monolayer.training import Run


def train(
    context: typer.Context,
    dataset: opt.DatasetName,
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
    mute: opt.Mute = None,
    data: opt.Data = None,
    out: opt.Out = None,
    as_json: opt.AsJson = False,
) -> None:
    """Train one network and score it on the test rows, once.

    Example: monolayer train cifar10 --learning-rate 0.001 --l2 0.001 --flip 0.5 --val-size 1000 --out runs/a
    """
    recipe = opt.read_recipe(context)
    from monolayer.audit.finding import check_codes
    from monolayer.diagnosing import diagnose_run
    from monolayer.folder import CERTIFICATE, open_new_folder, write_json
    from monolayer.report.of_run import save_run_with_report
    from monolayer.training import add_test_metrics, answer

    check_codes(mute or ())
    with ExitStack() as stack:
        console = stack.enter_context(open_console())
        folder = stack.enter_context(open_new_folder(out)) if out else None
        splits = opt.SplitOptions(val_size, train_size, test_size, split_seed).split(
            opt.load_dataset(dataset, data, console)
        )
        run = _run(splits, recipe, evaluate_every, console)
        # The test rows stay sealed for a run that was stopped: they are for the one that is finished.
        answers = {"val": answer(run.network, splits.val)} if splits.val else {}
        if run.is_complete and not sealed:
            answers["test"] = answer(run.network, splits.open_test("final evaluation"))
            run = add_test_metrics(run, answers["test"])
        certificate = _certify(run, splits, console) if certify and run.is_complete else None
        run = diagnose_run(run, splits, answers, certificate=certificate, muted=mute or ())
        if folder:
            if certificate:
                write_json(folder / CERTIFICATE, certificate.to_dict())
            save_run_with_report(run, splits, folder, answers)
    _print_run(run, certificate, as_json)
    if out and not as_json:
        print_line(f"Everything is in {out}; the page is {out / 'report.html'}")
    if not run.is_complete:
        raise typer.Exit(INTERRUPTED)


def _run(splits: Splits, recipe: Recipe, every: int, console: Console) -> Run:
    from monolayer.epochs import TrainOptions
    from monolayer.report.of_history import format_epoch
    from monolayer.training import train

    def tell(rows: list[EpochRow]) -> None:
        console.say(format_epoch(rows[0], recipe.epochs))

    with catch_interruption(console) as interruption:
        run = train(splits, recipe, options=TrainOptions(every, every, tell, interruption.should_stop, console))
    console.close()
    return run


def _certify(run: Run, splits: Splits, console: Console) -> Certificate:
    from monolayer.certificate import certify

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
