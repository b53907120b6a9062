"""``monolayer audit``: duplicates in a dataset, or accuracies that no fair evaluation gives."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monolayer.cli import options as opt
from monolayer.cli.console import open_console, print_json, print_line
from monolayer.errors import BadInput

if TYPE_CHECKING:
    from monolayer.audit.finding import Finding
    from monolayer.audit.leakage import Duplicate
    from monolayer.data.dataset import Dataset
    from monolayer.evaluate.significance import Accuracy

MAX_DRAWN = 40


def audit(
    dataset: Annotated[str | None, typer.Argument(help="A dataset: cifar10 or digits.", metavar="[DATASET]")] = None,
    train: Annotated[str | None, typer.Option(help="A claimed training accuracy in per cent, such as 45.18.")] = None,
    val: Annotated[str | None, typer.Option(help="A claimed validation accuracy and its rows: 79.00:1000.")] = None,
    test: Annotated[str | None, typer.Option(help="A claimed test accuracy and its rows: 51.87:10000.")] = None,
    within: Annotated[bool, typer.Option("--within", help="Look for duplicates within the training file too.")] = False,
    data: opt.Data = None,
    out: opt.Out = None,
    as_json: opt.AsJson = False,
) -> None:
    """Find duplicates between (and within) the files of a dataset, or judge claimed accuracies.

    Example: monolayer audit cifar10 --out runs/audit
    Example: monolayer audit --train 45.18 --val 79.00:1000 --test 51.87:10000
    """
    claims = {name: _parse_claim(name, text) for name, text in (("val", val), ("test", test)) if text is not None}
    if dataset is None and not (train and claims):
        raise BadInput("Name a dataset to search, or claims to judge: --train 45.18 with --val 79.00:1000 or --test.")
    findings = _judge_claims(train, claims) if train and claims else []
    duplicates: list[dict[str, Any]] = []
    if dataset is not None:
        found, duplicates = _search(dataset, data, within, out)
        findings += found
    if as_json:
        print_json({"findings": [finding.to_dict() for finding in findings], "duplicates": duplicates})
        return
    for finding in findings:
        print_line(f"{finding.code} [{finding.outcome}] {finding.title}: {finding.evidence} {finding.advice}")
    if out:
        print_line(f"Every pair is in {out / 'duplicates.csv'}")


def _parse_claim(name: str, text: str) -> Accuracy:
    from monolayer.evaluate.significance import Accuracy

    per_cent, _, n = text.partition(":")
    try:
        return Accuracy(float(per_cent) / 100, int(n))
    except ValueError:
        raise BadInput(f"--{name} {text!r} is not PERCENT:ROWS, such as 79.00:1000.") from None


def _judge_claims(train: str, claims: dict[str, Accuracy]) -> list[Finding]:
    from monolayer.audit.claims import check_claims

    try:
        accuracy = float(train) / 100
    except ValueError:
        raise BadInput(f"--train {train!r} is not an accuracy in per cent, such as 45.18.") from None
    if not 0 <= accuracy <= 1:
        raise BadInput(f"--train {train!r} is not between 0 and 100 per cent.")
    return check_claims(accuracy, claims)


def _search(name: str, data: Path | None, within: bool, out: Path | None) -> tuple[list[Finding], list[dict[str, Any]]]:
    from monolayer.audit.duplicated import check_duplicates
    from monolayer.audit.leakage import find_duplicates
    from monolayer.folder import open_new_folder

    with ExitStack() as stack:
        console = stack.enter_context(open_console())
        folder = stack.enter_context(open_new_folder(out)) if out else None
        dataset = opt.load_dataset(name, data, console)
        across = find_duplicates(dataset, dataset.test, progress=console) if dataset.test else []
        inside = find_duplicates(dataset, progress=console) if within or not dataset.test else []
        if folder:
            _save(dataset, across, inside, folder)
    findings = check_duplicates(across, len(dataset.test.X)) if dataset.test else []
    rows = [_describe({"train": p.first, "test": p.second}, p) for p in across]
    rows += [_describe({"splits": ["train", "train"], "rows": [p.first, p.second]}, p) for p in inside]
    return findings, rows


def _describe(place: dict[str, Any], pair: Duplicate) -> dict[str, Any]:
    return {**place, "similarity": pair.similarity, "mirrored": pair.mirrored, "labels": list(pair.labels)}


def _save(dataset: Dataset, across: list[Duplicate], inside: list[Duplicate], folder: Path) -> None:
    """Every pair as CSV, and the least similar ones, which are the ones to look at, as pictures."""
    from monolayer.figures import save_png
    from monolayer.figures.pairs import collect_pairs
    from monolayer.folder import write_table

    columns = ("splits", "first", "second", "similarity", "mirrored", "first_label", "second_label")
    lines = [
        dict(zip(columns, (splits, p.first, p.second, p.similarity, p.mirrored, *p.labels), strict=True))
        for splits, pairs in (("train test", across), ("train train", inside))
        for p in pairs
    ]
    write_table(folder / "duplicates.csv", columns, lines)
    if dataset.image_shape is None:
        return
    for name, pairs, second in (("train-test", across, dataset.test), ("train-train", inside, None)):
        if pairs:
            (folder / "figures").mkdir(exist_ok=True)
            save_png(collect_pairs(pairs[-MAX_DRAWN:], dataset, second), folder / "figures" / f"duplicates-{name}.png")
