"""What a logbook tells trackers, and that no tracker can harm a training."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest

import monolayer as ml
from monolayer.errors import BadInput
from monolayer.recipe.recipe import Recipe
from monolayer.trackers import TRACKERS, Job, MLflowTracker, log_run, log_sweep, open_logbook, open_tracker
from monolayer.training.checkpoints import Checkpoints
from monolayer.training.run import train
from monolayer.tuning.sweep import sweep
from tests.trackers.trained import list_values, make_run, make_splits, make_sweep


class Memory:
    """A tracker that remembers what it was told, and in which thread."""

    name, where = "memory", "nowhere"

    def __init__(self, wait_s=0.0):
        self.calls, self.rows, self.outcomes, self.entries, self.threads = [], {}, {}, {}, set()
        self.wait_s = wait_s

    def note(self, what, entry):
        self.threads.add(threading.current_thread().name)
        self.calls.append((what, entry.key if entry else ""))
        time.sleep(self.wait_s)

    def open(self, entry):
        self.note("open", entry)
        assert entry.key not in self.entries
        assert entry.group is None or entry.group.key in self.entries
        self.entries[entry.key] = entry

    def log(self, entry, rows):
        self.note("log", entry)
        for epoch, values in rows:
            self.rows.setdefault(entry.key, {}).setdefault(epoch, {}).update(values)

    def finish(self, entry, outcome):
        self.note("finish", entry)
        self.outcomes[entry.key] = outcome
        self.files = {path.name: path.read_bytes() for path in (*outcome.files, *outcome.figures.values())}

    def close(self):
        self.note("close", None)

    def read(self, key, name):
        return [(epoch, values[name]) for epoch, values in self.rows[key].items() if name in values]


class Failing(Memory):
    """Fails in one of its calls."""

    name = "failing"

    def __init__(self, where):
        super().__init__()
        self.failing = where

    def note(self, what, entry):
        super().note(what, entry)
        if what == self.failing:
            raise OSError(28, "No space left on device")


def test_a_run_is_told_in_order_in_one_thread():
    memory, run = Memory(), make_run()
    log_run(run, memory, splits=make_splits(), name="mine")
    [(key, entry)] = memory.entries.items()
    assert memory.calls == [("open", key), ("log", key), ("finish", key), ("close", "")]
    assert memory.threads == {"monolayer-log-memory"}
    assert (entry.name, entry.group, entry.settings) == ("mine", None, {**run.recipe.to_dict(), "dataset": "made"})
    assert memory.read(key, "train_cost") == list_values(run, "train_cost")
    outcome = memory.outcomes[key]
    assert outcome.metrics["final/val_n"] == 60
    assert outcome.findings == run.findings
    assert {"network.safetensors", "report.html", "evaluation.json", "run-templates.png"} <= set(memory.files)


def test_what_an_earlier_test_opening_measured_is_told_too():
    splits = make_splits()
    run = ml.evaluate_test(make_run(), splits, again=bool(splits.openings))
    memory = Memory()
    log_run(run, memory)
    [outcome] = memory.outcomes.values()
    low, high = run.evaluation["test"].interval
    assert outcome.metrics["final/test_accuracy_low"] == low <= outcome.metrics["final/test_accuracy"] <= high
    assert "report.html" not in memory.files


def test_results_of_a_folder_are_not_made_again(tmp_path):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "a.png").write_bytes(b"picture")
    (tmp_path / "report.html").write_text("page")
    memory = Memory()
    log_run(make_run(), memory, folder=tmp_path)
    assert memory.files == {"a.png": b"picture", "report.html": b"page"}


def test_a_sweep_is_told_recipe_by_recipe_as_it_trains():
    """Banks train in threads of their own; each recipe's rows arrive at its own entry, whole and in order."""
    memory, splits = Memory(), make_splits()
    axes = {"learning_rate": [0.001, 0.01], "batch_size": [10, 20, 30], "seed": [1, 2]}
    with open_logbook(memory, Job("s", axes=tuple(axes))) as book:
        swept = sweep(splits, Recipe(epochs=5), grid=axes, on_epoch=book.on_epoch)
        before = {key: dict(rows) for key, rows in memory.rows.items()}
        book.finish(swept)
    assert before, "something was told while it trained"
    assert {entry.group.key for entry in memory.entries.values() if entry.group} == {book.job.sweep.key}
    by_name = {entry.name: key for key, entry in memory.entries.items()}
    assert len(by_name) == 13
    for run in swept.runs:
        key = by_name[",".join(f"{axis}={getattr(run.recipe, axis)}" for axis in axes)]
        for name in ("learning_rate", "val_loss", "train_loss"):
            assert memory.read(key, name) == list_values(run, name)
    for key in memory.entries:
        calls = [what for what, of in memory.calls if of == key]
        assert (calls[0], calls[-1], calls.count("open"), calls.count("finish")) == ("open", "finish", 1, 1)
    assert memory.threads == {"monolayer-log-memory"}


def test_following_changes_no_bytes_and_keeps_what_was_asked_for():
    splits, recipe, seen = make_splits(), make_run().recipe, []
    with open_logbook(Memory()) as book:

        def on_epoch(recipes, rows):
            book.on_epoch(recipes, rows)
            seen.append(rows)

        run = train(splits, recipe, on_epoch=on_epoch)
    assert len(seen) == 3
    assert (run.network.weights == make_run().network.weights).all()


def test_a_resumed_training_is_logged_from_its_first_epoch(tmp_path):
    splits, recipe = make_splits(), Recipe(epochs=4, batch_size=20)
    asked = iter([False, True])
    with open_logbook(Memory()) as book:
        first = Checkpoints(tmp_path, lambda: None)
        train(splits, recipe, on_epoch=book.on_epoch, checkpointer=first, should_stop=lambda: next(asked))
    memory = Memory()
    with open_logbook(memory) as book:
        checkpoints = book.restore_from(Checkpoints(tmp_path, lambda: None))
        resumed = train(splits, recipe, on_epoch=book.on_epoch, checkpointer=checkpoints)
    assert (resumed.network.weights == train(splits, recipe).network.weights).all()
    [key] = memory.rows
    assert [epoch for epoch, _ in memory.read(key, "val_loss")] == [1, 2, 3, 4], "the epochs before the stop too"


def test_training_rows_that_are_measured_at_the_end_are_told_in_their_row():
    memory, splits = Memory(), make_splits()
    stops = iter([False, True])
    with open_logbook(memory) as book:
        run = train(
            splits,
            Recipe(epochs=9, batch_size=20),
            on_epoch=book.on_epoch,
            train_every=0,
            should_stop=lambda: next(stops),
        )
        book.finish(run)
    [key] = memory.rows
    assert memory.read(key, "train_loss") == [(2, run.history[1].train_loss)]
    assert not memory.outcomes[key].is_complete


@pytest.mark.parametrize("call", ["open", "log", "finish", "close"])
def test_a_tracker_that_fails_is_warned_of_once_and_harms_nothing(call):
    warnings, memory, failing = [], Memory(), Failing(call)
    splits = make_splits()
    with open_logbook([failing, memory], Job("x"), warnings.append) as book:
        run = train(splits, make_run().recipe, on_epoch=book.on_epoch)
        book.finish(run)
    assert warnings == [
        "failing failed ([Errno 28] No space left on device); it logs no more of this, all else goes on."
    ]
    assert (run.network.weights == make_run().network.weights).all()
    assert len(memory.outcomes) == 1
    assert book.describe() == ["nowhere"]
    assert [what for what, _ in failing.calls][-1] == call, "nothing more is asked of it"


def test_the_library_warns_as_python_does():
    with pytest.warns(UserWarning, match="failing failed"):
        log_run(make_run(), Failing("open"))


def test_a_slow_tracker_does_not_hold_up_the_training():
    memory, splits = Memory(wait_s=0.05), make_splits()
    with open_logbook(memory) as book:
        run = train(splits, Recipe(epochs=60, batch_size=60), on_epoch=book.on_epoch)
        n_told = len(memory.calls)
    [key] = memory.rows
    assert n_told < 60
    assert memory.read(key, "val_loss") == list_values(run, "val_loss"), "and is told everything in the end"
    assert sum(what == "log" for what, _ in memory.calls) < 60, "several epochs at once"


def test_a_tracker_that_hangs_is_left_behind(monkeypatch):
    monkeypatch.setattr("monolayer.trackers.logbook.PATIENCE_S", 0.1)
    warnings, memory = [], Memory(wait_s=1.0)
    with open_logbook(memory, warn=warnings.append) as book:
        book.note(make_run().recipe, make_run().history)
    assert warnings == ["memory has not written everything in time, so its log is not whole."]
    assert not book.describe()


def test_results_that_cannot_be_written_are_a_warning(monkeypatch):
    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("monolayer.trackers.logbook.write_results", fail)
    warnings = []
    with open_logbook(Memory(), warn=warnings.append) as book:
        book.finish(make_run())
    assert warnings == ["The results cannot be logged ([Errno 28] No space left on device); nothing else is lost."]


def test_a_training_that_breaks_off_closes_the_trackers():
    memory = Memory()
    with pytest.raises(ZeroDivisionError), open_logbook(memory) as book:
        book.note(make_run().recipe, make_run().history[: 1 // (not make_run())])
    assert memory.calls == [("close", "")]


def test_a_server_that_is_gone_is_a_warning(monkeypatch):
    for name, value in {"MAX_RETRIES": "0", "TIMEOUT": "1"}.items():
        monkeypatch.setenv(f"MLFLOW_HTTP_REQUEST_{name}", value)
    warnings = []
    with open_logbook(MLflowTracker("http://127.0.0.1:9"), warn=warnings.append) as book:
        run = train(make_splits(), make_run().recipe, on_epoch=book.on_epoch)
        book.finish(run)
    assert len(warnings) == 1
    assert warnings[0].startswith("MLflow failed (")


def test_keys_tell_runs_apart_and_stay_when_one_goes_on():
    a, b = Recipe(learning_rate=0.1), Recipe(learning_rate=np.nextafter(0.1, 1))
    job = Job("x", axes=("learning_rate",))
    keys = {job.make_entry(a).key, job.make_entry(b).key, Job("x").make_entry(a).key, job.sweep.key}
    assert len(keys) == 4
    again = Job("x", axes=("learning_rate",), token=job.token)
    assert again.make_entry(a) == job.make_entry(a)
    assert all(len(key) == 12 for key in keys)


@pytest.mark.parametrize("spec", ["", "mlflo", "aim:x"])
def test_a_name_that_is_no_trackers_is_refused(spec):
    with pytest.raises(BadInput, match=r"is no tracker; accepted is mlflow\[:PLACE\], tensorboard:DIR or wandb"):
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
