"""``monolayer reproduce``: the bonus assignment, all of it, with its report."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monolayer.cli import options as opt
from monolayer.cli.console import open_console, print_json, print_line, print_table

if TYPE_CHECKING:
    from monolayer.cli.console import Console
    from monolayer.data.dataset import Dataset
    from monolayer.studies.bonus.study import StudyResult


def reproduce(
    dataset: Annotated[
        str | None,
        typer.Argument(help="cifar10 or digits.", show_default="cifar10, or digits where it cannot be had"),
    ] = None,
    epochs: opt.Epochs = 40,
    seed: opt.Seed = 42,
    seeds: Annotated[int, typer.Option(min=2, help="Seeds in a row that every declared recipe is trained with.")] = 5,
    engine: opt.Engine = None,
    threads: opt.Threads = None,
    data: opt.Data = None,
    out: Annotated[Path, typer.Option(help="The folder for the report.")] = Path("runs/report"),
    ladder: Annotated[
        Path | None,
        typer.Option(
            help="The folder of a `monolayer ladder` of the same dataset, for a section of the report.",
            show_default="no such section",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an older report in that folder.")] = False,
    as_json: opt.AsJson = False,
) -> None:
    """Run every experiment of the bonus assignment and write report.html, report.md and results.json.

    Example: monolayer reproduce cifar10 --out runs/report
    """
    from monolayer.runs.folder import REPORT_FOLDER, open_new_folder
    from monolayer.studies.bonus.report import save_study
    from monolayer.studies.bonus.study import Plan, run_study
    from monolayer.studies.ladder.report import load_ladder_of

    with ExitStack() as stack:
        console = stack.enter_context(open_console())
        folder = stack.enter_context(open_new_folder(out, kind=REPORT_FOLDER, overwrite=overwrite))
        loaded, fallback = _load(dataset, data, console)
        if ladder and fallback:
            console.warn(f"{ladder} is left out of the report, which is not of CIFAR-10.")
            ladder = None
        if ladder:
            load_ladder_of(loaded, ladder)  # what is wrong with it is known before anything is trained
        result = run_study(loaded, Plan(epochs, seed, seeds), progress=console, fallback=fallback)
        console.close()
        console.info("Drawing the report")
        results = save_study(result, folder, ladder)
    _show(result, results, out, as_json)


def _load(name: str | None, data: Path | None, console: Console) -> tuple[Dataset, str]:
    """The dataset, and why it is not CIFAR-10 where none was named and CIFAR-10 cannot be had."""
    from monolayer.errors import DataUnavailable

    try:
        return opt.load_dataset(name or "cifar10", data, console), ""
    except DataUnavailable as error:
        if name is not None:
            raise
        console.warn(f"{error}\n\n*** CIFAR-10 IS NOT TO BE HAD: THE STUDY RUNS ON DIGITS INSTEAD ***\n")
        return opt.load_dataset("digits", None, console), str(error)


def _show(result: StudyResult, results: dict[str, Any], out: Path, as_json: bool) -> None:
    from monolayer.studies.bonus.report import make_study_table

    if as_json:
        print_json(results)
        return
    columns, rows = make_study_table(result)
    # 80 columns hold the names and two accuracies; those of training, and the recipes, stand in the report.
    print_table(f"Accuracy on {result.dataset.name}, 95 % intervals", columns[:3], [row[:3] for row in rows])
    if result.fallback:
        print_line("*** THIS IS NOT CIFAR-10: no source of it could be reached, so the study ran on digits. ***")
    print_line(f"The report: {(out / 'report.html').resolve()}")
