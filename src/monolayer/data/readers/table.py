"""CSV and TSV tables: a row of column names, a column of labels, and columns of numbers.

Tables with labels are read by NumPy's reader, which is written in C and names the row and column of a wrong value.
Tables without labels are read in blocks by Python's reader, since they may be longer than the memory.
"""

import csv
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import numpy as np

from monolayer._typing import Array
from monolayer.data.options import DataOptions
from monolayer.data.readers.base import TABLE_OPTIONS, NetworkInput, Raw, ReadCallbacks, Reader, list_names
from monolayer.errors import BadData, BadInput

WHOLE = re.compile(r"-?(0|[1-9][0-9]*)(\.0+)?")
REAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?|[Nn][Aa][Nn]")
DELIMITERS = {",": "a comma", "\t": "a tab", ";": "a semicolon", "|": "a bar"}
LABELS = ("label", "labels", "y", "target", "class")
OTHER_LABELS = {*LABELS} - {"y"}  # a feature may be called y, beside x
ROW_NUMBERS = re.compile(r"index|id|unnamed: \d+(\.\d+)?|level_\d+|__index_level_\d+__", re.IGNORECASE)
ROWS_JUDGED = 100  # from which a column of texts is told from a column of numbers
MISSING = ("", "NA", "N/A", "null", "None", "?")
MIN_COUNTED = 3  # columns named 0, 1, 2, ...: a row of the numbers 0 and 1 may be data


class TableReader(Reader):
    """A table with commas or tabs between the columns."""

    kind = "a table"
    accepted = ".csv, .tsv"
    suffixes = (".csv", ".tsv")
    options = TABLE_OPTIONS
    can_ignore_columns = True

    def read(self, path: Path, options: DataOptions, callbacks: ReadCallbacks) -> Mapping[str, Raw]:
        """Features as float32; a column without a name, such as the index that pandas writes, is left out.

        Raises:
            BadData: if a column is missing, or a value is not a number; the text names it.
        """
        columns, n_lines = _read_header(path)
        _check_names(columns, options, path)
        label = choose_label([name for name in columns if name], options, path)
        if "" in columns:
            callbacks.progress.info(f"{path}: column {columns.index('')} has no name and is left out")
        named = {label, options.split_by, options.group_by}
        others = {*named, "", *find_other_columns([name for name in columns if name not in named], path, callbacks)}
        if texts_only := [name for name in _find_texts(path, columns) if name not in others]:
            callbacks.progress.info(f"{path}: columns that are not numbers are left out: {', '.join(texts_only)}")
            others |= {*texts_only}
        features = tuple(name for name in columns if name not in others)
        if not features:
            raise BadData(f"{path}: has no columns of features beside {', '.join(columns)}.")
        callbacks.on_columns(list(features))
        # Adjacent columns of features are one field of the records; each other column is a field named by its index.
        fields: list[tuple[Any, ...]] = []
        for is_other, run in groupby(enumerate(columns), lambda column: column[1] in others):
            indices = [index for index, _ in run]
            fields += [(str(i), object) for i in indices] if is_other else [(f"x{indices[0]}", "<f4", (len(indices),))]
        records = _load(path, np.dtype(fields), columns, n_lines)
        X = np.concatenate([records[name] for name, *_ in fields if name.startswith("x")], axis=1)
        texts = {columns[int(name)]: records[name].astype(str) for name, *_ in fields if name.isdigit()}
        if label in texts[label]:
            raise _refuse_values(label, path)
        raw = Raw(X, convert_labels(texts[label]), columns=features)
        parts = texts[options.split_by] if options.split_by else None
        groups = texts[options.group_by] if options.group_by else None
        return {"train": replace(raw, parts=parts, groups=groups)}

    def iterate(self, path: Path, expected: NetworkInput) -> Iterator[Array]:
        """Features as float64; columns are found by their names, or counted where the network has no names."""
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                reader = csv.reader(file, delimiter=_get_delimiter(path))
                rows = ((reader.line_num, row) for row in reader if row)
                first = next(rows, None)
                if first is None:
                    return
                columns, is_header = _choose_columns(first[1], path, expected)
                n_columns = len(first[1])
                if not is_header:
                    yield _parse([first], columns, n_columns, path)
                while lines := list(islice(rows, expected.block_size)):
                    yield _parse(lines, columns, n_columns, path)
        except (UnicodeDecodeError, csv.Error) as error:
            raise BadData(f"{path}: is not a table in UTF-8 ({error}).") from None


READERS = (TableReader(),)


def _get_delimiter(path: Path) -> str:
    return "\t" if path.suffix.lower() == ".tsv" else ","


def choose_label(columns: list[str], options: DataOptions, path: Path) -> str:
    """The name of the column of labels, after a check that all columns named in ``options`` exist.

    Raises:
        BadData: if a column is missing; the text lists the columns.
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


def find_other_columns(columns: Sequence[str], path: Path, callbacks: ReadCallbacks) -> list[str]:
    """The columns that are not features by their names: row numbers, and other labels; reports what is left out."""
    found = [name for name in columns if ROW_NUMBERS.fullmatch(name) or name.lower() in OTHER_LABELS]
    if found:
        callbacks.progress.info(
            f"{path}: left out, since their names are those of row numbers or labels: {', '.join(found)} (rename a "
            "column that is a feature)"
        )
    return found


def convert_labels(texts: Array) -> Array:
    """Labels as int64 if all are whole numbers, so that 10 comes after 9, and 1.0 is 1; else as texts.

    Names that differ stay different: 007 is not 7, and 1_0 is not 10. Real numbers and missing values become floats,
    which are refused as labels later.
    """
    kinds, inverse = np.unique(texts, return_inverse=True)
    if all(map(WHOLE.fullmatch, kinds.tolist())):
        numbers = [int(text.partition(".")[0]) for text in kinds.tolist()]
        return np.array(numbers, np.int64)[inverse] if max(map(abs, numbers)) < 2**63 else texts
    return kinds.astype(np.float64)[inverse] if all(map(REAL.fullmatch, kinds.tolist())) else texts


def _read_header(path: Path) -> tuple[list[str], int]:
    """(names of the columns, number of lines of the header)."""
    delimiter = _get_delimiter(path)
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
            raise _refuse_values(twice[0], path)
        raise BadData(f"{path}: {what}; accepted is a table whose first line names its columns.")
    if len(columns) == 1:
        _check_delimiter(columns[0], delimiter, path)
    return columns, n_lines


def _find_texts(path: Path, columns: list[str]) -> list[str]:
    """The columns without a number in the first rows; a text in a column of numbers is an error instead."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(islice(csv.reader(file, delimiter=_get_delimiter(path)), 1, 1 + ROWS_JUDGED))
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadData(f"{path}: cannot be read as a table ({error}).") from None
    values = zip(*(row for row in rows if len(row) == len(columns)), strict=True)
    return [
        name
        for name, column in zip(columns, values, strict=False)
        if not any(_is_number(value) for value in column) and any(value.strip() not in MISSING for value in column)
    ]


def _check_names(columns: list[str], options: DataOptions, path: Path) -> None:
    """Raise BadData if the first line holds no name of labels, and numbers that are not in order.

    Numbers in order may be names: pandas counts columns, and spectra have wavelengths.
    """
    numbers = [float(name) for name in columns if REAL.fullmatch(name)]
    has_label = options.label is not None or any(name.lower() in LABELS for name in columns)
    if numbers and not has_label and numbers != sorted(numbers):
        raise _refuse_values(next(name for name in columns if REAL.fullmatch(name)), path)


def _refuse_values(value: str, path: Path) -> BadData:
    return BadData(
        f"{path}: the first line must hold names, and holds values such as {value!r}; accepted is a table whose first "
        "line names its columns."
    )


def _check_delimiter(line: str, delimiter: str, path: Path) -> None:
    """Raise BadData if the only name contains another delimiter."""
    found = next((one for one in DELIMITERS if one != delimiter and one in line), None)
    if found:
        raise BadData(
            f"{path}: {DELIMITERS[found]} separates the names of its columns; accepted is {DELIMITERS[delimiter]} in a "
            f"{path.suffix} file."
        )


def _load(path: Path, dtype: np.dtype[Any], columns: list[str], n_lines: int) -> Array:
    """All rows below the header, as records."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # "input contained no data"
            return np.loadtxt(
                path, dtype, delimiter=_get_delimiter(path), skiprows=n_lines, quotechar='"', ndmin=1,
                encoding="utf-8", comments=None,
            )  # fmt: skip
    except (ValueError, IndexError, UserWarning) as error:
        raise BadData(f"{path}: {_explain(str(error), columns)}") from None


def _explain(error: str, columns: list[str]) -> str:
    """NumPy's error with the column's name, and the row counted from 0."""
    if found := re.search(r"could not convert string (.*) to .* at row (\d+), column (\d+)", error):
        value, row, column = found[1], int(found[2]), columns[int(found[3]) - 1]
        return (
            f"column {column!r} holds {value} in row {row}; accepted are numbers (--label, --split-by and --group-by "
            "name columns that are not features)."
        )
    if found := re.search(r"requires (\d+) columns but (\d+) were found at row (\d+)", error):
        return f"row {int(found[3]) - 1} has {found[2]} fields, and the first line names {found[1]}."
    if "no data" in error:
        return "holds no rows below the names of its columns."
    return f"cannot be read as a table ({error.splitlines()[0].rstrip('.')})."


def _choose_columns(first: list[str], path: Path, expected: NetworkInput) -> tuple[list[int], bool]:
    """(indices of the columns of features, whether the first row holds names)."""
    if expected.columns:
        return _find_columns(first, path, expected), True
    is_header = _is_header(first, expected.ignored)
    names = [name.strip() for name in first] if is_header else []
    for name in expected.ignored:
        if name not in names:
            has = f"its columns begin with {', '.join(names[:5])}" if is_header else "its first row names no columns"
            raise BadInput(f"{path}: has no column {name!r} to ignore; {has}.")
    columns = [i for i in range(len(first)) if not is_header or names[i] not in expected.ignored]
    if len(columns) != expected.n_features:
        rest = " besides those ignored" if expected.ignored else ""
        raise BadData(
            f"{path}: has {len(columns)} columns{rest}; the network takes {expected.n_features} features. Leave out "
            "other columns, such as labels, with --ignore."
        )
    return columns, is_header


def _find_columns(first: list[str], path: Path, expected: NetworkInput) -> list[int]:
    """The indices of the columns that the network was trained on, in its order; all others are left out."""
    places = {name: place for place, name in enumerate(first)}
    for name in expected.ignored:
        if name in expected.columns or name not in places:
            why = "the network takes it" if name in expected.columns else "there is no column of that name"
            raise BadInput(f"{path}: column {name!r} cannot be ignored, since {why}.")
    for name in expected.columns:
        if name not in places:
            has = list_names(first)
            raise BadData(f"{path}: has no column {name!r}, which the network takes; its first line has {has}.")
    if len(places) < len(first) and (twice := [n for n in expected.columns if first.count(n) > 1]):
        raise BadData(f"{path}: names column {twice[0]!r} twice; accepted are names that differ.")
    return [places[name] for name in expected.columns]


def _is_header(first: list[str], ignored: tuple[str, ...]) -> bool:
    """Whether a first row holds names: no cell is a number, or a cell is an ignored name, or cells are 0, 1, 2, ...

    Otherwise a cell that is not a number is an error in a row of data, which must not be taken for a header.
    """
    numbers = [cell.strip() for cell in first if _is_number(cell)]
    names = {cell.strip() for cell in first} - set(numbers)
    # pandas writes 0, 1, 2, ... above columns without names.
    is_counted = len(numbers) >= MIN_COUNTED and numbers == [str(i) for i in range(len(numbers))]
    return not numbers or is_counted or not names.isdisjoint(ignored)


def _parse(lines: list[tuple[int, list[str]]], columns: list[int], n_columns: int, path: Path) -> Array:
    for number, row in lines:
        if len(row) != n_columns:
            raise BadData(f"{path}, line {number}: has {len(row)} columns, the first line {n_columns}.")
    cells = [[row[i] for i in columns] for _, row in lines]
    try:
        if not all(_is_plain("".join(row)) for row in cells):
            raise ValueError
        return np.array(cells, dtype=np.float64)
    except ValueError:
        number, cell = next((n, row[i]) for n, row in lines for i in columns if not _is_number(row[i]))
        raise BadData(f"{path}, line {number}: {cell[:40]!r} is not a number.") from None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return _is_plain(text)


def _is_plain(text: str) -> bool:
    """Whether a number has the notation of data files: Python would read 1_0 as 10, unlike NumPy's reader."""
    return text.isascii() and "_" not in text
