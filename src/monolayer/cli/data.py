"""``monolayer data describe``: shows how monolayer reads a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monolayer.cli import options as opt
from monolayer.cli.console import print_json, print_line, print_table
from monolayer.cli.main import SETTINGS
from monolayer.cli.options import Without, with_options
from monolayer.cli.session import open_output, show_folder
from monolayer.cli.show import show_findings
from monolayer.data.options import DataOptions

if TYPE_CHECKING:
    from monolayer.checks.describe import Description

data = typer.Typer(help="Look at a dataset before training.", no_args_is_help=True, **SETTINGS)
# Classes in the table; --json has all.
MOST_CLASSES = 40


@data.callback()
def _group() -> None:
    """Look at a dataset before training."""


@data.command()
@with_options
def describe(
    dataset: opt.DatasetName,
    data: opt.Data = None,
    reading: Annotated[DataOptions, Without("normalize")] = opt.READING,
    out: opt.Out = None,
    as_json: opt.AsJson = False,
) -> None:
    """Describe a dataset: rows, classes, shape, values, hash, a contact sheet, and what looks wrong.

    Example: monolayer data describe photos/ --resize 32x32 --out looked

    Example: monolayer data describe table.csv --label species
    """
    from monolayer.checks.describe import describe as describe_data
    from monolayer.reports.dataset import save_description

    with open_output(out) as (console, folder):
        found = describe_data(dataset, path=data, progress=console, **vars(reading))
        if folder:
            save_description(found, folder)
    if as_json:
        print_json(found.to_dict())
    else:
        _show(found, out)


def _show(found: Description, out: Path | None) -> None:
    from monolayer.reports.dataset import CONTACT_SHEET, list_counts, list_facts

    print_table(found.dataset.name, ["what", "value"], [list(fact) for fact in list_facts(found)])
    columns, lines = list_counts(found, MOST_CLASSES)
    more = "" if len(lines) == found.dataset.n_classes else f" (the first {MOST_CLASSES})"
    print_table(f"Rows a class{more}", columns, lines)
    show_findings(found.findings)
    has_images = found.dataset.image_shape is not None
    if out is None:
        print_line(f"--out DIR writes a report{' with a contact sheet' if has_images else ''}.")
        return
    sheet = f"The contact sheet is {out / 'figures' / CONTACT_SHEET}.png"
    print_line(sheet if has_images else "The rows are not images, so there is no contact sheet.")
    show_folder(out)
