"""``monolayer calibrate``: a temperature for the probabilities of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monolayer.cli import options as opt
from monolayer.cli.console import print_json, print_line, print_table

if TYPE_CHECKING:
    from monolayer.reports.temperature import FittedTemperature


def calibrate(
    folder: Annotated[Path, typer.Argument(help="A folder that train or sweep made.", metavar="RUN")],
    as_json: opt.AsJson = False,
) -> None:
    """Fit a temperature on the run's validation rows and keep it with its network.

    The network then computes probabilities from scores / temperature: above 1 they become less confident. No class, no
    accuracy and no evaluation in the folder changes. It is fitted on the predictions for the validation rows that are
    in the folder. The rows must not have been trained on; those of a sweep also chose the run, which is printed and
    recorded. No test row is opened.

    Example: monolayer calibrate runs/a
    """
    from monolayer.reports.temperature import calibrate_folder

    calibrated = calibrate_folder(folder)
    if as_json:
        print_json(calibrated.to_dict())
    else:
        _show(calibrated, folder)


def _show(calibrated: FittedTemperature, folder: Path) -> None:
    fit = calibrated.fit
    verdict = "overconfident" if fit.temperature > 1 else "underconfident"
    print_line(
        f"Temperature {fit.temperature:.4g}, fitted on {fit.n:,} validation rows, on which the network was {verdict}; "
        f"their loss changes from {fit.loss_before:.4f} to {fit.loss_after:.4f}."
    )
    if calibrated.caveat:
        print_line(calibrated.caveat)
    if calibrated.test and (before := calibrated.test[0]) and (after := calibrated.test[1]):
        names = {"expected_error": "expected calibration error", "log_loss": "log loss"}
        rows = [
            [names[name], *(f"{m['estimate']:.4f} [{m['interval'][0]:.4f}, {m['interval'][1]:.4f}]" for m in pair)]
            for name in names
            if all(pair := (before[name], after[name]))
        ]
        print_table(
            f"On {before['n']:,} test rows, which were not used to fit it", ["measure", "before", "after"], rows
        )
    else:
        print_line("The test rows are sealed, so its effect on other rows was not measured.")
    print_line(f"The temperature is stored in the network in {folder} and stated in {folder / 'model-card.md'}")
