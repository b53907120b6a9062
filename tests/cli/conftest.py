"""How CLI tests call the command: in this process, through the same main() as people do."""

import json
import sys
from dataclasses import dataclass

import pytest

from monolayer.cli.main import main


@dataclass
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    """command(*words) -> Result, run in an empty folder."""
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.chdir(place)

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["monolayer", *map(str, words)])
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return run
