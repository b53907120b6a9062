"""The two marks inside a text, ``**bold**`` and `` `code` ``, as HTML and as Markdown; everything else is literal.

A Markdown parser does not replace this: it reads more than two marks, so that class names and paths would need escaping
first, and no parser writes the escaped Markdown.
"""

import re

from markupsafe import Markup, escape

_MARKS = re.compile(r"(`[^`\n]+`|\*\*(?=\S).+?(?<=\S)\*\*)")
# An underscore within a word is literal in Markdown, so that learning_rate stays as it is.
_SPECIAL = re.compile(r"([\\*<>\[\]|~`]|(?<!\w)_|_(?!\w))")
_AT_LINE_START = re.compile(r"^(\s*)([#+-]|\d+(?=[.)]))(?=\s|[.)])", re.MULTILINE)


def render_inline_html(text: str) -> Markup:
    """Text as HTML: escaped, with ``strong`` and ``code`` as its only elements."""
    return Markup("").join(_convert_to_html(piece) for piece in _MARKS.split(text))


def render_inline_markdown(text: str) -> str:
    """Text as Markdown: the two marks remain, all other special characters are escaped."""
    joined = "".join(_convert_to_markdown(piece) for piece in _MARKS.split(text))
    return _AT_LINE_START.sub(_escape_line_start, joined)


def render_cell_markdown(text: str) -> str:
    """Text as one cell of a Markdown table: on one line, with escaped pipes."""
    one_line = " ".join(text.split())
    pieces = (_convert_to_markdown(piece) for piece in _MARKS.split(one_line))
    # A pipe ends a cell even within code; elsewhere it is escaped already.
    return "".join(piece.replace("|", r"\|") if piece.startswith("`") else piece for piece in pieces)


def _convert_to_html(piece: str) -> Markup:
    if _MARKS.fullmatch(piece):
        if piece.startswith("`"):
            return Markup("<code>{}</code>").format(piece[1:-1])
        return Markup("<strong>{}</strong>").format(render_inline_html(piece[2:-2]))
    return escape(piece)


def _convert_to_markdown(piece: str) -> str:
    if _MARKS.fullmatch(piece):
        return piece if piece.startswith("`") else f"**{_escape_markdown(piece[2:-2])}**"
    return _escape_markdown(piece)


def _escape_markdown(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text).replace("&", "&amp;")


def _escape_line_start(match: re.Match[str]) -> str:
    """Escape the start of a line that looks like a heading or a list item."""
    space, sign = match.groups()
    return f"{space}{sign}\\" if sign.isdigit() else f"{space}\\{sign}"
