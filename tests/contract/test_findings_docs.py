"""Every code has a page with the same sections, and every page has a code."""

import re
from pathlib import Path

from monolayer.checks import thresholds
from monolayer.duplicates import constants
from monolayer.findings import CODES

FOLDER = Path(__file__).parents[2] / "docs" / "findings"
HEADINGS = ["How it is found", "Why it matters", "What to do", "When it does not apply", "How to mute"]


def test_every_code_has_a_page_and_every_page_a_code():
    assert {path.stem for path in FOLDER.glob("*.md")} == {*CODES, "README"}
    index = (FOLDER / "README.md").read_text()
    for code, title in CODES.items():
        assert f"| [{code}]({code}.md) | {title} |" in index


def test_every_page_has_the_same_headings():
    for code, title in CODES.items():
        text = (FOLDER / f"{code}.md").read_text()
        assert text.startswith(f"# {code}: {title}\n")
        assert re.findall(r"^## (.+)$", text, re.MULTILINE) == HEADINGS
        assert f"`--mute {code}`" in text


def test_the_named_thresholds_exist():
    for path in FOLDER.glob("*.md"):
        for name in re.findall(r"`([A-Z][A-Z0-9_]+)`", path.read_text()):
            is_constant = hasattr(thresholds, name) or hasattr(constants, name)
            assert name == "CODE" or is_constant, f"{path.name} names {name}"
