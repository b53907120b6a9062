"""A report as plain data: what it says, not how it looks.

Every text may hold two marks, ``**bold**`` and `` `code` ``; everything else in it is literal (see inline.py).
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from typing import Literal

from monolayer.errors import BadInput

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
class Paragraph:
    """Running text."""

    text: str


@dataclass(frozen=True)
class BulletList:
    """Short points, in no order."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """Rows of cells that the caller has formatted.

    Args:
        caption: one sentence on what the table says.
        columns: their names.
        rows: as many cells each as there are columns.
        kind: ``measured`` by this library, ``printed`` in the report under study (then it is marked as such), or
            ``plain`` for what is neither, such as settings.
        note: small print below.
        printed_columns: columns of a measured table that repeat printed numbers; marked like a printed table.

    Raises:
        BadInput: if a row has too many or too few cells, or a printed column is not a column.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    kind: Kind = "measured"
    note: str = ""
    printed_columns: tuple[str, ...] = ()

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

    def numeric(self) -> tuple[bool, ...]:
        """For each column, whether all its cells are numbers (or empty), to be aligned right."""
        return tuple(
            any(_is_number(row[i]) for row in self.rows) and all(_is_number(row[i], or_empty=True) for row in self.rows)
            for i in range(len(self.columns))
        )


@dataclass(frozen=True)
class FigureBlock:
    """A picture as inline SVG, which must come from a renderer of this library and is not escaped.

    Args:
        svg: one ``<svg>`` element.
        caption: one sentence on what to see.
        alt: what the picture shows, for those who do not see it.
        name: short name; the key of its file in the Markdown rendering.

    Raises:
        BadInput: if ``svg`` is no SVG element, or ``alt`` is empty.
    """

    svg: str
    caption: str
    alt: str
    name: str = ""

    def __post_init__(self) -> None:
        if not self.svg.startswith("<svg"):
            raise BadInput(f"Figure '{self.name or self.caption}': the picture must be one <svg> element.")
        if not self.alt:
            raise BadInput(f"Figure '{self.name or self.caption}' needs an alt text.")


@dataclass(frozen=True)
class FigureRow:
    """Figures that belong together: side by side where there is room, else one below the other."""

    figures: tuple[FigureBlock, ...]


@dataclass(frozen=True)
class Listing:
    """Commands or lines of a log, shown as they are."""

    text: str
    caption: str = ""


@dataclass(frozen=True)
class Notice:
    """Something the reader should not miss.

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
        """The level in words and the title: the colour alone says nothing."""
        return f"{LEVEL_NAMES[self.level]}: {self.title}" if self.title else LEVEL_NAMES[self.level]


Block = Paragraph | BulletList | Table | FigureBlock | FigureRow | Listing | Notice


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it; the slug is its anchor, made from the title unless it is given."""

    title: str
    blocks: tuple[Block, ...]
    slug: str = ""


@dataclass(frozen=True)
class Document:
    """A whole report.

    Args:
        title: plain text.
        lead: a sentence or three: what was done and what came out.
        notices: what must be read first.
        sections: in reading order.
        colophon: how the report was made; blank lines separate paragraphs.
        summary: the tables of the first screen.
    """

    title: str
    lead: str
    notices: tuple[Notice, ...] = ()
    sections: tuple[Section, ...] = ()
    colophon: str = ""
    summary: tuple[Table, ...] = ()

    def anchors(self) -> tuple[str, ...]:
        """One anchor a section, all different; the same for the same titles."""
        seen: Counter[str] = Counter()
        anchors: list[str] = []
        for section in self.sections:
            base = slugify(section.slug or section.title)
            anchor = base
            while anchor in anchors:
                seen[base] += 1
                anchor = f"{base}-{seen[base] + 1}"
            anchors.append(anchor)
        return tuple(anchors)


class Numbering:
    """Counts tables, figures and listings in reading order; a fresh one for each rendering."""

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
        raise BadInput(f"'{value}' is no {what}; accepted are {', '.join(choices)}.")
