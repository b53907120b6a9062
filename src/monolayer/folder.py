"""The folder of a run: its layout, written whole or not at all."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from monolayer.errors import BadData, BadInput
from monolayer.network import OneLayer
from monolayer.recipe import Recipe
from monolayer.sweeping import Sweep
from monolayer.training import HISTORY_COLUMNS, EpochRow, Run

RECIPE = "recipe.json"
HISTORY = "history.csv"
NETWORK = "network.safetensors"
EVALUATION = "evaluation.json"
SWEEP = "sweep.csv"
FIGURES = "figures"
REPORT = "report.html"
# A folder is ours to replace when it holds one of these.
MARKS = (EVALUATION, "results.json")


@contextlib.contextmanager
def open_new_folder(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """A folder beside ``path`` to write into; it becomes ``path`` when the block ends well, and vanishes when not.

    Made before the work starts, so that a place that cannot be written is known at once and not after an hour.

    Args:
        path: where the folder is to appear.
        replace: whether an older folder that monolayer made may be replaced.

    Raises:
        BadInput: if ``path`` exists and is not empty (or not ours to replace), or cannot be written.
    """
    _check_free(path, replace)
    with _tell_trouble(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent))
        # mkdtemp makes a folder for its owner only; a result is meant to be read like any other folder.
        draft.chmod(0o777 & ~_read_umask())
    try:
        with _tell_trouble(path):
            yield draft
            _put_in_place(draft, path)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def save_run(run: Run, folder: Path, **extra: Any) -> None:
    """Write a run: recipe.json, history.csv, network.safetensors, evaluation.json."""
    (folder / RECIPE).write_text(run.recipe.to_json() + "\n")
    write_table(folder / HISTORY, HISTORY_COLUMNS, (asdict(row) for row in run.history))
    run.network.save(folder / NETWORK)
    write_json(folder / EVALUATION, {**run.to_dict(), **extra})


def save_sweep(sweep: Sweep, folder: Path, **extra: Any) -> None:
    """Write a sweep: its best run like any run, every run's row in sweep.csv and history in histories.csv."""
    save_run(sweep.best, folder, sweep=sweep.to_dict(), axes=sweep.axes, **extra)
    rows = [
        {
            **run.recipe.to_dict(),
            **{f"{name}_{k}": v for name, metrics in run.evaluation.items() for k, v in metrics.to_dict().items()},
        }
        for run in sweep.runs
    ]
    write_table(folder / SWEEP, tuple(rows[0]), rows)
    histories = ({"run": i, **asdict(row)} for i, run in enumerate(sweep.runs, 1) for row in run.history)
    write_table(folder / "histories.csv", ("run", *HISTORY_COLUMNS), histories)


def write_json(path: Path, content: Any) -> None:
    """Write one JSON object; numbers that are none (diverged) must have become None before."""
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")


def write_table(path: Path, columns: tuple[str, ...], rows: Iterable[dict[str, Any]]) -> None:
    """Write rows as CSV with these columns; None becomes an empty cell."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def load_evaluation(folder: Path) -> dict[str, Any]:
    """evaluation.json of a run's folder.

    Raises:
        BadData: if the folder is no run's folder.
    """
    return dict(json.loads(_read(folder / EVALUATION)))


def load_recipe(folder: Path) -> Recipe:
    """The recipe of a run's folder; BadData if it is none."""
    return Recipe.from_json(_read(folder / RECIPE))


def load_history(folder: Path) -> tuple[EpochRow, ...]:
    """The history of a run's folder; BadData if it is none."""
    rows = list(csv.DictReader(_read(folder / HISTORY).splitlines()))
    try:
        return tuple(
            EpochRow(
                int(row["epoch"]),
                *(float(row[name]) if row[name] else None for name in HISTORY_COLUMNS[1:]),  # type: ignore[arg-type]
            )
            for row in rows
        )
    except (KeyError, ValueError):
        raise BadData(f"{folder / HISTORY}: is not a history written by monolayer.") from None


def load_network(path: Path) -> OneLayer:
    """The network of a run's folder, or of a .safetensors file; BadData if there is none."""
    return OneLayer.load(path / NETWORK if path.is_dir() else path)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise BadData(
            f"{path}: cannot be read ({error.strerror}); a folder made by monolayer train holds it."
        ) from None


def _check_free(path: Path, replace: bool) -> None:
    for parent in path.parents:
        if parent.is_file():
            raise BadInput(f"{parent} is a file, so {path} cannot be made below it; name another --out.")
    if not os.path.lexists(path):
        return
    if not path.is_dir():
        raise BadInput(f"{path} exists and is not a folder; name a new or empty folder with --out.")
    with _tell_trouble(path):
        is_empty = not any(path.iterdir())
    if is_empty:
        return
    if not replace:
        raise BadInput(f"{path} exists and is not empty; name a new or empty folder with --out.")
    if not any((path / mark).is_file() for mark in MARKS):
        raise BadInput(f"{path} is not empty and was not made by monolayer, so it is not replaced; name another --out.")


def _put_in_place(draft: Path, path: Path) -> None:
    """Two renames: for an instant an older folder stands aside, and at no time is half of either in place."""
    aside = draft.with_suffix(".old")
    if path.is_dir() and any(path.iterdir()):
        path.rename(aside)
    draft.rename(path)
    shutil.rmtree(aside, ignore_errors=True)


@contextlib.contextmanager
def _tell_trouble(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BadInput(f"{path}: cannot be written ({error.strerror or error}).") from error


def _read_umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask
