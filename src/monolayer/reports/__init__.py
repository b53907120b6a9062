"""Reports: a document model, rendered as an HTML page or as Markdown, and one file for each kind of page."""

from monolayer.reports.document import (
    Block,
    BulletList,
    Document,
    FigureBlock,
    FigureRow,
    Listing,
    Notice,
    Paragraph,
    Section,
    Table,
)
from monolayer.reports.html import render_html
from monolayer.reports.markdown import render_markdown

__all__ = [
    "Block",
    "BulletList",
    "Document",
    "FigureBlock",
    "FigureRow",
    "Listing",
    "Notice",
    "Paragraph",
    "Section",
    "Table",
    "render_html",
    "render_markdown",
]
