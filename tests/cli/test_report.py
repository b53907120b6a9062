import json
import shutil

import pytest

import monolayer as ml
from monolayer.evaluate.predictions import predict_rows
from monolayer.reports.run import save_run_with_report, save_sweep_with_report
from monolayer.training.run import add_test_metrics


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The folders ``run``, whose test rows were opened, and ``sweep``, whose test rows are sealed."""
    folder = tmp_path_factory.mktemp("saved")
    for name in ("run", "sweep"):
        (folder / name).mkdir()
    splits, recipe = ml.load("digits").split(val=100), ml.Recipe(epochs=2)
    swept = ml.sweep(splits, recipe, grid={"l2": [0, 0.1, 1]})
    save_sweep_with_report(swept, splits, folder / "sweep")
    run = ml.train(splits, recipe)
    predictions = {"test": predict_rows(run.network, splits.open_test("final evaluation"))}
    save_run_with_report(add_test_metrics(run, predictions["test"]), splits, folder / "run", predictions)
    return folder


@pytest.fixture
def run(saved, tmp_path):
    return shutil.copytree(saved / "run", tmp_path / "run")


@pytest.fixture
def swept(saved, tmp_path):
    return shutil.copytree(saved / "sweep", tmp_path / "sweep")


def test_the_page_is_made_again_from_the_folder(command, run):
    out = run
    page = (out / "report.html").read_bytes()
    figures = {path.name: path.read_bytes() for path in (out / "figures").iterdir()}
    shutil.rmtree(out / "figures")
    (out / "report.html").unlink()
    result = command("report", out)
    assert result.code == 0
    assert result.out.strip() == str(out / "report.html")
    assert (out / "report.html").read_bytes() == page
    assert {path.name: path.read_bytes() for path in (out / "figures").iterdir()} == figures


def test_a_sweeps_page_is_made_again_too(command, swept):
    page = (swept / "report.html").read_bytes()
    assert command("report", swept).code == 0
    assert (swept / "report.html").read_bytes() == page


def test_a_folder_that_is_no_runs_is_refused_and_left_alone(command, tmp_path):
    result = command("report", tmp_path)
    assert (result.code, result.out) == (2, "")
    assert "a folder made by monolayer train holds it" in result.err


def read_evaluation(folder):
    return json.loads((folder / "evaluation.json").read_text())


def test_sealed_test_rows_are_opened_by_name_and_recorded(command, tmp_path):
    words = ("train", "digits", "--epochs", "2", "--val-size", "100")
    sealed, plain = tmp_path / "sealed", tmp_path / "plain"
    assert command(*words, "--sealed", "--out", sealed, "--json").json["test"] is None
    assert read_evaluation(sealed)["test_openings"] == []
    assert "never" in (sealed / "report.html").read_text()
    assert command("report", sealed, "--open-test", "the recipe is chosen").code == 0
    command(*words, "--out", plain)
    assert read_evaluation(sealed)["test"] == read_evaluation(plain)["test"]
    assert (sealed / "predictions.csv").read_text() == (plain / "predictions.csv").read_text()
    assert [opening["why"] for opening in read_evaluation(sealed)["test_openings"]] == ["the recipe is chosen"]


def test_a_second_opening_must_be_asked_for_and_shows_on_the_page(command, run):
    out = run
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    refused = command("report", out, "--open-test", "one more look")
    assert refused.code == 2
    assert "opened before" in refused.err
    assert "--again" in refused.err
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == before
    assert command("report", out, "--open-test", "one more look", "--again").code == 0
    assert [o["why"] for o in read_evaluation(out)["test_openings"]] == ["final evaluation", "one more look"]
    page = (out / "report.html").read_text()
    assert "2 times" in page
    assert "one more look" in page


def test_of_a_sweep_only_the_chosen_recipe_is_scored(command, swept):
    out = swept
    assert read_evaluation(out)["test"] is None
    assert command("report", out, "--open-test", "the recipe is chosen").code == 0
    evaluation = read_evaluation(out)
    assert evaluation["test"]["n"] == 359
    assert not any(run.get("test") for run in evaluation["sweep"]["runs"])


@pytest.mark.parametrize(
    ("words", "message"),
    [(["--again"], "goes with --open-test"), (["--open-test", " "], "needs a reason")],
)
def test_openings_are_asked_for_in_full(command, run, words, message):
    result = command("report", run, *words)
    assert result.code == 2
    assert message in result.err


def test_the_heat_map_takes_any_two_fields_that_vary(command, run, tmp_path):
    grid = ["--grid", "learning-rate=0.001,0.01", "--grid", "flip=0,0.5", "--grid", "schedule=constant,cosine"]
    command("sweep", "digits", "--epochs", "2", *grid, "--out", tmp_path / "grid")
    picture = tmp_path / "grid" / "figures" / "grid.png"
    usual = picture.read_bytes()
    assert command("report", tmp_path / "grid", "--heat-map", "flip,schedule").code == 0
    assert picture.read_bytes() != usual
    command("report", tmp_path / "grid")
    assert picture.read_bytes() == usual
    for pair, message in (
        ("flip", "--heat-map takes two fields of the sweep"),
        (
            "flip,l2",
            "needs two different fields that vary in this sweep (learning_rate, flip, schedule), not flip and l2",
        ),
    ):
        result = command("report", tmp_path / "grid", "--heat-map", pair)
        assert (result.code, result.out) == (2, "")
        assert message in result.err
    assert "holds one run" in command("report", run, "--heat-map", "flip,l2").err
