"""Every code has a page that says the same things in the same order, and every page a code."""

import re
from pathlib import Path

from monolayer.checks import thresholds
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


def test_thresholds_are_named_as_they_are_called():
    for path in FOLDER.glob("*.md"):
        for name in re.findall(r"`([A-Z][A-Z0-9_]+)`", path.read_text()):
            assert name == "CODE" or hasattr(thresholds, name), f"{path.name} names {name}"
