"""``monolayer report``: the page of a run, made again from its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from monolayer.cli import options as opt
from monolayer.cli.console import print_json, print_line


def report(
    folder: Annotated[Path, typer.Argument(help="A folder that train or sweep made.")],
    as_json: opt.AsJson = False,
) -> None:
    """Make figures/ and report.html again from what a run's folder holds.

    Example: monolayer report runs/a
    """
    from monolayer.report.of_run import write_run_report

    write_run_report(folder)
    page = str(folder / "report.html")
    if as_json:
        print_json({"report": page})
    else:
        print_line(page)
