"""ML014 to ML017, ML020: constant features, repeated rows, non-finite values, unreadable images, shared groups."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

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


def list_some(words: Sequence[object]) -> str:
    """The first few, and the number of the others."""
    shown = ", ".join(map(str, words[:MOST_LISTED]))
    return shown if len(words) <= MOST_LISTED else f"{shown} and {len(words) - MOST_LISTED:,} more"


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


@dataclass(frozen=True)
class _Row:
    """A row with its label and group."""

    part: str
    row: int
    label: Any
    group: Any
    file: str = ""

    def __str__(self) -> str:
        return self.file or f"{self.part} {self.row}"


@dataclass
class _Repeats:
    """Rows that equal an earlier one: how many, and the first few, by where they are and how they differ."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("inside", "across", "label", "group"), 0))
    listed: dict[str, list[str]] = field(default_factory=dict)

    def add(self, earlier: _Row, later: _Row) -> None:
        kinds = ["inside" if earlier.part == later.part else "across"]
        kinds += ["label"] if earlier.label != later.label else []
        kinds += ["group"] if earlier.group != later.group else []
        for kind in kinds:
            self.counts[kind] += 1
            if len(self.listed.setdefault(kind, [])) < MOST_LISTED:
                self.listed[kind].append(f"{later} is {earlier}")

    def list_worst(self) -> str:
        """The first few of the most serious kind."""
        kind = next(kind for kind in ("across", "label", "group", "inside") if self.counts[kind])
        more = self.counts[kind] - len(self.listed[kind])
        return ", ".join(self.listed[kind]) + (f" and {more:,} more" if more else "")


def check_rows(parts: Mapping[str, Dataset], files: Mapping[str, Sequence[str]] | None = None) -> Finding:
    """ML015: whether rows are equal byte for byte: in one split, in two, or with different labels or groups.

    Args:
        parts: the splits of the dataset, by name, training rows first.
        files: the file names of the rows of a split, if they are files.
    """
    digests = np.concatenate([_compute_digests(part.X) for part in parts.values()])
    repeats = _Repeats()
    for later, earlier in _find_repeats(digests):
        repeats.add(_locate(earlier, parts, files or {}), _locate(later, parts, files or {}))
    n, n_rows = repeats.counts, sum(len(part.X) for part in parts.values())
    n_repeated = n["inside"] + n["across"]
    if not n_repeated:
        return REPEATED.make_finding("passed", f"No two of {n_rows:,} rows are equal byte for byte.")
    grouped = f", {n['group']:,} in another group" if n["group"] else ""
    evidence = (
        f"Of {n_rows:,} rows {n_repeated:,} equal an earlier one byte for byte: {n['inside']:,} in the same split, "
        f"{n['across']:,} in another; {n['label']:,} with another label{grouped} ({repeats.list_worst()})."
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


def _find_repeats(digests: Array) -> Iterator[tuple[int, int]]:
    """(place, place of the earliest equal one) of every digest that occurs earlier, in order."""
    _, first, inverse = np.unique(digests, return_index=True, return_inverse=True)
    earliest = first[inverse]
    repeats = np.flatnonzero(earliest != np.arange(len(digests)))
    yield from zip(repeats.tolist(), earliest[repeats].tolist(), strict=True)


def _locate(place: int, parts: Mapping[str, Dataset], files: Mapping[str, Sequence[str]]) -> _Row:
    """The row at a place that is counted through all splits."""
    starts = np.cumsum([0, *(len(part.X) for part in parts.values())])
    at = int(np.searchsorted(starts, place, side="right")) - 1
    name, place = list(parts)[at], place - int(starts[at])
    part = parts[name]
    group = None if part.groups is None else part.groups[place]
    return _Row(name, place, part.y[place].tolist(), group, files[name][place] if name in files else "")


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
        more = f" and {self.n_wrong - len(self.rows):,} more" if self.n_wrong > len(self.rows) else ""
        return (
            f"{self.n_wrong:,} of {self.n_rows:,} {part} rows ({', '.join(map(str, self.rows))}{more}), in "
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
