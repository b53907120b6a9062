"""A document as Markdown, with links to the files of its figures."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote

from monolayer.errors import BadInput
from monolayer.reports.document import (
    KIND_NAMES,
    PRINTED_COLUMN,
    Block,
    BulletList,
    Document,
    FigureBlock,
    FigureRow,
    Listing,
    Notice,
    Numbering,
    Paragraph,
    Table,
)
from monolayer.reports.inline import render_cell_markdown, render_inline_markdown


def render_markdown(document: Document, figure_paths: Mapping[str, str]) -> str:
    """The document as Markdown, with the same content as the HTML page.

    Args:
        document: the document.
        figure_paths: figure name -> path of its file, relative to the Markdown file.

    Raises:
        BadInput: if a figure has no path.
    """
    writer = _Writer(figure_paths)
    return "\n\n".join(part for part in writer.write(document) if part) + "\n"


class _Writer:
    """Renders the parts in reading order, so that numbers of tables and figures equal those of the HTML page."""

    def __init__(self, figure_paths: Mapping[str, str]) -> None:
        self.figure_paths = figure_paths
        self.numbering = Numbering()

    def write(self, document: Document) -> Iterator[str]:
        yield f"# {render_cell_markdown(document.title)}"
        yield render_inline_markdown(document.lead)
        yield from map(_render_notice, document.notices)
        yield from map(self.render, document.summary)
        for section in document.sections:
            yield f"## {render_cell_markdown(section.title)}"
            yield from map(self.render, section.blocks)
        if document.colophon:
            yield "---"
            yield render_inline_markdown(document.colophon)

    def render(self, block: Block) -> str:
        match block:
            case Paragraph(text):
                return render_inline_markdown(text)
            case BulletList(items):
                return "\n".join(f"- {render_cell_markdown(item)}" for item in items)
            case Table():
                return self._render_table(block)
            case FigureBlock():
                return self._render_figure(block)
            case FigureRow(figures):
                return "\n\n".join(map(self._render_figure, figures))
            case Listing():
                return self._render_listing(block)
            case Notice():
                return _render_notice(block)

    def _render_table(self, table: Table) -> str:
        badge = f" — *{KIND_NAMES[table.kind]}*" if KIND_NAMES[table.kind] else ""
        parts = [
            f"**{self.numbering.label('Table')}.** {render_cell_markdown(table.caption)}{badge}",
            _render_grid(table),
        ]
        if table.note:
            parts.append(render_inline_markdown(table.note))
        return "\n\n".join(parts)

    def _render_figure(self, figure: FigureBlock) -> str:
        if figure.name not in self.figure_paths:
            raise BadInput(f"Figure '{figure.name}' has no file to link to.")
        image = f"![{render_cell_markdown(figure.alt)}]({quote(self.figure_paths[figure.name])})"
        return f"{image}\n\n**{self.numbering.label('Figure')}.** {render_cell_markdown(figure.caption)}"

    def _render_listing(self, listing: Listing) -> str:
        longest = max((len(run) for run in re.findall("`+", listing.text)), default=0)
        fence = "`" * max(3, longest + 1)
        code = f"{fence}text\n{listing.text.rstrip()}\n{fence}"
        if not listing.caption:
            return code
        return f"**{self.numbering.label('Listing')}.** {render_cell_markdown(listing.caption)}\n\n{code}"


def _render_notice(notice: Notice) -> str:
    text = f"**{render_cell_markdown(notice.heading)}.** {render_inline_markdown(notice.text)}"
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())


def _render_grid(table: Table) -> str:
    header = [
        f"{render_cell_markdown(name)} ({PRINTED_COLUMN})"
        if name in table.printed_columns
        else render_cell_markdown(name)
        for name in table.columns
    ]
    rule = ["---:" if numeric else "---" for numeric in table.numeric()]
    rows = [[_render_cell(cell, printed=table.kind == "printed") for cell in row] for row in table.rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [header, rule, *rows])


def _render_cell(cell: str | int | float, *, printed: bool) -> str:
    text = render_cell_markdown(str(cell))
    # Italic, as on the page, so that a printed number differs from a measured one even in a copied row.
    return f"*{text}*" if printed and text and not text.startswith(("*", "`")) else text
