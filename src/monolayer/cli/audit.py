"""``monolayer audit``: duplicates in a dataset, or accuracies that no fair evaluation gives."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monolayer.cli import options as opt
from monolayer.cli.console import open_console, print_json, print_line
from monolayer.errors import BadInput

if TYPE_CHECKING:
    from monolayer.checks.plausibility import Accuracy
    from monolayer.cli.console import Console
    from monolayer.duplicates.search import Duplicate
    from monolayer.findings import Finding
    from monolayer.reports.duplicates import Audit


def audit(
    context: typer.Context,
    dataset: Annotated[
        str | None,
        typer.Argument(help="A dataset: cifar10, digits, or the path of data of your own.", metavar="[DATASET]"),
    ] = None,
    train: Annotated[str | None, typer.Option(help="A claimed training accuracy in per cent, such as 45.18.")] = None,
    val: Annotated[str | None, typer.Option(help="A claimed validation accuracy and its rows: 79.00:1000.")] = None,
    test: Annotated[str | None, typer.Option(help="A claimed test accuracy and its rows: 51.87:10000.")] = None,
    within: Annotated[
        bool, typer.Option("--within", help="Look for duplicates within the training file too, as without test rows.")
    ] = False,
    run: Annotated[
        Path | None, typer.Option(help="A run's folder: say its test accuracy without the leaked rows too.")
    ] = None,
    mute: opt.Mute = None,
    data: opt.Data = None,
    label: opt.Label = None,
    features: opt.Features = None,
    split_by: opt.SplitBy = None,
    group_by: opt.GroupBy = None,
    resize: opt.Resize = None,
    channels: opt.Channels = None,
    out: opt.Out = None,
    as_json: opt.AsJson = False,
) -> None:
    """Find duplicates between (and within) the files of a dataset, or judge claimed accuracies.

    Example: monolayer audit cifar10 --run runs/a --out runs/audit

    Example: monolayer audit photos/ --resize 32x32

    Example: monolayer audit --train 45.18 --val 79.00:1000 --test 51.87:10000
    """
    claims = {name: _parse_claim(name, text) for name, text in (("val", val), ("test", test)) if text is not None}
    if run is not None and dataset is None:
        raise BadInput("--run needs the dataset that the run was trained on: monolayer audit DATASET --run DIR.")
    if dataset is None and not (train and claims):
        raise BadInput("Name a dataset to search, or claims to judge: --train 45.18 with --val 79.00:1000 or --test.")
    from monolayer.findings import check_codes
    from monolayer.findings import mute as mute_findings

    check_codes(mute or ())
    findings = list(mute_findings(_judge_claims(train, claims), mute or ())) if train and claims else []
    duplicates: list[dict[str, Any]] = []
    weighed: dict[str, Any] = {}
    searched = ""
    if dataset is not None:
        found, weighed = _search_and_save(
            dataset, _Request(data, within, run, out, opt.read_reading(context)), mute or ()
        )
        findings += found.findings
        duplicates, searched = _list_pairs(found), _describe_search(found, is_within=within)
    if as_json:
        extra = {"run": weighed} if weighed else {}
        print_json({"findings": [finding.to_dict() for finding in findings], "duplicates": duplicates, **extra})
        return
    if searched:
        print_line(searched)
    for finding in findings:
        print_line(f"{finding.code} [{finding.outcome}] {finding.title}: {finding.evidence} {finding.advice}")
    if weighed:
        print_line(_describe_weighed(weighed))
    if out:
        print_line(f"Every pair is in {out / 'duplicates.csv'}; the page is {out / 'report.html'}")


def _parse_claim(name: str, text: str) -> Accuracy:
    from monolayer.checks.plausibility import Accuracy

    per_cent, _, n = text.partition(":")
    try:
        return Accuracy(float(per_cent) / 100, int(n))
    except ValueError:
        raise BadInput(f"--{name} {text!r} is not PERCENT:ROWS, such as 79.00:1000.") from None


def _judge_claims(train: str, claims: dict[str, Accuracy]) -> list[Finding]:
    from monolayer.checks.plausibility import check_claims

    try:
        accuracy = float(train) / 100
    except ValueError:
        raise BadInput(f"--train {train!r} is not an accuracy in per cent, such as 45.18.") from None
    if not 0 <= accuracy <= 1:
        raise BadInput(f"--train {train!r} is not between 0 and 100 per cent.")
    return check_claims(accuracy, claims)


@dataclass(frozen=True)
class _Request:
    """What is to be searched besides the dataset's own files, and where the outcome goes."""

    data: Path | None
    within: bool
    run: Path | None
    out: Path | None
    reading: dict[str, Any]


def _search_and_save(name: str, request: _Request, muted: Sequence[str]) -> tuple[Audit, dict[str, Any]]:
    """The search, and what it means for a run if one is named."""
    from monolayer.reports.duplicates import save_audit
    from monolayer.runs.folder import load_evaluation, open_new_folder

    with ExitStack() as stack:
        console = stack.enter_context(open_console())
        folder = stack.enter_context(open_new_folder(request.out)) if request.out else None
        if request.run:
            load_evaluation(request.run)  # a folder that is no run's is known before the search
        found = _search(name, request, muted, console)
        weighed = _weigh_run(request.run, found) if request.run else {}
        found = replace(found, weighed=_describe_weighed(weighed) if weighed else "")
        if folder:
            save_audit(found, folder)
    return found, weighed


def _list_pairs(found: Audit) -> list[dict[str, Any]]:
    rows = [_describe({"train": p.first, "test": p.second}, p) for p in found.across]
    for part, pairs in (("val", found.across_val), ("train", found.inside)):
        rows += [_describe({"splits": ["train", part], "rows": [p.first, p.second]}, p) for p in pairs]
    return rows


def _describe_weighed(weighed: dict[str, Any]) -> str:
    low, high = weighed["change_interval"]
    return (
        f"The run's test accuracy is {weighed['accuracy']:.2%} on all {weighed['n']:,} rows and "
        f"{weighed['accuracy_without']:.2%} without the {weighed['n_leaked']:,} leaked ones: "
        f"{100 * weighed['change']:+.2f} [{100 * low:+.2f}, {100 * high:+.2f}] points."
    )


def _search(name: str, request: _Request, muted: Sequence[str], console: Console) -> Audit:
    from monolayer.checks.splits import check_duplicates
    from monolayer.duplicates.search import find_duplicates
    from monolayer.findings import mute
    from monolayer.reports.duplicates import Audit

    dataset = opt.load_dataset(name, request.data, console, request.reading)
    # A run draws its test rows from the training file where there is no test file, so they are searched there.
    is_inside = request.within or dataset.test is None
    across = find_duplicates(dataset, dataset.test, progress=console) if dataset.test else []
    across_val = find_duplicates(dataset, dataset.val, progress=console) if dataset.val else []
    inside = find_duplicates(dataset, progress=console) if is_inside else []
    findings = check_duplicates(across, len(dataset.test.X)) if dataset.test else []
    findings += check_duplicates(across_val, len(dataset.val.X), "validation") if dataset.val else []
    return Audit(dataset, across, inside, mute(findings, muted), across_val=across_val)


def _describe_search(found: Audit, *, is_within: bool) -> str:
    """Which rows were compared with which, and what was found."""
    dataset = found.dataset
    n = len(dataset.X)
    searched = [
        f"{len(part.X):,} {name} rows against {n:,} training rows: {_count_pairs(pairs)}"
        for name, part, pairs in (("test", dataset.test, found.across), ("validation", dataset.val, found.across_val))
        if part is not None
    ]
    if dataset.test is None:
        searched.append(
            f"{n:,} rows, none of which is apart for the test, against each other: {_count_pairs(found.inside)}"
        )
    elif is_within:
        searched.append(f"{n:,} training rows against each other: {_count_pairs(found.inside)}")
    return f"Searched {'; '.join(searched)}."


def _count_pairs(pairs: Sequence[Duplicate]) -> str:
    if not pairs:
        return "no duplicates"
    n_labels = sum(len(set(pair.labels)) > 1 for pair in pairs)
    differing = f", {n_labels:,} with labels that differ" if n_labels else ""
    return f"{len(pairs):,} pair{'s'[: len(pairs) != 1]}{differing}"


def _describe(place: dict[str, Any], pair: Duplicate) -> dict[str, Any]:
    return {**place, "similarity": pair.similarity, "mirrored": pair.mirrored, "labels": list(pair.labels)}


def _list_leaked(found: Audit, evaluation: dict[str, Any]) -> list[int]:
    """Rows with a duplicate among the run's training rows, where its test rows are."""
    if found.dataset.test is not None:
        return [pair.second for pair in found.across]
    from monolayer.reports.open_test import restore_splits

    trained = set(restore_splits(found.dataset, evaluation).train.index.tolist())
    both_ways = [(pair.first, pair.second) for pair in found.inside]
    return [row for a, b in both_ways for row, other in ((a, b), (b, a)) if other in trained]


def _weigh_run(folder: Path, found: Audit) -> dict[str, Any]:
    """What the run's test accuracy is with and without the test rows that were found in the training file."""
    import numpy as np

    from monolayer.duplicates.leaked import compute_shift
    from monolayer.runs.folder import load_evaluation, load_predictions

    evaluation = load_evaluation(folder)
    if evaluation["dataset"]["sha256"] != found.dataset.sha256:
        raise BadInput(f"{folder} was trained on other data than {found.dataset.name}.")
    test = load_predictions(folder).get("test")
    if test is None:
        raise BadInput(f"{folder} holds no answers to test rows; open them with monolayer report --open-test.")
    leaked = np.isin(test.index, _list_leaked(found, evaluation))
    if leaked.all():
        raise BadInput(
            f"{folder}: each of its {len(test):,} test rows stands among the training rows too, so there is no "
            "accuracy without them; audit without --run lists the pairs."
        )
    shift = compute_shift(test.correct, leaked)
    return {
        "n": len(test),
        "n_leaked": int(leaked.sum()),
        "accuracy": float(test.correct.mean()),
        "accuracy_without": float(test.correct[~leaked].mean()),
        "change": shift.estimate,
        "change_interval": [shift.low, shift.high],
    }
