"""CSV and TSV with a header: a column of labels, the others numbers.

NumPy's own reader: it is written in C, needs no extra, and names the row and column of what is no number.
"""

from __future__ import annotations

import csv
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from monolayer.data.readers.rows import DataOptions, ProgressLine, Raw
from monolayer.errors import BadData

Array = npt.NDArray[Any]
WHOLE = re.compile(r"-?(0|[1-9][0-9]*)(\.0+)?")
REAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?|[Nn][Aa][Nn]")
DELIMITERS = {",": "a comma", "\t": "a tab", ";": "a semicolon", "|": "a bar"}
LABELS = ("label", "labels", "y", "target", "class")


def read_table(path: Path, options: DataOptions, progress_line: ProgressLine) -> dict[str, Raw]:
    """A table as float32 rows; a column without a name, as pandas writes its index, is left out.

    Raises:
        BadData: if a column is missing, or a value is no number; the text names it.
    """
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    columns, n_lines = _read_header(path, delimiter)
    label = choose_label([name for name in columns if name], options, path)
    if "" in columns:
        progress_line.progress.info(f"{path}: column {columns.index('')} has no name and is left out")
    beside = {label, options.split_by, options.group_by, ""}
    if all(name in beside for name in columns):
        raise BadData(f"{path}: has no columns of features beside {', '.join(columns)}.")
    progress_line.on_columns([name for name in columns if name not in beside])
    content = _load(path, _Layout(delimiter, columns, n_lines, frozenset(beside)))
    runs = [content[name] for name in content.dtype.names or () if content.dtype[name].subdtype]
    texts = {columns[int(name)]: content[name].astype(str) for name in content.dtype.names or () if name.isdigit()}
    features = tuple(name for name in columns if name not in beside)
    raw = Raw(np.concatenate(runs, axis=1), convert_labels(texts[label]), columns=features)
    parts, groups = texts.get(options.split_by or label), texts.get(options.group_by or label)
    return {
        "train": replace(raw, parts=parts if options.split_by else None, groups=groups if options.group_by else None)
    }


def choose_label(columns: list[str], options: DataOptions, path: Path) -> str:
    """The column of labels; the columns that options name must be there.

    Raises:
        BadData: if a column is missing; the text says which columns there are.
    """
    for name, option in (
        (options.label, "--label"),
        (options.split_by, "--split-by"),
        (options.group_by, "--group-by"),
    ):
        if name is not None and name not in columns:
            raise BadData(f"{path}: has no column {name!r}, which {option} names; it has {list_names(columns)}.")
    if options.label is not None:
        return options.label
    found = next((name for wanted in LABELS for name in columns if name.lower() == wanted), None)
    if found is None:
        raise BadData(
            f"{path}: has no column of labels ({', '.join(LABELS)}); name it (--label) of {list_names(columns)}."
        )
    return found


def convert_labels(texts: Array) -> Array:
    """Labels that are all whole numbers as such, so that 10 comes after 9, and 1.0 is 1; others as texts.

    No two that are written as different names become one: 007 is not 7, and 1_0 is not 10. Real numbers and holes
    become floats, as which they are refused.
    """
    kinds, inverse = np.unique(texts, return_inverse=True)
    if all(map(WHOLE.fullmatch, kinds.tolist())):
        numbers = [int(text.partition(".")[0]) for text in kinds.tolist()]
        return np.array(numbers, np.int64)[inverse] if max(map(abs, numbers)) < 2**63 else texts
    return kinds.astype(np.float64)[inverse] if all(map(REAL.fullmatch, kinds.tolist())) else texts


def list_names(columns: Sequence[str]) -> str:
    """The first 12 names, and how many more there are."""
    shown = ", ".join(columns[:12])
    return shown if len(columns) <= 12 else f"{shown} and {len(columns) - 12} more"


@dataclass(frozen=True)
class _Layout:
    """How a table is laid out.

    Args:
        delimiter: between fields.
        columns: names.
        n_lines: of the header.
        beside: the columns that are no features.
    """

    delimiter: str
    columns: list[str]
    n_lines: int
    beside: frozenset[str | None]

    def make_dtype(self) -> np.dtype[Any]:
        """A field a run of features, so that they stay together, and one a column beside them, called by its place."""
        fields: list[tuple[Any, ...]] = []
        for is_beside, run in groupby(enumerate(self.columns), lambda column: column[1] in self.beside):
            places = [place for place, _ in run]
            fields += [(str(i), object) for i in places] if is_beside else [(f"x{places[0]}", "<f4", (len(places),))]
        return np.dtype(fields)


def _read_header(path: Path, delimiter: str) -> tuple[list[str], int]:
    """(names of the columns, lines that they take)."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, delimiter=delimiter)
            columns, n_lines = next(reader, []), reader.line_num
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadData(f"{path}: cannot be read as a table ({error}).") from None
    twice = [name for name in columns if columns.count(name) > 1]
    if not columns or twice:
        what = f"the first line names column {twice[0]!r} twice" if twice else "is empty"
        if twice and REAL.fullmatch(twice[0]):
            what = f"the first line must hold names, and holds values such as {twice[0]!r}"
        raise BadData(f"{path}: {what}; accepted is a table whose first line names its columns.")
    if len(columns) == 1:
        _check_delimiter(columns[0], delimiter, path)
    return columns, n_lines


def _check_delimiter(line: str, delimiter: str, path: Path) -> None:
    """Raise BadData if what should be several names is one, since something else stands between them."""
    found = next((one for one in DELIMITERS if one != delimiter and one in line), None)
    if found:
        raise BadData(
            f"{path}: {DELIMITERS[found]} separates the names of its columns; accepted is {DELIMITERS[delimiter]} in a "
            f"{path.suffix} file."
        )


def _load(path: Path, layout: _Layout) -> Array:
    """All rows, in one pass, as records."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # "input contained no data"
            return np.loadtxt(
                path, layout.make_dtype(), delimiter=layout.delimiter, skiprows=layout.n_lines, quotechar='"',
                ndmin=1, encoding="utf-8", comments=None,
            )  # fmt: skip
    except (ValueError, IndexError, UserWarning) as error:
        raise BadData(f"{path}: {_explain(str(error), layout.columns)}") from None


def _explain(error: str, columns: list[str]) -> str:
    """NumPy's error, with the column by its name and rows counted from 0, as everywhere."""
    if found := re.search(r"could not convert string (.*) to .* at row (\d+), column (\d+)", error):
        value, row, column = found[1], int(found[2]), columns[int(found[3]) - 1]
        return (
            f"column {column!r} holds {value} in row {row}; accepted are numbers (--label, --split-by and --group-by "
            "name columns that are no features)."
        )
    if found := re.search(r"requires (\d+) columns but (\d+) were found at row (\d+)", error):
        return f"row {int(found[3]) - 1} has {found[2]} fields, and the first line names {found[1]}."
    if "no data" in error:
        return "holds no rows below the names of its columns."
    return f"cannot be read as a table ({error.splitlines()[0].rstrip('.')})."
