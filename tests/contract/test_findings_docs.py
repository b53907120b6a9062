"""Every check has a page with the same headings that names its thresholds, and every page a check."""

import re
from pathlib import Path

import pytest

from monolayer.checks import thresholds
from monolayer.checks.registry import CHECKS

DOCS = Path(__file__).parents[2] / "docs"
FOLDER = DOCS / "findings"
HEADINGS = ["How it is found", "Why it matters", "What to do", "When it does not apply", "How to mute"]


def test_every_code_has_a_page_and_every_page_a_code():
    assert {path.stem for path in FOLDER.glob("*.md")} == {*CHECKS, "README"}
    index = (FOLDER / "README.md").read_text()
    for code, check in CHECKS.items():
        assert f"| [{code}]({code}.md) | {check.title} | {check.subject} | {check.needs} |" in index


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_every_page_has_the_same_headings_and_names_the_thresholds_of_its_check(check):
    text = (DOCS / check.page).read_text()
    assert text.startswith(f"# {check.code}: {check.title}\n")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == HEADINGS
    assert f"`--mute {check.code}`" in text
    assert set(re.findall(r"`([A-Z][A-Z0-9_]+)`", text)) == set(check.thresholds)
    assert all(hasattr(thresholds, name) for name in check.thresholds)


def test_no_other_file_asks_for_a_check_by_its_code():
    source = Path(thresholds.__file__).parents[1]
    named = {
        path.relative_to(source).parts[0] for path in source.rglob("*.py") if re.search(r'"ML\d{3}"', path.read_text())
    }
    assert named == {"checks"}
