"""``--track`` as a user meets it."""

import csv
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from mlflow import MlflowClient
from tensorboard.backend.event_processing.event_accumulator import TENSORS, EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

from monolayer.cli.tracking import read_tracking
from monolayer.trackers import TensorBoardTracker

pytestmark = [
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning"),  # MLflow's SQLAlchemy
    pytest.mark.filterwarnings("ignore:unclosed database:ResourceWarning"),  # its pool ends with the process
]
TRAIN = ["train", "digits", "--epochs", "2"]


def read_scalar(folder, name):
    events = EventAccumulator(str(folder), size_guidance={TENSORS: 0})
    events.Reload()
    return [(event.step, float(make_ndarray(event.tensor_proto))) for event in events.Tensors(name)]


def read_history(path, name, run=None):
    with path.open(newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if run is None or row["run"] == str(run)]
    return [(int(row["epoch"]), float(np.float32(row[name]))) for row in rows if row[name]]


def find(place, name):
    (folder,) = [path for path in place.rglob("*") if path.is_dir() and path.name.startswith(f"{name}-")]
    return folder


def test_train_logs_to_all_three_and_says_where(command, monkeypatch):
    monkeypatch.delenv("WANDB_MODE", raising=False)
    words = ["--track", "mlflow", "--track", "tensorboard:tb", "--track", "wandb:digits"]
    result = command(*TRAIN, "--out", "runs/mine", "--json", *words)
    assert result.code == 0, result.err
    assert len(result.json["findings"]) == 11, "stdout is one JSON object and nothing else"
    here = os.path.realpath(".")
    assert f"MLflow: mlflow ui --backend-store-uri sqlite:///{here}/mlruns/mlflow.db" in result.err
    assert f"TensorBoard: tensorboard --logdir {here}/tb" in result.err
    assert "Weights & Biases, offline: wandb sync" in result.err
    out, place = Path("runs/mine"), Path("tb")
    assert read_scalar(find(place, "mine"), "val_loss") == read_history(out / "history.csv", "val_loss")
    client = MlflowClient(f"sqlite:///{here}/mlruns/mlflow.db")
    [run] = client.search_runs([client.get_experiment_by_name("monolayer").experiment_id])
    assert run.info.run_name == "mine"
    assert run.data.metrics["final/test_accuracy"] == result.json["test"]["accuracy"]
    assert [run.data.metrics[f"final/test_accuracy_{end}"] for end in ("low", "high")] == result.json["test"][
        "accuracy_interval"
    ]
    kept = client.download_artifacts(run.info.run_id, "report.html")
    assert Path(kept).read_bytes() == (out / "report.html").read_bytes()
    assert sorted(os.listdir(".")) == ["mlruns", "runs", "tb", "wandb"]


def test_a_search_logs_each_recipe_also_without_a_folder_of_its_own(command, tmp_path):
    words = [
        "sweep",
        "digits",
        "--grid",
        "learning-rate=log:1e-4:1e-1",
        "--grid",
        "schedule=step:1:0.5",
        "--optuna",
        "3",
    ]
    result = command(*words, "--epochs", "2", "--json", "--track", f"tensorboard:{tmp_path / 'tb'}")
    assert result.code == 0, result.err
    sweep = find(tmp_path / "tb", "digits-sweep")
    names = {path.name.rpartition("-")[0] for path in sweep.iterdir() if path.is_dir()}
    runs = {f"learning_rate={run['recipe']['learning_rate']},schedule=step_1_0.5": run for run in result.json["runs"]}
    assert names == set(runs)
    for name, run in runs.items():
        accuracy = float(np.float32(run["val"]["accuracy"]))
        assert read_scalar(find(sweep, name), "final/val_accuracy") == [(2, accuracy)]


def test_a_run_that_is_resumed_goes_on_in_its_own_log(command, monkeypatch, tmp_path):
    out, place = tmp_path / "out", tmp_path / "tb"
    with monkeypatch.context() as patch:
        patch.setattr("monolayer.cli.console.Interruption.should_stop", lambda self: True)
        assert command("train", "digits", "--epochs", "5", "--out", out, "--track", f"tensorboard:{place}").code == 130
    folder = find(place, "out")
    assert [epoch for epoch, _ in read_scalar(folder, "val_loss")] == [1]
    assert command("train", "--resume", out, "--track", "mlflow").code == 2, "the folder says where"
    assert command("train", "--resume", out).code == 0
    assert find(place, "out") == folder
    assert read_scalar(folder, "val_loss") == read_history(out / "history.csv", "val_loss")


def test_a_tracker_that_fails_is_one_warning(command, monkeypatch, tmp_path):
    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(TensorBoardTracker, "log_metrics", fail)
    result = command(*TRAIN, "--out", "run", "--track", f"tensorboard:{tmp_path / 'tb'}")
    assert result.code == 0
    assert result.err.count("TensorBoard failed") == result.err.count("No space left on device") == 1
    assert "tensorboard --logdir" not in result.err
    assert len(read_history(tmp_path / "place/run/history.csv", "val_loss")) == 2


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("aim", "'aim' is not a tracker; accepted is mlflow[:PLACE], tensorboard:DIR or wandb[:PROJECT]."),
        ("tensorboard", "accepted is tensorboard:DIR"),
        ("tensorboard:file/below", "cannot be written"),
        ("mlflow:file/below", "cannot be written"),
    ],
)
def test_what_cannot_be_logged_to_is_one_sentence_before_anything_starts(command, tmp_path, spec, text):
    (tmp_path / "place" / "file").touch()
    for words in (TRAIN, ["sweep", "digits", "--grid", "l2=0,1"]):
        result = command(*words, "--out", "out", "--track", spec)
        assert result.code == 2
        assert text in result.err
        assert result.err.count("\n") == 1
    assert os.listdir(".") == ["file"]


def test_a_dry_run_logs_nothing(command):
    assert command("sweep", "digits", "--grid", "l2=0,1", "--dry-run", "--track", "mlflow").code == 0
    assert os.listdir(".") == []


def test_a_tracker_that_is_given_twice_is_refused_and_a_run_of_this_folder_has_its_name(command, tmp_path):
    to = ["train", "digits", "--epochs", "1", "--track", f"tensorboard:{tmp_path / 'tb'}"]
    result = command(*to, "--track", f"tensorboard:{tmp_path / 'tb'}/")
    assert (result.code, result.err.split(" is given")[1]) == (2, " twice; name each tracker once.\n")
    context = SimpleNamespace(
        params={"track": ["tensorboard:x"], "out": Path(), "dataset": "digits"}, info_name="train"
    )
    assert read_tracking(context).name == Path().resolve().name
