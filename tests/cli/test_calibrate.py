import os
import shutil

import numpy as np
import pytest

from monolayer.data.load import load
from monolayer.evaluate.predictions import Predictions, predict_rows
from monolayer.evaluate.probabilities import fit_temperature
from monolayer.network import OneLayer
from monolayer.recipe.recipe import Recipe
from monolayer.reports.run import save_run_with_report
from monolayer.runs.folder import load_network, load_predictions, save_predictions
from monolayer.training.run import add_test_metrics
from monolayer.training.train import train

TRAIN = ["train", "digits", "--epochs", "5", "--val-size", "300", "--learning-rate", "0.05"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    splits = load("digits").split(300)
    trained = train(splits, Recipe(epochs=5, learning_rate=0.05))
    predictions = {
        "val": predict_rows(trained.network, splits.val),
        "test": predict_rows(trained.network, splits.open_test("final")),
    }
    save_run_with_report(add_test_metrics(trained, predictions["test"]), splits, folder, predictions)
    return folder


@pytest.fixture
def run(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "run")


def read_all(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_the_temperature_is_fitted_on_validation_rows_and_kept(command, run):
    before, network = read_all(run), load_network(run)
    val, test = (load_predictions(run)[name] for name in ("val", "test"))
    result = command("calibrate", run, "--json")
    assert result.code == 0
    fit = fit_temperature(val.scores, val.y)
    assert result.json["fit"]["temperature"] == fit.temperature
    assert result.json["fit"]["n"] == 300
    assert result.json["caveat"] == ""
    assert result.json["test"]["after"]["n"] == len(test)
    after, warm = read_all(run), load_network(run)
    assert warm.temperature == fit.temperature
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"network.safetensors", "model-card.md", "model-card.json"}
    X = np.random.default_rng(0).integers(0, 16, (50, 64))
    np.testing.assert_array_equal(warm.compute_scores(X), network.compute_scores(X))
    scores = network.compute_scores(X).astype(np.float64) / fit.temperature
    expected = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(warm.compute_probabilities(X), expected, rtol=1e-4, atol=1e-9)
    assert f"scores / {fit.temperature:.4g}" in (run / "model-card.md").read_text()
    assert "fitted on 300 validation rows" in (run / "model-card.md").read_text()


def test_doing_it_again_and_making_the_page_again_change_nothing(command, run):
    command("calibrate", run)
    once = read_all(run)
    assert command("calibrate", run).code == 0
    assert command("report", run).code == 0
    again = read_all(run)
    assert {name for name in once if once[name] != again[name]} <= {"report.html"}


def test_it_says_what_it_did_and_what_is_not_known(command, run, tmp_path):
    result = command("calibrate", run)
    assert "fitted on 300 validation rows" in result.out
    assert "test rows, which were not used to fit it" in result.out
    assert command(*TRAIN, "--sealed", "--out", tmp_path / "sealed").code == 0
    result = command("calibrate", tmp_path / "sealed")
    assert "The test rows are sealed, so its effect on other rows was not measured." in result.out
    assert load_predictions(tmp_path / "sealed").keys() == {"val"}


def test_rows_that_chose_a_run_are_said_to_have(command, tmp_path):
    words = ["sweep", "digits", "--epochs", "3", "--val-size", "300", "--grid", "learning-rate=0.01,0.05"]
    assert command(*words, "--licence", "CC0-1.0", "--out", tmp_path / "grid").code == 0
    result = command("calibrate", tmp_path / "grid")
    assert "These rows also selected this run from the recipes of a sweep" in result.out
    card = (tmp_path / "grid" / "model-card.md").read_text()
    assert "These rows also selected this run" in card
    assert 'license: "cc0-1.0"' in card
    assert OneLayer.load(tmp_path / "grid").metadata["licence"] == "CC0-1.0"


@pytest.mark.parametrize("words", [["--val-size", "0"], ["--learning-rate", "1e6", "--l2", "1"]])
def test_what_cannot_be_fitted_is_one_sentence_and_changes_nothing(command, tmp_path, words):
    assert command(*TRAIN, *words, "--out", tmp_path / "run").code == 0
    before = read_all(tmp_path / "run")
    result = command("calibrate", tmp_path / "run")
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert "no validation predictions, on which a temperature" in result.err or "finite" in result.err
    assert read_all(tmp_path / "run") == before


def test_rows_that_want_no_finite_temperature_are_said_to(command, run):
    right = Predictions("cross_entropy", np.eye(10)[np.arange(20) % 10], np.arange(20) % 10, np.arange(20))
    save_predictions({"val": right}, run)
    before = read_all(run)
    result = command("calibrate", run)
    assert result.code == 2
    assert "no finite temperature minimises the loss" in result.err
    assert read_all(run) == before


def test_a_folder_that_is_no_finished_runs_is_refused(command, run, tmp_path):
    assert "a folder made by monolayer train holds it" in command("calibrate", tmp_path / "place").err
    os.mkdir(run / "unfinished")
    (run / "unfinished" / "request.json").write_text("{}")
    assert "holds an unfinished run; finish it with --resume" in command("calibrate", run).err


def test_a_licence_goes_into_network_and_card(command, tmp_path):
    assert command(*TRAIN, "--licence", " MIT ", "--out", tmp_path / "a").code == 0
    assert load_network(tmp_path / "a").metadata["licence"] == "MIT"
    assert "Licence of this network: MIT." in (tmp_path / "a" / "model-card.md").read_text()
