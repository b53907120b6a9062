"""ML014 to ML017 and ML020: constant features, rows twice, no numbers, unreadable files, groups in two parts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from monolayer.data.dataset import Dataset
from monolayer.data.memmap import count_rows, give_back
from monolayer.findings import Finding, report

Array = npt.NDArray[Any]
CONSTANT, TWICE, NOT_FINITE, UNREADABLE, GROUPS = "ML014", "ML015", "ML016", "ML017", "ML020"
# Names and numbers that a text lists before it says how many more there are.
MOST_NAMED = 5


def list_some(words: Sequence[object]) -> str:
    """The first few, and how many more there are."""
    shown = ", ".join(map(str, words[:MOST_NAMED]))
    return shown if len(words) <= MOST_NAMED else f"{shown} and {len(words) - MOST_NAMED:,} more"


def check_constant(low: Array, high: Array, names: Sequence[str] = ()) -> Finding:
    """ML014: whether a feature has the same value in every training row.

    Args:
        low: the smallest value of each feature, (D,).
        high: the largest.
        names: the features', where they are columns; else they are counted from 0.
    """
    same = np.flatnonzero(low == high)
    if not len(same):
        return report(CONSTANT, "passed", f"Each of {len(low):,} features varies.")
    is_named = len(names) == len(low)
    listed = list_some([f"column {names[place]!r}" if is_named else f"feature {place}" for place in same.tolist()])
    seen = f"{len(same):,} of {len(low):,} features have one value in every training row: {listed}."
    return report(CONSTANT, "tip", seen, "They tell no class from another; leave them out, or look why they are there.")


@dataclass(frozen=True)
class _Place:
    """Where a row stands, and what stands beside it."""

    part: str
    row: int
    label: Any
    group: Any
    file: str = ""

    def __str__(self) -> str:
        return self.file or f"{self.part} {self.row}"


@dataclass
class _Pairs:
    """Rows that are the same as an earlier one: how many, and the first few, by what makes them worth a look."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("inside", "across", "label", "group"), 0))
    named: dict[str, list[str]] = field(default_factory=dict)

    def add(self, earlier: _Place, later: _Place) -> None:
        kinds = ["inside" if earlier.part == later.part else "across"]
        kinds += ["label"] if earlier.label != later.label else []
        kinds += ["group"] if earlier.group != later.group else []
        for kind in kinds:
            self.counts[kind] += 1
            if len(self.named.setdefault(kind, [])) < MOST_NAMED:
                self.named[kind].append(f"{later} is {earlier}")

    def name_worst(self) -> str:
        """The first few of the kind that weighs most."""
        kind = next(kind for kind in ("across", "label", "group", "inside") if self.counts[kind])
        more = self.counts[kind] - len(self.named[kind])
        return ", ".join(self.named[kind]) + (f" and {more:,} more" if more else "")


def check_rows(parts: Mapping[str, Dataset], files: Mapping[str, Sequence[str]] | None = None) -> Finding:
    """ML015: whether rows stand twice, byte for byte: in one part, in two, or with two labels or groups.

    Args:
        parts: the dataset's, by name, training rows first.
        files: the names of a part's rows, where they are files.
    """
    digests = np.concatenate([_compute_digests(part.X) for part in parts.values()])
    pairs = _Pairs()
    for later, earlier in _find_repeats(digests):
        pairs.add(_locate(earlier, parts, files or {}), _locate(later, parts, files or {}))
    n, n_rows = pairs.counts, sum(len(part.X) for part in parts.values())
    n_twice = n["inside"] + n["across"]
    if not n_twice:
        return report(TWICE, "passed", f"No two of {n_rows:,} rows are the same, byte for byte.")
    grouped = f", {n['group']:,} in another group" if n["group"] else ""
    seen = (
        f"Of {n_rows:,} rows {n_twice:,} are the same as an earlier one, byte for byte: {n['inside']:,} in the same "
        f"part, {n['across']:,} in another; {n['label']:,} with another label{grouped} ({pairs.name_worst()})."
    )
    advice = "Leave them out, or keep them in one part (--group-by); look at those whose labels differ."
    is_issue = n["across"] or n["label"] or n["group"]
    return report(TWICE, "issue" if is_issue else "tip", seen, advice)


def _compute_digests(X: Array) -> Array:
    """A digest of each row's bytes, (n,) of 16 bytes: they and their order are all that a search holds."""
    digests, stride = np.empty(len(X), "V16"), count_rows(X)
    for start in range(0, len(X), stride):
        for row, content in enumerate(X[start : start + stride], start):
            digests[row] = np.void(hashlib.blake2b(content.tobytes(), digest_size=16).digest())
        give_back(X)
    return digests


def _find_repeats(digests: Array) -> Iterator[tuple[int, int]]:
    """(place, place of the earliest equal one) of every digest that was there before, in order."""
    _, first, inverse = np.unique(digests, return_index=True, return_inverse=True)
    earliest = first[inverse]
    repeats = np.flatnonzero(earliest != np.arange(len(digests)))
    yield from zip(repeats.tolist(), earliest[repeats].tolist(), strict=True)


def _locate(place: int, parts: Mapping[str, Dataset], files: Mapping[str, Sequence[str]]) -> _Place:
    """What stands at a place, counted through all parts."""
    starts = np.cumsum([0, *(len(part.X) for part in parts.values())])
    at = int(np.searchsorted(starts, place, side="right")) - 1
    name, place = list(parts)[at], place - int(starts[at])
    part = parts[name]
    group = None if part.groups is None else part.groups[place]
    return _Place(name, place, part.y[place].tolist(), group, files[name][place] if name in files else "")


@dataclass
class NotFinite:
    """Values that are not finite, in the rows of one part.

    Args:
        n_rows: rows of the part.
        features: (D,) bool, which features hold any.
        rows: the first rows that hold any.
        n_wrong: how many rows do.
    """

    n_rows: int
    features: Array
    rows: list[int] = field(default_factory=list)
    n_wrong: int = 0

    @classmethod
    def start(cls, n_rows: int, n_features: int) -> NotFinite:
        """Nothing found yet."""
        return cls(n_rows, np.zeros(n_features, bool))

    def add(self, is_wrong: Array, start: int) -> None:
        """Of rows from ``start`` on, which values are not finite, (m, D) bool."""
        rows = start + np.flatnonzero(is_wrong.any(axis=1))
        self.features |= is_wrong.any(axis=0)
        self.n_wrong += len(rows)
        self.rows += rows[: MOST_NAMED - len(self.rows)].tolist()

    def describe(self, part: str) -> str:
        """How many rows and features, and which."""
        features = np.flatnonzero(self.features).tolist()
        more = f" and {self.n_wrong - len(self.rows):,} more" if self.n_wrong > len(self.rows) else ""
        return (
            f"{self.n_wrong:,} of {self.n_rows:,} {part} rows ({', '.join(map(str, self.rows))}{more}), in "
            f"{len(features):,} of {len(self.features):,} features ({list_some(features)})"
        )


def check_finite(parts: Mapping[str, NotFinite]) -> Finding:
    """ML016: whether a value is no number, or infinite.

    Args:
        parts: what was found, by the part's name.
    """
    wrong = [found.describe(part) for part, found in parts.items() if found.n_wrong]
    if not wrong:
        return report(NOT_FINITE, "passed", "Every value is a finite number.")
    seen = f"Values that are not finite are in {'; in '.join(wrong)}."
    return report(
        NOT_FINITE, "issue", seen, "Training refuses them: leave out these rows or features, or fill them in."
    )


def check_groups(parts: Mapping[str, Array | None]) -> Finding:
    """ML020: whether rows of one group stand in two parts that the source itself divides.

    Args:
        parts: each row's group, (n,), by the part's name; None where there are no groups.
    """
    groups = {part: set(np.asarray(found).tolist()) for part, found in parts.items() if found is not None}
    if len(groups) < 2:
        why = "No groups are named" if not groups else "The source does not divide its rows"
        return report(GROUPS, "not applicable", f"{why}.")
    shared = {
        f"{first} and {second}": sorted(groups[first] & groups[second]) for first, second in combinations(groups, 2)
    }
    seen = [f"{len(both):,} in {where} ({list_some(both)})" for where, both in shared.items() if both]
    if not seen:
        return report(GROUPS, "passed", f"Each of {len(set().union(*groups.values())):,} groups is in one part.")
    advice = "Divide the rows again so that a group is in one part; else the evaluation is of what was trained on."
    return report(GROUPS, "issue", f"Groups with rows in two parts: {'; '.join(seen)}.", advice)


def check_readable(files: Mapping[str, str], n_files: int) -> Finding:
    """ML017: whether images could not be read.

    Args:
        files: why not, by the file's name or the row that holds it.
        n_files: how many there are.
    """
    if not n_files:
        return report(UNREADABLE, "not applicable", "The rows are no encoded images.")
    if not files:
        return report(UNREADABLE, "passed", f"All of {n_files:,} images can be read.")
    named = list_some([f"{name} ({why})" for name, why in files.items()])
    seen = f"{len(files):,} of {n_files:,} images cannot be read: {named}."
    return report(UNREADABLE, "issue", seen, "Training stops at the first of them: mend them, or take them away.")
