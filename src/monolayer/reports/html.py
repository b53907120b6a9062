"""A document as one self-contained HTML page, without scripts."""

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from monolayer.figures import render_svg
from monolayer.reports.document import KIND_NAMES, PRINTED_COLUMN, Document, Numbering
from monolayer.reports.inline import render_inline_html

TEMPLATE = "report.html.j2"


def render_html(document: Document) -> str:
    """The document as a self-contained HTML page; the same document gives the same bytes."""
    sections = list(zip(document.sections, document.anchors(), strict=True))
    page = (
        _make_environment()
        .get_template(TEMPLATE)
        .render(
            document=document, sections=sections, numbering=Numbering(), kind_names=KIND_NAMES, printed=PRINTED_COLUMN
        )
    )
    return page.rstrip() + "\n"


def _make_environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("monolayer.reports", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["inline"] = lambda text: render_inline_html(str(text))
    environment.filters["svg"] = lambda figure: Markup(render_svg(figure.chart, figure.name))  # noqa: S704  # our own
    environment.filters["kind"] = lambda block: type(block).__name__
    return environment
