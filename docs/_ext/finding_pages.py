"""Add the pages of the findings to the site's navigation; the file itself stays plain Markdown."""

from sphinx.application import Sphinx

PAGE = "findings/README"
TREE = "\n```{toctree}\n:hidden:\n:glob:\n\nML*\n```\n"


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect the event handler."""
    app.connect("source-read", add_tree)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def add_tree(app: Sphinx, name: str, source: list[str]) -> None:
    """Append a toctree of the pages."""
    if name == PAGE:
        source[0] += TREE
