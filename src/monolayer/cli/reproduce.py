"""``monolayer reproduce``: runs the bonus assignment and writes its report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monolayer.cli import options as opt
from monolayer.cli.console import Console, open_console, print_json, print_line, print_table
from monolayer.cli.options import Only, with_options
from monolayer.cli.run_options import RunOptions
from monolayer.cli.session import load_dataset
from monolayer.data.dataset import Dataset
from monolayer.errors import DataUnavailable
from monolayer.recipe.recipe import Recipe
from monolayer.runs.folder import REPORT_FOLDER, open_new_folder

if TYPE_CHECKING:
    from monolayer.studies.bonus.study import StudyResult


@with_options
def reproduce(
    dataset: Annotated[
        str | None,
        typer.Argument(help="cifar10 or digits.", show_default="cifar10, or digits where it cannot be had"),
    ] = None,
    recipe: Annotated[Recipe, Only("epochs", "seed")] = opt.RECIPE,
    seeds: Annotated[int, typer.Option(min=2, help="Seeds in a row that every declared recipe is trained with.")] = 5,
    training: Annotated[RunOptions, Only("engine", "threads")] = opt.TRAINING,
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
    from monolayer.studies.bonus.report import save_study
    from monolayer.studies.bonus.study import StudyPlan, run_study
    from monolayer.studies.ladder.report import load_ladder_of

    new_folder = open_new_folder(out, kind=REPORT_FOLDER, overwrite=overwrite)
    with training.use_engine(), open_console() as console, new_folder as folder:
        loaded, fallback = _load(dataset, data, console)
        if ladder and fallback:
            console.warn(f"{ladder} is left out of the report, which is not of CIFAR-10.")
            ladder = None
        if ladder:
            load_ladder_of(loaded, ladder)  # what is wrong with it is known before anything is trained
        result = run_study(loaded, StudyPlan(recipe.epochs, recipe.seed, seeds), progress=console, fallback=fallback)
        console.close()
        console.info("Drawing the report")
        results = save_study(result, folder, ladder)
    if as_json:
        print_json(results)
    else:
        _show(result, out)


def _load(name: str | None, data: Path | None, console: Console) -> tuple[Dataset, str]:
    """The dataset, and the reason if it is digits because CIFAR-10 cannot be obtained."""
    try:
        return load_dataset(name or "cifar10", data, console), ""
    except DataUnavailable as error:
        if name is not None:
            raise
        console.warn(f"{error}\n\n*** CIFAR-10 CANNOT BE OBTAINED: THE STUDY RUNS ON DIGITS INSTEAD ***\n")
        return load_dataset("digits", None, console), str(error)


def _show(result: StudyResult, out: Path) -> None:
    from monolayer.studies.bonus.report import make_study_table

    columns, rows = make_study_table(result)
    # Names and two accuracies fit into 80 columns; the report also has the training accuracies and the recipes.
    print_table(f"Accuracy on {result.dataset.name}, 95 % intervals", columns[:3], [row[:3] for row in rows])
    if result.fallback:
        print_line("*** THIS IS NOT CIFAR-10: no source of it could be reached, so the study ran on digits. ***")
    print_line(f"The report: {(out / 'report.html').resolve()}")
