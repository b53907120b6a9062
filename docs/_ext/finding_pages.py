"""The pages of the findings below their table, in the site alone: the files stay plain Markdown."""

from sphinx.application import Sphinx

PAGE = "findings/README"
TREE = "\n```{toctree}\n:hidden:\n:glob:\n\nML*\n```\n"


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the tree when the page is read."""
    app.connect("source-read", add_tree)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def add_tree(app: Sphinx, name: str, source: list[str]) -> None:
    """Append the list of pages."""
    if name == PAGE:
        source[0] += TREE
