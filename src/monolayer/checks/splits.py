"""ML008, ML009, ML010: what was done with the rows: opened twice, fitted and evaluated, or of few classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from monolayer.checks.thresholds import IMBALANCE, RARE_ROWS, SAME_STATISTIC
from monolayer.data.dataset import Dataset, Rows, Splits
from monolayer.data.scaler import Scaler, fit_scaler
from monolayer.duplicates.search import Duplicate
from monolayer.findings import Finding, report

Array = npt.NDArray[Any]
REOPENED, FITTED, IMBALANCED = "ML008", "ML009", "ML010"


def check_openings(reasons: Sequence[str]) -> Finding:
    """ML008: whether the test rows were opened more than once.

    Args:
        reasons: why, one an opening.
    """
    if not reasons:
        return report(REOPENED, "not applicable", "The test rows are sealed.")
    if len(reasons) == 1:
        return report(REOPENED, "passed", f"Opened once: {reasons[0]}.")
    return report(
        REOPENED,
        "issue",
        f"Opened {len(reasons)} times: {'; '.join(reasons)}.",
        "Say so beside the test accuracy; whatever was changed after the first look was fitted to these rows.",
    )


def check_fitted(splits: Splits, scaler: Scaler | None = None) -> Finding:
    """ML009: whether rows that judge took part in fitting: as training rows, in the scaler, or in scaled features.

    Args:
        splits: the rows; the test rows are counted and their features summed, and stay sealed otherwise.
        scaler: the network's, where it may have been fitted elsewhere; one pass over the training rows.
    """
    overlaps = splits.count_overlaps()
    advice = "Divide the rows again, and fit everything on training rows alone."
    if any(overlaps.values()):
        seen = "; ".join(f"{n:,} rows are both {first} and {second}" for (first, second), n in overlaps.items() if n)
        return report(FITTED, "issue", f"{seen}.", advice)
    if scaler is not None and not _is_same(scaler, fit_scaler(splits.train)):
        seen = "The network's mean and deviation are not those of its training rows."
        return report(FITTED, "issue", seen, advice)
    if splits.dataset.X.dtype.kind == "f" and _is_standardised_with_all(splits):
        seen = "Over all rows, evaluation rows included, every feature has mean 0 and deviation 1; over training not."
        return report(FITTED, "issue", seen, "Standardise by the training rows alone, or leave it to the library.")
    return report(FITTED, "passed", "No row is in two parts, and statistics are the training rows' own.")


def _is_same(first: Scaler, second: Scaler) -> bool:
    return all(
        np.allclose(a, b, rtol=SAME_STATISTIC, atol=SAME_STATISTIC)
        for a, b in ((first.mean / second.std, second.mean / second.std), (first.std / second.std, 1.0))
    )


def _is_standardised_with_all(splits: Splits) -> bool:
    """Whether mean 0 and deviation 1 hold over all rows and not over the training rows."""
    parts = [Rows(dataset, np.arange(len(dataset.X))) for dataset in _list_datasets(splits)]
    n = sum(map(len, parts))
    scalers = [fit_scaler(part) for part in parts]
    mean = sum(len(part) * s.mean for part, s in zip(parts, scalers, strict=True)) / n
    square = sum(len(part) * (s.std**2 + s.mean**2) for part, s in zip(parts, scalers, strict=True)) / n
    # A feature that does not vary has deviation 1 in a scaler: it is standardised either way.
    everything = Scaler(np.asarray(mean), np.sqrt(np.maximum(np.asarray(square) - np.asarray(mean) ** 2, 0)))
    return _is_standard(everything) and not _is_standard(fit_scaler(splits.train))


def _list_datasets(splits: Splits) -> list[Dataset]:
    dataset = splits.dataset
    return [dataset, *(part for part in (dataset.val, dataset.test) if part is not None)]


def _is_standard(scaler: Scaler) -> bool:
    return bool((np.abs(scaler.mean) < SAME_STATISTIC).all() and (np.abs(scaler.std - 1) < SAME_STATISTIC).all())


def check_classes(y: Array, y_val: Array | None, class_names: Sequence[str]) -> Finding:
    """ML010: whether some classes are rare among the training rows, or missing from the validation rows.

    Args:
        y: (n,), labels of the training rows.
        y_val: labels of the validation rows, or None.
        class_names: K names.
    """
    counts = np.bincount(y, minlength=len(class_names))
    least, most = int(counts.argmin()), int(counts.argmax())
    seen = f"Training rows a class: {counts[least]:,} ({class_names[least]}) to {counts[most]:,} ({class_names[most]})."
    missing = [] if y_val is None else [n for k, n in enumerate(class_names) if not (y_val == k).any()]
    if missing:
        seen += f" No validation row is {', '.join(missing)}."
    if counts[least] < RARE_ROWS or counts[most] > IMBALANCE * counts[least] or missing:
        advice = "Read accuracies class by class; divide by class (--split-seed), or gather more rows of the rare ones."
        return report(IMBALANCED, "tip", seen, advice)
    return report(IMBALANCED, "passed", seen)


DUPLICATED = "ML002"


def check_duplicates(pairs: list[Duplicate], n_test: int, part: str = "test") -> list[Finding]:
    """The finding on duplicates between training rows and test rows, or those of another part.

    Args:
        pairs: first is a training row, second a test row.
        n_test: number of test rows that were searched.
        part: what these rows are called.
    """
    if not pairs:
        return [report(DUPLICATED, "passed", f"None of {n_test:,} {part} rows stands among the training rows.")]
    rows = {pair.second for pair in pairs}
    n_mirrored, n_labels = sum(pair.mirrored for pair in pairs), sum(len(set(pair.labels)) > 1 for pair in pairs)
    return [
        report(
            DUPLICATED,
            "issue",
            f"{len(rows):,} of {n_test:,} {part} rows ({len(rows) / n_test:.1%}) stand among the training rows too: "
            f"{len(pairs):,} pairs, "
            f"{n_mirrored:,} of them mirrored, {n_labels:,} with labels that differ.",
            f"Score without these {part} rows too, and say both; look at the pairs first, since some may be wrong.",
        )
    ]
