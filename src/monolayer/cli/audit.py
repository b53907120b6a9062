"""``monolayer audit``: finds duplicates in a dataset, or tests claimed accuracies."""

from pathlib import Path
from typing import Annotated

import typer

from monolayer.cli import options as opt
from monolayer.cli.console import print_json, print_line
from monolayer.cli.options import Only, Without, with_options
from monolayer.cli.run_options import RunOptions
from monolayer.cli.session import open_output
from monolayer.cli.show import show_finding
from monolayer.data.options import DataOptions
from monolayer.errors import BadInput


@with_options
def audit(
    dataset: Annotated[
        str | None,
        typer.Argument(help="A dataset: cifar10, digits, or the path of data of your own.", metavar="[DATASET]"),
    ] = None,
    train: Annotated[str | None, typer.Option(help="A claimed training accuracy in per cent, such as 45.18.")] = None,
    val: Annotated[str | None, typer.Option(help="A claimed validation accuracy and its rows: 79.00:1000.")] = None,
    test: Annotated[str | None, typer.Option(help="A claimed test accuracy and its rows: 51.87:10000.")] = None,
    within: Annotated[
        bool,
        typer.Option("--within", help="Also search within the training file (the default without test rows)."),
    ] = False,
    run: Annotated[
        Path | None, typer.Option(help="A run's folder: also compute its test accuracy without the leaked rows.")
    ] = None,
    training: Annotated[RunOptions, Only("mute")] = opt.TRAINING,
    data: opt.Data = None,
    reading: Annotated[DataOptions, Without("normalize")] = opt.READING,
    out: opt.Out = None,
    as_json: opt.AsJson = False,
) -> None:
    """Find duplicates between (and within) the files of a dataset, or judge claimed accuracies.

    Example: monolayer audit cifar10 --run runs/a --out runs/audit

    Example: monolayer audit photos/ --resize 32x32

    Example: monolayer audit --train 45.18 --val 79.00:1000 --test 51.87:10000
    """
    parsed = {name: _parse_claim(name, text) for name, text in (("val", val), ("test", test)) if text is not None}
    if run is not None and dataset is None:
        raise BadInput("--run needs the dataset that the run was trained on: monolayer audit DATASET --run DIR.")
    if dataset is None and not (train and parsed):
        raise BadInput("Name a dataset to search, or claims to check: --train 45.18 with --val 79.00:1000 or --test.")
    if out is not None and dataset is None:
        raise BadInput("--out keeps what a search finds, so it needs a dataset: monolayer audit DATASET --out DIR.")
    claims: dict[str, float | tuple[float, int]] | None = (
        {"train": _parse_training(train), **parsed} if train and parsed else None
    )
    from monolayer.reports.duplicates import save_audit
    from monolayer.runs.audit import audit as audit_dataset

    options = {"path": data, **vars(reading)} if dataset is not None else {}
    with open_output(out) as (console, folder):
        found = audit_dataset(
            dataset, claims=claims, within=within, run=run, muted=training.mute, progress=console, **options
        )
        if folder:
            save_audit(found, folder)
    if as_json:
        print_json(found.to_dict())
        return
    if dataset is not None:
        print_line(found.describe_search())
    for finding in found.findings:
        show_finding(finding)
    if found.run:
        print_line(found.describe_run())
    if out:
        print_line(f"Every pair is in {out / 'duplicates.csv'}; the report is {out / 'report.html'}")


def _parse_claim(name: str, text: str) -> tuple[float, int]:
    from monolayer.checks.plausibility import Accuracy

    per_cent, _, n = text.partition(":")
    try:
        claim = float(per_cent) / 100, int(n)
        Accuracy(*claim)
    except ValueError:
        raise BadInput(f"--{name} {text!r} is not PERCENT:ROWS, such as 79.00:1000.") from None
    return claim


def _parse_training(text: str) -> float:
    try:
        accuracy = float(text) / 100
    except ValueError:
        raise BadInput(f"--train {text!r} is not an accuracy in per cent, such as 45.18.") from None
    if not 0 <= accuracy <= 1:
        raise BadInput(f"--train {text!r} is not between 0 and 100 per cent.")
    return accuracy
