"""Adjust how docstrings are read: colons in a property's first line, and names without their module."""

from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.nodes import make_refnode

BEFORE_NAPOLEON, AFTER_NAPOLEON = 400, 600  # Napoleon has priority 500
COLON = "\ue000"


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect the event handlers."""
    app.connect("autodoc-process-docstring", hide_colons, priority=BEFORE_NAPOLEON)
    app.connect("autodoc-process-docstring", show_colons, priority=AFTER_NAPOLEON)
    app.connect("doctree-read", write_dashes)
    app.connect("missing-reference", resolve_by_last_name)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def hide_colons(app: Sphinx, what: str, *rest: Any) -> None:
    """Hide colons from Napoleon, which takes the text before the colon of a property's first line for its type."""
    lines = rest[-1]
    if what == "property" and lines:
        lines[0] = lines[0].replace(":", COLON)


def show_colons(app: Sphinx, what: str, *rest: Any) -> None:
    """Restore the colons."""
    lines = rest[-1]
    lines[:] = [line.replace(COLON, ":") for line in lines]


def write_dashes(app: Sphinx, page: nodes.document) -> None:
    """Write the dash before an argument's text, which Sphinx leaves to smartquotes; conf.py turns these off."""
    for text in list(page.findall(nodes.Text)):
        if text == " -- ":
            text.parent.replace(text, nodes.Text(" – "))


def resolve_by_last_name(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, text: nodes.TextElement
) -> nodes.Element | None:
    """Resolve a name by its last part if it is unique: public names are documented under `monolayer`.

    Their docstrings refer to other names of their own module without a prefix.
    """
    last = node["reftarget"]
    if node.get("refdomain") != "py" or "." in last:
        return None
    domain = env.domains.python_domain
    found = {
        (entry.docname, entry.node_id)
        for name, entry in domain.objects.items()
        if name.endswith(f".{last}") and entry.objtype != "module"
    }
    if len(found) != 1:
        return None
    page, place = found.pop()
    return make_refnode(app.builder, node["refdoc"], page, place, text, node["reftarget"])
