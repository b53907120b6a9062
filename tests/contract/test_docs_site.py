"""The site builds without warnings, is complete, and loads nothing from other hosts."""

import importlib
import pkgutil
import re
import subprocess
import sys
from html import unescape

import pytest
import typer
from sphinx.util.inventory import InventoryFile

import monolayer
from monolayer.checks.registry import CHECKS
from monolayer.cli.main import app
from tests.contract.pages import DOCS, PAGES

WIDEST = 86  # characters that fit into a page of the theme
COMMANDS = typer.main.get_command(app).commands


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built as `make docs` builds it."""
    folder = tmp_path_factory.mktemp("site")
    flags = ["-W", "--keep-going", "-n", "-q", "-d", str(folder / "doctrees")]
    words = [sys.executable, "-m", "sphinx", *flags, str(DOCS), str(folder / "html")]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "html"


@pytest.fixture(scope="module")
def inventory(site):
    """All Python names in the site's reference."""
    found = InventoryFile.loads((site / "objects.inv").read_bytes(), uri="").data
    return {name for kind, names in found.items() if kind.startswith("py:") for name in names}


def read(path):
    """The text of an HTML page without tags."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", "", path.read_text())))


def test_every_page_is_built(site):
    for page in PAGES:
        assert (site / page.relative_to(DOCS)).with_suffix(".html").exists()


def test_every_public_name_is_in_the_reference(inventory):
    found = pkgutil.walk_packages(monolayer.__path__, "monolayer.")
    packages = [monolayer, *(importlib.import_module(module.name) for module in found if module.ispkg)]
    names = {f"{package.__name__}.{name}" for package in packages for name in getattr(package, "__all__", ())}
    assert {"monolayer.train", "monolayer.figures.Curves"} <= names
    missing = names - {"monolayer.__version__", *(package.__name__ for package in packages)} - inventory
    assert not missing


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_there_with_its_options(site, name):
    html = (site / "reference" / "commands.html").read_text()
    section = re.search(rf'<section id="monolayer-{name}">(.*?)</section>', html, re.DOTALL)[1]
    for parameter in COMMANDS[name].params:
        words = parameter.opts if parameter.param_type_name == "option" else []
        assert all(f">{word}<" in section for word in words), words


@pytest.mark.parametrize("code", CHECKS)
def test_every_finding_has_its_page(site, code):
    assert f"{code}: {CHECKS[code].title}" in read(site / "findings" / f"{code}.html")
    assert f'href="{code}.html"' in (site / "findings" / "README.html").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(DOCS)))
def test_code_fits_its_column(page):
    """Long outputs can be wrapped on a page, because line breaks are ignored in the comparison."""
    blocks = re.findall(r"^```\w+\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
    assert [line for block in blocks for line in block.splitlines() if len(line) > WIDEST] == []


def test_nothing_is_loaded_from_other_hosts(site):
    """The site loads no script, style, font or image from another host, so it works offline."""
    for page in site.rglob("*.html"):
        text = page.read_text()
        assert not re.findall(r'<(?:script|img|iframe|source)\b[^>]*\ssrc="(?:https?:)?//[^"]*"', text), page
        links = re.findall(r"<link\b[^>]*>", text)
        assert not [link for link in links if re.search(r'href="(?:https?:)?//', link)], page
    for style in site.rglob("*.css"):
        assert not re.findall(r"(?:@import|url\()\s*[\"']?(?:https?:)?//", style.read_text()), style


def test_formulas_are_mathml(site):
    text = (site / "mathematics.html").read_text()
    assert text.count("<math") > 40
    assert "$" not in re.sub(r"<(pre|script).*?</\1>", "", text, flags=re.DOTALL)
