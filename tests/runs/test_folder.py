import errno
import json
import os
import time
from pathlib import Path

import pytest

from monolayer.errors import BadData, BadInput
from monolayer.recipe.recipe import Recipe
from monolayer.runs.folder import (
    LADDER_FOLDER,
    REPORT_FOLDER,
    FolderKind,
    load_evaluation,
    load_history,
    load_recipe,
    open_new_folder,
    save_run,
    save_sweep,
)
from monolayer.training.train import train
from monolayer.tuning.sweep import sweep
from tests.made import make_dataset

KIND = FolderKind("test", frozenset({"evaluation.json"}), frozenset())


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
    with pytest.raises(BadInput, match=r"exists and is not empty; name a new or empty folder with --out\.$"):
        fill(tmp_path / "empty")
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="exists and is not a folder"):
        fill(tmp_path / "file")


def test_a_folder_that_was_filled_meanwhile_is_not_overwritten_and_nothing_is_lost(tmp_path):
    with pytest.raises(BadInput, match="written by another process in the meantime; the results of this one are in"):
        fill_while_another_does(tmp_path / "out")
    assert (tmp_path / "out" / "evaluation.json").read_text() == "theirs"
    kept = next(path for path in tmp_path.iterdir() if path.name != "out")
    assert (kept / "evaluation.json").read_text() == "ours"


def fill_while_another_does(path):
    with open_new_folder(path) as folder:
        (folder / "evaluation.json").write_text("ours")
        fill(path, "theirs")


def test_when_the_new_folder_cannot_be_put_in_place_both_are_kept(tmp_path, monkeypatch):
    fill(tmp_path / "out", "old")
    rename, errors = Path.rename, [OSError(errno.EIO, "Input/output error")]

    def fail(self, target):
        if self.name.endswith(".partial") and errors:
            raise errors.pop()
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(BadInput, match="Input/output error"):
        fill(tmp_path / "out", "new", kind=KIND, overwrite=True)
    assert (tmp_path / "out" / "evaluation.json").read_text() == "old"
    (kept,) = set(os.listdir(tmp_path)) - {"out"}
    assert (tmp_path / kept / "evaluation.json").read_text() == "new"


def write(folder, names, content=""):
    """Files of these names, folders included, and what results.json holds."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(content) if name == "results.json" else "precious")


REPORT = ["figures/grid.png", "networks/a.safetensors", "report.html", "report.md", "results.json"]
OF_REPORT = {"experiments": {}, "printed": {}, "verdicts": []}
OF_LADDER = {"steps": [], "published": [], "plan": {}}


@pytest.mark.parametrize(
    ("kind", "names", "content", "message"),
    [
        (REPORT_FOLDER, [*REPORT, "thesis.txt"], OF_REPORT, "holds thesis.txt, which is not part of a report"),
        (REPORT_FOLDER, [*REPORT, "figures/me.jpg"], OF_REPORT, "holds figures/me.jpg, which is not part of a report"),
        (REPORT_FOLDER, [*REPORT, "networks/a.onnx"], OF_REPORT, "holds networks/a.onnx, which is not part"),
        (REPORT_FOLDER, [*REPORT, "figures/more/a.png"], OF_REPORT, "holds figures/more, which is not part"),
        (REPORT_FOLDER, REPORT, OF_LADDER, "holds no results.json of a report"),
        (REPORT_FOLDER, REPORT, [1], "holds no results.json of a report"),
        (REPORT_FOLDER, REPORT[:-1], {}, "holds no results.json of a report"),
        (REPORT_FOLDER, [*REPORT, "ladder.csv"], OF_LADDER, "holds ladder.csv, which is not part of a report"),
        (LADDER_FOLDER, REPORT, OF_REPORT, "holds no results.json of a ladder"),
        (LADDER_FOLDER, ["recipe.json", "network.safetensors"], {}, "holds network.safetensors, which is not part"),
    ],
)
def test_only_an_older_folder_of_the_same_kind_is_replaced(tmp_path, kind, names, content, message):
    write(tmp_path, names, content)
    with pytest.raises(BadInput, match=f" {message}.* so it is not replaced; name another --out"):
        fill(tmp_path, kind=kind, overwrite=True)
    with pytest.raises(BadInput, match=r"name a new or empty folder with --out\.$"):
        fill(tmp_path, kind=kind)
    assert all((tmp_path / name).exists() for name in names)


@pytest.mark.parametrize(
    ("kind", "names", "content"),
    [(REPORT_FOLDER, REPORT, OF_REPORT), (LADDER_FOLDER, [*REPORT, "ladder.csv"], OF_LADDER)],
)
def test_an_older_folder_of_the_same_kind_is_replaced_when_that_is_given(tmp_path, kind, names, content):
    out = tmp_path / "out"
    write(out, names, content)
    with pytest.raises(BadInput, match=r"with --out, or replace it with --overwrite\.$"):
        fill(out, kind=kind)
    fill(out, kind=kind, overwrite=True)
    assert os.listdir(out) == ["evaluation.json"]


def test_a_working_folder_is_refused_and_a_link_followed(tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    fill(tmp_path / "link")
    assert os.listdir(tmp_path / "empty") == ["evaluation.json"]
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(BadInput, match="in use as a working folder"):
        fill(Path())


def test_what_is_not_the_disks_trouble_is_not_called_so(tmp_path):
    with pytest.raises(ConnectionResetError):
        fill(tmp_path / "out", error=ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"))


def test_drafts_of_runs_that_were_killed_long_ago_are_swept(tmp_path):
    for age_days in (0, 3):
        left = tmp_path / f".out.{age_days}.partial"
        left.mkdir()
        os.utime(left, (time.time() - age_days * 86_400,) * 2)
    fill(tmp_path / "out")
    assert sorted(os.listdir(tmp_path)) == [".out.0.partial", "out"]


def test_replacing_keeps_the_old_one_until_the_new_one_is_whole(tmp_path):
    fill(tmp_path / "out", "old")
    with pytest.raises(ValueError, match="x"):
        fill(tmp_path / "out", "new", ValueError("x"), kind=KIND, overwrite=True)
    assert (tmp_path / "out" / "evaluation.json").read_text() == "old"
    fill(tmp_path / "out", "new", kind=KIND, overwrite=True)
    assert (tmp_path / "out" / "evaluation.json").read_text() == "new"
    assert os.listdir(tmp_path) == ["out"]


def test_a_saved_run_is_read_as_it_was(tmp_path):
    run = train(make_dataset().split(40), Recipe(epochs=3, batch_size=10), train_every=2, val_every=1)
    save_run(run, tmp_path, dataset={}, splits={}, test_openings=[], provenance={})
    assert (tmp_path / "network.safetensors").stat().st_mode & 0o777 == (
        tmp_path / "recipe.json"
    ).stat().st_mode & 0o777
    assert load_recipe(tmp_path) == run.recipe
    assert load_history(tmp_path) == run.history
    assert load_evaluation(tmp_path)["val"]["accuracy"] == run.evaluation["val"].accuracy


def test_a_diverged_sweep_can_be_saved(tmp_path):
    result = sweep(
        make_dataset().split(40), Recipe(epochs=9, batch_size=10), grid={"learning_rate": [0.01, 10.0], "l2": [1.0]}
    )
    save_sweep(result, str(tmp_path), dataset={}, splits={}, test_openings=[], provenance={})
    assert load_evaluation(tmp_path)["sweep"]["runs"][-1]["val"]["loss"] is None


@pytest.mark.parametrize("load", [load_recipe, load_history, load_evaluation])
def test_a_folder_that_is_no_runs_is_refused(tmp_path, load):
    with pytest.raises(BadData, match="a folder made by monolayer train holds it"):
        load(tmp_path)


@pytest.mark.parametrize("content", ["{", "{}", "[]", "\x00"])
def test_a_damaged_evaluation_is_refused(tmp_path, content):
    (tmp_path / "evaluation.json").write_text(content)
    with pytest.raises(BadData, match="is not an evaluation written by monolayer"):
        load_evaluation(tmp_path)


def test_a_damaged_history_is_refused(tmp_path):
    (tmp_path / "history.csv").write_text("epoch,learning_rate\n1,fast\n")
    with pytest.raises(BadData, match="is not a history written by monolayer"):
        load_history(tmp_path)


def test_the_folder_of_a_run_may_be_a_text(tmp_path):
    run = train(make_dataset(60).split(20), Recipe(epochs=1, batch_size=10))
    save_run(run, str(tmp_path))
    assert load_recipe(tmp_path) == run.recipe
