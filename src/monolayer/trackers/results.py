"""The files of a run or sweep that trackers are given: those of its folder, or of one that is made for the purpose."""

from __future__ import annotations

from pathlib import Path

from monolayer.data.splits import Splits
from monolayer.folder import CERTIFICATE, EVALUATION, FIGURES, NETWORK, REPORT, save_run, save_sweep
from monolayer.sweeping import Sweep
from monolayer.training import Run, answer

KEPT = (NETWORK, REPORT, EVALUATION, CERTIFICATE)


def write_results(result: Run | Sweep, splits: Splits | None, folder: Path) -> Path:
    """Write what ``train`` or ``sweep`` would into an empty folder; without splits there is no page. The folder."""
    # Here and below: what draws takes half a second to import, which training need not wait for.
    from monolayer.report.of_run import save_run_with_report, save_sweep_with_report

    if splits is None:
        _write_without_page(result, folder)
    elif isinstance(result, Sweep):
        save_sweep_with_report(result, splits, folder)
    else:
        answers = {"val": answer(result.network, splits.val)} if splits.val else {}
        save_run_with_report(result, splits, folder, answers)
    return folder


def collect_files(folder: Path) -> tuple[dict[str, Path], tuple[Path, ...]]:
    """The pictures of a run's folder by name, and its files that are worth keeping."""
    figures = {path.stem: path for path in sorted((folder / FIGURES).glob("*.png"))}
    return figures, tuple(folder / name for name in KEPT if (folder / name).is_file())


def _write_without_page(result: Run | Sweep, folder: Path) -> None:
    from monolayer.report.of_run import draw_run
    from monolayer.report.pictures import save_pictures
    from monolayer.report.sweep_pictures import draw_sweep

    pictures = []
    if isinstance(result, Sweep):
        save_sweep(result, folder)
        pictures = draw_sweep(result.to_dict(), result.axes, [run.history for run in result.runs])
    else:
        save_run(result, folder)
    save_pictures([*pictures, *draw_run(folder)], folder)
