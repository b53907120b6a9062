import json
import os
import re

import pytest

from monolayer.errors import DataUnavailable

FIGURES = {
    *(
        f"{key}-{kind}.png"
        for key in ("all-data", "flips", "step-decay", "cross-entropy", "multiple-bce")
        for kind in ("loss", "cost", "templates", "probability")
    ),
    *(
        f"{scores}-reliability.png"
        for scores in (
            "cross-entropy-softmax",
            *(f"multiple-bce-{reading}" for reading in ("sigmoid", "normalised-sigmoid", "softmax")),
        )
    ),
    "grid.png",
}


@pytest.fixture(scope="module")
def unreachable():
    def load(*_, **__):
        raise DataUnavailable("CIFAR-10 could not be had from any source: the wire is cut")

    return load


def test_the_whole_study_on_digits_and_its_replacement(command, tmp_path):
    out = tmp_path / "report"
    words = ["reproduce", "digits", "--epochs", "1", "--out", out]
    result = command(*words)
    assert result.code == 0
    assert str(out / "report.html") in result.out
    assert set(os.listdir(out)) == {"figures", "networks", "report.html", "report.md", "results.json"}
    assert {name for name in os.listdir(out / "figures") if name.endswith(".png")} == FIGURES
    results = json.loads((out / "results.json").read_text())
    assert len(results["grid"]["runs"]) == 36
    assert len(results["test_openings"]) == 2
    page, markdown = (out / "report.html").read_text(), (out / "report.md").read_text()
    assert "not cifar" not in page.lower()
    assert "The study: 100 of 100 %" in result.err
    for experiment in results["experiments"].values():  # the page, its Markdown and the JSON have the same numbers
        for name in ("train", "val", "test"):
            cell = re.compile(rf"{100 * experiment[name]['accuracy']:.2f} (\\?)\[")
            assert cell.search(page)
            assert cell.search(markdown)
    assert command(*words).code == 2  # an older report is replaced only with --overwrite
    assert command(*words, "--overwrite", "--seed", "5").code == 0
    assert json.loads((out / "results.json").read_text())["experiments"]["flips"]["recipe"]["seed"] == 5


def test_without_any_source_the_study_runs_on_digits_and_says_so_in_large_print(
    command, tmp_path, monkeypatch, unreachable
):
    monkeypatch.setattr("monolayer.data.load.load_cifar10", unreachable)
    out = tmp_path / "report"
    result = command("reproduce", "--epochs", "1", "--out", out)
    assert result.code == 0
    assert "CIFAR-10 CANNOT BE OBTAINED: THE STUDY RUNS ON DIGITS INSTEAD" in result.err
    assert "THIS IS NOT CIFAR-10" in result.out
    page = (out / "report.html").read_text()
    assert "THIS IS NOT CIFAR-10" in page
    assert "the wire is cut" in page
    assert "53.20" not in page  # what the original prints of CIFAR-10 has no place beside digits


def test_cifar10_named_and_not_to_be_had_is_an_error(command, tmp_path, monkeypatch, unreachable):
    monkeypatch.setattr("monolayer.data.load.load_cifar10", unreachable)
    result = command("reproduce", "cifar10", "--out", tmp_path / "report")
    assert (result.code, result.out) == (1, "")
    assert "the wire is cut" in result.err
    assert os.listdir(tmp_path) == ["place"]


def test_a_folder_with_anything_else_is_not_replaced(command, tmp_path):
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "mine.txt").write_text("precious")
    result = command("reproduce", "digits", "--epochs", "1", "--overwrite", "--out", foreign)
    assert result.code == 2
    assert "holds mine.txt, which is not part of a report, so it is not replaced" in result.err
    assert (foreign / "mine.txt").read_text() == "precious"
