"""The examples of the README run (on digits, with fewer epochs), its commands exist and its links resolve."""

import os
import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import monolayer as ml

README = (Path(__file__).parents[2] / "README.md").read_text()


def find_block(words):
    """The first Python block of the README that contains these words."""
    return next(block for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if words in block)


def test_the_library_example_runs(capsys):
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL)[1]
    code = code.replace('"cifar10"', '"digits"').replace("1000", "200").replace("epochs=40", "epochs=2")
    exec(compile(code, "README.md", "exec"), {})
    first, *findings = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"accuracy [\d.]+ \[[\d.]+, [\d.]+\] %, loss [\d.]+, 359 rows", first)
    assert all(re.match(r"ML\d{3} (issue|tip|passed|not applicable|skipped) ", line) for line in findings)


def test_the_notebook_example_runs_after_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first, notebook = find_block("ml.load"), find_block("ml.figures")
    first = first.replace('"cifar10"', '"digits"').replace("1000", "200").replace("epochs=40", "epochs=2")
    first = first.replace("splits, grid=", "splits, ml.Recipe(epochs=2), grid=")
    first = first.replace('"batch_size": [50, 100, 200]', '"batch_size": [50]')
    notebook = notebook.replace('"mlflow", ', "")  # tested elsewhere
    plt.switch_backend("Agg")
    with plt.ioff():
        names = {"plt": plt, "pd": pd}
        exec(compile(first + notebook, "README.md", "exec"), names)
        names["fig"].canvas.draw()
        plt.close(names["fig"])
    assert len(names["table"]) == 12 * 2
    assert sorted(os.listdir()) == ["runs"]


def test_predicting_is_three_lines(tmp_path, monkeypatch, capsys):
    code = find_block("OneLayer.load")
    assert len(code.partition("\n\n")[2].splitlines()) == 3
    monkeypatch.chdir(tmp_path)
    digits = ml.load("digits")
    (tmp_path / "runs" / "a").mkdir(parents=True)
    ml.train(digits.split(), ml.Recipe(epochs=2)).network.save("runs/a/network.safetensors")
    np.save("features.npy", digits.X[:5])
    exec(compile(code, "README.md", "exec"), {"ml": ml})
    assert re.fullmatch(r"\[('\d', ){4}'\d'\]\n", capsys.readouterr().out)


def test_every_command_in_the_table_is_accepted(command):
    rows = re.findall(r"^\| `([^`]+)` \|", README, re.MULTILINE)
    names = {row.split()[0] for row in rows}
    assert names == {
        "fetch", "train", "sweep", "compare", "audit", "predict", "report", "reproduce", "calibrate", "export",
        "data", "probe", "ladder",
    }  # fmt: skip
    for row in rows:
        name, *words = row.split()
        below = words[:1] if name == "data" else []
        help_text = re.sub(r"\s+", " ", command(name, *below, "--help").out)
        assert all(word in help_text for word in words if word.startswith("--"))


@pytest.mark.parametrize("path", re.findall(r"\]\(([^)#:]+)\)", README))
def test_links_resolve(path):
    assert (Path(__file__).parents[2] / path).exists()
