"""Reports: a small document model and its renderings as one HTML page and as Markdown."""

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
