"""A page as Markdown, with links to the files of its figures."""

import re
from collections.abc import Mapping
from urllib.parse import quote

from monolayer.errors import BadInput
from monolayer.reports.blocks import (
    KIND_NAMES,
    PRINTED_COLUMN,
    Block,
    FigureBlock,
    FigureRow,
    Listing,
    Notice,
    Numbering,
    Table,
)
from monolayer.reports.page import Page, escape_markdown


def render_markdown(page: Page, figure_paths: Mapping[str, str] | None = None) -> str:
    """The page as Markdown, with the same content as the HTML page.

    Args:
        page: the page.
        figure_paths: figure name -> path of its file, relative to the Markdown file.

    Raises:
        BadInput: if a figure has no path.
    """
    render = _Renderer(figure_paths or {}).render
    text = Page.BLOCK.sub(lambda match: render(page.blocks[int(match[1])]), page.text)
    return Page.ANCHOR.sub("", text) + "\n"


def render_cell(text: str) -> str:
    """Text as one cell of a Markdown table: on one line, with escaped pipes."""
    # A pipe ends a cell even within code; elsewhere it is escaped already.
    return re.sub(r"(?<!\\)\|", r"\|", escape_markdown(text))


class _Renderer:
    """Renders blocks in reading order, so that numbers of tables and figures equal those of the HTML page."""

    def __init__(self, figure_paths: Mapping[str, str]) -> None:
        self.figure_paths = figure_paths
        self.numbering = Numbering()

    def render(self, block: Block) -> str:
        match block:
            case Table():
                return self._render_table(block)
            case FigureBlock():
                return self._render_figure(block)
            case FigureRow(figures):
                return "\n\n".join(map(self._render_figure, figures))
            case Listing():
                return self._render_listing(block)
            case Notice():
                return f"> **{escape_markdown(block.heading)}.** {escape_markdown(block.text)}"

    def _render_table(self, table: Table) -> str:
        badge = f" — *{KIND_NAMES[table.kind]}*" if KIND_NAMES[table.kind] else ""
        caption = f"**{self.numbering.label('Table')}.** {escape_markdown(table.caption)}{badge}"
        return "\n\n".join(part for part in (caption, _render_grid(table), escape_markdown(table.note)) if part)

    def _render_figure(self, figure: FigureBlock) -> str:
        if figure.name not in self.figure_paths:
            raise BadInput(f"Figure '{figure.name}' has no file to link to.")
        image = f"![{escape_markdown(figure.alt)}]({quote(self.figure_paths[figure.name])})"
        return f"{image}\n\n**{self.numbering.label('Figure')}.** {escape_markdown(figure.caption)}"

    def _render_listing(self, listing: Listing) -> str:
        longest = max((len(run) for run in re.findall("`+", listing.text)), default=0)
        fence = "`" * max(3, longest + 1)
        code = f"{fence}text\n{listing.text.rstrip()}\n{fence}"
        if not listing.caption:
            return code
        return f"**{self.numbering.label('Listing')}.** {escape_markdown(listing.caption)}\n\n{code}"


def _render_grid(table: Table) -> str:
    header = [
        f"{render_cell(name)} ({PRINTED_COLUMN})" if name in table.printed_columns else render_cell(name)
        for name in table.columns
    ]
    rule = ["---:" if numeric else "---" for numeric in table.numeric()]
    rows = [[_render_value(cell, printed=table.kind == "printed") for cell in row] for row in table.rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [header, rule, *rows])


def _render_value(cell: str | int | float, *, printed: bool) -> str:
    text = render_cell(str(cell))
    # Italic, as on the page, so that a printed number differs from a measured one even in a copied row.
    return f"*{text}*" if printed and text and not text.startswith(("*", "`")) else text
