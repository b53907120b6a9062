import numpy as np
import pytest
from scipy.stats import binomtest

import monolayer as ml
from monolayer.errors import BadInput
from monolayer.evaluate.predictions import Predictions, predict_rows
from monolayer.recipe.recipe import Recipe
from monolayer.reports.run import describe_origin, write_predictions
from monolayer.runs.compare import choose_rows, compare, compare_predictions, compute_cosine, judge_match, load_side
from monolayer.runs.folder import open_new_folder, save_run, save_sweep
from monolayer.training.run import add_test_metrics
from monolayer.training.train import train
from monolayer.tuning.sweep import sweep
from tests.made import make_dataset


def save(folder, recipe, *, n=40, seed=0, sealed=False):
    splits = make_dataset(seed=seed).split(n)
    run = train(splits, recipe)
    predictions = {"val": predict_rows(run.network, splits.val)}
    if not sealed:
        predictions["test"] = predict_rows(run.network, splits.open_test("final evaluation"))
        run = add_test_metrics(run, predictions["test"])
    with open_new_folder(folder) as draft:
        save_run(run, draft, **describe_origin(splits, None))
        write_predictions(predictions, draft)
    return folder


BASE = Recipe(epochs=2, batch_size=10, learning_rate=0.01, l2=0.03)


def test_the_paired_test_counts_what_either_has_right():
    y = np.zeros(12, int)
    a = Predictions("cross_entropy", np.eye(2)[[0] * 9 + [1] * 3], y, np.arange(12))
    b = Predictions("cross_entropy", np.eye(2)[[0] * 2 + [1] * 7 + [0, 1, 1]], y, np.arange(12))
    paired = compare_predictions("test", a, b).to_dict()
    assert (paired["both"], paired["only_a"], paired["only_b"], paired["neither"]) == (2, 7, 1, 2)
    assert paired["difference"] == pytest.approx(6 / 12)
    assert paired["p_value"] == pytest.approx(binomtest(1, 8).pvalue)


def test_two_runs_are_paired_on_the_test_rows(tmp_path):
    first = save(tmp_path / "a", BASE)
    second = save(tmp_path / "b", BASE.replace(learning_rate=0.0001))
    found = compare(first, second).to_dict()
    assert found["paired"]["rows"] == "test"
    assert found["paired"]["n"] == 120
    accuracies = [run["test"]["accuracy"] for run in found["runs"]]
    assert found["paired"]["difference"] == pytest.approx(accuracies[0] - accuracies[1])
    assert found["runs"][0]["gap"] == pytest.approx(found["runs"][0]["train"]["accuracy"] - accuracies[0])
    assert set(found["runs"][0]["temperature"]) == {"softmax"}
    assert len(found["template_cosine"]) == 3


def test_sealed_test_rows_leave_the_validation_rows_and_no_temperature(tmp_path):
    first, second = save(tmp_path / "a", BASE, sealed=True), save(tmp_path / "b", BASE)
    found = compare(first, second).to_dict()
    assert (found["paired"]["rows"], found["paired"]["n"]) == ("val", 40)
    assert "does not apply" in found["runs"][1]["temperature"]
    assert found["paired"]["p_value"] == 1


def test_only_the_common_rows_are_paired(tmp_path):
    first, second = save(tmp_path / "a", BASE, n=40, sealed=True), save(tmp_path / "b", BASE, n=60, sealed=True)
    first, second = load_side(first), load_side(second)
    name, (a, b) = choose_rows(first, second)
    assert (name, len(a)) == ("val", 40)
    assert a.index.tolist() == b.index.tolist()
    assert not judge_match(first, second).is_matched


def test_a_sweeps_choice_has_no_temperature(tmp_path):
    splits = make_dataset().split(40)
    swept = sweep(splits, BASE, grid={"l2": [0.0, 0.1]})
    with open_new_folder(tmp_path / "grid") as draft:
        save_sweep(swept, draft, **describe_origin(splits, None))
        write_predictions({"val": predict_rows(swept.best.network, splits.val)}, draft)
    assert load_side(tmp_path / "grid").is_chosen
    assert (
        "does not apply" in compare(tmp_path / "grid", save(tmp_path / "a", BASE)).to_dict()["runs"][0]["temperature"]
    )


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"learning_rate": 0.03, "l2": 0.01}, "matched in effective rate and regularisation"),
        ({"learning_rate": 0.03, "l2": 0.03}, "corresponds to 0.01 for multiple BCE, not 0.03"),
        ({"learning_rate": 0.01, "l2": 0.01}, "corresponds to 0.03, not 0.01"),
    ],
)
def test_two_losses_are_matched_or_it_is_said_in_what_they_are_not(tmp_path, changes, text):
    first = save(tmp_path / "a", BASE)
    second = save(tmp_path / "b", BASE.replace(loss="multiple_bce", **changes))
    matched = judge_match(load_side(first), load_side(second))
    assert text in matched.text
    assert matched.is_matched == ("not matched" not in text and "corresponds" not in text)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "The two losses have the same scale, and the runs the same learning rate and l2."),
        ({"learning_rate": 0.1}, "has learning rate 0.01 and l2 0.03, hinge loss has 0.1 and 0.03, so"),
        ({"l2": 0.5}, "has learning rate 0.01 and l2 0.03, hinge loss has 0.01 and 0.5, so"),
    ],
)
def test_losses_of_the_same_scale_are_compared_by_their_settings(tmp_path, changes, text):
    first, second = save(tmp_path / "a", BASE), save(tmp_path / "b", BASE.replace(loss="hinge", **changes))
    matched = judge_match(load_side(first), load_side(second))
    assert text in matched.text
    assert matched.is_matched == (not changes)


def test_other_data_and_folders_without_predictions_are_refused(tmp_path):
    first, other = save(tmp_path / "a", BASE), save(tmp_path / "b", BASE, seed=1)
    with pytest.raises(BadInput, match="different data"):
        compare(first, other)
    (tmp_path / "a" / "answers.safetensors").unlink()
    with pytest.raises(BadInput, match="holds no predictions"):
        load_side(tmp_path / "a")


def test_the_cosine_is_that_of_each_classes_weights(tmp_path):
    side = load_side(save(tmp_path / "a", BASE))
    np.testing.assert_allclose(compute_cosine(side.network, side.network), 1)


def test_runs_in_memory_are_compared_as_their_folders_are(tmp_path):
    splits, other = make_dataset().split(40), BASE.replace(learning_rate=0.0001)
    runs = [train(splits, recipe) for recipe in (BASE, other)]
    folders = [save(tmp_path / name, recipe, sealed=True) for name, recipe in (("a", BASE), ("b", other))]
    expected, found = compare(*folders).to_dict(), ml.compare(*runs, splits=splits).to_dict()
    assert {**expected, "runs": 0} == {**found, "runs": 0}
    assert found["runs"][0]["calibration"] == expected["runs"][0]["calibration"]
    assert compare(str(folders[0]), runs[1], splits=splits).to_dict()["paired"] == expected["paired"]
    assert not splits.openings


def test_test_rows_of_a_run_in_memory_are_used_if_they_were_opened():
    splits = make_dataset().split(40)
    run = ml.evaluate_test(train(splits, BASE), splits)
    other = ml.evaluate_test(train(splits, BASE, l2=0.1), splits, again=True)
    found = compare(run, other, splits=splits)
    assert found.paired.rows == "test"
    accuracies = [one.evaluation["test"].accuracy for one in (run, other)]
    assert found.paired.test.difference == pytest.approx(accuracies[0] - accuracies[1])
    assert [opening.why for opening in splits.openings][2:] == ["comparison", "comparison"]
    assert compare(train(splits, BASE), other, splits=splits).paired.rows == "val"


def test_the_best_run_of_a_sweep_in_memory_has_no_temperature():
    splits = make_dataset().split(40)
    found = compare(sweep(splits, BASE, grid={"l2": [0.0, 0.1]}), train(splits, BASE), splits=splits)
    assert found.sides[0].is_chosen
    assert not found.sides[1].is_chosen


def test_a_run_in_memory_needs_the_splits_that_it_was_trained_on():
    splits = make_dataset().split(40)
    run = train(splits, BASE)
    with pytest.raises(BadInput, match=r"can be compared with its splits only; give splits=\.\.\., or name its folder"):
        compare(run, run)
    with pytest.raises(BadInput, match="was trained on other splits"):
        compare(run, run, splits=make_dataset().split(50))
