import json
import os

import pytest

QUICK = ("train", "digits", "--epochs", "3", "--learning-rate", "0.01")


@pytest.fixture
def runs(command, tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    assert command(*QUICK, "--out", first).code == 0
    assert command(*QUICK, "--loss", "multiple-bce", "--out", second).code == 0
    return first, second


def test_two_runs_side_by_side_as_json_and_as_a_page(command, tmp_path, runs):
    out = tmp_path / "both"
    result = command("compare", *runs, "--out", out, "--json")
    assert result.code == 0
    assert set(result.json) == {"runs", "paired", "matched", "template_cosine"}
    assert [run["folder"] for run in result.json["runs"]] == [str(run) for run in runs]
    assert list(result.json["runs"][1]["calibration"]) == ["sigmoid", "normalised_sigmoid", "softmax"]
    assert result.json["paired"]["n"] == 359
    assert result.json["matched"]["is_matched"] is False
    assert sorted(os.listdir(out)) == ["comparison.json", "figures", "report.html"]
    assert json.loads((out / "comparison.json").read_text()) == result.json
    page = (out / "report.html").read_text()
    assert "not matched in rate" in page
    assert "exact McNemar test" in page


def test_eighty_columns_hold_the_accuracies_of_both(command, runs, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = command("compare", *runs).out.splitlines()
    start = lines.index(next(line for line in lines if line.startswith("Accuracy, 95 % intervals")))
    rows = [line for line in lines[start : start + 7] if line.startswith("│")]
    assert [row.split()[1] for row in rows] == ["A", "B"]
    assert all(len(line.rstrip()) <= 80 for line in lines[start : start + 7])


def test_the_terminal_says_which_is_better_or_that_nobody_knows(command, runs):
    first, second = runs
    result = command("compare", first, second).out
    assert "Run A is significantly more accurate" in result or "are not significantly different" in result
    assert "are not significantly different" in command("compare", first, first).out


def test_what_is_no_run_is_refused(command, tmp_path, runs):
    for words in ((runs[0], tmp_path), (tmp_path, runs[0])):
        result = command("compare", *words)
        assert (result.code, result.out) == (2, "")
        assert "a folder made by monolayer train holds it" in result.err
