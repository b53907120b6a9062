"""Docstrings as this house writes them: colons in a property's first line, and names without the way to them."""

from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.nodes import make_refnode

BEFORE_NAPOLEON, AFTER_NAPOLEON = 400, 600  # it stands at 500
COLON = "\ue000"


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect all."""
    app.connect("autodoc-process-docstring", hide_colons, priority=BEFORE_NAPOLEON)
    app.connect("autodoc-process-docstring", show_colons, priority=AFTER_NAPOLEON)
    app.connect("doctree-read", write_dashes)
    app.connect("missing-reference", resolve_by_last_name)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def hide_colons(app: Sphinx, what: str, *rest: Any) -> None:
    """Napoleon takes what stands before the colon of a property's first line for its type; here it is a sentence."""
    lines = rest[-1]
    if what == "property" and lines:
        lines[0] = lines[0].replace(":", COLON)


def show_colons(app: Sphinx, what: str, *rest: Any) -> None:
    """Put the colons back."""
    lines = rest[-1]
    lines[:] = [line.replace(COLON, ":") for line in lines]


def write_dashes(app: Sphinx, page: nodes.document) -> None:
    """Sphinx writes "--" before an argument's text and leaves the dash to smartquotes, which would spoil --out."""
    for text in list(page.findall(nodes.Text)):
        if text == " -- ":
            text.parent.replace(text, nodes.Text(" – "))


def resolve_by_last_name(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, text: nodes.TextElement
) -> nodes.Element | None:
    """Resolve a name by its last part, where one object alone bears it: public names are documented under `monolayer`.

    Their docstrings were written in their home modules, whose other names they call as code there does.
    """
    last = node["reftarget"]
    if node.get("refdomain") != "py" or "." in last:
        return None
    domain = env.domains.python_domain
    found = {(entry.docname, entry.node_id) for name, entry in domain.objects.items() if name.endswith(f".{last}")}
    if len(found) != 1:
        return None
    page, place = found.pop()
    return make_refnode(app.builder, node["refdoc"], page, place, text, node["reftarget"])
