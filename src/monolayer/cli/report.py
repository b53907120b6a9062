"""``monolayer report``: renders the report of a run again from its folder."""

from pathlib import Path
from typing import Annotated, Any

import typer

from monolayer.cli import options as opt
from monolayer.cli.console import Console, open_console, print_json, print_line
from monolayer.cli.session import load_dataset
from monolayer.data.dataset import Dataset
from monolayer.data.options import DataOptions
from monolayer.errors import BadInput
from monolayer.runs.folder import load_evaluation


def report(
    folder: Annotated[Path, typer.Argument(help="A folder that train, sweep, probe or ladder made.")],
    open_test: Annotated[
        str | None,
        typer.Option(help="Open the test rows for this reason: score the run, or a sweep's best run, on them."),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="With --open-test: open them although they were opened before.")
    ] = False,
    heat_map: Annotated[
        str | None,
        typer.Option(help="The two fields of a sweep's heat map, such as l2,flip.", show_default="most values"),
    ] = None,
    data: opt.Data = None,
    as_json: opt.AsJson = False,
) -> None:
    """Render figures/ and report.html again from the contents of a run's folder.

    Example: monolayer report runs/a

    Example: monolayer report runs/grid --open-test "the recipe is chosen"

    Example: monolayer report runs/grid --heat-map l2,batch-size
    """
    from monolayer.reports.probe import is_probe, write_probe_report
    from monolayer.reports.run import write_run_report
    from monolayer.studies.ladder.report import is_ladder, write_ladder_report

    if open_test is not None:
        _open_test(folder, open_test, again, data)
    elif again:
        raise BadInput("--again goes with --open-test REASON, which opens the test rows.")
    elif is_probe(folder) and heat_map is None:
        write_probe_report(folder)
    elif is_ladder(folder) and heat_map is None:
        write_ladder_report(folder)
    else:
        write_run_report(folder, _read_pair(heat_map) if heat_map is not None else None)
    page = str(folder / "report.html")
    if as_json:
        print_json({"report": page})
    else:
        print_line(page)


def _read_pair(text: str) -> tuple[str, str]:
    fields = [field.strip().replace("-", "_") for field in text.split(",")]
    if len(fields) != 2:
        raise BadInput(f"--heat-map takes two fields of the sweep, such as l2,batch-size, not {text!r}.")
    return fields[0], fields[1]


def _open_test(folder: Path, reason: str, again: bool, data: Path | None) -> None:
    from monolayer.reports.open_test import open_test

    if not reason.strip():
        raise BadInput("--open-test needs a reason, such as 'the recipe is chosen'.")
    with open_console() as console:
        dataset = _load_again(load_evaluation(folder)["dataset"], data, console)
        evaluation = open_test(folder, dataset, reason, again=again)
        n = len(evaluation["test_openings"])
        console.info(f"Test rows opened {'once' if n == 1 else f'{n} times'}; recorded in {folder / 'evaluation.json'}")


def _load_again(described: dict[str, Any], data: Path | None, console: Console) -> Dataset:
    """The dataset that a run was trained on; a user's data from ``data``, or from its path at that time."""
    reading = dict(described.get("reading") or {})
    place = reading.pop("path", None)
    if place is None:
        return load_dataset(described["name"], data, console, DataOptions.from_dict(reading))
    return load_dataset(str(data or place), None, console, DataOptions.from_dict(reading))
