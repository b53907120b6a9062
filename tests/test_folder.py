import errno
import os

import pytest

from monolayer.errors import BadData, BadInput
from monolayer.folder import load_evaluation, load_history, load_recipe, open_new_folder, save_run, save_sweep
from monolayer.recipe import Recipe
from monolayer.sweeping import sweep
from monolayer.training import TrainOptions, train
from tests.made import make_dataset


def fill(path, text="done", error=None, **options):
    with open_new_folder(path, **options) as folder:
        (folder / "evaluation.json").write_text(text)
        if error:
            raise error


def test_a_folder_appears_whole(tmp_path):
    with open_new_folder(tmp_path / "deep" / "out") as folder:
        (folder / "a.txt").write_text("a")
        assert not (tmp_path / "deep" / "out").exists()
    assert os.listdir(tmp_path / "deep") == ["out"]
    assert os.listdir(tmp_path / "deep" / "out") == ["a.txt"]


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt()])
def test_or_not_at_all(tmp_path, error):
    with pytest.raises(type(error)):
        fill(tmp_path / "out", error=error)
    assert os.listdir(tmp_path) == []


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path):
    with pytest.raises(BadInput, match=r"out: cannot be written \(No space left on device\)\."):
        fill(tmp_path / "out", error=OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert os.listdir(tmp_path) == []


def test_an_empty_folder_is_taken_and_a_full_one_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    fill(tmp_path / "empty")
    with pytest.raises(BadInput, match="exists and is not empty"):
        fill(tmp_path / "empty")
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="exists and is not a folder"):
        fill(tmp_path / "file")


def test_replacing_keeps_the_old_one_until_the_new_one_is_whole(tmp_path):
    fill(tmp_path / "out", "old")
    with pytest.raises(ValueError, match="x"):
        fill(tmp_path / "out", "new", ValueError("x"), replace=True)
    assert (tmp_path / "out" / "evaluation.json").read_text() == "old"
    fill(tmp_path / "out", "new", replace=True)
    assert (tmp_path / "out" / "evaluation.json").read_text() == "new"
    assert os.listdir(tmp_path) == ["out"]


def test_a_saved_run_is_read_as_it_was(tmp_path):
    run = train(make_dataset().split(40), Recipe(epochs=3, batch_size=10), TrainOptions(train_every=2, val_every=1))
    save_run(run, tmp_path)
    assert load_recipe(tmp_path) == run.recipe
    assert load_history(tmp_path) == run.history
    assert load_evaluation(tmp_path)["val"]["accuracy"] == run.evaluation["val"].accuracy


def test_a_diverged_sweep_can_be_saved(tmp_path):
    result = sweep(make_dataset().split(40), Recipe(epochs=9, batch_size=10), learning_rate=[0.01, 10.0], l2=[1.0])
    save_sweep(result, tmp_path)
    assert load_evaluation(tmp_path)["sweep"]["runs"][-1]["val"]["loss"] is None


@pytest.mark.parametrize("load", [load_recipe, load_history, load_evaluation])
def test_a_folder_that_is_no_runs_is_refused(tmp_path, load):
    with pytest.raises(BadData, match="a folder made by monolayer train holds it"):
        load(tmp_path)


def test_a_damaged_history_is_refused(tmp_path):
    (tmp_path / "history.csv").write_text("epoch,learning_rate\n1,fast\n")
    with pytest.raises(BadData, match="is not a history written by monolayer"):
        load_history(tmp_path)
