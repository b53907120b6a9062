"""Reports: Markdown templates filled with tables and figures, as HTML or Markdown; one file for each kind of page."""

from monolayer.reports.blocks import Block, FigureBlock, FigureRow, Listing, Notice, Table
from monolayer.reports.html import render_html
from monolayer.reports.markdown import render_markdown
from monolayer.reports.page import Page, fill_page

__all__ = [
    "Block",
    "FigureBlock",
    "FigureRow",
    "Listing",
    "Notice",
    "Page",
    "Table",
    "fill_page",
    "render_html",
    "render_markdown",
]
