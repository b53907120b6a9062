"""The files in the folder of a run or sweep: names, writing and reading."""

import contextlib
import csv
import json
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError, safe_open

from monolayer.checks.certificate import Certificate
from monolayer.errors import BadData, BadInput
from monolayer.evaluate.predictions import Predictions
from monolayer.files import explain_os_error, list_folder, open_whole_folder, pack_tensors, write_whole
from monolayer.network import FILE, OneLayer
from monolayer.recipe.recipe import Recipe
from monolayer.runs.unfinished import is_unfinished
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


class FolderKind(NamedTuple):
    """A kind of folder that a command may replace: an older one of the same kind, and nothing else.

    Args:
        name: what messages call it.
        names: the files and folders that it may contain.
        keys: keys of its results.json that no other kind has.
    """

    name: str
    names: frozenset[str]
    keys: frozenset[str]


SUFFIXES = {FIGURES: (".png", ".csv"), NETWORKS: (".safetensors",)}  # of the files in these folders
REPORT_FOLDER = FolderKind(
    "report", frozenset({RESULTS, REPORT, MARKDOWN, FIGURES, NETWORKS}), frozenset({"experiments", "printed"})
)
LADDER_FOLDER = FolderKind(
    "ladder", frozenset({*REPORT_FOLDER.names, LADDER, CONFIG}), frozenset({"steps", "published"})
)
EVALUATION_KEYS = frozenset(
    {"train", "epochs_done", "seconds", "findings", "dataset", "splits", "test_openings", "provenance"}
)
CERTIFICATE_KEYS = frozenset({"optimal_cost", "description"})


@contextlib.contextmanager
def open_new_folder(path: Path, *, kind: FolderKind | None = None, overwrite: bool = False) -> Iterator[Path]:
    """Make a folder to write results into that appears at ``path`` when the block ends, and not at all if it raises.

    It is made before the work starts, so that a path that cannot be written is reported at once and not after an hour.

    Args:
        path: where the folder appears.
        kind: what the folder will be, if an older one of that kind may be replaced.
        overwrite: whether it is replaced.

    Raises:
        BadInput: if ``path`` cannot be written, or exists, is not empty and may not be replaced.
    """
    path = path.resolve()
    _validate_free(path, kind, overwrite)
    with explain_os_error(path), open_whole_folder(path) as draft:
        yield draft
        try:
            _validate_free(path, kind, overwrite)
        except BadInput:
            kept = path.with_name(f"{path.name}-{secrets.token_hex(4)}")
            draft.rename(kept)
            raise BadInput(
                f"{path} was written by another process in the meantime; the results of this one are in {kept}."
            ) from None


def save_run(run: Run, folder: str | Path, **extra: Any) -> None:
    """Write a run: recipe.json, history.csv, network.safetensors, evaluation.json."""
    folder = Path(folder)
    write_text(folder / RECIPE, run.recipe.to_json() + "\n")
    write_table(folder / HISTORY, HISTORY_COLUMNS, (asdict(row) for row in run.history))
    run.network.save(folder / NETWORK)
    write_json(folder / EVALUATION, {**run.to_dict(), **extra})


def save_sweep(sweep: Sweep, folder: str | Path, **extra: Any) -> None:
    """Write a sweep: its best run like any run, every run's row in sweep.csv and history in histories.csv."""
    folder = Path(folder)
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
    """Write certificate.json: how far a run is from its optimum."""
    write_json(folder / CERTIFICATE, certificate.to_dict())


def save_predictions(predictions: dict[str, Predictions], folder: Path) -> None:
    """Write the scores of a network on its validation and test rows, by name of the rows, as answers.safetensors."""
    tensors = {
        f"{name}.{part}": getattr(scored, part)
        for name, scored in predictions.items()
        for part in ("scores", "y", "index")
    }
    header = {"format": "monolayer-answers-1", **{name: scored.loss for name, scored in predictions.items()}}
    write_whole(folder / SCORES, pack_tensors(tensors, header))


def load_predictions(folder: Path) -> dict[str, Predictions]:
    """The predictions that :func:`save_predictions` wrote, by name of the rows; empty if there is no such file.

    Raises:
        BadData: if monolayer did not write the file.
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
        raise BadData(f"{path}: holds no predictions written by monolayer ({error}).") from None


def write_json(path: Path, content: Any) -> None:
    """Write one JSON object; numbers that are not finite (after a divergence) must be None."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text as UTF-8; the file appears whole or not at all."""
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
        BadData: if the folder is not a run's folder.
    """
    return _load_object(folder / EVALUATION, EVALUATION_KEYS, "an evaluation")


def load_certificate(folder: Path) -> dict[str, Any] | None:
    """certificate.json of a run's folder, or None if there is none.

    Raises:
        BadData: if monolayer did not write the file.
    """
    path = folder / CERTIFICATE
    return _load_object(path, CERTIFICATE_KEYS, "a certificate") if path.is_file() else None


def load_recipe(folder: Path) -> Recipe:
    """The recipe of a run's folder; raises BadData if there is none."""
    return Recipe.from_json(_read(folder / RECIPE))


def load_history(folder: Path) -> tuple[EpochRow, ...]:
    """The history of a run's folder; raises BadData if there is none."""
    rows = list(csv.DictReader(_read(folder / HISTORY).splitlines()))
    if not rows:
        raise BadData(f"{folder / HISTORY}: holds no epoch.")
    try:
        return tuple(_parse_epoch(row) for row in rows)
    except (KeyError, ValueError):
        raise BadData(f"{folder / HISTORY}: is not a history written by monolayer.") from None


def load_histories(folder: Path) -> list[tuple[EpochRow, ...]]:
    """The histories of a sweep's runs, best run first; a run without an epoch has an empty one.

    Such runs at the end are not in the file, and so not in the list.

    Raises:
        BadData: if the folder holds no histories written by monolayer.
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
    """The network in a run's folder or a .safetensors file; raises BadData, or BadInput for an unfinished run."""
    if path.is_dir() and not (path / NETWORK).exists():
        _explain_no_run(path)
    return OneLayer.load(path / NETWORK if path.is_dir() else path)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        reason = error.strerror
    except UnicodeDecodeError:
        reason = "it is not a text file"
    _explain_no_run(path.parent)
    raise BadData(f"{path}: cannot be read ({reason}); a folder made by monolayer train holds it.") from None


def _load_object(path: Path, keys: frozenset[str], name: str) -> dict[str, Any]:
    content = _parse_object(_read(path))
    if not keys <= set(content):
        raise BadData(f"{path}: is not {name} written by monolayer.")
    return content


def _parse_object(text: str) -> dict[str, Any]:
    """A JSON object; empty if the text is none."""
    try:
        content = json.loads(text)
    except ValueError:
        content = None
    return content if isinstance(content, dict) else {}


def _explain_no_run(folder: Path) -> None:
    """Raise BadInput if ``folder`` is something that is easily mistaken for a run's folder."""
    if is_unfinished(folder):
        raise BadInput(f"{folder} holds a run that is not finished; resume it with --resume {folder}.")
    if folder.is_file():
        raise BadInput(f"{folder} is a file; accepted is the folder of a run, as train and sweep make it.")
    if (folder / NETWORKS).is_dir() and (folder / RESULTS).is_file():
        raise BadInput(
            f"{folder} holds several networks and no run; accepted are a run's folder, and for predict and export one "
            f"of the files in {folder / NETWORKS}."
        )


def _validate_free(path: Path, kind: FolderKind | None, overwrite: bool) -> None:
    """Raise BadInput unless a new folder may take this place."""
    names = list_folder(path)
    if names is not None and (path == Path.cwd() or path.is_mount()):
        raise BadInput(f"{path} is in use as a working folder or a mount; name a new folder with --out.")
    if not names:
        return
    objection = _find_objection(path, kind) if kind else "is not empty"
    if not overwrite:
        or_replace = "" if objection else ", or replace it with --overwrite"
        raise BadInput(f"{path} exists and is not empty; name a new or empty folder with --out{or_replace}.")
    if objection:
        raise BadInput(f"{path} {objection}, so it is not replaced; name another --out.")


def _find_objection(folder: Path, kind: FolderKind) -> str:
    """Why a folder is not one of this kind, in a few words; empty if it is."""
    for path in sorted(folder.rglob("*")):
        first, *rest = (inside := path.relative_to(folder)).parts
        is_known = not rest or (len(rest) == 1 and path.suffix in SUFFIXES.get(first, ()))
        if first not in kind.names or not is_known:
            return f"holds {inside}, which is not part of a {kind.name}"
    results = folder / RESULTS
    keys = set(_parse_object(results.read_text(encoding="utf-8", errors="replace"))) if results.is_file() else set()
    return "" if kind.keys <= keys else f"holds no {RESULTS} of a {kind.name}"
