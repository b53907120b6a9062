import csv
import os
import re

import pytest

QUICK = ["sweep", "digits", "--epochs", "2", "--val-size", "200"]
GRID = ["--grid", "learning-rate=0.001,0.01", "--grid", "l2=0,0.1", "--grid", "batch-size=50,100"]


def test_json_holds_the_runs_best_first_and_the_test_rows_stay_sealed(command):
    result = command(*QUICK, *GRID, "--top", "5", "--json")
    assert result.code == 0
    runs = result.json["runs"]
    assert len(runs) == 5
    accuracies = [run["val"]["accuracy"] for run in runs]
    assert accuracies == sorted(accuracies, reverse=True)
    assert all("test" not in run and run["recipe"]["epochs"] == 2 for run in runs)
    assert set(result.json) == {
        "runs", "selection", "seconds", "findings", "n_recipes", "n_complete", "is_complete", "rungs"
    }  # fmt: skip


def test_the_folder_is_that_of_a_run_with_the_table_of_all(command, tmp_path):
    out = tmp_path / "grid"
    assert command(*QUICK, *GRID, "--out", out).code == 0
    assert set(os.listdir(out)) == {
        "answers.safetensors", "config.json", "evaluation.json", "figures", "histories.csv", "history.csv",
        "network.safetensors", "model-card.json", "model-card.md", "recipe.json", "report.html", "sweep.csv",
    }  # fmt: skip
    with (out / "sweep.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8
    assert rows[0]["is_indistinguishable"] == "True"
    assert {(row["learning_rate"], row["l2"], row["batch_size"]) for row in rows} == {
        (r, l2, b) for r in ("0.001", "0.01") for l2 in ("0.0", "0.1") for b in ("50", "100")
    }
    with (out / "histories.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 16
    assert "grid.png" in os.listdir(out / "figures")


def test_the_table_marks_what_cannot_be_told_from_the_best_and_the_page_says_so_too(command, tmp_path):
    result = command(*QUICK, *GRID, "--out", tmp_path / "grid")
    page = (tmp_path / "grid" / "report.html").read_text()
    for text in (result.out, page):
        assert "of 8 recipes, including the best, are not significantly different from the best (=) on 200 rows" in text
        assert "implest recipe within one standard error of the best" in text
        assert "its expected accuracy on other rows is about" in text


def test_any_field_is_an_axis(command):
    grid = ["--grid", "loss=cross-entropy,multiple-bce", "--grid", "schedule=constant,cosine", "--grid", "seed=1,2"]
    runs = command(*QUICK, *grid, "--json").json["runs"]
    assert {run["recipe"]["loss"] for run in runs} == {"cross_entropy", "multiple_bce"}
    assert len(runs) == 8


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ("momentum=1,2", "a recipe has no field 'momentum'"),
        ("l2", "is not NAME=VALUE,VALUE"),
        ("l2=", "is not NAME=VALUE,VALUE"),
        ("l2=0,much", "--grid l2: 'much' is not a number."),
        ("batch-size=1.5", "--grid batch_size: '1.5' is not a whole number."),
        ("l2=-1", "l2 is -1.0; accepted is a number of 0 or above."),
        ("loss=absolute", "Unknown loss 'absolute'"),
        ("batch-size=50,5000", "batch_size is 5000; accepted are 1 to 1238"),
    ],
)
def test_bad_axes_are_refused(command, tmp_path, grid, message):
    result = command(*QUICK, "--grid", grid, "--out", tmp_path / "out")
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert os.listdir(tmp_path) == ["place"]


def test_an_axis_named_twice_is_refused(command):
    assert "names l2 twice" in command(*QUICK, "--grid", "l2=0", "--grid", "l2=1").err


def test_nothing_held_out_is_refused(command):
    result = command("sweep", "digits", "--val-size", "0", "--grid", "l2=0,1")
    assert result.code == 2
    assert "no rows are held out" in result.err


def test_a_dry_run_says_what_it_would_take_and_does_nothing(command, tmp_path):
    words = [*QUICK, *GRID, "--dry-run", "--out", tmp_path / "out"]
    result = command(*words)
    assert result.code == 0
    assert "8 recipes in 2 banks: 16 epochs in total" in result.out
    assert "nothing was trained" in result.out
    plan = command(*words, "--json").json
    assert [bank["members"] for bank in plan["banks"]] == [4, 4]
    # 64 features of 10 classes; an epoch trains on 1,238 rows and evaluates them and 200 more, half a row each.
    assert plan["operations"] == 8 * 2 * 4 * 640 * (1238 + (1238 + 200) // 2)
    assert plan["memory_bytes"] > 2 * 8 * 640 * 4
    assert 0 < plan["seconds"] < 60
    assert not (tmp_path / "out").exists()


def test_halving_lets_three_in_four_go_and_ranks_them_last(command, tmp_path):
    words = [
        "sweep",
        "digits",
        "--epochs",
        "16",
        "--val-size",
        "200",
        "--grid",
        "learning-rate=log:1e-6:1:16",
        "--halving",
    ]
    runs = command(*words, "--top", "16", "--json", "--out", tmp_path / "out").json["runs"]
    assert [run["epochs_done"] for run in runs] == [16] + [4] * 3 + [1] * 12
    assert "Successive halving" in (tmp_path / "out" / "report.html").read_text()


def test_every_candidates_training_is_measured_four_times_and_its_validation_every_epoch(command, tmp_path):
    command("sweep", "digits", "--epochs", "8", "--grid", "l2=0,0.1", "--out", tmp_path / "out")
    with (tmp_path / "out" / "histories.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["run"] == "2"]
    assert [bool(row["train_loss"]) for row in rows] == [False, True] * 4
    assert all(row["val_loss"] for row in rows)


def test_a_recipe_that_diverged_is_named_and_ranks_last_in_the_table(command):
    result = command(*QUICK, "--grid", "learning-rate=0.001,1e30")
    assert result.code == 0
    assert re.search(r"1e\+30 .* diverged", result.out)
    assert "1 of 2 recipes diverged and rank last, such as learning_rate 1e+30:" in result.out
    assert "ML001 [issue] Learning rate" in result.out
    assert "best" not in result.err or "1e+30" not in result.err.split("best")[-1]


def test_halving_too_few_recipes_says_that_nothing_is_halved(command):
    result = command(*QUICK, "--grid", "l2=0,0.1", "--halving")
    assert "Halving needs at least 4 recipes and 4 epochs, so all recipes train to the end." in result.err


def test_batches_that_nobody_asked_for_have_no_more_than_the_rows(command):
    few = ["sweep", "digits", "--train-size", "40", "--epochs", "2", "--json"]
    result = command(*few, "--grid", "l2=0,1")
    assert [run["recipe"]["batch_size"] for run in result.json["runs"]] == [40, 40]
    assert "The batch size is 40" in result.err
    for asked in (["--grid", "l2=0,1", "--batch-size", "100"], ["--grid", "batch-size=20,100"]):
        assert "accepted are 1 to 40" in command(*few, *asked).err
