"""Convert mathematics to MathML at build time: browsers show it without scripts, network access or images.

The conversion is docutils', so neither LaTeX nor Node is needed. A formula that it cannot read is a warning, which
`make docs` makes an error.
"""

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

LOGGER = logging.getLogger(__name__)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the renderer; `html_math_renderer = "mathml"` chooses it."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def convert(node: nodes.Element, *, as_block: bool) -> str:
    """The formula of a node as a <math> element."""
    text = node.astext()
    try:
        return tex2mathml(text, as_block=as_block)
    except MathError as error:
        LOGGER.warning("formula cannot be read (%s): %s", error, text, location=node)
        return ""


def visit_inline(self: HTML5Translator, node: nodes.math) -> None:
    """A formula within a line."""
    self.body.append(convert(node, as_block=False))
    raise nodes.SkipNode


def visit_block(self: HTML5Translator, node: nodes.math_block) -> None:
    """A displayed formula, which scrolls horizontally in a narrow window."""
    self.body.append(self.starttag(node, "div", CLASS="math"))
    self.body.append(convert(node, as_block=True))
    self.body.append("</div>\n")
    raise nodes.SkipNode
