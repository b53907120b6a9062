"""Audit a dataset for duplicates, claimed accuracies for plausibility, and a run for leaked test rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from monolayer.checks.plausibility import Accuracy, check_claims
from monolayer.checks.registry import mute, validate_codes
from monolayer.checks.splits import check_duplicates
from monolayer.data.dataset import Dataset
from monolayer.data.load import load
from monolayer.duplicates.leaked import compute_shift
from monolayer.duplicates.search import Duplicate, find_duplicates
from monolayer.errors import BadInput
from monolayer.evaluate.metrics import ROW_NAMES
from monolayer.evaluate.predictions import Predictions
from monolayer.findings import Finding
from monolayer.progress import SILENCE, Progress
from monolayer.runs.folder import load_evaluation, load_predictions
from monolayer.runs.splits import restore_splits


@dataclass(frozen=True, eq=False)
class Audit:
    """What :func:`monolayer.audit` returns.

    Args:
        findings: ML003 for each claim, and ML002 for each part of the dataset that was searched.
        dataset: the dataset that was searched, if any.
        across: pairs of a training row and a test row, the most similar first.
        across_val: pairs of a training row and a validation row of the source.
        inside: pairs of two rows of the training file, if these were compared.
        is_within: whether they were compared on request.
        run: the test accuracy of a run with and without its leaked test rows, if a run was given: ``n``, ``n_leaked``,
            ``accuracy``, ``accuracy_without``, ``change`` and ``change_interval``, as fractions.
    """

    findings: tuple[Finding, ...]
    dataset: Dataset | None = None
    across: list[Duplicate] = field(default_factory=list)
    across_val: list[Duplicate] = field(default_factory=list)
    inside: list[Duplicate] = field(default_factory=list)
    is_within: bool = False
    run: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As ``monolayer audit --json`` prints it."""
        places: list[tuple[dict[str, Any], Duplicate]] = [
            ({"train": pair.first, "test": pair.second}, pair) for pair in self.across
        ]
        for part, pairs in (("val", self.across_val), ("train", self.inside)):
            places += [({"splits": ["train", part], "rows": [pair.first, pair.second]}, pair) for pair in pairs]
        duplicates = [
            {**place, "similarity": pair.similarity, "mirrored": pair.mirrored, "labels": list(pair.labels)}
            for place, pair in places
        ]
        findings = [finding.to_dict() for finding in self.findings]
        return {"findings": findings, "duplicates": duplicates, **({"run": self.run} if self.run else {})}

    def describe_search(self) -> str:
        """Which rows were compared, and how many pairs were found, in one sentence; empty without a dataset."""
        if self.dataset is None:
            return ""
        n, test, val = len(self.dataset.X), self.dataset.test, self.dataset.val
        searched = [
            f"{len(part.X):,} {name} rows against {n:,} training rows: {_count_pairs(pairs)}"
            for name, part, pairs in (("test", test, self.across), ("validation", val, self.across_val))
            if part is not None
        ]
        if test is None:
            searched.append(f"{n:,} rows, with no test rows apart, against each other: {_count_pairs(self.inside)}")
        elif self.is_within:
            searched.append(f"{n:,} training rows against each other: {_count_pairs(self.inside)}")
        return f"Searched {'; '.join(searched)}."

    def describe_run(self) -> str:
        """The run's test accuracy with and without its leaked rows, in one sentence; empty without a run."""
        if not self.run:
            return ""
        low, high = self.run["change_interval"]
        return (
            f"The run's test accuracy is {self.run['accuracy']:.2%} on all {self.run['n']:,} rows and "
            f"{self.run['accuracy_without']:.2%} without the {self.run['n_leaked']:,} leaked rows: "
            f"{100 * self.run['change']:+.2f} [{100 * low:+.2f}, {100 * high:+.2f}] points."
        )


def audit(
    dataset: str | Path | Dataset | None = None,
    *,
    claims: Mapping[str, float | tuple[float, int]] | None = None,
    within: bool = False,
    run: str | Path | None = None,
    muted: Sequence[str] = (),
    progress: Progress = SILENCE,
    **options: Any,
) -> Audit:
    """Search a dataset for duplicates between its splits, and check claimed accuracies.

    Test and validation rows that the source defines are compared with the training rows. Without test rows of its own,
    all rows are compared with each other, since a run draws its test rows from them.

    Args:
        dataset: a dataset, or its name or path as :func:`monolayer.load` takes it.
        claims: accuracies as fractions: ``{"train": 0.4518, "val": (0.79, 1000), "test": (0.5187, 10000)}``, where
            validation and test have their numbers of rows.
        within: compare the training rows with each other too.
        run: the folder of a run that was trained on the dataset, for its accuracy without the leaked test rows.
        muted: codes of findings to mute.
        progress: receives the progress of the search.
        options: how to read a path, as :func:`monolayer.load` takes them.

    Raises:
        BadInput: if there is neither a dataset nor claims with a training accuracy, or a run without its dataset; if a
            code or a claim is invalid; or if the run was trained on other data or all of its test rows are leaked.
        BadData: if the folder is not that of a run.
    """
    validate_codes(muted)
    findings = _check_claims(claims) if claims else []
    if dataset is None:
        if run is not None:
            raise BadInput("A run needs the dataset that it was trained on.")
        if not claims:
            raise BadInput("There is nothing to audit; give a dataset, or claims with a training accuracy.")
        return Audit(mute(findings, muted))
    folder = None if run is None else Path(run)
    if folder is not None:
        load_evaluation(folder)  # an invalid folder is an error before the dataset is read
    data = dataset if isinstance(dataset, Dataset) else load(dataset, progress=progress, **options)
    # Before the search, which may take minutes.
    test = _load_test_predictions(folder, data) if folder is not None else None
    across, across_val = (
        find_duplicates(data, part, progress=progress) if part else [] for part in (data.test, data.val)
    )
    inside = find_duplicates(data, progress=progress) if within or data.test is None else []
    findings += check_duplicates(across, len(data.test.X)) if data.test else []
    findings += check_duplicates(across_val, len(data.val.X), "validation") if data.val else []
    found = Audit(mute(findings, muted), data, across, across_val, inside, within)
    return found if folder is None or test is None else replace(found, run=_measure_run(folder, found, data, test))


def _check_claims(claims: Mapping[str, float | tuple[float, int]]) -> list[Finding]:
    """ML003 for each claimed accuracy but that of training."""
    train, others = claims.get("train"), {name: claim for name, claim in claims.items() if name != "train"}
    if not isinstance(train, int | float) or not others or not set(others) <= {"val", "test"}:
        raise BadInput(
            f"claims are {dict(claims)}; accepted is an accuracy for train, and (accuracy, rows) for val, test or both."
        )
    accuracies = {}
    for name, claim in others.items():
        if not isinstance(claim, tuple):
            raise BadInput(f"The claim for {name} is {claim}; accepted is (accuracy, number of rows).")
        accuracies[ROW_NAMES[name].capitalize()] = Accuracy(*claim)
    return check_claims(float(train), accuracies)


def _count_pairs(pairs: Sequence[Duplicate]) -> str:
    if not pairs:
        return "no duplicates"
    n_labels = sum(len(set(pair.labels)) > 1 for pair in pairs)
    differing = f", {n_labels:,} with different labels" if n_labels else ""
    return f"{len(pairs):,} pair{'s'[: len(pairs) != 1]}{differing}"


def _load_test_predictions(folder: Path, dataset: Dataset) -> Predictions:
    """The predictions of a run for its test rows; raises BadInput if it was trained on other data or has none."""
    if load_evaluation(folder)["dataset"]["sha256"] != dataset.sha256:
        raise BadInput(f"{folder} was trained on other data than {dataset.name}.")
    test = load_predictions(folder).get("test")
    if test is None:
        raise BadInput(f"{folder} has no predictions for test rows; make them with monolayer report --open-test.")
    return test


def _measure_run(folder: Path, found: Audit, dataset: Dataset, test: Predictions) -> dict[str, Any]:
    """The test accuracy of a run with and without the test rows that have a duplicate among its training rows."""
    if dataset.test is not None:
        rows = [pair.second for pair in found.across]
    else:
        trained = set(restore_splits(dataset, load_evaluation(folder)).train.index.tolist())
        both_ways = [(p.first, p.second) for p in found.inside] + [(p.second, p.first) for p in found.inside]
        rows = [row for row, other in both_ways if other in trained]
    leaked = np.isin(test.index, rows)
    if leaked.all():
        raise BadInput(
            f"{folder}: each of its {len(test):,} test rows has a duplicate among the training rows, so there is no "
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
