import json
import re
from dataclasses import replace

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from monolayer.data.dataset import Dataset
from monolayer.evaluate.predictions import predict_rows
from monolayer.recipe.recipe import Recipe
from monolayer.reports.card_facts import collect_card_facts, measure_probabilities
from monolayer.reports.model_card import render_card, render_front_matter
from monolayer.reports.run import save_run_with_report, save_sweep_with_report
from monolayer.runs.folder import load_evaluation, load_predictions
from monolayer.training.run import add_test_metrics
from monolayer.training.train import train
from monolayer.tuning.sweep import sweep
from tests.made import make_dataset


def save(folder, dataset, *, is_sealed=False, recipe=None, val=40):
    """A run's folder, as train makes it."""
    splits = dataset.split(val)
    run = train(splits, recipe or Recipe(epochs=3, batch_size=10))
    predictions = {"val": predict_rows(run.network, splits.val)} if val else {}
    if not is_sealed:
        predictions["test"] = predict_rows(run.network, splits.open_test("final evaluation"))
        run = add_test_metrics(run, predictions["test"])
    folder.mkdir()
    save_run_with_report(run, splits, folder, predictions)
    return folder


def read(folder):
    """(front matter, text, facts)."""
    text = (folder / "model-card.md").read_text(encoding="utf-8")
    _, front, body = text.split("---\n", 2)
    return yaml.safe_load(front), body, json.loads((folder / "model-card.json").read_text())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save(tmp_path_factory.mktemp("card") / "a", make_dataset(image_shape=(3, 2, 2)))


def test_the_card_says_what_the_folder_says(folder):
    front, text, facts = read(folder)
    evaluation = load_evaluation(folder)
    assert facts["evaluation"] == {name: evaluation[name] for name in ("train", "val", "test")}
    assert facts["data"] == evaluation["dataset"]
    assert facts["splits"] == evaluation["splits"]
    for word in (evaluation["dataset"]["sha256"], evaluation["splits"]["fingerprint"], "Python 3.", "not stated"):
        assert word in text
    assert front["license"] == "unknown"
    assert front["library_name"] == "monolayer"
    assert front["pipeline_tag"] == "image-classification"
    result = front["model-index"][0]["results"][0]
    assert result["dataset"] == {"name": "made", "type": "made", "split": "test"}
    assert result["metrics"] == [{"type": "accuracy", "value": pytest.approx(evaluation["test"]["accuracy"], abs=1e-4)}]


@pytest.mark.parametrize(
    ("source", "reading", "shown"),
    [
        ("data/eels.npz", {"path": "/home/someone/data/eels.npz", "label": "kind"}, "eels.npz"),
        ("the copy in /home/someone/cifar.tar.gz", {}, "the copy in cifar.tar.gz"),
        ("home page (https://example.org/cifar)", {}, "home page (https://example.org/cifar)"),
    ],
)
def test_a_card_does_not_say_where_the_data_lie(tmp_path, source, reading, shown):
    folder = save(tmp_path / "a", replace(make_dataset(), source=source, reading=reading))
    assert load_evaluation(folder)["dataset"]["reading"] == reading
    _, text, facts = read(folder)
    assert facts["data"]["source"] == shown
    assert f"from {shown}" in text
    assert "someone" not in text + json.dumps(facts)


def test_calibration_and_classes_are_those_of_the_answers(folder):
    _, text, facts = read(folder)
    test = load_predictions(folder)["test"]
    assert facts["calibration"]["log_loss"]["estimate"] == pytest.approx(load_evaluation(folder)["test"]["loss"])
    assert sum(row["n"] for row in facts["by_class"]) == len(test)
    right = sum(row["n"] * row["recognised"] for row in facts["by_class"])
    assert right / len(test) == pytest.approx(test.correct.mean())
    assert "| class 2 |" in text
    assert measure_probabilities(test)["by_chance"]["estimate"] > 0


def test_no_clock_and_no_place_is_in_the_card(folder):
    _, text, facts = read(folder)
    evaluation = load_evaluation(folder)
    for message in (text, json.dumps(facts)):
        assert evaluation["test_openings"][0]["when"] not in message
        assert not re.search(r"\d{2}:\d{2}", message)
        assert str(folder.parent) not in message
        assert "seconds" not in message
    assert "The test rows were opened once." in text


def test_the_three_lines_run_beside_the_card(folder, monkeypatch):
    _, text, _ = read(folder)
    code = re.search(r"```text\n(.*?)```", text, re.DOTALL)[1]
    assert len(code.splitlines()) == 3
    monkeypatch.chdir(folder)
    names = {"X": np.zeros((4, 12), np.uint8)}
    exec(compile(code, "model-card.md", "exec"), names)
    assert names["probabilities"].shape == (4, 3)


def test_sealed_rows_stay_sealed_and_a_run_without_validation_says_what_is_not_known(tmp_path):
    front, text, facts = read(save(tmp_path / "sealed", make_dataset(), is_sealed=True))
    assert "| test |  |  | sealed |" in text
    assert "The test rows are sealed." in text
    assert front["model-index"][0]["results"][0]["dataset"]["split"] == "validation"
    assert front["pipeline_tag"] == "tabular-classification"
    assert facts["evaluation"]["test"] is None
    front, text, _ = read(save(tmp_path / "nothing", make_dataset(), is_sealed=True, val=0))
    assert "Its accuracy on unseen rows is unknown." in text
    assert "model-index" not in front


def test_the_best_of_a_sweep_says_so(tmp_path):
    splits = make_dataset().split(40)
    result = sweep(
        splits, Recipe(epochs=2, batch_size=10), grid={"learning_rate": [0.001, 0.01, 100.0], "l2": [0.0, 1.0]}
    )
    save_sweep_with_report(result, splits, tmp_path)
    _, text, facts = read(tmp_path)
    assert "It was selected from 6 recipes by validation accuracy" in text
    assert "its expected accuracy on other rows is about" in text
    assert facts["selection"]["n_recipes"] == 6
    assert not any(finding["code"] == "ML001" for finding in facts["findings"])  # that is of another recipe


@pytest.mark.parametrize("loss", ["cross_entropy", "multiple_bce"])
def test_a_diverged_network_and_one_of_sigmoids_have_cards(tmp_path, loss):
    recipe = Recipe(epochs=20, batch_size=10, loss=loss, learning_rate=1e6, l2=1.0)
    _, text, facts = read(save(tmp_path / "diverged", make_dataset(), recipe=recipe))
    assert facts["calibration"] is None
    assert "diverged" in text
    _, text, facts = read(save(tmp_path / "well", make_dataset(), recipe=recipe.replace(learning_rate=0.01, l2=0.0)))
    assert (facts["calibration"]["log_loss"] is None) is (loss == "multiple_bce")
    assert ("need not sum to 1" in text) is (loss == "multiple_bce")


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        ("MIT", {"license": "mit"}),
        ("CC-BY-4.0", {"license": "cc-by-4.0"}),
        ("Ours: ask # first", {"license": "other", "license_name": "Ours: ask # first"}),
    ],
)
def test_a_licence_is_an_identifier_or_a_name(folder, licence, expected):
    facts = {**read(folder)[2], "licence": licence}
    front = yaml.safe_load(render_front_matter(facts).strip("-"))
    assert {name: value for name, value in front.items() if name.startswith("license")} == expected
    assert "Licence of this network: Ours" in render_card(facts) or licence in render_card(facts)


@given(name=st.text(min_size=1, max_size=30), licence=st.text(min_size=1, max_size=30))
def test_no_name_can_break_the_front_matter(folder, name, licence):
    facts = {**read(folder)[2], "licence": licence, "data": {"name": name, "source": name, "sha256": ""}}
    text = render_card(facts)
    assert text.startswith("---\n")
    front = yaml.safe_load(text.split("\n---\n", 1)[0])
    assert front["model-index"][0]["results"][0]["dataset"]["name"] == name
    assert front["license"] in ("other", "mit", licence.strip().lower())


def test_names_of_classes_stay_text(tmp_path):
    data = make_dataset()
    names = ("<script>", "a|b", "*c*")
    data = Dataset(data.X, data.y, names, name="made", test=Dataset(data.test.X, data.test.y, names))
    _, text, _ = read(save(tmp_path / "a", data))
    assert "<script>" not in text.replace("\\<script\\>", "")
    assert r"| a\|b |" in text


def test_facts_are_the_same_each_time(folder):
    assert collect_card_facts(folder) == read(folder)[2]
