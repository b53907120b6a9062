"""Offline runs of Weights & Biases, read back from what it wrote: the records that it would send."""

import json
import struct
import time

import pytest
import wandb
from wandb.proto.wandb_internal_pb2 import Record

from monolayer.trackers import RunLogger, WandbTracker, log_run, log_sweep, open_logger
from tests.trackers.trained import list_values, log_epochs, make_run, make_splits, make_sweep

BLOCK, HEADER = 32768, 7


def iterate_records(path):
    """The records of a ``.wandb`` file: LevelDB's log format behind seven bytes of a header of its own."""
    content, at, parts = path.read_bytes(), HEADER, b""
    assert content[:4] == b":W&B"
    while at + HEADER <= len(content):
        if BLOCK - at % BLOCK < HEADER:
            at += BLOCK - at % BLOCK
            continue
        _, length, kind = struct.unpack("<IHB", content[at : at + HEADER])
        parts += content[at + HEADER : at + HEADER + length]
        at += HEADER + length
        if kind in (1, 4):  # whole, or the last part
            yield Record.FromString(parts)
            parts = b""


def list_records(path):
    """All records of a run; its file may be whole a moment after the run has been finished."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        records = list(iterate_records(path))
        if any(record.WhichOneof("record_type") == "exit" for record in records):
            return records
        time.sleep(0.02)
    raise AssertionError(f"{path} was never finished")


def read(place):
    """The records of each run, by the run's name."""
    found = {}
    for path in place.glob("wandb/offline-run-*/*.wandb"):
        records = list_records(path)
        run = next(record.run for record in records if record.WhichOneof("record_type") == "run")
        found.setdefault(run.display_name, []).append((run, records, path.parent))
    return found


def read_history(records):
    """A dictionary a step."""
    rows = [record.history.item for record in records if record.WhichOneof("record_type") == "history"]
    return [{".".join(item.nested_key) or item.key: json.loads(item.value_json) for item in row} for row in rows]


def read_summary(records):
    updates = [record.summary.update for record in records if record.WhichOneof("record_type") == "summary"]
    return {".".join(i.nested_key) or i.key: json.loads(i.value_json) for update in updates for i in update}


def read_config(run):
    return {item.key: json.loads(item.value_json) for item in run.config.update}


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.delenv("WANDB_MODE", raising=False)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("WANDB_MODE", raising=False)
        tracker = WandbTracker("project", place)
        log_run(make_run(), tracker, name="one", splits=make_splits())
        log_sweep(make_sweep(), tracker, name="many")
    return place


def test_a_run_is_there_with_everything(place):
    [(run, records, folder)], made = read(place)["one"], make_run()
    assert (run.project, run.job_type, run.run_group) == ("project", "run", "")
    assert read_config(run).items() >= {**made.recipe.to_dict(), "dataset": "made"}.items()
    history = [row for row in read_history(records) if "val_loss" in row]
    for name in ("learning_rate", "train_loss", "val_loss", "val_accuracy"):
        assert [(row["_step"], row[name]) for row in history] == list_values(made, name)
    summary, (low, high) = read_summary(records), made.evaluation["val"].interval
    assert (summary["final/val_accuracy_low"], summary["final/val_accuracy_high"]) == (low, high)
    news = {finding.code for finding in made.findings if finding.is_news}
    assert news
    assert all(code in summary["findings"] for code in news)
    tags = [set(record.run.tags) for record in records if record.WhichOneof("record_type") == "run"]
    assert tags[-1] == news
    assert list((folder / "files").rglob("media/images/figures/run-templates*.png"))
    saved = {item.path for record in records for item in record.files.files}
    assert saved >= {"network.safetensors", "report.html"}
    assert (folder / "files" / "report.html").read_text().startswith("<!doctype html>")
    assert not (folder / "files" / "report.html").is_symlink()


def test_a_sweep_is_a_group_of_recipes(place):
    found, swept = read(place), make_sweep()
    [(parent, records, _)] = found["many"]
    assert parent.job_type == "sweep"
    assert read_summary(records)["best/val_accuracy"] == swept.best.evaluation["val"].accuracy
    for run in swept.runs:
        [(recipe, of_recipe, folder)] = found[f"learning_rate={run.recipe.learning_rate}"]
        assert (recipe.job_type, recipe.run_group) == ("recipe", parent.run_group)
        history = [(row["_step"], row["val_accuracy"]) for row in read_history(of_recipe) if "val_accuracy" in row]
        assert history == list_values(run, "val_accuracy")
        assert (folder / "files" / "network.safetensors").is_file()


def test_nothing_of_the_machine_is_kept(place):
    for runs in read(place).values():
        for _, records, folder in runs:
            kinds = {record.WhichOneof("record_type") for record in records}
            assert not kinds & {"stats", "output", "output_raw", "environment"}
            assert not {"requirements.txt", "wandb-metadata.json", "output.log"} & {p.name for p in folder.rglob("*")}


def test_the_users_own_run_stays_their_own(tmp_path):
    settings = wandb.Settings(mode="offline", silent=True, console="off")
    with wandb.init(project="mine", dir=tmp_path, settings=settings) as mine:
        log_run(make_run(), WandbTracker("theirs", tmp_path), name="logged")
        assert wandb.run is mine
        mine.log({"x": 1})
    found = read(tmp_path)
    assert "logged" in found
    assert len(found) == 2


def test_a_run_that_goes_on_is_whole_under_its_id(tmp_path):
    made, tracker = make_run(), WandbTracker("p", tmp_path)
    for n in (2, 3):
        with open_logger(tracker, name="again", token="t") as logger:
            log_epochs(logger, made, n)
    [(run, records, _)] = read(tmp_path)["again"]
    assert run.run_id == RunLogger(name="again", token="t").make_run(made.recipe).id
    assert [row["_step"] for row in read_history(records)] == [1, 2, 3]


def test_the_mode_is_the_users(monkeypatch, tmp_path):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    log_run(make_run(), WandbTracker("p", tmp_path), name="one")
    assert not read(tmp_path)
    monkeypatch.setenv("WANDB_DIR", str(tmp_path / "there"))
    assert WandbTracker().folder == tmp_path / "there"
