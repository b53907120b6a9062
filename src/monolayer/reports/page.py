"""A page: a Markdown template, filled with values, tables and figures.

The text of a template is Markdown. In a value only ``**bold**`` and `` `code` `` are marks, everything else is literal.
A value may also be a table, figure, listing or notice, or a sequence of them. The title is ``# Title``, and
``## Title {#anchor}`` starts a section.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, get_args

from jinja2 import Environment, PackageLoader, StrictUndefined

from monolayer.evaluate.metrics import format_accuracy
from monolayer.reports.blocks import Block, FigureBlock, FigureRow

_MARKS = re.compile(r"(`[^`\n]+`|\*\*(?=\S).+?(?<=\S)\*\*)")
# An underscore within a word is literal in Markdown, so that learning_rate stays as it is.
_SPECIAL = re.compile(r"([\\*<>\[\]|~`]|(?<!\w)_|_(?!\w))")

# A list, a heading or an underline, if the value is at the start of a line.
_LINE_START = re.compile(r"^(\d+)(?=[.)](?:\s|$))|^(?=(?:#+|[+-])(?:\s|$)|[=-]+$)")


@dataclass(frozen=True, eq=False)
class Page:
    """A filled template.

    Args:
        text: Markdown; ``Page.BLOCK`` matches the line of each block.
        blocks: by the number in their line.
    """

    text: str
    blocks: tuple[Block, ...]

    BLOCK = re.compile(r"^\x02(\d+)\x03$", re.MULTILINE)
    ANCHOR = re.compile(r" \{#([\w-]+)\}$", re.MULTILINE)


def fill_page(template: str, **values: Any) -> Page:
    """Fill a template.

    Args:
        template: the text, or the path of a template of this package, such as ``reports/templates/run.md.j2``.
        **values: variables of the template.
    """
    blocks: list[Block] = []

    def insert(value: Any) -> str:
        if isinstance(value, get_args(Block)):
            blocks.append(value)
            return f"\n\n\x02{len(blocks) - 1}\x03\n\n"
        if isinstance(value, Iterable) and not isinstance(value, str):
            return "".join(map(insert, value))
        text = "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
        return _LINE_START.sub(r"\1\\", escape_markdown(text))

    environment = make_environment(finalize=insert)
    environment.filters["accuracy"] = lambda metrics: format_accuracy(metrics["accuracy"], metrics["n"])
    environment.filters["in_pairs"] = _pair
    is_path = template.endswith(".j2")
    text = (environment.get_template(template) if is_path else environment.from_string(template)).render(values)
    return Page(re.sub(r"\n{3,}", "\n\n", text).strip(), tuple(blocks))


def make_environment(*, autoescape: bool = False, finalize: Callable[[Any], Any] | None = None) -> Environment:
    """Jinja with the templates of this package; Markdown is escaped by ``finalize``."""
    return Environment(
        loader=PackageLoader("monolayer", "."),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        comment_start_string="<!--",  # {# starts an anchor
        comment_end_string="-->",
        autoescape=autoescape,  # noqa: S701
        finalize=finalize,
    )


def escape_markdown(text: str) -> str:
    """Text as Markdown on one line: the two marks remain, all other special characters are escaped."""
    one_line = re.sub(r"[\x00-\x1f]+\s*", " ", text)
    return "".join(
        piece if piece.startswith("`") and _MARKS.fullmatch(piece)
        else f"**{escape_markdown(piece[2:-2])}**" if _MARKS.fullmatch(piece)
        else _SPECIAL.sub(r"\\\1", piece).replace("&", "&amp;")
        for piece in _MARKS.split(one_line)
    )  # fmt: skip


def _pair(figures: list[FigureBlock]) -> list[FigureRow]:
    return [FigureRow(figures[i : i + 2]) for i in range(0, len(figures), 2)]
