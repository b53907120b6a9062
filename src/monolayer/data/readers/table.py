"""CSV and TSV with a header: a column of labels, the others numbers.

NumPy's own reader: it is written in C, needs no extra, and names the row and column of what is no number.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from monolayer.data.readers.options import DataOptions
from monolayer.data.readers.raw import Raw
from monolayer.errors import BadData
from monolayer.progress import Progress

Array = npt.NDArray[Any]
LABELS = ("label", "labels", "y", "target", "class")


def read_table(path: Path, options: DataOptions, progress: Progress) -> dict[str, Raw]:
    """A table as float32 rows.

    Raises:
        BadData: if a column is missing, or a value is no number; the text names it.
    """
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    columns = _read_header(path, delimiter)
    label = choose_label(columns, options, path)
    special = {label, options.split_by, options.group_by}
    places = [i for i, name in enumerate(columns) if name not in special]
    if not places:
        raise BadData(f"{path}: has no columns of features beside {', '.join(columns)}.")
    X = _load(path, delimiter, places, np.float32, columns)
    texts = {name: _load(path, delimiter, [columns.index(name)], np.str_, columns)[:, 0] for name in special if name}
    return {
        "train": Raw(
            X,
            convert_labels(texts[label]),
            parts=texts.get(options.split_by or ""),
            groups=texts.get(options.group_by or ""),
        )
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
            raise BadData(f"{path}: has no column {name!r}, which {option} names; it has {_list(columns)}.")
    if options.label is not None:
        return options.label
    found = next((name for wanted in LABELS for name in columns if name.lower() == wanted), None)
    if found is None:
        raise BadData(f"{path}: has no column of labels ({', '.join(LABELS)}); name it (--label) of {_list(columns)}.")
    return found


def convert_labels(texts: Array) -> Array:
    """Labels that are all whole numbers as such, so that 10 comes after 9; others as texts."""
    try:
        return texts.astype(np.int64)
    except ValueError:
        return texts


def _list(columns: list[str]) -> str:
    shown = ", ".join(columns[:12])
    return shown if len(columns) <= 12 else f"{shown} and {len(columns) - 12} more"


def _read_header(path: Path, delimiter: str) -> list[str]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            columns = next(csv.reader(file, delimiter=delimiter), [])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadData(f"{path}: cannot be read as a table ({error}).") from None
    twice = [name for name in columns if columns.count(name) > 1]
    if not columns or twice:
        what = f"names column {twice[0]!r} twice" if twice else "is empty"
        raise BadData(f"{path}: {what}; accepted is a table whose first line names its columns.")
    return columns


def _load(path: Path, delimiter: str, places: list[int], dtype: Any, columns: list[str]) -> Array:
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # "input contained no data"
            return np.loadtxt(
                path, dtype, delimiter=delimiter, skiprows=1, usecols=places, quotechar='"', ndmin=2, encoding="utf-8",
                comments=None,
            )  # fmt: skip
    except (ValueError, IndexError, UserWarning) as error:
        raise BadData(f"{path}: {_explain(str(error), columns)}") from None


def _explain(error: str, columns: list[str]) -> str:
    """NumPy's error, with the column by its name."""
    found = re.search(r"could not convert string (.*) to \w+ at row (\d+), column (\d+)", error)
    if not found:
        return f"cannot be read as a table ({error.splitlines()[0].rstrip('.')})."
    value, row, column = found[1], int(found[2]) + 1, columns[int(found[3]) - 1]
    return (
        f"column {column!r} holds {value} in row {row}; accepted are numbers (--label, --split-by and --group-by name "
        "columns that are no features)."
    )
