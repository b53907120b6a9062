"""Runs in a real MLflow store, read back with MLflow's own client."""

import contextlib
import json
from pathlib import Path

import pytest
from mlflow import MlflowClient

from monolayer.errors import BadInput
from monolayer.network import OneLayer
from monolayer.trackers import MLflowTracker, RunLogger, log_run, log_sweep, open_logger
from monolayer.training.train import train
from tests.trackers.trained import list_values, log_epochs, make_run, make_splits, make_sweep

pytestmark = [
    pytest.mark.filterwarnings(
        "ignore:The ``noload`` loader strategy:DeprecationWarning"
    ),  # MLflow's use of SQLAlchemy
    pytest.mark.filterwarnings("ignore:unclosed database:ResourceWarning"),  # its pool ends with the process
]


def read(place, name="monolayer"):
    """The client, and the runs of an experiment by name."""
    client = MlflowClient(f"sqlite:///{place / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(name)
    return client, {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}


def read_metric(client, run, name):
    found = client.get_metric_history(run.info.run_id, name)
    return sorted((metric.step, metric.value) for metric in found)


def list_artifacts(client, run, folder=None):
    return sorted(file.path for file in client.list_artifacts(run.info.run_id, folder))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A store with a run that has a page, and a sweep that has none."""
    place = tmp_path_factory.mktemp("store")
    tracker = MLflowTracker(place)
    log_run(make_run(), tracker, name="one", splits=make_splits())
    log_sweep(make_sweep(), tracker, name="many")
    return place


def test_a_run_is_there_with_everything(place, tmp_path):
    client, runs = read(place)
    run, made = runs["one"], make_run()
    assert run.info.status == "FINISHED"
    assert run.data.params == {name: str(value) for name, value in made.recipe.to_dict().items()} | {"dataset": "made"}
    for name in ("learning_rate", "train_loss", "train_cost", "train_accuracy", "val_loss", "val_cost", "val_accuracy"):
        assert read_metric(client, run, name) == list_values(made, name)
    val = made.evaluation["val"]
    assert run.data.metrics["final/val_accuracy"] == val.accuracy
    assert (run.data.metrics["final/val_accuracy_low"], run.data.metrics["final/val_accuracy_high"]) == val.interval
    news = [finding for finding in made.findings if finding.is_news]
    assert news
    for finding in news:
        assert finding.evidence in run.data.tags[f"finding.{finding.code}"]
        assert finding.advice in run.data.tags["mlflow.note.content"]
    assert list_artifacts(client, run) == ["evaluation.json", "figures", "network.safetensors", "report.html"]
    assert "figures/run-templates.png" in list_artifacts(client, run, "figures")
    path = client.download_artifacts(run.info.run_id, "network.safetensors", str(tmp_path))
    assert (OneLayer.load(path).weights == made.network.weights).all()


def test_a_sweep_is_a_parent_with_a_child_a_recipe(place):
    client, runs = read(place)
    parent, swept = runs["many"], make_sweep()
    children = {
        name: run for name, run in runs.items() if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id
    }
    assert set(children) == {"learning_rate=0.01", "learning_rate=1e+38"}
    for run in swept.runs:
        child = children[f"learning_rate={run.recipe.learning_rate}"]
        assert read_metric(client, child, "val_accuracy") == list_values(run, "val_accuracy")
        assert child.data.params["learning_rate"] == str(run.recipe.learning_rate)
        assert list_artifacts(client, child) == ["network.safetensors"]
    assert "finding.ML001" in children["learning_rate=1e+38"].data.tags
    assert parent.data.params == {"axes": "learning_rate", "dataset": "made"}
    assert parent.data.metrics["best/val_accuracy"] == swept.best.evaluation["val"].accuracy
    assert parent.data.metrics["n_recipes"] == 2
    assert "figures/candidates-accuracy.png" in list_artifacts(client, parent, "figures")
    evaluation = json.loads(Path(client.download_artifacts(parent.info.run_id, "evaluation.json")).read_text())
    assert len(evaluation["sweep"]["runs"]) == 2


def test_a_loss_that_is_no_number_is_left_out(place):
    _, runs = read(place)
    diverged = runs["learning_rate=1e+38"]
    assert "final/val_loss" not in diverged.data.metrics
    assert diverged.data.metrics["final/epochs_done"] == 1


def test_a_run_that_goes_on_resumes_its_own(place):
    """As after a kill: two epochs were logged, then another process logs all of them."""
    made = make_run()
    with (
        contextlib.suppress(KeyboardInterrupt),
        open_logger(MLflowTracker(place, "again"), name="again", token="t") as logger,
    ):
        log_epochs(logger, made, 2)
        raise KeyboardInterrupt
    _, before = read(place, "again")
    assert before["again"].info.status == "KILLED"
    with open_logger(MLflowTracker(place, "again"), name="again", token="t") as logger:
        log_epochs(logger, made)
        logger.log_result(made)
    client, runs = read(place, "again")
    assert [run.info.run_id for run in runs.values()] == [before["again"].info.run_id]
    assert runs["again"].info.status == "FINISHED"
    assert read_metric(client, runs["again"], "val_loss") == list_values(made, "val_loss")


def test_a_run_is_logged_while_it_trains(place):
    splits, seen = make_splits(), []
    tracker = MLflowTracker(place, "live")

    with open_logger(tracker, name="live") as logger:

        def on_epoch(recipes, rows):
            logger.on_epoch(recipes, rows)
            seen.append(rows[0].epoch)

        run = train(splits, make_run().recipe, on_epoch=on_epoch)
    client, runs = read(place, "live")
    assert seen == [1, 2, 3]
    assert read_metric(client, runs["live"], "val_loss") == list_values(run, "val_loss")
    assert runs["live"].info.status == "KILLED", "its result was not logged"


def test_a_database_is_there_whole_or_not_at_all(place, tmp_path, monkeypatch):
    """MLflow makes its tables step by step, and cannot open a store that was left in between."""

    def fail(engine):
        raise KeyboardInterrupt

    tracker, run = MLflowTracker(tmp_path), RunLogger(name="x").make_run(make_run().recipe)
    with monkeypatch.context() as patch:
        patch.setattr("mlflow.store.db.utils._initialize_tables", fail)
        with pytest.raises(KeyboardInterrupt):
            tracker.start_run(run)
    assert list(tmp_path.iterdir()) == []
    assert sorted(path.name for path in place.iterdir()) == ["artifacts", "mlflow.db"]


def test_places(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert MLflowTracker().uri == f"sqlite:///{tmp_path}/mlruns/mlflow.db"
    assert MLflowTracker("sub/my.db").uri == f"sqlite:///{tmp_path}/sub/my.db"
    assert MLflowTracker("http://127.0.0.1:1").uri == "http://127.0.0.1:1"
    assert "mlflow ui --backend-store-uri sqlite:///" in MLflowTracker().where
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="cannot be written"):
        MLflowTracker("file/below")
