"""The folder of a run: its layout, written whole or not at all."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from monolayer.checks.certificate import Certificate
from monolayer.errors import BadData, BadInput
from monolayer.evaluate.predictions import Predictions
from monolayer.files import check_place, explain_os_error, name_draft, pack_tensors, sweep_drafts, write_whole
from monolayer.network import FILE, OneLayer
from monolayer.recipe.recipe import Recipe
from monolayer.runs.resume import is_unfinished
from monolayer.training.history import HISTORY_COLUMNS, EpochRow
from monolayer.training.run import Run
from monolayer.tuning.sweep import Sweep

RECIPE = "recipe.json"
CONFIG = "config.json"
HISTORY = "history.csv"
NETWORK = FILE
EVALUATION = "evaluation.json"
SWEEP = "sweep.csv"
FIGURES = "figures"
REPORT = "report.html"
PREDICTIONS = "predictions.csv"
HISTORIES = "histories.csv"
CERTIFICATE = "certificate.json"
SCORES = "answers.safetensors"
DUPLICATES = "duplicates.csv"
COMPARISON = "comparison.json"
DESCRIPTION = "description.json"
JOURNAL = "journal.log"
PROBE = "probe.csv"
FEW_SHOT = "few-shot.csv"
PROTOCOL = "protocol.json"
PROTOCOL_PAGE = "protocol.md"
CARD = "model-card.md"
CARD_FACTS = "model-card.json"
NETWORKS = "networks"
RESULTS = "results.json"
LADDER = "ladder.csv"
MARKDOWN = "report.md"


@dataclass(frozen=True)
class FolderKind:
    """A folder that a command may replace: an older one of its own kind, and nothing else.

    Args:
        name: what it is called.
        names: all that may stand in it.
        keys: some that its results.json has, and that of no other kind.
    """

    name: str
    names: frozenset[str]
    keys: frozenset[str]

    def find_foreign(self, folder: Path) -> str:
        """What speaks against its being such a folder, in a few words; else empty."""
        inside = (path.relative_to(folder) for path in sorted(folder.rglob("*")))
        foreign = next((path for path in inside if not self._may_hold(path)), None)
        if foreign is not None:
            return f"holds {foreign}, which is no part of a {self.name}"
        return "" if self.keys <= _read_keys(folder / RESULTS) else f"holds no {RESULTS} of a {self.name}"

    def _may_hold(self, path: Path) -> bool:
        first, *rest = path.parts
        return first in self.names and (not rest or (len(rest) == 1 and path.suffix in SUFFIXES.get(first, ())))


# Of the files in these folders.
SUFFIXES = {FIGURES: (".png", ".csv"), NETWORKS: (".safetensors",)}
REPORT_FOLDER = FolderKind(
    "report", frozenset({RESULTS, REPORT, MARKDOWN, FIGURES, NETWORKS}), frozenset({"experiments", "printed"})
)
LADDER_FOLDER = FolderKind(
    "ladder", frozenset({*REPORT_FOLDER.names, LADDER, CONFIG}), frozenset({"steps", "published"})
)
EVALUATION_KEYS = frozenset(
    {"train", "epochs_done", "seconds", "findings", "dataset", "splits", "test_openings", "provenance"}
)


@contextlib.contextmanager
def open_new_folder(path: Path, *, kind: FolderKind | None = None, overwrite: bool = False) -> Iterator[Path]:
    """A folder beside ``path`` to write into; it becomes ``path`` when the block ends well, and vanishes when not.

    Made before the work starts, so that a place that cannot be written is known at once and not after an hour.

    Args:
        path: where the folder is to appear.
        kind: what the folder will be, where an older one of that kind may be replaced.
        overwrite: whether it is to be.

    Raises:
        BadInput: if ``path`` exists and is not empty (or nothing to be replaced), or cannot be written.
    """
    path = path.resolve()
    _check_free(path, kind, overwrite)
    with explain_os_error(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep_drafts(path)
        # mkdir and not tempfile, whose folders only their owner may enter: a result is meant to be read.
        draft = name_draft(path)
        draft.mkdir()
    try:
        with explain_os_error(path):
            yield draft
            _put_in_place(draft, path, kind, overwrite)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def save_run(run: Run, folder: Path, **extra: Any) -> None:
    """Write a run: recipe.json, history.csv, network.safetensors, evaluation.json."""
    write_text(folder / RECIPE, run.recipe.to_json() + "\n")
    write_table(folder / HISTORY, HISTORY_COLUMNS, (asdict(row) for row in run.history))
    run.network.save(folder / NETWORK)
    write_json(folder / EVALUATION, {**run.to_dict(), **extra})


def save_sweep(sweep: Sweep, folder: Path, **extra: Any) -> None:
    """Write a sweep: its best run like any run, every run's row in sweep.csv and history in histories.csv."""
    save_run(sweep.best, folder, sweep=sweep.to_dict(), axes=sweep.axes, **extra)
    rows = [
        {
            **run.recipe.to_dict(),
            "epochs_done": len(run.history),
            **{f"{name}_{k}": v for name, metrics in run.evaluation.items() for k, v in metrics.to_dict().items()},
            **sweep.describe_rank(place),
        }
        for place, run in enumerate(sweep.runs)
    ]
    write_table(folder / SWEEP, tuple(rows[0]), rows)
    histories = ({"run": i, **asdict(row)} for i, run in enumerate(sweep.runs, 1) for row in run.history)
    write_table(folder / HISTORIES, ("run", *HISTORY_COLUMNS), histories)


def save_certificate(certificate: Certificate, folder: Path) -> None:
    """Write certificate.json: how far a run stopped from its optimum."""
    write_json(folder / CERTIFICATE, certificate.to_dict())


def save_predictions(predictions: dict[str, Predictions], folder: Path) -> None:
    """Write what the network says of its validation and test rows, by name of the rows, as answers.safetensors."""
    tensors = {
        f"{name}.{part}": getattr(said, part) for name, said in predictions.items() for part in ("scores", "y", "index")
    }
    header = {"format": "monolayer-answers-1", **{name: said.loss for name, said in predictions.items()}}
    write_whole(folder / SCORES, pack_tensors(tensors, header))


def load_predictions(folder: Path) -> dict[str, Predictions]:
    """What :func:`save_predictions` wrote, by name of the rows; empty where the folder holds no answers.

    Raises:
        BadData: if the file is not one of ours.
    """
    path = folder / SCORES
    if not path.is_file():
        return {}
    try:
        with safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
            return {
                name: Predictions(loss, *(file.get_tensor(f"{name}.{part}") for part in ("scores", "y", "index")))
                for name, loss in header.items()
                if name != "format"
            }
    except (OSError, SafetensorError, KeyError) as error:
        raise BadData(f"{path}: holds no answers written by monolayer ({error}).") from None


def write_json(path: Path, content: Any) -> None:
    """Write one JSON object; numbers that are none (diverged) must have become None before."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text as UTF-8, whatever the locale; the file appears whole or not at all."""
    write_whole(path, text.encode())


def write_table(path: Path, columns: tuple[str, ...], rows: Iterable[dict[str, Any]]) -> None:
    """Write rows as CSV with these columns; None becomes an empty cell."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def load_evaluation(folder: Path) -> dict[str, Any]:
    """evaluation.json of a run's folder.

    Raises:
        BadData: if the folder is no run's folder.
    """
    path = folder / EVALUATION
    try:
        content = json.loads(_read(path))
    except json.JSONDecodeError:
        content = None
    if not isinstance(content, dict) or not set(content) >= EVALUATION_KEYS:
        raise BadData(f"{path}: is not an evaluation written by monolayer.")
    return content


def load_certificate(folder: Path) -> dict[str, Any] | None:
    """certificate.json of a run's folder, or None where the run was not certified.

    Raises:
        BadData: if the file is not one of ours.
    """
    path = folder / CERTIFICATE
    if not path.is_file():
        return None
    try:
        content = json.loads(_read(path))
    except json.JSONDecodeError:
        content = None
    if not isinstance(content, dict) or not {"optimal_cost", "description"} <= set(content):
        raise BadData(f"{path}: is not a certificate written by monolayer.")
    return content


def load_recipe(folder: Path) -> Recipe:
    """The recipe of a run's folder; BadData if it is none."""
    return Recipe.from_json(_read(folder / RECIPE))


def load_history(folder: Path) -> tuple[EpochRow, ...]:
    """The history of a run's folder; BadData if it is none."""
    rows = list(csv.DictReader(_read(folder / HISTORY).splitlines()))
    if not rows:
        raise BadData(f"{folder / HISTORY}: holds no epoch.")
    try:
        return tuple(_parse_epoch(row) for row in rows)
    except (KeyError, ValueError):
        raise BadData(f"{folder / HISTORY}: is not a history written by monolayer.") from None


def load_histories(folder: Path) -> list[tuple[EpochRow, ...]]:
    """The histories of a sweep's runs, best run first; empty where a run has no epoch behind it.

    Runs at the end that have no epoch are not in the file, and so not in the list.

    Raises:
        BadData: if the folder holds no histories, or none of ours.
    """
    rows = csv.DictReader(_read(folder / HISTORIES).splitlines())
    by_run: dict[int, list[EpochRow]] = {}
    try:
        for row in rows:
            by_run.setdefault(int(row["run"]), []).append(_parse_epoch(row))
    except (KeyError, TypeError, ValueError):
        raise BadData(f"{folder / HISTORIES}: holds no histories written by monolayer.") from None
    return [tuple(by_run.get(number, ())) for number in range(1, max(by_run, default=0) + 1)]


def _parse_epoch(row: dict[str, str]) -> EpochRow:
    numbers = (float(row[name]) if row[name] else None for name in HISTORY_COLUMNS[1:])
    return EpochRow(int(row["epoch"]), *numbers)  # type: ignore[arg-type]  # the rate is never empty


def load_network(path: Path) -> OneLayer:
    """The network of a run's folder, or of a .safetensors file; BadData if there is none, BadInput if not yet."""
    if path.is_dir() and not (path / NETWORK).exists():
        _check_holds_run(path)
    return OneLayer.load(path / NETWORK if path.is_dir() else path)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        reason = error.strerror
    except UnicodeDecodeError:
        reason = "it is no text"
    _check_holds_run(path.parent)
    raise BadData(f"{path}: cannot be read ({reason}); a folder made by monolayer train holds it.") from None


def _check_holds_run(folder: Path) -> None:
    """Raise BadInput for what people take for a run's folder."""
    if is_unfinished(folder):
        raise BadInput(f"{folder} holds a run that is not finished; go on with --resume {folder}.")
    if folder.is_file():
        raise BadInput(f"{folder} is a file; accepted is the folder of a run, as train and sweep make it.")
    if (folder / NETWORKS).is_dir() and (folder / RESULTS).is_file():
        raise BadInput(
            f"{folder} holds several networks and no run; accepted are a run's folder, and for predict and export one "
            f"of the files in {folder / NETWORKS}."
        )


def _read_keys(path: Path) -> frozenset[str]:
    """The keys of an object in a JSON file; none where there is no such thing."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return frozenset()
    return frozenset(content) if isinstance(content, dict) else frozenset()


def _check_free(path: Path, kind: FolderKind | None, overwrite: bool) -> None:
    if not check_place(path):
        return
    if path == Path.cwd() or path.is_mount():
        raise BadInput(f"{path} is in use as a working folder or a mount; name a new folder with --out.")
    with explain_os_error(path):
        names = sorted(os.listdir(path))
    if not names:
        return
    foreign = kind.find_foreign(path) if kind else "is not empty"
    if not overwrite:
        or_replace = "" if foreign else ", or replace it with --overwrite"
        raise BadInput(f"{path} exists and is not empty; name a new or empty folder with --out{or_replace}.")
    if foreign:
        raise BadInput(f"{path} {foreign}, so it is not replaced; name another --out.")


def _put_in_place(draft: Path, path: Path, kind: FolderKind | None, overwrite: bool) -> None:
    """Two renames: for an instant an older folder stands aside, and at no time is half of either in place."""
    try:
        _check_free(path, kind, overwrite)
    except BadInput:
        kept = path.with_name(f"{path.name}-{secrets.token_hex(4)}")
        draft.rename(kept)
        raise BadInput(f"{path} was filled by something else meanwhile; what was made here is in {kept}.") from None
    aside = draft.with_suffix(".old")
    if path.is_dir():
        path.rename(aside)
    try:
        draft.rename(path)
    except OSError:
        if aside.is_dir():
            aside.rename(path)
        raise
    shutil.rmtree(aside, ignore_errors=True)
