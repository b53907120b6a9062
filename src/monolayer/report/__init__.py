"""Reports: a small document model and its renderings as one HTML page and as Markdown."""

from monolayer.report.document import (
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
from monolayer.report.html import render_html
from monolayer.report.markdown import render_markdown

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
