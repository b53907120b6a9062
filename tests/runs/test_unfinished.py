import json
import multiprocessing
import os
import shutil

import numpy as np
import pytest

from monolayer.errors import BadData, BadInput
from monolayer.recipe.recipe import Recipe
from monolayer.runs.unfinished import begin_folder, is_unfinished, resume_folder
from monolayer.training.loop import BankState

STATE = BankState(1, np.zeros((3, 4), np.float32), np.zeros(3, np.float32), (0,), ((),), 0.5)


def keep_something(work):
    work.checkpoints.save_if_due([Recipe()], lambda: STATE, force=True)


def write(text):
    def write(folder):
        (folder / "sweep.csv").write_text(text)
        (folder / "figures").mkdir()
        (folder / "figures" / "a.png").write_text(text)

    return write


def leave_unfinished(path, **request):
    with begin_folder(path, "train") as work:
        work.describe({"rows": "digits", **request})
        keep_something(work)


def test_a_finished_run_leaves_its_results_and_nothing_else(tmp_path):
    with begin_folder(tmp_path / "deep" / "run", "train") as work:
        work.describe({})
        keep_something(work)
        assert is_unfinished(tmp_path / "deep" / "run")
        work.publish(write("done"), is_finished=True)
    assert os.listdir(tmp_path / "deep") == ["run"]
    assert sorted(os.listdir(tmp_path / "deep" / "run")) == ["figures", "sweep.csv"]
    assert not is_unfinished(tmp_path / "deep" / "run")


def test_a_run_that_kept_nothing_vanishes_with_the_folders_made_for_it(tmp_path):
    with pytest.raises(ValueError, match="x"):
        begin_and_fail(tmp_path / "deep" / "run")
    assert os.listdir(tmp_path) == []
    (tmp_path / "mine").mkdir()
    with begin_folder(tmp_path / "mine" / "run", "train"):
        pass
    assert os.listdir(tmp_path) == ["mine"]


def begin_and_fail(path):
    with begin_folder(path, "train") as work:
        work.describe({})
        raise ValueError("x")


def test_what_was_stopped_is_resumed_and_its_results_are_replaced(tmp_path):
    with begin_folder(tmp_path / "run", "train") as work:
        work.describe({"rows": "digits"})
        keep_something(work)
        work.publish(write("half"), is_finished=False)
    assert (tmp_path / "run" / "sweep.csv").read_text() == "half"
    with resume_folder(tmp_path / "run", "train") as work:
        assert work.request["rows"] == "digits"
        assert work.checkpoints.load([Recipe()]).seconds == 0.5
        work.publish(write("whole"), is_finished=True)
    assert (tmp_path / "run" / "figures" / "a.png").read_text() == "whole"
    assert sorted(os.listdir(tmp_path / "run")) == ["figures", "sweep.csv"]


def test_results_that_fail_half_way_leave_the_older_ones(tmp_path):
    leave_unfinished(tmp_path / "run")

    def fail(folder):
        write("new")(folder)
        raise OSError(28, "No space left on device")

    with resume_folder(tmp_path / "run", "train") as work:
        work.publish(write("old"), is_finished=False)
        with pytest.raises(BadInput, match=r"cannot be written \(No space left on device\); .*--resume"):
            work.publish(fail, is_finished=True)
    assert (tmp_path / "run" / "sweep.csv").read_text() == "old"
    assert is_unfinished(tmp_path / "run")


def test_a_folder_in_use_is_refused_to_another_process(tmp_path):
    leave_unfinished(tmp_path / "run")
    context = multiprocessing.get_context("forkserver")
    entered, end = context.Event(), context.Event()
    other = context.Process(target=hold, args=(tmp_path / "run", entered, end))
    other.start()
    try:
        assert entered.wait(60)
        with pytest.raises(BadInput, match="run is in use: another process is training in it"):
            resume_folder(tmp_path / "run", "train").__enter__()
        with pytest.raises(BadInput, match="not finished; resume it with --resume"):
            begin_folder(tmp_path / "run", "train").__enter__()
    finally:
        end.set()
        other.join()
    with resume_folder(tmp_path / "run", "train") as work:  # the lock went with the process
        assert work.can_be_resumed


def hold(path, entered, end):
    with resume_folder(path, "train"):
        entered.set()
        end.wait(60)


@pytest.mark.parametrize("replace", [False, True])
def test_a_folder_that_is_deleted_or_replaced_meanwhile_is_left_alone(tmp_path, replace):
    with pytest.raises(BadInput, match="run was deleted or moved while the run was writing to it"):
        lose_the_folder(tmp_path / "run", replace)
    assert os.listdir(tmp_path) == (["run"] if replace else [])
    if replace:
        assert json.loads((tmp_path / "run" / "unfinished" / "request.json").read_text())["mark"] == "theirs"


def lose_the_folder(path, replace):
    with begin_folder(path, "train") as work:
        work.describe({})
        shutil.rmtree(path)
        if replace:
            leave_unfinished(path, mark="theirs")
        keep_something(work)


def test_an_empty_shell_of_a_run_that_was_killed_at_once_is_no_obstacle(tmp_path):
    (tmp_path / "run" / "unfinished").mkdir(parents=True)
    (tmp_path / "run" / "unfinished" / "lock").touch()
    leave_unfinished(tmp_path / "run")
    assert is_unfinished(tmp_path / "run")


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda path: path.write_text(""), "run exists and is not a folder"),
        (lambda path: (path.mkdir(), (path / "thesis.txt").touch()), "run exists and is not empty"),
        (lambda path: path.parent.chmod(0o500) if os.getuid() else path.write_text(""), "run"),
    ],
)
def test_what_is_no_place_for_a_run_is_refused(tmp_path, prepare, message):
    prepare(tmp_path / "run")
    with pytest.raises(BadInput, match=message):
        begin_folder(tmp_path / "run", "train").__enter__()


def test_a_file_on_the_way_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="file is a file, so"):
        begin_folder(tmp_path / "file" / "run", "train").__enter__()


def test_only_an_unfinished_run_of_the_same_command_can_be_resumed(tmp_path):
    with pytest.raises(BadInput, match="holds no unfinished run to resume"):
        resume_folder(tmp_path / "nowhere", "train").__enter__()
    leave_unfinished(tmp_path / "run")
    with pytest.raises(BadInput, match="holds an unfinished train; resume it with monolayer train"):
        resume_folder(tmp_path / "run", "sweep").__enter__()
    (tmp_path / "run" / "unfinished" / "request.json").write_text("[]")
    with pytest.raises(BadData, match="is not a request written by monolayer"):
        resume_folder(tmp_path / "run", "train").__enter__()
