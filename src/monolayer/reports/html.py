"""A page as one self-contained HTML file, without scripts."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

from jinja2 import Template
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from monolayer.figures import render_svg
from monolayer.reports.blocks import KIND_NAMES, PRINTED_COLUMN, Block, Notice, Numbering, slugify
from monolayer.reports.page import Page, escape_markdown, make_environment

_MARKDOWN = MarkdownIt("commonmark", {"html": False})


@dataclass
class Section:
    """A section of a page, or with an empty title what is above the first one.

    Args:
        title: as Markdown.
        anchor: unique in the page.
        parts: rendered text, and blocks.
    """

    title: str
    anchor: str
    parts: list[Markup | Block] = field(default_factory=list)


def render_html(page: Page) -> str:
    """The page as a self-contained HTML file; the same page gives the same bytes."""
    first, *sections = _split(page)
    text = _load_template().render(
        title=first.title,
        lead=[part for part in first.parts if isinstance(part, Markup)],
        notices=[part for part in first.parts if isinstance(part, Notice)],
        summary=[part for part in first.parts if not isinstance(part, Markup | Notice)],
        sections=sections,
        numbering=Numbering(),
        kind_names=KIND_NAMES,
        printed=PRINTED_COLUMN,
    )
    return text.rstrip() + "\n"


@cache
def _load_template() -> Template:
    environment = make_environment(autoescape=True)
    environment.filters["inline"] = lambda text: _render_inline(escape_markdown(str(text)))
    environment.filters["heading"] = _render_inline
    environment.filters["svg"] = lambda figure: Markup(render_svg(figure.chart, figure.name))  # noqa: S704  # our own
    environment.filters["kind"] = lambda block: type(block).__name__
    return environment.get_template("reports/templates/report.html.j2")


def _split(page: Page) -> list[Section]:
    """What is above the sections, with the title of the page, then the sections."""
    sections = [Section("", "top")]
    for tokens in _list_elements(page.text):
        content = tokens[1].content if len(tokens) > 1 else ""
        if tokens[0].type == "heading_open" and tokens[0].tag == "h1":
            sections[0].title = content
        elif tokens[0].type == "heading_open" and tokens[0].tag == "h2":
            sections.append(_start_section(content, {section.anchor for section in sections}))
        elif match := Page.BLOCK.fullmatch(content):
            sections[-1].parts.append(page.blocks[int(match[1])])
        else:
            rendered = _MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {})
            sections[-1].parts.append(Markup(rendered))  # noqa: S704  # HTML in the text is escaped
    return sections


def _list_elements(text: str) -> Iterator[list[Token]]:
    """The elements of Markdown that are within no other, each with its tokens."""
    tokens: list[Token] = []
    for token in _MARKDOWN.parse(text):
        tokens.append(token)
        if token.level == 0 and token.nesting <= 0:
            yield tokens
            tokens = []


def _start_section(heading: str, taken: set[str]) -> Section:
    named = Page.ANCHOR.search(heading)
    title = Page.ANCHOR.sub("", heading)
    base = anchor = slugify(named[1] if named else title)
    number = 1
    while anchor in taken:
        number += 1
        anchor = f"{base}-{number}"
    return Section(title, anchor)


def _render_inline(markdown: str) -> Markup:
    return Markup(_MARKDOWN.renderInline(markdown))  # noqa: S704  # HTML in the text is escaped
