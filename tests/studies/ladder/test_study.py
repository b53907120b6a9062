"""The ladder on digits, in seconds."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

import monolayer as ml
from monolayer.errors import BadInput
from monolayer.evaluate.predictions import predict_rows
from monolayer.studies.ladder.study import LadderPlan, _measure_peak, run_ladder

PLAN = LadderPlan(features=("pixels", "hog:2", "patches:40,size=3"), epochs=8, flip=0.0)


@pytest.fixture(scope="module")
def ladder(tmp_path_factory):
    return run_ladder(ml.load("digits").split(val=300), PLAN, folder=tmp_path_factory.mktemp("features"))


def test_every_rung_has_a_step_for_each_loss(ladder):
    assert [(step.features, step.run.recipe.loss) for step in ladder.steps] == [
        (features, loss) for features in PLAN.features for loss in PLAN.losses
    ]
    assert [step.n_features for step in ladder.steps[::2]] == [64, 340, 360]
    assert {step.n_recipes for step in ladder.steps} == {16}


def test_patches_are_above_pixels(ladder):
    accuracy = {(s.features, s.run.recipe.loss): s.run.evaluation["test"].accuracy for s in ladder.steps}
    for loss in PLAN.losses:
        assert accuracy[PLAN.features[2], loss] > accuracy["pixels", loss] + 0.01


def test_the_test_rows_are_opened_once(ladder):
    assert [opening.why for opening in ladder.splits.openings] == ["every step of the ladder is chosen on validation"]
    for step in ladder.steps:
        assert np.array_equal(step.test.index, ladder.steps[0].test.index)


def test_what_is_told_is_json_with_intervals(ladder):
    result = ladder.to_dict()
    for step in result["steps"]:
        low, high = step["test"]["accuracy_interval"]
        assert low < step["test"]["accuracy"] < high
        low, high = step["without_leaked"]["shift_interval"]
        assert low <= step["without_leaked"]["shift"] <= high
        assert step["calibration"]
        assert step["peak_mib"] > 50


def test_where_memory_is_not_reported_there_is_no_peak(monkeypatch):
    monkeypatch.setitem(sys.modules, "resource", None)  # as on Windows
    assert _measure_peak() is None


def test_what_does_not_fit_is_told_before_anything_is_made(tmp_path):
    with pytest.raises(BadInput, match="no rows are held out"):
        run_ladder(ml.load("digits").split(), PLAN, folder=tmp_path)
    with pytest.raises(BadInput, match="not a kind of features"):
        run_ladder(ml.load("digits").split(val=300), LadderPlan(features=("pixels", "photos")), folder=tmp_path)
    assert not list(tmp_path.glob("*/*.npy"))


def test_features_that_do_not_fit_a_later_rung_are_told_before_the_first_is_made(tmp_path):
    plan = LadderPlan(features=("pixels", "hog:9"), flip=0.0)
    with pytest.raises(BadInput, match="cell is 9; accepted is 1 to 4"):
        run_ladder(ml.load("digits").split(val=300), plan, folder=tmp_path)
    with pytest.raises(BadInput, match="pixels and pixels are the same features"):
        run_ladder(ml.load("digits").split(val=300), LadderPlan(features=("pixels", "hog", "pixels")), folder=tmp_path)
    with pytest.raises(BadInput, match="The losses are none; accepted are one or more"):
        run_ladder(ml.load("digits").split(val=300), LadderPlan(losses=()), folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_best_step_is_validations_and_its_evidence_adds_up(ladder):
    best = ladder.best
    assert best.run.evaluation["val"].accuracy == max(step.run.evaluation["val"].accuracy for step in ladder.steps)
    assert ladder.best_on_patches.features == PLAN.features[2]
    assert ladder.evidence.shape == (10, 6, 6)
    assert (ladder.evidence.sum(axis=(1, 2)) > 0).all()  # each class scores higher on its own images


def test_what_is_at_the_edge_of_what_was_tried_is_marked(ladder):
    for step in ladder.steps:
        assert isinstance(step.rate_at_edge, bool)
        assert step.l2_at_edge == (step.run.recipe.l2 == 3e-3)


def test_the_disk_must_have_room_for_all_rungs_together(tmp_path, monkeypatch):
    splits = ml.load("digits").split(val=300)
    one = 1797 * 64 * 2  # bytes of the pixels in half precision
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=2 * one))
    plan = LadderPlan(features=("pixels", "patches:40"), epochs=1, flip=0.0)
    with pytest.raises(BadInput, match="GB of features do not fit there"):
        run_ladder(splits, plan, folder=tmp_path / "none yet")
    assert not list(tmp_path.iterdir())


def test_no_test_row_is_answered_for_before_the_last_choice(tmp_path, monkeypatch):
    splits, result = ml.load("digits").split(val=300), []

    def tell(network, rows):
        result.append(len(splits.openings))
        return predict_rows(network, rows)

    monkeypatch.setattr("monolayer.studies.ladder.study.predict_rows", tell)
    run_ladder(splits, LadderPlan(features=("pixels", "hog"), epochs=1, flip=0.0), folder=tmp_path)
    assert result == [1] * 4


def test_a_rung_whose_recipes_all_diverge_is_told(tmp_path):
    plan = LadderPlan(features=("pixels",), rates=(1e30,), l2=(0.0,), epochs=2, flip=0.0)
    splits = ml.load("digits").split(val=300)
    with pytest.raises(BadInput, match="All 1 recipes of pixels with cross_entropy diverged"):
        run_ladder(splits, plan, folder=tmp_path)
    assert not splits.openings
