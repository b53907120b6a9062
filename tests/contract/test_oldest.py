"""tests/oldest.txt pins the lower bounds of pyproject.toml."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_oldest_versions_are_the_lower_bounds():
    bounds = dict(
        re.split(">=", word) for word in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    )
    pinned = dict(re.findall(r"^([\w-]+)==([\d.]+)$", (ROOT / "tests" / "oldest.txt").read_text(), re.MULTILINE))
    assert bounds.keys() <= pinned.keys()
    for name, bound in bounds.items():
        assert f"{pinned[name]}.".startswith(f"{bound}."), name
