"""What a RunLogger passes to trackers, and that no tracker can harm a training."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest

import monolayer as ml
from monolayer.errors import BadInput
from monolayer.recipe.recipe import Recipe
from monolayer.trackers import (
    TRACKERS,
    MLflowTracker,
    RunLogger,
    Tracker,
    log_run,
    log_sweep,
    open_logger,
    open_tracker,
    resolve_spec,
)
from monolayer.training.checkpoints import Checkpoints
from monolayer.training.train import train
from monolayer.tuning.sweep import sweep
from tests.trackers.trained import list_values, log_epochs, make_run, make_splits, make_sweep


class Memory(Tracker):
    """A tracker that stores the calls to it, and their threads."""

    name = key = usage = "memory"
    where = "nowhere"

    def __init__(self, wait_s=0.0):
        self.calls, self.rows, self.summaries, self.runs, self.files, self.threads = [], {}, {}, {}, {}, set()
        self.completed = {}
        self.wait_s = wait_s

    def note(self, what, run=None):
        self.threads.add(threading.current_thread().name)
        self.calls.append((what, run.id if run else ""))
        time.sleep(self.wait_s)

    def start_run(self, run):
        self.note("start_run", run)
        assert run.id not in self.runs
        assert run.parent is None or run.parent.id in self.runs
        self.runs[run.id] = run

    def log_metrics(self, run, rows):
        self.note("log_metrics", run)
        for epoch, values in rows:
            self.rows.setdefault(run.id, {}).setdefault(epoch, {}).update(values)

    def log_summary(self, run, summary):
        self.note("log_summary", run)
        self.summaries[run.id] = summary

    def log_artifact(self, run, path, step):
        assert step == self.summaries[run.id].epochs_done
        self.files[path.name] = path.read_bytes()

    def finish(self, run, *, is_complete):
        self.note("finish", run)
        self.completed[run.id] = is_complete

    def close(self):
        self.note("close")

    def read(self, run_id, name):
        return [(epoch, values[name]) for epoch, values in self.rows[run_id].items() if name in values]


class Failing(Memory):
    """Fails in one of its calls."""

    name = "failing"

    def __init__(self, where):
        super().__init__()
        self.failing = where

    def note(self, what, run=None):
        super().note(what, run)
        if what == self.failing:
            raise OSError(28, "No space left on device")


def test_a_run_is_logged_in_order_in_one_thread():
    memory, run = Memory(), make_run()
    log_run(run, memory, splits=make_splits(), name="mine")
    [(key, logged)] = memory.runs.items()
    calls = ["start_run", "log_metrics", "log_summary", "finish"]
    assert memory.calls == [*((call, key) for call in calls), ("close", "")]
    assert memory.threads == {"monolayer-log-memory"}
    assert (logged.name, logged.parent, logged.params) == ("mine", None, {**run.recipe.to_dict(), "dataset": "made"})
    assert memory.read(key, "train_cost") == list_values(run, "train_cost")
    assert memory.summaries[key].metrics["final/val_n"] == 60
    assert memory.summaries[key].findings == run.findings
    assert memory.completed == {key: True}
    assert {"network.safetensors", "report.html", "evaluation.json", "run-templates.png"} <= set(memory.files)


def test_what_an_earlier_test_opening_measured_is_logged_too():
    splits = make_splits()
    run = ml.evaluate_test(make_run(), splits, again=bool(splits.openings))
    memory = Memory()
    log_run(run, memory)
    [summary] = memory.summaries.values()
    low, high = run.evaluation["test"].interval
    assert summary.metrics["final/test_accuracy_low"] == low <= summary.metrics["final/test_accuracy"] <= high
    assert "report.html" not in memory.files


def test_results_of_a_folder_are_not_made_again(tmp_path):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "a.png").write_bytes(b"picture")
    (tmp_path / "report.html").write_text("page")
    memory = Memory()
    log_run(make_run(), memory, folder=tmp_path)
    assert memory.files == {"a.png": b"picture", "report.html": b"page"}


def test_a_sweep_is_logged_recipe_by_recipe_as_it_trains():
    """Banks train in threads of their own; each recipe's rows reach its own run, complete and in order."""
    memory, splits = Memory(), make_splits()
    axes = {"learning_rate": [0.001, 0.01], "batch_size": [10, 20, 30], "seed": [1, 2]}
    with open_logger(memory, name="s", axes=tuple(axes)) as logger:
        result = sweep(splits, Recipe(epochs=5), grid=axes, on_epoch=logger.on_epoch)
        before = {key: dict(rows) for key, rows in memory.rows.items()}
        logger.log_result(result)
    assert before, "something was logged while it trained"
    assert {run.parent.id for run in memory.runs.values() if run.parent} == {logger.sweep_run.id}
    by_name = {run.name: key for key, run in memory.runs.items()}
    assert len(by_name) == 13
    for run in result.runs:
        key = by_name[",".join(f"{axis}={getattr(run.recipe, axis)}" for axis in axes)]
        for name in ("learning_rate", "val_loss", "train_loss"):
            assert memory.read(key, name) == list_values(run, name)
    for key in memory.runs:
        calls = [what for what, of in memory.calls if of == key]
        assert (calls[0], calls[-1], calls.count("start_run"), calls.count("finish")) == ("start_run", "finish", 1, 1)
    assert memory.threads == {"monolayer-log-memory"}


def test_following_changes_no_bytes_and_keeps_what_was_asked_for():
    splits, recipe, seen = make_splits(), make_run().recipe, []
    with open_logger(Memory()) as logger:

        def on_epoch(recipes, rows):
            logger.on_epoch(recipes, rows)
            seen.append(rows)

        run = train(splits, recipe, on_epoch=on_epoch)
    assert len(seen) == 3
    assert (run.network.weights == make_run().network.weights).all()


def test_a_resumed_training_is_logged_from_its_first_epoch(tmp_path):
    splits, recipe = make_splits(), Recipe(epochs=4, batch_size=20)
    asked = iter([False, True])
    with open_logger(Memory()) as logger:
        first = Checkpoints(tmp_path, lambda: None)
        train(splits, recipe, on_epoch=logger.on_epoch, checkpointer=first, should_stop=lambda: next(asked))
    memory = Memory()
    with open_logger(memory) as logger:
        checkpoints = logger.restore_from(Checkpoints(tmp_path, lambda: None))
        resumed = train(splits, recipe, on_epoch=logger.on_epoch, checkpointer=checkpoints)
    assert (resumed.network.weights == train(splits, recipe).network.weights).all()
    [key] = memory.rows
    assert [epoch for epoch, _ in memory.read(key, "val_loss")] == [1, 2, 3, 4], "the epochs before the stop too"


def test_training_rows_that_are_measured_at_the_end_are_logged_in_their_row():
    memory, splits = Memory(), make_splits()
    stops = iter([False, True])
    with open_logger(memory) as logger:
        run = train(
            splits,
            Recipe(epochs=9, batch_size=20),
            on_epoch=logger.on_epoch,
            train_every=0,
            should_stop=lambda: next(stops),
        )
        logger.log_result(run)
    [key] = memory.rows
    assert memory.read(key, "train_loss") == [(2, run.history[1].train_loss)]
    assert not memory.summaries[key].is_complete
    assert memory.completed == {key: False}


@pytest.mark.parametrize("call", ["start_run", "log_metrics", "log_summary", "finish", "close"])
def test_a_tracker_that_fails_is_warned_of_once_and_harms_nothing(call):
    warnings, memory, failing = [], Memory(), Failing(call)
    splits = make_splits()
    with open_logger([failing, memory], name="x", warn=warnings.append) as logger:
        run = train(splits, make_run().recipe, on_epoch=logger.on_epoch)
        logger.log_result(run)
    assert warnings == [
        "failing failed ([Errno 28] No space left on device) and logs nothing more; everything else continues."
    ]
    assert (run.network.weights == make_run().network.weights).all()
    assert len(memory.summaries) == 1
    assert logger.describe() == ["nowhere"]
    assert [what for what, _ in failing.calls][-1] == call, "nothing more is asked of it"


def test_the_library_warns_as_python_does():
    with pytest.warns(UserWarning, match="failing failed"):
        log_run(make_run(), Failing("start_run"))


def test_a_slow_tracker_does_not_hold_up_the_training():
    memory, splits = Memory(wait_s=0.05), make_splits()
    with open_logger(memory) as logger:
        run = train(splits, Recipe(epochs=60, batch_size=60), on_epoch=logger.on_epoch)
        n_calls = len(memory.calls)
    [key] = memory.rows
    assert n_calls < 60
    assert memory.read(key, "val_loss") == list_values(run, "val_loss"), "and logs everything in the end"
    assert sum(what == "log_metrics" for what, _ in memory.calls) < 60, "several epochs at once"


def test_a_tracker_that_hangs_is_left_behind(monkeypatch):
    monkeypatch.setattr("monolayer.trackers.logger.TIMEOUT_S", 0.1)
    warnings, memory = [], Memory(wait_s=1.0)
    with open_logger(memory, warn=warnings.append) as logger:
        log_epochs(logger, make_run())
    assert warnings == ["memory has not written everything in time, so its log is incomplete."]
    assert not logger.describe()


def test_results_that_cannot_be_written_are_a_warning(monkeypatch):
    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("monolayer.trackers.logger.write_results", fail)
    warnings = []
    with open_logger(Memory(), warn=warnings.append) as logger:
        logger.log_result(make_run())
    assert warnings == ["The results cannot be logged ([Errno 28] No space left on device); nothing else is lost."]


def test_a_training_that_breaks_off_closes_the_trackers():
    memory = Memory()
    with pytest.raises(ZeroDivisionError), open_logger(memory) as logger:
        logger.on_epoch([make_run().recipe], make_run().history[: 1 // (not make_run())])
    assert memory.calls == [("close", "")]


def test_a_server_that_is_gone_is_a_warning(monkeypatch):
    for name, value in {"MAX_RETRIES": "0", "TIMEOUT": "1"}.items():
        monkeypatch.setenv(f"MLFLOW_HTTP_REQUEST_{name}", value)
    warnings = []
    with open_logger(MLflowTracker("http://127.0.0.1:9"), warn=warnings.append) as logger:
        run = train(make_splits(), make_run().recipe, on_epoch=logger.on_epoch)
        logger.log_result(run)
    assert len(warnings) == 1
    assert warnings[0].startswith("MLflow failed (")


def test_ids_differ_between_runs_and_stay_when_one_is_resumed():
    a, b = Recipe(learning_rate=0.1), Recipe(learning_rate=np.nextafter(0.1, 1))
    logger = RunLogger(axes=["learning_rate"])
    other, again = RunLogger(), RunLogger(axes=["learning_rate"], token=logger.token)
    ids = {logger.make_run(a).id, logger.make_run(b).id, other.make_run(a).id, logger.sweep_run.id}
    assert len(ids) == 4
    assert again.make_run(a) == logger.make_run(a)
    assert all(len(run_id) == 12 for run_id in ids)


@pytest.mark.parametrize("spec", ["", "mlflo", "aim:x"])
def test_an_unknown_tracker_is_refused(spec):
    with pytest.raises(BadInput, match=r"is not a tracker; accepted is mlflow\[:PLACE\], tensorboard:DIR or wandb"):
        open_tracker(spec)


@pytest.mark.parametrize("name", TRACKERS)
def test_a_package_that_is_missing_is_one_sentence(name, monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, name, None)
    with pytest.raises(BadInput, match=rf"pip install 'monolayer\[{name}\]'$"):
        open_tracker(f"{name}:{tmp_path}")


def test_no_files_are_left_behind(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    log_sweep(make_sweep(), Memory())
    assert list(Path(tmp_path).iterdir()) == []


@pytest.mark.parametrize(
    ("spec", "resolved"),
    [
        ("mlflow", "mlflow"),
        ("mlflow:", "mlflow"),
        ("mlflow:http://127.0.0.1:9", "mlflow:http://127.0.0.1:9"),
        ("mlflow:sub/my.db", "mlflow:{}/sub/my.db"),
        ("tensorboard:tb/", "tensorboard:{}/tb"),
        ("wandb:digits", "wandb:digits"),
    ],
)
def test_places_that_are_paths_do_not_depend_on_the_working_folder(tmp_path, monkeypatch, spec, resolved):
    monkeypatch.chdir(tmp_path)
    assert resolve_spec(spec) == resolved.format(tmp_path)
