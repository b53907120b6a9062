"""ML002, ML008, ML009, ML010: duplicates, openings of the test rows, fitting on them, and class imbalance."""

from collections.abc import Sequence

import numpy as np

from monolayer._typing import Array
from monolayer.checks.thresholds import IMBALANCE, RARE_ROWS, SAME_STATISTIC
from monolayer.data.dataset import Rows, Splits
from monolayer.data.scaler import Scaler, fit_scaler
from monolayer.duplicates.leaked import Leaked
from monolayer.duplicates.search import Duplicate
from monolayer.findings import Check, Finding

DUPLICATES = Check(
    "ML002", "Duplicates across splits", "rows", "a search of the training rows for each test row", ("LEAST_SIDE",)
)
OPENINGS = Check("ML008", "Test rows opened more than once", "rows", "the recorded openings of the test rows")
FITTING_ROWS = Check(
    "ML009",
    "Evaluation rows took part in fitting",
    "rows",
    "the row indices, the scaler and the features of all splits",
    ("SAME_STATISTIC",),
)
CLASSES = Check(
    "ML010",
    "Class imbalance and rare classes",
    "rows",
    "the labels of the training and validation rows",
    ("IMBALANCE", "RARE_ROWS"),
)


def check_duplicates(pairs: Sequence[Duplicate], n_rows: int, part: str = "test") -> list[Finding]:
    """ML002 after a search: how many test rows, or rows of another part, have a duplicate among the training rows.

    Args:
        pairs: first is a training row, second a test row.
        n_rows: number of test rows that were searched.
        part: the name of these rows.
    """
    if not pairs:
        evidence = f"None of {n_rows:,} {part} rows has a duplicate among the training rows."
        return [DUPLICATES.make_finding("passed", evidence)]
    n_leaked = len({pair.second for pair in pairs})
    n_mirrored, n_labels = sum(pair.mirrored for pair in pairs), sum(len(set(pair.labels)) > 1 for pair in pairs)
    evidence = (
        f"{n_leaked:,} of {n_rows:,} {part} rows ({n_leaked / n_rows:.1%}) have a duplicate among the training rows: "
        f"{len(pairs):,} pairs, {n_mirrored:,} of them mirrored, {n_labels:,} with different labels."
    )
    advice = f"Report the accuracy without these {part} rows too; look at the pairs first, since some may be wrong."
    return [DUPLICATES.make_finding("issue", evidence, advice)]


def check_leaked(leaked: Leaked | None, n_test: int) -> list[Finding]:
    """ML002 for a run: the result of a search, or ``skipped`` if there was none (None)."""
    if leaked is None:
        evidence = "The training rows were not searched for duplicates of the test rows."
        advice = "Search with `monolayer audit DATASET`; on CIFAR-10 it takes half a minute."
        return [DUPLICATES.make_finding("skipped", evidence, advice)]
    return check_duplicates(leaked.pairs, n_test)


def check_openings(reasons: Sequence[str]) -> Finding:
    """ML008: whether the test rows were opened more than once.

    Args:
        reasons: the reason of each opening.
    """
    if not reasons:
        return OPENINGS.make_finding("not applicable", "The test rows are sealed.")
    if len(reasons) == 1:
        return OPENINGS.make_finding("passed", f"Opened once: {reasons[0]}.")
    advice = "Report this with the test accuracy; whatever changed after the first opening was fitted to these rows."
    return OPENINGS.make_finding("issue", f"Opened {len(reasons)} times: {'; '.join(reasons)}.", advice)


def check_fitted(splits: Splits, scaler: Scaler | None = None) -> Finding:
    """ML009: whether evaluation rows took part in fitting: as training rows, in the scaler, or in scaled features.

    Args:
        splits: the rows; the test rows are counted and their features summed, and stay sealed otherwise.
        scaler: the network's, if it may have been fitted elsewhere; it costs one pass over the training rows.
    """
    advice = "Split the rows again, and fit everything on the training rows only."
    overlaps = {pair: n for pair, n in splits.count_overlaps().items() if n}
    if overlaps:
        evidence = "; ".join(f"{n:,} rows are both {first} and {second}" for (first, second), n in overlaps.items())
        return FITTING_ROWS.make_finding("issue", f"{evidence}.", advice)
    if scaler is not None and not _is_same(scaler, fit_scaler(splits.train)):
        evidence = "The network's mean and standard deviation are not those of its training rows."
        return FITTING_ROWS.make_finding("issue", evidence, advice)
    if splits.dataset.X.dtype.kind == "f" and _is_standardised_with_all(splits):
        evidence = (
            "Every feature has mean 0 and standard deviation 1 over all rows, evaluation rows included, but not over "
            "the training rows."
        )
        advice = "Standardise with the training rows only, or leave it to the library."
        return FITTING_ROWS.make_finding("issue", evidence, advice)
    return FITTING_ROWS.make_finding("passed", "No row is in two splits, and only training rows were used for scaling.")


def _is_same(first: Scaler, second: Scaler) -> bool:
    statistics = (first.mean / second.std, second.mean / second.std), (first.std / second.std, 1.0)
    return all(np.allclose(a, b, rtol=SAME_STATISTIC, atol=SAME_STATISTIC) for a, b in statistics)


def _is_standardised_with_all(splits: Splits) -> bool:
    """Whether mean 0 and deviation 1 hold over all rows but not over the training rows."""
    dataset = splits.dataset
    parts = [Rows(part, np.arange(len(part.X))) for part in (dataset, dataset.val, dataset.test) if part is not None]
    n = sum(map(len, parts))
    scalers = [fit_scaler(part) for part in parts]
    mean = sum(len(part) * s.mean for part, s in zip(parts, scalers, strict=True)) / n
    square = sum(len(part) * (s.std**2 + s.mean**2) for part, s in zip(parts, scalers, strict=True)) / n
    # A constant feature has deviation 1 in a scaler, so it counts as standardised in both.
    everything = Scaler(np.asarray(mean), np.sqrt(np.maximum(np.asarray(square) - np.asarray(mean) ** 2, 0)))
    return _is_standard(everything) and not _is_standard(fit_scaler(splits.train))


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
    evidence = (
        f"The classes have {counts[least]:,} ({class_names[least]}) to {counts[most]:,} ({class_names[most]}) "
        "training rows."
    )
    missing = [] if y_val is None else [n for k, n in enumerate(class_names) if not (y_val == k).any()]
    if missing:
        evidence += f" No validation row is {', '.join(missing)}."
    is_rare = counts[least] < RARE_ROWS or counts[most] > IMBALANCE * counts[least] or bool(missing)
    advice = (
        "Read accuracies class by class; draw the validation rows by class (--split-seed), or collect more rows of the "
        "rare classes."
    )
    return CLASSES.judge(is_rare, evidence, advice, "tip")
