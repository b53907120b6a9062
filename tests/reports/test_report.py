import html
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monolayer.errors import BadInput
from monolayer.figures import Curve, Curves
from monolayer.reports import (
    FigureBlock,
    FigureRow,
    Listing,
    Notice,
    Table,
    fill_page,
    render_html,
    render_markdown,
)
from monolayer.reports.blocks import slugify
from monolayer.reports.markdown import render_cell
from monolayer.reports.page import escape_markdown

EVIL = "<script>alert('x')</script> & |"
CHART = Curves((Curve([1, 2], [2.0, 1.0], None, EVIL),))
VOID = {"meta", "br"}


class Page(HTMLParser):
    """Collects what the tests ask for and checks that elements nest."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.cells = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "td":
            self.cells.append("")

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if "td" in self.open:
            self.cells[-1] += data


TEMPLATE = """
# {{ evil }}

**Lead** {{ evil }}

{{ notice }}

{{ measured }}

## Grid & co

{{ evil }}

- x
- {{ "`y`" }}

{{ figures }}

{{ printed }}

## Grid, co

{{ ends }}
"""


def make_page():
    measured = Table(
        "All.", ("run", "test %", "report"), [("a_b", "41.3 ± 0.5", "52"), (EVIL, 40, "")], printed_columns=("report",)
    )
    printed = Table("What it prints.", ("setting", "val"), [("CE", "53.20")], "printed", "Small **print**.")
    figures = [FigureBlock(name, CHART, f"See {name}.", f"Alt {EVIL}") for name in ("one", "two", "three")]
    return fill_page(
        TEMPLATE,
        evil=EVIL,
        notice=Notice(EVIL, "warning"),
        measured=measured,
        figures=[FigureRow(figures[:2]), figures[2]],
        printed=printed,
        ends=[Listing(f"$ run {EVIL}\n```", "Log."), Notice("Fine.", "good", "Claim 1"), Listing("$ ls")],
    )


PATHS = {name: f"figures/{name} 1.png" for name in ("one", "two", "three")}


def test_page_nests_and_has_one_of_each_id():
    page = Page(render_html(make_page()))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    assert {"grid-co", "grid-co-2"} <= set(ids)
    assert {name.split("-")[0] for name in ids} >= {"one", "two", "three"}
    targets = {attributes["href"] for tag, attributes in page.elements if tag == "a"}
    assert targets <= {f"#{i}" for i in ids}
    labels = {attributes["aria-labelledby"] for _, attributes in page.elements if "aria-labelledby" in attributes}
    assert labels <= set(ids)


def test_page_needs_nothing_else():
    text = render_html(make_page())
    assert not {tag for tag, _ in Page(text).elements} & {"script", "link", "img", "iframe"}
    assert not re.search(r"https?:|\bsrc=|@import|url\((?!#)", text.replace('xmlns="http://www.w3.org/2000/svg"', ""))


def test_page_escapes_everything():
    text = render_html(make_page())
    assert "<script" not in text
    assert text.count("&lt;script&gt;") >= 8


def test_page_is_accessible():
    elements = Page(render_html(make_page())).elements
    assert ("html", {"lang": "en"}) in elements
    assert [tag for tag, _ in elements if re.fullmatch("h[1-6]", tag)] == ["h1", "h2", "h2"]
    pictures = [attributes for tag, attributes in elements if attributes.get("role") == "img"]
    assert [attributes["aria-label"] for attributes in pictures] == [f"Alt {EVIL}"] * 3
    assert all(attributes.get("scope") == "col" for tag, attributes in elements if tag == "th")


def test_printed_numbers_are_marked_in_both():
    page, markdown = render_html(make_page()), render_markdown(make_page(), PATHS)
    assert page.count('<span class="badge">Printed, not measured</span>') == 1
    assert page.count('<span class="tag">printed</span>') == 1
    assert 'class="table printed"' in page
    assert "*Printed, not measured*" in markdown
    assert "| report (printed) |" in markdown
    assert "| *CE* | *53.20* |" in markdown


def test_markdown_has_the_cells_of_the_page():
    cells = Page(render_html(make_page())).cells
    markdown = render_markdown(make_page(), PATHS)
    rows = [line for line in markdown.splitlines() if line.startswith("|") and "---" not in line]
    found = [cell.strip().strip("*") for row in rows for cell in re.split(r"(?<!\\)\|", row)[1:-1]]
    headers = {"run", "test %", "report (printed)", "setting", "val"}
    assert [cell for cell in found if cell not in headers] == [render_cell(cell) for cell in cells]


def test_markdown_links_its_figures_and_numbers_them_like_the_page():
    markdown, page = render_markdown(make_page(), PATHS), render_html(make_page())
    assert "](figures/one%201.png)" in markdown
    numbers = re.findall(r"\*\*((?:Table|Figure|Listing) \d)\.\*\*", markdown)
    assert numbers == re.findall(r'class="label">((?:Table|Figure|Listing) \d)\.<', page)
    assert numbers == ["Table 1", "Figure 1", "Figure 2", "Figure 3", "Table 2", "Listing 1"]
    with pytest.raises(BadInput, match="'one' has no file"):
        render_markdown(make_page(), {})


def test_markdown_has_no_markup_and_a_fence_that_holds():
    markdown = render_markdown(make_page(), PATHS)
    outside = re.sub(r"(?s)````text.*?\n````", "", markdown)
    assert "````text" in markdown
    assert not re.search(r"(?<!\\)<script", outside)


def test_rendering_is_deterministic():
    assert render_html(make_page()) == render_html(make_page())
    assert render_markdown(make_page(), PATHS) == render_markdown(make_page(), PATHS)


def test_a_bare_page_renders():
    page = fill_page("# T\n\nlead")
    assert "<h1>T</h1>" in render_html(page)
    assert render_markdown(page) == "# T\n\nlead\n"


@pytest.mark.parametrize(
    ("cells", "numeric"),
    [
        (("1", "2.5", ""), True),
        (("41.8 ± 1.6", "[40.2, 43.1]", "\N{EN DASH}"), True),
        (("1e-05", "-0.3", "nan"), True),
        (("12 %", "3.4 s", "**7**"), True),
        (("", "\N{EN DASH}"), False),
        (("10", "ten"), False),
        (("e", "s"), False),
        ((1, 2.0), True),
    ],
)
def test_numeric_columns(cells, numeric):
    assert Table("", ("a",), tuple((cell,) for cell in cells)).numeric() == (numeric,)


def test_blocks_refuse_what_does_not_fit():
    with pytest.raises(BadInput, match="row 2 has 1 cells for 2 columns"):
        Table("t", ("a", "b"), ((1, 2), (1,)))
    with pytest.raises(BadInput, match="'c' to mark"):
        Table("t", ("a",), (), printed_columns=("c",))
    with pytest.raises(BadInput, match="accepted are note, good, warning, bad"):
        Notice("x", "loud")
    with pytest.raises(BadInput, match="alt text"):
        FigureBlock("name", CHART, "c", "")


def fill_inline(value):
    """(HTML, Markdown) of a paragraph that is a value."""
    page = fill_page("# T\n\n{{ value }}\n\n## S\n\n{{ value }}", value=value)
    return render_html(page).split("</h2>")[1].split("</section>")[0].strip(), page.text.split("\n\n")[-1]


@pytest.mark.parametrize(
    ("value", "html", "markdown"),
    [
        (
            "**a `b`** `<c>` 2**3",
            "<strong>a <code>b</code></strong> <code>&lt;c&gt;</code> 2**3",
            r"**a `b`** `<c>` 2\*\*3",
        ),
        (
            "**a** `b_` learning_rate _x_ 2*3 [y](z)",
            "<strong>a</strong> <code>b_</code> learning_rate _x_ 2*3 [y](z)",
            r"**a** `b_` learning_rate \_x\_ 2\*3 \[y\](z)",
        ),
        ("# no", "# no", "\\# no"),
        ("1. no", "1. no", "1\\. no"),
        ("- no", "- no", "\\- no"),
        ("---", "---", "\\---"),
        ("1.5 %", "1.5 %", "1.5 %"),
        ("two\nlines\n\n# each", "two lines # each", "two lines # each"),
        ("\x020\x03 &amp; <b>", " 0 &amp;amp; &lt;b&gt;", r" 0 &amp;amp; \<b\>"),
        (12345, "12,345", "12,345"),
        (None, "", "{{ value }}"),
    ],
)
def test_a_value_is_literal_but_for_two_marks(value, html, markdown):
    found, text = fill_inline(value)
    if value is None:
        assert found == ""
    else:
        assert (found, text) == (f"<p>{html.strip()}</p>", markdown)


@given(st.text(st.characters(codec="utf-8", exclude_characters="*`\r\n\x0b\x0c\x85\u2028\u2029"), min_size=1))
def test_any_text_comes_out_as_it_went_in(text):
    found, _ = fill_inline(text)
    shown = html.unescape(re.sub("</?p>", "", found))
    assert " ".join(shown.split()) == " ".join(re.sub("[\x00-\x1f]", " ", text).split())


def test_a_pipe_ends_no_cell():
    assert render_cell("a|b `c|d`\ne") == r"a\|b `c\|d` e"
    assert escape_markdown("a|b") == r"a\|b"


def test_slugs_are_unique():
    assert slugify("Q1.a Größe & more!") == "q1-a-groe-more"
    assert slugify("層") == "section"
    page = fill_page("# T\n\n## A\n\n## A\n\n## x {#a-2}\n\n## A\n")
    assert re.findall('<section id="(.*?)"', render_html(page)) == ["a", "a-2", "a-2-2", "a-3"]
    assert "{#" not in render_markdown(page)
