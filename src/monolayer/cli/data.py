"""``monolayer data describe``: what was understood of a dataset, before anything is trained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from monolayer.cli import options as opt
from monolayer.cli.console import open_console, print_json, print_line, print_table
from monolayer.cli.show import show_findings

if TYPE_CHECKING:
    from monolayer.describing import Description

data = typer.Typer(help="Look at a dataset before training.", no_args_is_help=True, rich_markup_mode=None)
# Classes that a table lists; --json has all.
MOST_CLASSES = 40


@data.callback()
def _group() -> None:
    """Look at a dataset before training."""


@data.command()
def describe(
    context: typer.Context,
    dataset: opt.DatasetName,
    label: opt.Label = None,
    features: opt.Features = None,
    split_by: opt.SplitBy = None,
    group_by: opt.GroupBy = None,
    resize: opt.Resize = None,
    out: opt.Out = None,
    as_json: opt.AsJson = False,
) -> None:
    """Say what was understood: rows, classes, shape, values, hash, a contact sheet, and what looks wrong.

    Example: monolayer data describe photos/ --resize 32x32 --out looked

    Example: monolayer data describe table.csv --label species
    """
    from monolayer.describing import describe_data
    from monolayer.folder import open_new_folder, write_json

    reading = opt.read_reading(context)
    with open_console() as console:
        found = describe_data(dataset, progress=console, **reading)
    if out is not None:
        with open_new_folder(out) as folder:
            write_json(folder / "description.json", found.to_dict())
            _save_contact_sheet(found, folder)
    if as_json:
        print_json(found.to_dict())
    else:
        _show(found, out)


def _save_contact_sheet(found: Description, folder: Path) -> None:
    from monolayer.figures import ContactSheet, save_png

    if found.dataset.image_shape is not None:
        save_png(ContactSheet.of(found.dataset), folder / "contact-sheet.png")


def _show(found: Description, out: Path | None) -> None:
    facts = found.to_dict()
    shape = "no images" if found.dataset.image_shape is None else "x".join(map(str, found.dataset.image_shape))
    rows = [
        ["kind", facts["kind"]],
        ["rows", ", ".join(f"{n:,} {part}" for part, n in facts["rows"].items())],
        ["classes", f"{found.dataset.n_classes:,}"],
        ["features", f"{facts['n_features']:,} {facts['dtype']}, {shape}"],
        ["values", "{:g} to {:g}".format(*facts["values"])],
        ["size", f"{facts['bytes'] / 2**20:,.1f} MiB, {'on the disk' if found.is_mapped else 'in memory'}"],
        ["SHA-256", facts["sha256"]],
    ]
    print_table(found.dataset.name, ["", ""], rows)
    counts = found.count_classes()
    names = found.dataset.class_names[:MOST_CLASSES]
    more = "" if len(names) == found.dataset.n_classes else f" (the first {MOST_CLASSES})"
    table = [[name, *(f"{counts[part][name]:,}" for part in counts)] for name in names]
    print_table(f"Rows a class{more}", ["class", *counts], table)
    show_findings(found.findings)
    if out is not None:
        print_line(
            f"The contact sheet is {out / 'contact-sheet.png'}"
            if found.dataset.image_shape
            else f"The rows are no images, so there is no contact sheet; the rest is in {out / 'description.json'}"
        )
    elif found.dataset.image_shape:
        print_line("With --out DIR there is a contact sheet, too.")
