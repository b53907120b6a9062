"""The ladder's folder and page, and the section of the assignment's page."""

import csv
import json
import re
import shutil

import numpy as np
import pytest

import monolayer as ml
from monolayer.errors import BadData, BadInput
from monolayer.network import OneLayer
from monolayer.studies.ladder import published
from monolayer.studies.ladder.report import (
    describe_ladder,
    describe_steps,
    is_ladder,
    load_ladder_of,
    make_steps_table,
    save_ladder,
    write_ladder_report,
)
from monolayer.studies.ladder.study import LadderPlan, run_ladder

PLAN = LadderPlan(features=("pixels", "patches:20"), epochs=2, flip=0.0)


@pytest.fixture(scope="module")
def climbed(tmp_path_factory):
    return run_ladder(ml.load("digits").split(val=300), PLAN, folder=tmp_path_factory.mktemp("features"))


@pytest.fixture(scope="module")
def saved(climbed, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ladder")
    return folder, save_ladder(climbed, folder, ["monolayer", "ladder"])


def test_the_folder_has_everything(saved, climbed):
    folder, facts = saved
    assert {path.name for path in folder.iterdir()} == {
        "figures", "ladder.csv", "networks", "report.html", "report.md", "results.json",
    }  # fmt: skip
    assert json.loads((folder / "results.json").read_text()) == json.loads(json.dumps(facts))
    assert is_ladder(folder)
    with (folder / "ladder.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["features"], row["loss"]) for row in rows] == [
        (step.features, step.run.recipe.loss) for step in climbed.steps
    ]
    assert [float(row["test_accuracy"]) for row in rows] == [
        step.run.evaluation["test"].accuracy for step in climbed.steps
    ]
    assert {path.stem for path in (folder / "figures").glob("*.png")} == {"ladder", "filters", "evidence"}


def test_each_network_answers_for_images_as_its_step_did(saved, climbed):
    folder, _ = saved
    digits = ml.load("digits")
    names = (
        "1-pixels-cross-entropy",
        "1-pixels-multiple-bce",
        "2-patches-20-cross-entropy",
        "2-patches-20-multiple-bce",
    )
    for name, step in zip(names, climbed.steps, strict=True):
        network = OneLayer.load(folder / "networks" / f"{name}.safetensors")
        correct = network.predict(digits.X[step.test.index]) == digits.y[step.test.index]
        assert abs(correct.mean() - step.run.evaluation["test"].accuracy) < 0.004


def test_the_page_has_every_accuracy_and_is_made_again(saved, tmp_path):
    folder, facts = saved
    copied = shutil.copytree(folder, tmp_path / "copied")
    page = (copied / "report.html").read_bytes()
    for step in facts["steps"]:
        assert f"{100 * step['test']['accuracy']:.2f} [" in page.decode()
    shutil.rmtree(copied / "figures")
    write_ladder_report(copied)
    assert (copied / "report.html").read_bytes() == page
    assert (copied / "figures" / "evidence.png").is_file()


def test_published_figures_stand_beside_cifar10_alone_and_are_marked(saved, climbed):
    folder, facts = saved
    assert "ublished" not in (folder / "report.html").read_text()
    assert facts["published"] == []
    quoted = {**facts, "published": [vars(figure) for figure in published.FIGURES]}
    (table,) = describe_steps(quoted, [])["figures"]
    assert table.caption == "Published by others."
    assert table.kind == "printed"
    assert all(re.fullmatch(r"\d\d(\.\d)?", row[1]) for row in table.rows)


def test_a_row_of_the_table_is_a_step(saved):
    _, facts = saved
    table = make_steps_table(facts)
    assert [row[0] for row in table.rows] == ["pixels", "pixels", "patches:20", "patches:20"]
    assert [row[1] for row in table.rows] == ["64", "64", "180", "180"]


def test_without_patches_there_are_no_pictures_of_them(tmp_path):
    plan = LadderPlan(features=("pixels",), losses=("cross_entropy",), epochs=1, flip=0.0)
    alone = run_ladder(ml.load("digits").split(val=300), plan, folder=tmp_path / "features")
    assert alone.evidence is None
    out = tmp_path / "out"
    out.mkdir()
    facts = save_ladder(alone, out)
    assert facts["pictured"] is None
    assert {path.stem for path in (out / "figures").glob("*.png")} == {"ladder"}


def test_a_class_without_validation_images_has_no_map(climbed, tmp_path):
    maps = climbed.evidence.copy()
    maps[3] = np.nan
    other = type(climbed)(climbed.splits, climbed.plan, climbed.steps, climbed.leaked)
    vars(other)["evidence"] = maps  # instead of what the property computes
    facts = save_ladder(other, tmp_path)
    assert (tmp_path / "figures" / "evidence.png").is_file()
    assert facts["evidence"][3][0][0] is None


def test_a_ladder_of_other_images_and_a_folder_without_one_are_refused(saved, tmp_path):
    folder, _ = saved
    digits = ml.load("digits")
    assert load_ladder_of(digits, folder)["steps"]
    other = type(digits)(digits.X, digits.y[::-1], digits.class_names, name="turned")
    with pytest.raises(BadInput, match="has a ladder of digits; accepted is one of turned"):
        load_ladder_of(other, folder)
    with pytest.raises(BadData, match="has no ladder"):
        load_ladder_of(digits, tmp_path)


def test_names_that_differ_in_signs_alone_are_two_files(tmp_path):
    plan = LadderPlan(
        features=("patches:8,activation=nearest:.1", "patches:8,activation=nearest:1"), epochs=1, flip=0.0
    )
    climbed = run_ladder(ml.load("digits").split(val=300), plan, folder=tmp_path / "features")
    (tmp_path / "out").mkdir()
    save_ladder(climbed, tmp_path / "out")
    assert len(list((tmp_path / "out" / "networks").iterdir())) == 4


def test_what_was_learnt_is_said_of_what_learns_alone(saved):
    _, facts = saved
    learnt = "features that were learnt from the training images without their labels"
    best = facts["best"]
    assert facts["steps"][best]["features"] == "patches:20"
    assert learnt in describe_ladder(facts)
    assert describe_ladder({**facts, "best": 0}).endswith("No other step is better on validation.")
    assert learnt not in describe_ladder({**facts, "best": 1})


def test_what_is_leaked_is_said_beside_the_accuracies(climbed, tmp_path):
    mask = np.arange(len(climbed.leaked.mask)) < 9
    other = type(climbed)(climbed.splits, climbed.plan, climbed.steps, type(climbed.leaked)((), mask))
    facts = save_ladder(other, tmp_path)
    best = facts["steps"][facts["best"]]
    words = ("without the 9 that have a duplicate among the training images", "without those")
    for step, message in zip((facts["steps"][0], best), words, strict=True):
        assert f"({100 * step['without_leaked']['accuracy']:.2f} % {message})" in describe_ladder(facts)
    assert "% without the" not in describe_ladder({**facts, "leaked": {**facts["leaked"], "n_test_rows": 0}})


def test_a_ladder_whose_test_rows_are_all_leaked_has_no_accuracy_without_them(climbed, tmp_path):
    leaked = type(climbed.leaked)((), np.ones(len(climbed.leaked.mask), bool))
    other = type(climbed)(climbed.splits, climbed.plan, climbed.steps, leaked)
    facts = save_ladder(other, tmp_path)
    assert facts["steps"][0]["without_leaked"] is None
    assert make_steps_table(facts).rows[0][4] == "–"
    assert "% without the" not in describe_ladder(facts)


def test_the_page_says_which_copies_were_looked_for_and_what_validation_cannot_tell(saved, climbed):
    folder, facts = saved
    assert "only rows that are equal byte for byte are found" in (folder / "report.html").read_text()
    best = facts["steps"][facts["best"]]
    assert facts["best"] not in facts["like_the_best"]
    for i, step in enumerate(climbed.steps):
        if step.val_accuracy == best["val"]["accuracy"] and i != facts["best"]:
            assert i in facts["like_the_best"]
    far = facts["steps"][0]["val"]["accuracy"] < best["val"]["accuracy"] - 0.1
    assert far == (0 not in facts["like_the_best"])
    message = describe_ladder({**facts, "like_the_best": [0, 1]})
    assert message.endswith("On 300 validation images 2 other steps are statistically indistinguishable from it.")
