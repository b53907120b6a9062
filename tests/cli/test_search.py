"""``sweep --optuna`` as a user meets it."""

import csv
import json
import os
import subprocess
import sys

import pytest

from tests.cli.test_resume import read, stop
from tests.end_to_end.test_kills import kill_often, run_command
from tests.tuning.test_optuna import read_ours, read_trials

QUICK = ["sweep", "digits", "--epochs", "2", "--val-size", "200"]
AXES = ["--grid", "learning-rate=log:1e-4:10", "--grid", "l2=log:1e-6:1", "--grid", "flip=0,0.5"]
SEARCH = [*QUICK, *AXES, "--optuna", "12", "--at-once", "5"]
KILLS = 6


def test_a_search_is_a_sweep_of_what_was_proposed(command):
    result = command(*SEARCH, "--top", "12", "--json")
    assert result.code == 0
    assert result.json["n_recipes"] == 12
    assert result.json["is_complete"]
    recipes = [run["recipe"] for run in result.json["runs"]]
    assert all(1e-4 <= r["learning_rate"] <= 10 and 1e-6 <= r["l2"] <= 1 and r["flip"] in (0, 0.5) for r in recipes)
    accuracies = [run["val"]["accuracy"] for run in result.json["runs"]]
    assert accuracies == sorted(accuracies, reverse=True)
    assert all("test" not in run for run in result.json["runs"])


def test_stderr_says_how_many_trials_and_which_batch_and_nothing_of_optunas(command):
    lines = command(*SEARCH).err.splitlines()
    assert lines[0] == "12 trials by Optuna, 5 at once."
    assert len(lines) == 2
    assert "; batch 3 of 3, best before " in lines[1]


def test_the_folder_is_that_of_a_sweep_with_the_journal(command, tmp_path):
    out = tmp_path / "out"
    result = command(*SEARCH, "--out", out)
    assert result.code == 0
    assert set(os.listdir(out)) == {
        "answers.safetensors", "config.json", "evaluation.json", "figures", "histories.csv", "history.csv",
        "journal.log", "model-card.json", "model-card.md", "network.safetensors", "recipe.json", "report.html",
        "sweep.csv",
    }  # fmt: skip
    trials = read_ours(out / "journal.log")
    with (out / "sweep.csv").open() as file:
        outcome = {(float(row["learning_rate"]), float(row["val_accuracy"])) for row in csv.DictReader(file)}
    assert outcome == {(params["learning_rate"], value) for _, params, _, value, _ in trials}
    assert len(trials) == 12


def test_the_table_keeps_the_exponents_of_what_was_drawn(command, tmp_path):
    result = command(*SEARCH, "--out", tmp_path / "out")
    best = json.loads((tmp_path / "out" / "recipe.json").read_text())
    assert f"{best['l2']:.5g}" in result.out
    assert "…" not in result.out.split("┡")[1]


def test_what_is_proposed_again_is_explained(command):
    result = command(*QUICK, "--grid", "l2=0,0.1", "--optuna", "9")
    assert result.code == 0
    assert "9 trials; repeated proposals count once: 2 recipes." in result.out
    assert "Best 2 of 2 recipes" in result.out


def test_halving_works_within_each_batch(command):
    words = [*QUICK[:3], "16", *QUICK[4:], *AXES, "--optuna", "32", "--halving", "--top", "32", "--json"]
    result = command(*words)
    assert result.code == 0
    epochs = [run["epochs_done"] for run in result.json["runs"] if "epochs_done" in run]
    assert result.json["is_complete"]
    assert not epochs or epochs.count(16) == 2


def test_a_named_journal_is_shared_by_searches_with_other_seeds_and_continued_by_the_same(command, tmp_path):
    journal = tmp_path / "shared.log"
    first = command(*SEARCH, "--journal", journal, "--json")
    assert command(*SEARCH, "--journal", journal, "--seed", "7", "--out", tmp_path / "out").code == 0
    assert "journal.log" not in os.listdir(tmp_path / "out")
    assert len(read_trials(journal)) == 24
    assert [len(read_ours(journal, seed)) for seed in (42, 7)] == [12, 12]
    again = command(*SEARCH, "--journal", journal, "--json")
    assert again.json["runs"] == first.json["runs"]
    assert "12 trials by Optuna, 5 at once; 12 were finished before." in again.err
    assert len(read_trials(journal)) == 24


@pytest.mark.parametrize("beside", [[], ["--journal", "shared.log"]])
def test_a_search_that_was_stopped_goes_on_with_the_same_bytes_and_trials(command, tmp_path, monkeypatch, beside):
    words = ["sweep", "digits", "--epochs", "150", "--val-size", "200", *AXES, "--optuna", "12", "--at-once", "5"]
    out = tmp_path / "stopped"
    code, stdout, stderr = stop([*words, *beside], out, "12 trials by Optuna")
    assert code == 130, stderr
    assert f"Resume with: monolayer sweep --resume {out}" in stdout
    assert json.loads((out / "evaluation.json").read_text())["sweep"]["is_complete"] is False
    assert command(*words, "--out", tmp_path / "whole").code == 0
    journal = tmp_path / "place" / "shared.log" if beside else out / "journal.log"
    assert 5 <= len(read_ours(journal)) < 12
    monkeypatch.chdir(tmp_path)
    assert command("sweep", "--resume", out).code == 0
    assert read(out) == read(tmp_path / "whole")
    assert read_ours(journal) == read_ours(tmp_path / "whole" / "journal.log")
    assert "unfinished" not in os.listdir(out)


def search_digits(folder):
    run_command(folder, *SEARCH[:3], "40", *SEARCH[4:])


def test_a_search_that_is_killed_ends_as_one_that_was_not(tmp_path):
    kill_often(search_digits, tmp_path, KILLS, 4.0, seed=4)
    whole = read_ours(tmp_path / "whole" / "journal.log")
    assert len(whole) == 12
    assert all(read_ours(folder / "journal.log") == whole for folder in tmp_path.glob("killed-*"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--optuna", "4"], "needs an axis"),
        ([*AXES, "--optuna", "4", "--random", "4"], "--random draws recipes that --optuna chooses"),
        ([*AXES, "--optuna", "4", "--dry-run"], "--dry-run prints what --optuna chooses only while it trains"),
        ([*AXES, "--at-once", "4"], "--at-once is for a search; give --optuna N with it."),
        ([*AXES, "--journal", "j"], "--journal is for a search; give --optuna N with it."),
        ([*AXES, "--optuna", "0"], "--optuna is 0; accepted is a whole number of 1 or above."),
        ([*AXES, "--optuna", "4", "--at-once", "0"], "--at-once is 0; accepted is a whole number of 1 or above."),
        (
            [*AXES, "--optuna", "4", "--journal", "missing/j"],
            "missing/j: cannot be written (No such file or directory)",
        ),
        ([*AXES, "--optuna", "4", "--journal", "."], "is a folder; a journal is a file."),
        (["--grid", "momentum=log:1:2", "--optuna", "4"], "a recipe has no field 'momentum'"),
        (["--grid", "batch-size=linear:10:5000", "--optuna", "4"], "batch_size is 5000; accepted are 1 to"),
        (["--grid", "loss=log:1:2", "--optuna", "4"], "Unknown loss 'log:1:2'"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(command, tmp_path, words, message):
    result = command(*QUICK, *words, "--out", tmp_path / "out")
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert result.err.count("\n") == 1
    assert os.listdir(tmp_path) == ["place"]
    assert os.listdir(tmp_path / "place") == []


def test_a_file_of_another_kind_is_left_as_it_is(command, tmp_path):
    (tmp_path / "place" / "notes").write_text("mine")
    result = command(*SEARCH, "--journal", "notes", "--out", tmp_path / "out")
    assert result.code == 2
    assert result.err.splitlines()[-1].endswith(
        "place/notes: is not a journal of Optuna; name another file, or one that does not exist yet."
    )
    assert (tmp_path / "place" / "notes").read_text() == "mine"
    assert os.listdir(tmp_path) == ["place"]


def test_without_optuna_it_says_how_to_get_it(command, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    result = command(*SEARCH, "--out", tmp_path / "out")
    assert (result.code, result.out) == (2, "")
    assert result.err == (
        "monolayer: Searching needs Optuna, which is not installed; get it with: pip install monolayer[optuna]\n"
    )
    assert os.listdir(tmp_path) == ["place"]


def test_other_sweeps_do_without_optuna(command, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert command(*QUICK, "--grid", "l2=0,0.1").code == 0


def test_optuna_is_loaded_by_searches_only():
    modules = "monolayer.cli.main, monolayer.tuning.optuna, monolayer.cli.sweep"
    code = f"import sys, {modules}; sys.exit('optuna' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
