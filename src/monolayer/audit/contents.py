"""ML014 to ML017: what data of one's own may hold: constant features, rows twice, no numbers, unreadable files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from monolayer.audit.finding import Finding, report
from monolayer.data.dataset import Dataset
from monolayer.data.mapped import count_rows, give_back

Array = npt.NDArray[Any]
CONSTANT, TWICE, NOT_FINITE, UNREADABLE = "ML014", "ML015", "ML016", "ML017"
# Names and numbers that a text lists before it says how many more there are.
MOST_NAMED = 5


def list_some(words: Sequence[object]) -> str:
    """The first few, and how many more there are."""
    shown = ", ".join(map(str, words[:MOST_NAMED]))
    return shown if len(words) <= MOST_NAMED else f"{shown} and {len(words) - MOST_NAMED:,} more"


def check_constant(low: Array, high: Array) -> Finding:
    """ML014: whether a feature has the same value in every training row.

    Args:
        low: the smallest value of each feature, (D,).
        high: the largest.
    """
    same = np.flatnonzero(low == high)
    if not len(same):
        return report(CONSTANT, "passed", f"Each of {len(low):,} features varies.")
    seen = f"{len(same):,} of {len(low):,} features have one value in every training row: {list_some(same.tolist())}."
    return report(CONSTANT, "tip", seen, "They tell no class from another; leave them out, or look why they are there.")


def check_rows(parts: Mapping[str, Dataset]) -> Finding:
    """ML015: whether rows stand twice, byte for byte: in one part, in two, or with two labels.

    Args:
        parts: the dataset's, by name, training rows first.
    """
    met: dict[bytes, tuple[str, Any]] = {}
    n_rows, inside, across, differ = 0, 0, 0, 0
    for name, part in parts.items():
        n_rows += len(part.X)
        for digest, label in zip(_iterate_digests(part.X), part.y.tolist(), strict=True):
            if digest in met:
                where, its_label = met[digest]
                inside, across = inside + (where == name), across + (where != name)
                differ += its_label != label
            else:
                met[digest] = (name, label)
    if not inside + across:
        return report(TWICE, "passed", f"No two of {n_rows:,} rows are the same, byte for byte.")
    seen = (
        f"Of {n_rows:,} rows {inside + across:,} are the same as an earlier one, byte for byte: {inside:,} in the same "
        f"part, {across:,} in another; {differ:,} with another label."
    )
    advice = "Leave them out, or keep them in one part (--group-by); look at those whose labels differ."
    return report(TWICE, "issue" if across or differ else "tip", seen, advice)


def _iterate_digests(X: Array) -> Iterator[bytes]:
    for start in range(0, len(X), count_rows(X)):
        for row in X[start : start + count_rows(X)]:
            yield hashlib.blake2b(row.tobytes(), digest_size=16).digest()
        give_back(X)


def check_finite(low: Array, high: Array) -> Finding:
    """ML016: whether a value is no number, or infinite.

    Args:
        low: the smallest value of each feature, (D,); not a number where a row's is not.
        high: the largest.
    """
    wrong = np.flatnonzero(~(np.isfinite(low) & np.isfinite(high)))
    if not len(wrong):
        return report(NOT_FINITE, "passed", "Every value is a finite number.")
    seen = f"{len(wrong):,} of {len(low):,} features hold values that are not finite: {list_some(wrong.tolist())}."
    return report(
        NOT_FINITE, "issue", seen, "Training refuses them: leave out these rows or features, or fill them in."
    )


def check_readable(files: Mapping[str, str], n_files: int) -> Finding:
    """ML017: whether files could not be read.

    Args:
        files: why not, by name.
        n_files: how many there are.
    """
    if not n_files:
        return report(UNREADABLE, "not applicable", "The rows are not files of their own.")
    if not files:
        return report(UNREADABLE, "passed", f"All of {n_files:,} files can be read.")
    named = list_some([f"{name} ({why})" for name, why in files.items()])
    seen = f"{len(files):,} of {n_files:,} files cannot be read: {named}."
    return report(UNREADABLE, "issue", seen, "Training stops at the first of them: mend them, or take them away.")
