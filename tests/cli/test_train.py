import csv
import json
import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest

from monolayer.checks.registry import CHECKS
from monolayer.recipe.recipe import Recipe
from monolayer.runs.folder import load_history, load_network, load_recipe

QUICK = ["train", "digits", "--epochs", "3", "--val-size", "200"]
LAYOUT = ["answers.safetensors", "config.json", "evaluation.json", "figures", "history.csv", "model-card.json",
          "model-card.md", "network.safetensors", "predictions.csv", "recipe.json", "report.html"]  # fmt: skip


def test_json_is_one_object_of_the_promised_shape(command):
    result = command(*QUICK, "--json")
    assert result.code == 0
    run = result.json
    assert set(run) >= {"recipe", "train", "val", "test", "seconds", "findings"}
    assert run["recipe"] == Recipe(epochs=3).to_dict()
    for name, n in (("train", 1238), ("val", 200), ("test", 359)):
        assert set(run[name]) >= {"loss", "cost", "accuracy", "accuracy_interval"}
        assert run[name]["n"] == n
        low, high = run[name]["accuracy_interval"]
        assert 0 <= low <= run[name]["accuracy"] <= high <= 1


def test_options_are_the_recipes_names_with_hyphens(command):
    options = ["--loss", "multiple-bce", "--learning-rate", "0.1", "--l2", "0.01", "--batch-size", "32", "--schedule",
               "step:1:0.5", "--flip", "0.25", "--init-std", "0.1", "--seed", "7", "--dtype", "float64"]  # fmt: skip
    expected = Recipe("multiple_bce", 0.1, 0.01, 32, 3, "step:1:0.5", 0.25, 0.1, 7, "float64")
    assert command(*QUICK, *options, "--json").json["recipe"] == expected.to_dict()


@pytest.mark.usefixtures("native")
def test_the_engine_is_chosen_for_the_command_alone_and_threads_change_no_byte(command, tmp_path, monkeypatch):
    monkeypatch.setenv("MONOLAYER_ENGINE", "native")
    networks = {}
    for name, words in {"one": ["--threads", "1"], "two": ["--threads", "2"], "numpy": ["--engine", "numpy"]}.items():
        assert command(*QUICK, *words, "--out", tmp_path / name).code == 0
        networks[name] = load_network(tmp_path / name).weights
        assert os.environ["MONOLAYER_ENGINE"] == "native"
        assert "MONOLAYER_THREADS" not in os.environ
    assert networks["one"].tobytes() == networks["two"].tobytes() != networks["numpy"].tobytes()
    np.testing.assert_allclose(networks["numpy"], networks["one"], atol=1e-5)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--engine", "fortran"], "MONOLAYER_ENGINE is 'fortran'; accepted are numpy, native."),
        (["--threads", "0"], "--threads"),
    ],
)
def test_an_engine_or_a_number_of_threads_that_is_none_is_refused(command, tmp_path, words, sentence):
    before = os.environ.get("MONOLAYER_ENGINE")
    result = command(*QUICK, *words, "--out", tmp_path / "a")
    assert result.code == 2
    assert os.environ.get("MONOLAYER_ENGINE") == before
    assert sentence in " ".join(result.err.split())
    assert not (tmp_path / "a").exists()


def test_everything_goes_into_one_folder_of_the_promised_layout(command, tmp_path):
    out = tmp_path / "runs" / "a"
    result = command(*QUICK, "--out", out)
    assert result.code == 0
    assert sorted(os.listdir(out)) == LAYOUT
    assert load_recipe(out) == Recipe(epochs=3)
    with (out / "history.csv").open() as file:
        assert next(csv.reader(file)) == [
            "epoch", "learning_rate", "train_loss", "train_cost", "train_accuracy", "val_loss", "val_cost",
            "val_accuracy",
        ]  # fmt: skip
    assert [row.epoch for row in load_history(out)] == [1, 2, 3]
    evaluation = json.loads((out / "evaluation.json").read_text())
    assert [opening["why"] for opening in evaluation["test_openings"]] == ["final evaluation"]
    assert evaluation["train"]["accuracy"] == load_history(out)[-1].train_accuracy
    assert load_network(out).weights.shape == (10, 64)
    assert "report.html" in result.out
    assert os.listdir(out.parent) == ["a"]


def test_predictions_agree_with_the_evaluation(command, tmp_path):
    command(*QUICK, "--out", tmp_path / "a")
    with (tmp_path / "a" / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    accuracy = np.mean([row["label"] == row["predicted"] for row in rows])
    assert json.loads((tmp_path / "a" / "evaluation.json").read_text())["test"]["accuracy"] == pytest.approx(accuracy)


def test_epoch_lines_go_to_stderr_with_validation_beside_training(command):
    err = command(*QUICK).err
    train, val = r"Loss: \d\.\d{4}, Accuracy: \d+\.\d\d%", r"Val loss: \d\.\d{4}, Val accuracy: \d+\.\d\d%"
    assert re.search(rf"Epoch 1/3 - LR: 0\.00100 - {train} - {val}\n", err)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--loss", "absolute"], "Unknown loss 'absolute'; accepted are cross_entropy, multiple_bce"),
        (["--schedule", "steps"], "Unknown schedule 'steps'; accepted are"),
        (["--learning-rate", "-1"], "learning_rate is -1.0; accepted is a number above 0."),
        (["--batch-size", "2000"], "batch_size is 2000; accepted are 1 to 1238, the training rows."),
        (["--val-size", "nan"], "val_size is nan; accepted is a whole number of 0 or above"),
        (["--val-size", "inf"], "val_size is inf; accepted is a whole number of 0 or above"),
        (["--val-size", "1438"], "1438 validation rows leave no training rows"),
        (
            ["--val-size", "-1"],
            "val_size is -1; accepted is a whole number of 0 or above, or a share of the rows below 1.",
        ),
        (["--train-size", "99999"], "train_size is 99999; accepted are 1 to 1238"),
        (["--split-seed", "-1"], "The seed of the split is -1; accepted is a whole number from 0 to"),
        (["--flip", "2"], "flip is 2.0; accepted is a probability from 0 to 1."),
        (["--dtype", "int8"], "dtype is 'int8'; accepted is float32 or float64."),
        (["--data", "nowhere"], "digits is part of scikit-learn and is not read from a path"),
        (["--epochs", "many"], "--epochs is 'many'; accepted is a whole number."),
    ],
)
def test_bad_input_gets_one_sentence_code_2_and_leaves_nothing(command, tmp_path, options, message):
    result = command(*QUICK, *options, "--out", tmp_path / "out")
    assert result.code == 2
    assert message in result.err
    assert "Traceback" not in result.err
    assert result.out == ""
    assert os.listdir(tmp_path) == ["place"]


def test_a_small_dataset_gives_up_a_sixth_for_validation_where_nobody_says(command):
    result = command("train", "digits", "--epochs", "1", "--json").json
    assert (result["val"]["n"], result["train"]["n"], result["test"]["n"]) == (299, 1139, 359)


def test_an_unknown_dataset_is_refused(command):
    result = command("train", "mnist")
    assert (result.code, result.out) == (2, "")
    assert (
        "'mnist' is not a dataset; accepted are cifar10, digits and paths of .npy with labels beside it, .npz,"
        in result.err
    )


def test_an_output_folder_in_use_is_refused_before_any_work_and_left_alone(command, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("precious")
    result = command(*QUICK, "--out", out)
    assert result.code == 2
    assert "exists and is not empty; name a new or empty folder with --out." in result.err
    assert "Epoch" not in result.err
    assert os.listdir(out) == ["mine.txt"]


def test_an_output_folder_that_cannot_be_made_is_refused(command, tmp_path):
    (tmp_path / "file").write_text("")
    result = command(*QUICK, "--out", tmp_path / "file" / "out")
    assert result.code == 2
    assert "is a file, so" in result.err


def test_ctrl_c_finishes_the_epoch_keeps_what_is_done_and_exits_with_130(tmp_path):
    out = tmp_path / "out"
    words = ["train", "digits", "--epochs", "1000000", "--val-size", "200", "--out", str(out)]
    with subprocess.Popen([sys.executable, "-m", "monolayer", *words], stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            if line.startswith("Epoch 3/"):
                break
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        assert process.returncode == 130
    history = load_history(out)
    assert 3 <= len(history) < 1_000_000
    assert json.loads((out / "evaluation.json").read_text())["epochs_done"] == len(history)
    evaluation = json.loads((out / "evaluation.json").read_text())
    assert evaluation["test"] is None
    assert evaluation["test_openings"] == []
    assert "The run was stopped early" in (out / "report.html").read_text()
    assert load_recipe(out).epochs == 1_000_000


def test_a_diverged_run_is_kept_and_says_so(command, tmp_path):
    out = tmp_path / "out"
    result = command(*QUICK, "--learning-rate", "100", "--l2", "1", "--epochs", "20", "--out", out, "--json")
    assert result.code == 0
    outcomes = {finding["code"]: finding["outcome"] for finding in result.json["findings"]}
    assert outcomes["ML001"] == "issue"
    of_a_run = {code for code, check in CHECKS.items() if check.subject in ("run", "rows")}
    assert set(outcomes) - {"ML021"} == of_a_run
    assert result.json["train"]["loss"] is None
    assert sorted(os.listdir(out)) == LAYOUT
    assert "ML001" in (out / "report.html").read_text(encoding="utf-8")


def test_an_ascii_locale_changes_nothing(tmp_path):
    words = ["train", "digits", "--epochs", "1", "--val-size", "200", "--out", str(tmp_path / "out")]
    environment = {**os.environ, "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}
    subprocess.run([sys.executable, "-X", "utf8=0", "-m", "monolayer", *words], env=environment, check=True)
    assert (tmp_path / "out" / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.cifar10
@pytest.mark.usefixtures("cifar10")
def test_the_real_images_train_from_the_command(command, tmp_path):
    result = command("train", "cifar10", "--train-size", "10000", "--epochs", "2", "--out", tmp_path / "a", "--json")
    assert result.code == 0
    assert result.json["train"]["n"] == 10_000
    assert result.json["test"]["n"] == 10_000
    assert 0.3 < result.json["test"]["accuracy"] < 0.42


def test_certify_says_how_far_the_run_stopped_from_the_optimum(command, tmp_path):
    words = [*QUICK, "--l2", "0.01", "--certify"]
    certificate = command(*words, "--json", "--out", tmp_path / "a").json["certificate"]
    assert certificate["distance"] == certificate["cost"] - certificate["optimal_cost"] > 0
    assert certificate["val"]["n"] == 200
    assert json.loads((tmp_path / "a" / "certificate.json").read_text()) == certificate
    assert "The lowest cost that this loss and l2 allow is" in command(*words).out


def test_a_batch_size_that_nobody_asked_for_is_that_of_the_rows(command, tmp_path):
    out = tmp_path / "run"
    few = ["train", "digits", "--train-size", "40", "--epochs", "2", "--out", out]
    result = command(*few)
    assert result.code == 0
    assert "The batch size is 40: there are fewer training rows than 100." in result.err
    assert load_recipe(out).batch_size == 40
    asked = command("train", "digits", "--train-size", "40", "--batch-size", "100")
    assert asked.code == 2
    assert asked.err.endswith("batch_size is 100; accepted are 1 to 40, the training rows.\n")


def test_a_run_that_diverged_says_so_however_few_its_epochs_in_numbers_that_fit(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    result = command("train", "digits", "--train-size", "40", "--learning-rate", "1e30", "--epochs", "2")
    assert "ML001 [issue]" in result.out
    assert re.search(r"│ validation │ +\d+ │ \de\+\d\d|│ validation │ +\d+ │ \d\.\de\+\d\d │", result.out)
    assert re.search(r"Val loss: \d\.?\d?e\+\d\d,", result.err)
