"""The parts of a page that are not text, independent of HTML and Markdown.

Their texts may contain two marks, ``**bold**`` and `` `code` ``; everything else is literal.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Self

from monolayer.errors import BadInput
from monolayer.figures import Chart

Cell = str | int | float
Level = Literal["note", "good", "warning", "bad"]
Kind = Literal["measured", "printed", "plain"]

LEVEL_NAMES: dict[Level, str] = {"note": "Note", "good": "Passed", "warning": "Warning", "bad": "Problem"}
KIND_NAMES: dict[Kind, str] = {"measured": "Measured here", "printed": "Printed, not measured", "plain": ""}
PRINTED_COLUMN = "printed"

# Digits, with what goes between and around numbers: -1.5e-3, 41.8 ± 1.6, [40.2, 43.1], 44.5 / 41.8, 12 %, 3.4 s.
_BETWEEN = re.escape(".,:;+-%/()[]<>~") + "\N{MINUS SIGN}\N{EN DASH}\N{PLUS-MINUS SIGN}\N{MULTIPLICATION SIGN}≤≥≈"
_NUMERIC = re.compile(rf"(?=.*\d)[\d\se{_BETWEEN}]+(?<!e)(?:ms|s)?")
_EMPTY = ("", "-", "\N{EN DASH}", "—")


@dataclass(frozen=True)
class Table:
    """A table; the caller formats its cells.

    Args:
        caption: one sentence.
        columns: their names.
        rows: each with one cell for each column.
        kind: ``measured`` by this library, ``printed`` in the report under study (and marked as such), or ``plain``
            for other content, such as settings.
        note: small text below.
        printed_columns: columns of a measured table with printed numbers; marked like a printed table.

    Raises:
        BadInput: if a row has the wrong number of cells, or a printed column is not a column.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    kind: Kind = "measured"
    note: str = ""
    printed_columns: Sequence[str] = ()

    def __post_init__(self) -> None:
        _check_choice(self.kind, KIND_NAMES, "kind of table")
        for number, row in enumerate(self.rows, start=1):
            if len(row) != len(self.columns):
                raise BadInput(
                    f"Table '{self.caption}': row {number} has {len(row)} cells for {len(self.columns)} columns."
                )
        unknown = sorted(set(self.printed_columns) - set(self.columns))
        if unknown:
            raise BadInput(f"Table '{self.caption}' has no column '{unknown[0]}' to mark as printed.")

    @classmethod
    def of_fields(cls, caption: str, fields: Mapping[str, object]) -> Self:
        """A plain table of names and values."""
        return cls(caption, ("field", "value"), tuple((name, str(value)) for name, value in fields.items()), "plain")

    def numeric(self) -> tuple[bool, ...]:
        """For each column, whether all its cells are numbers or empty, so that it is aligned right."""
        return tuple(
            any(_is_number(row[i]) for row in self.rows) and all(_is_number(row[i], or_empty=True) for row in self.rows)
            for i in range(len(self.columns))
        )


@dataclass(frozen=True, eq=False)
class FigureBlock:
    """A figure with its caption.

    Args:
        name: of its files and the prefix of its ids, unique in a document.
        chart: what is drawn.
        caption: one or a few sentences.
        alt: text alternative for screen readers.

    Raises:
        BadInput: if ``alt`` is empty.
    """

    name: str
    chart: Chart
    caption: str
    alt: str

    def __post_init__(self) -> None:
        if not self.alt:
            raise BadInput(f"Figure '{self.name}' needs an alt text.")


@dataclass(frozen=True)
class FigureRow:
    """Figures side by side, or one below the other on narrow screens."""

    figures: Sequence[FigureBlock]


@dataclass(frozen=True)
class Listing:
    """Commands or lines of a log, verbatim."""

    text: str
    caption: str = ""


@dataclass(frozen=True)
class Notice:
    """A highlighted message.

    Raises:
        BadInput: if the level is unknown.
    """

    text: str
    level: Level = "note"
    title: str = ""

    def __post_init__(self) -> None:
        _check_choice(self.level, LEVEL_NAMES, "level of notice")

    @property
    def heading(self) -> str:
        """The level in words, because colour alone is not accessible, and the title."""
        return f"{LEVEL_NAMES[self.level]}: {self.title}" if self.title else LEVEL_NAMES[self.level]


Block = Table | FigureBlock | FigureRow | Listing | Notice


class Numbering:
    """Counters of tables, figures and listings in reading order; a new one for each rendering."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def label(self, kind: str) -> str:
        """The next label of a kind: ``Table 1``, then ``Table 2``."""
        self._counts[kind] += 1
        return f"{kind} {self._counts[kind]}"


def slugify(title: str) -> str:
    """Lower-case ASCII letters, digits and hyphens; ``section`` if nothing is left."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-") or "section"


def _is_number(cell: Cell, *, or_empty: bool = False) -> bool:
    text = str(cell).replace("**", "").strip()
    return bool(_NUMERIC.fullmatch(text)) or (or_empty and text in _EMPTY) or text in ("nan", "inf", "-inf")


def _check_choice(value: str, choices: dict[Level, str] | dict[Kind, str], what: str) -> None:
    if value not in choices:
        raise BadInput(f"'{value}' is not a {what}; accepted are {', '.join(choices)}.")
