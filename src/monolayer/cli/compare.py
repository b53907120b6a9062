"""``monolayer compare``: two runs side by side."""

from pathlib import Path
from typing import Annotated

import typer

from monolayer.cli import options as opt
from monolayer.cli.console import print_json, print_line, print_table
from monolayer.cli.session import open_output, show_folder
from monolayer.runs.compare import Comparison
from monolayer.runs.compare import compare as compare_runs


def compare(
    first: Annotated[Path, typer.Argument(help="A folder that train or sweep made.", metavar="RUN")],
    second: Annotated[Path, typer.Argument(help="Another.", metavar="RUN")],
    out: opt.Out = None,
    as_json: opt.AsJson = False,
) -> None:
    """Compare two runs on the same rows: accuracy, paired test, calibration, templates.

    Nothing is trained and no test row is opened: the predictions are in the folders.

    Example: monolayer compare runs/a runs/b --out runs/a-b
    """
    from monolayer.reports.comparison import save_comparison

    with open_output(out) as (console, folder):
        comparison = compare_runs(first, second, progress=console)
        if folder:
            save_comparison(comparison, folder)
    if as_json:
        print_json(comparison.to_dict())
        return
    _show(comparison)
    if out:
        show_folder(out)


def _show(comparison: Comparison) -> None:
    from monolayer.reports.calibration import READING_NAMES
    from monolayer.reports.comparison import SIDES, describe_comparison, make_accuracy_table

    table = make_accuracy_table(comparison)
    for name, side in zip(SIDES, comparison.sides, strict=True):
        print_line(f"{name}: {side.name}")
    kept = [i for i, column in enumerate(table.columns) if column not in ("folder", "gap, points")]  # for 80 columns
    print_table(
        "Accuracy, 95 % intervals",
        [table.columns[i] for i in kept],
        [[str(row[i]) for i in kept] for row in table.rows],
    )
    rows = [
        [
            f"{name}, {READING_NAMES[reading]}",
            f"{e.estimate:.3f} [{e.low:.3f}, {e.high:.3f}]",
            f"{c.brier.estimate:.3f}",
        ]
        for name, readings in zip(SIDES, comparison.calibration, strict=True)
        for reading, c in readings.items()
        for e in [c.expected_error]
    ]
    print_table("Calibration", ["run, reading", "expected error [95 % interval]", "Brier score"], rows)
    for sentence in [*describe_comparison(comparison), comparison.matched.text]:
        print_line(sentence)
