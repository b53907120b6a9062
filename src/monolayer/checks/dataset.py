"""ML014 to ML017, ML020: constant features, repeated rows, non-finite values, unreadable images, shared groups."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from monolayer._typing import Array
from monolayer.data.dataset import Dataset
from monolayer.data.memmap import count_rows, give_back
from monolayer.duplicates.search import digest_rows
from monolayer.findings import Check, Finding

CONSTANT = Check("ML014", "Constant features", "dataset", "the features of the training rows")
REPEATED = Check("ML015", "Repeated rows", "dataset", "the features, labels and groups of all rows")
NOT_FINITE = Check("ML016", "Values that are not finite", "dataset", "the features of all rows")
UNREADABLE = Check("ML017", "Images that cannot be read", "dataset", "encoded images, in a folder or a Parquet file")
GROUPS = Check("ML020", "A group in two splits", "dataset", "the groups of rows that the source splits itself")
MOST_LISTED = 5  # names and numbers that a sentence lists before it counts the rest


def list_some(words: Sequence[object], n: int | None = None) -> str:
    """The first few, and the number of the others; n is the number of all, if only the first are given."""
    shown, n = ", ".join(map(str, words[:MOST_LISTED])), len(words) if n is None else n
    return shown if n <= MOST_LISTED else f"{shown} and {n - MOST_LISTED:,} more"


def check_constant(low: Array, high: Array, names: Sequence[str] = ()) -> Finding:
    """ML014: whether a feature has the same value in every training row.

    Args:
        low: the smallest value of each feature, (D,).
        high: the largest.
        names: the names of the features if they are columns; otherwise they are counted from 0.
    """
    same = np.flatnonzero(low == high)
    if not len(same):
        return CONSTANT.make_finding("passed", f"None of {len(low):,} features is constant.")
    has_names = len(names) == len(low)
    listed = list_some([f"column {names[place]!r}" if has_names else f"feature {place}" for place in same.tolist()])
    evidence = f"{len(same):,} of {len(low):,} features have the same value in every training row: {listed}."
    advice = "They cannot separate classes; leave them out, or find out why they are constant."
    return CONSTANT.make_finding("tip", evidence, advice)


def check_rows(parts: Mapping[str, Dataset], files: Mapping[str, Sequence[str]] | None = None) -> Finding:
    """ML015: whether rows are equal byte for byte: in one split, in two, or with different labels or groups.

    Args:
        parts: the splits of the dataset, by name, training rows first.
        files: the file names of the rows of a split, if they are files.
    """
    n_rows = sum(len(part.X) for part in parts.values())
    later, earlier = _find_repeats(np.concatenate([_compute_digests(part.X) for part in parts.values()]))
    if not len(later):
        return REPEATED.make_finding("passed", f"No two of {n_rows:,} rows are equal byte for byte.")
    split = np.repeat(np.arange(len(parts)), [len(part.X) for part in parts.values()])
    y = np.concatenate([part.y for part in parts.values()])
    groups = np.concatenate(
        [np.full(len(p.X), None) if p.groups is None else p.groups.astype(object) for p in parts.values()]
    )
    is_across = split[later] != split[earlier]
    kinds = {  # the most serious first
        "across": is_across,
        "label": (y[later] != y[earlier]).reshape(len(later), -1).any(axis=1),
        "group": groups[later] != groups[earlier],
        "inside": ~is_across,
    }
    n = {kind: int(mask.sum()) for kind, mask in kinds.items()}
    worst = next(kind for kind in kinds if n[kind])
    pairs = np.stack([later, earlier], axis=1)[kinds[worst]][:MOST_LISTED]
    named = [[_name_row(place, parts, files or {}) for place in pair] for pair in pairs.tolist()]
    listed = list_some([" is ".join(pair) for pair in named], n[worst])
    grouped = f", {n['group']:,} in another group" if n["group"] else ""
    evidence = (
        f"Of {n_rows:,} rows {len(later):,} equal an earlier one byte for byte: {n['inside']:,} in the same split, "
        f"{n['across']:,} in another; {n['label']:,} with another label{grouped} ({listed})."
    )
    advice = "Remove them, or keep equal rows in one split (--group-by); check those with different labels."
    is_issue = n["across"] or n["label"] or n["group"]
    return REPEATED.make_finding("issue" if is_issue else "tip", evidence, advice)


def _compute_digests(X: Array) -> Array:
    """A digest of each row's bytes, (n,) of 16 bytes, so that a search does not hold the rows in memory."""
    digests, stride = np.empty(len(X), "V16"), count_rows(X)
    for start in range(0, len(X), stride):
        for row, digest in enumerate(digest_rows(X[start : start + stride]), start):
            digests[row] = np.void(digest)
        give_back(X)
    return digests


def _find_repeats(digests: Array) -> tuple[Array, Array]:
    """The place of every digest that occurs earlier, in order, and the place of the earliest equal one."""
    _, first, inverse = np.unique(digests, return_index=True, return_inverse=True)
    earliest = first[inverse]
    later = np.flatnonzero(earliest != np.arange(len(digests)))
    return later, earliest[later]


def _name_row(place: int, parts: Mapping[str, Dataset], files: Mapping[str, Sequence[str]]) -> str:
    """The file or the split and the row at a place that is counted through all splits."""
    for name, part in parts.items():
        if place < len(part.X):
            return (files[name][place] if name in files else "") or f"{name} {place}"
        place -= len(part.X)
    raise IndexError(place)


@dataclass
class NotFinite:
    """Values that are not finite, in the rows of one split.

    Args:
        n_rows: rows of the split.
        features: (D,) bool, which features have such a value.
        rows: the first rows that have one.
        n_wrong: number of rows that have one.
    """

    n_rows: int
    features: Array
    rows: list[int] = field(default_factory=list)
    n_wrong: int = 0

    def add(self, is_wrong: Array, start: int) -> None:
        """Add which values are not finite, (m, D) bool, in the rows from ``start`` on."""
        rows = start + np.flatnonzero(is_wrong.any(axis=1))
        self.features |= is_wrong.any(axis=0)
        self.n_wrong += len(rows)
        self.rows += rows[: MOST_LISTED - len(self.rows)].tolist()

    def describe(self, part: str) -> str:
        """How many rows and features have such values, and which."""
        features = np.flatnonzero(self.features).tolist()
        return (
            f"{self.n_wrong:,} of {self.n_rows:,} {part} rows ({list_some(self.rows, self.n_wrong)}), in "
            f"{len(features):,} of {len(self.features):,} features ({list_some(features)})"
        )


def check_finite(parts: Mapping[str, NotFinite]) -> Finding:
    """ML016: whether a value is NaN or infinite.

    Args:
        parts: what was found, by the name of the split.
    """
    wrong = [found.describe(part) for part, found in parts.items() if found.n_wrong]
    if not wrong:
        return NOT_FINITE.make_finding("passed", "Every value is finite.")
    advice = "Training refuses them: leave out these rows or features, or fill the values in."
    return NOT_FINITE.make_finding("issue", f"Values are not finite in {'; in '.join(wrong)}.", advice)


def check_groups(parts: Mapping[str, Array | None]) -> Finding:
    """ML020: whether rows of one group are in two splits that the source itself defines.

    Args:
        parts: the group of each row, (n,), by the name of the split; None if there are no groups.
    """
    groups = {part: set(np.asarray(found).tolist()) for part, found in parts.items() if found is not None}
    if len(groups) < 2:
        why = "No groups are given." if not groups else "The source does not split its rows."
        return GROUPS.make_finding("not applicable", why)
    shared = {
        f"{first} and {second}": sorted(groups[first] & groups[second]) for first, second in combinations(groups, 2)
    }
    listed = [f"{len(both):,} in {where} ({list_some(both)})" for where, both in shared.items() if both]
    if not listed:
        n_groups = len(set().union(*groups.values()))
        return GROUPS.make_finding("passed", f"Each of {n_groups:,} groups is in one split.")
    advice = "Split the rows again so that each group is in one split; otherwise training and evaluation share groups."
    return GROUPS.make_finding("issue", f"Groups with rows in two splits: {'; '.join(listed)}.", advice)


def check_readable(files: Mapping[str, str], n_files: int) -> Finding:
    """ML017: whether images cannot be read.

    Args:
        files: the reason, by the file's name or the row that holds it.
        n_files: number of images.
    """
    if not n_files:
        return UNREADABLE.make_finding("not applicable", "The rows are not encoded images.")
    if not files:
        return UNREADABLE.make_finding("passed", f"All of {n_files:,} images can be read.")
    listed = list_some([f"{name} ({why})" for name, why in files.items()])
    evidence = f"{len(files):,} of {n_files:,} images cannot be read: {listed}."
    return UNREADABLE.make_finding("issue", evidence, "Training stops at the first of them: repair or remove them.")
