import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from monolayer.data.scaler import fit_scaler
from monolayer.engine.bank import make_bank
from monolayer.evaluate.metrics import format_accuracy
from monolayer.recipe.recipe import Recipe
from monolayer.training import scheduler
from monolayer.training.history import EpochRow
from monolayer.training.loop import BankTraining
from monolayer.training.options import TrainOptions
from monolayer.tuning import sweep as sweeping
from monolayer.tuning.sweep import UPDATE_EVERY_S, ProgressLine, plan_sweep, sweep
from tests.made import make_dataset

BASE = Recipe(epochs=4, batch_size=10)


class Display:
    """A Progress that records its calls."""

    def __init__(self):
        self.updates = []

    def info(self, text):
        raise AssertionError(text)

    def advance(self, task, done, total, unit="", detail=""):
        self.updates.append(SimpleNamespace(task=task, done=done, total=total, unit=unit, detail=detail))

    @property
    def last(self):
        return self.updates[-1]


@pytest.fixture
def splits():
    return make_dataset(60).split(20)


@pytest.fixture
def clock(monkeypatch):
    """What the watch reads the time from; tests move it."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(sweeping, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def begin_watch(splits, recipes, axes=None, halving=None):
    """(watch, display, trainings) of these recipes, a bank each of those that can share one."""
    plan, display = plan_sweep(splits, recipes, halving=halving), Display()
    progress_line = ProgressLine(plan, axes or {}, display, "sweep")
    scaler = fit_scaler(splits.train)
    trainings = [BankTraining(make_bank(bank, scaler, 3), splits, TrainOptions()) for bank in plan.banks]
    progress_line.start(trainings)
    return progress_line, display, trainings


def add_row(training, member, epoch, accuracy=None, loss=1.0):
    row = EpochRow(epoch, 0.1, val_loss=None if accuracy is None else loss, val_accuracy=accuracy)
    training.histories[member].append(row)
    training.epoch = epoch


def test_before_the_first_epoch_it_tells_how_many_train_and_how_much_there_is(splits, clock):
    recipes = [BASE.replace(l2=l2, epochs=epochs) for l2 in (0, 1, 2) for epochs in (4, 6)]
    _, display, _ = begin_watch(splits, recipes)
    result = display.last
    assert (result.task, result.done, result.total, result.unit) == ("sweep", 0, 3 * 4 + 3 * 6, "epochs of members")
    assert result.detail == "6 of 6 train"


def test_it_tells_who_is_best_now_and_by_the_axes_that_vary(splits, clock):
    axes = {"learning_rate": (0.001, 0.01), "flip": (0.0,), "l2": (0.0, 0.5), "seed": (42,)}
    recipes = [BASE.replace(learning_rate=rate, l2=l2) for rate in axes["learning_rate"] for l2 in axes["l2"]]
    progress_line, display, (training,) = begin_watch(splits, recipes, axes)
    for member, accuracy in enumerate((0.4, 0.75, 0.6, 0.5)):
        add_row(training, member, 1, accuracy)
    progress_line.update([], [])
    best = training.bank.recipes[1]
    named = f"learning_rate {best.learning_rate}, l2 {best.l2}"
    assert display.last.detail == f"4 of 4 train; best {format_accuracy(0.75, 20)} % at epoch 1: {named}"
    assert "seed" not in display.last.detail
    assert "flip" not in display.last.detail
    assert (display.last.done, display.last.total) == (4, 16)
    # What it was before does not count: the best falls back, and another is best now.
    for member, accuracy in enumerate((0.45, 0.5, 0.65, 0.5)):
        add_row(training, member, 2, accuracy)
    progress_line.finish()
    assert f"best {format_accuracy(0.65, 20)} % at epoch 2: learning_rate 0.01, l2 0.0" in display.last.detail


def test_with_no_axis_that_varies_no_recipe_is_named(splits, clock):
    progress_line, display, (training,) = begin_watch(splits, [BASE], {"l2": (0.0,), "seed": (42,)})
    add_row(training, 0, 1, 0.5)
    progress_line.update([], [])
    assert display.last.detail == f"1 of 1 train; best {format_accuracy(0.5, 20)} % at epoch 1"


def test_the_best_of_several_banks_is_told_and_epochs_without_validation_are_passed_over(splits, clock):
    recipes = [BASE.replace(seed=seed) for seed in (1, 2, 3)]
    progress_line, display, trainings = begin_watch(splits, recipes, {"seed": (1, 2, 3)})
    add_row(trainings[0], 0, 1)
    progress_line.update([], [])
    assert display.last.detail == "3 of 3 train"
    add_row(trainings[1], 0, 1, 0.25)
    add_row(trainings[2], 0, 1, 0.2)
    progress_line.finish()
    assert display.last.detail.endswith("at epoch 1: seed 2")


def test_who_has_left_is_not_counted_among_those_that_train_nor_in_what_is_to_come(splits, clock):
    progress_line, display, (training,) = begin_watch(splits, [BASE.replace(l2=l2) for l2 in (0, 1, 2)])
    for member in range(3):
        add_row(training, member, 1, 0.5)
    training.retain([0, 2])
    progress_line.update([], [])
    assert display.last.detail.startswith("2 of 3 train; best")
    assert (display.last.done, display.last.total) == (3, 3 + 2 * 3)


def test_with_halving_the_total_is_the_plans_until_it_is_over(splits, clock):
    recipes = [BASE.replace(l2=0.1 * i) for i in range(8)]
    progress_line, display, (training,) = begin_watch(splits, recipes, halving=4)
    assert display.last.total == 8 * 1 + 2 * 3
    for member in range(8):
        add_row(training, member, 1, 0.5)
    training.retain([])  # all are lost, and there is less than was planned
    clock.now += 1
    progress_line.update([], [])
    assert (display.last.done, display.last.total) == (8, 14)
    progress_line.finish()
    assert (display.last.done, display.last.total) == (8, 8)


def test_it_never_tells_that_all_is_done_before_the_end(splits, clock):
    progress_line, display, (training,) = begin_watch(splits, [BASE])
    for epoch in range(1, 5):
        add_row(training, 0, epoch, 0.5)
        clock.now += 1
        progress_line.update([], [])
        assert display.last.done == epoch < display.last.total
    progress_line.finish()
    assert (display.last.done, display.last.total) == (4, 4)


def test_it_tells_no_more_often_than_an_eye_can_follow(splits, clock):
    progress_line, display, _ = begin_watch(splits, [BASE])
    times = []
    for _ in range(100):
        n = len(display.updates)
        progress_line.update([], [])
        if len(display.updates) > n:
            times.append(clock.now)
        clock.now += UPDATE_EVERY_S / 8
    assert times[0] == 1000.0
    assert {round((b - a) / UPDATE_EVERY_S, 6) for a, b in itertools.pairwise(times)} == {1.0}
    n = len(display.updates)
    progress_line.finish()  # at once, whenever the last was
    assert len(display.updates) == n + 1


def test_a_watch_of_nothing_tells_nothing_to_divide_by(splits, clock):
    plan, display = plan_sweep(splits, [BASE]), Display()
    progress_line = ProgressLine(plan, {}, display, "sweep")
    progress_line.start([])
    assert (display.last.done, display.last.detail) == (0, "0 of 1 train")
    assert display.last.total > 0
    progress_line.finish()
    assert display.last.done == display.last.total == 0


@pytest.mark.parametrize("halving", [None, 2])
@pytest.mark.parametrize("n_cores", [1, 2])
def test_a_sweep_is_told_from_its_begin_to_its_end(splits, monkeypatch, n_cores, halving):
    monkeypatch.setattr(scheduler, "count_cores", lambda: n_cores)
    monkeypatch.setattr(sweeping, "UPDATE_EVERY_S", 0)
    display = Display()
    grid = {"batch_size": [10, 20], "learning_rate": [0.001, 0.01, 0.1]}
    result = sweep(splits, BASE, grid=grid, halving=halving, progress=display)
    done = [update.done for update in display.updates]
    assert done[0] == 0
    assert done == sorted(done)
    assert done[-1] == sum(len(run.history) for run in result.runs)
    assert all(update.done < update.total for update in display.updates[:-1])
    assert display.last.done == display.last.total
    assert {update.task for update in display.updates} == {"sweep"}
    assert display.updates[0].total == done[-1]  # no one is lost here: it was known from the beginning
    best = max(run.evaluation["val"].accuracy for run in result.runs)
    assert f"best {format_accuracy(best, 20)} % at epoch" in display.last.detail
    alive = sum(not run.ends_early for run in result.runs)
    assert display.last.detail.startswith(f"{alive} of 6 train; ")


def test_members_that_are_lost_are_told_of(splits, monkeypatch):
    monkeypatch.setattr(sweeping, "UPDATE_EVERY_S", 0)
    display = Display()
    result = sweep(splits, BASE.replace(epochs=9, l2=1.0), grid={"learning_rate": [0.001, 1e6]}, progress=display)
    assert [run.ends_early for run in result.runs] == [False, True]
    assert display.updates[0].total == 18
    assert display.last.total == sum(len(run.history) for run in result.runs) < 18
    assert display.last.detail.startswith("1 of 2 train; best")


def test_a_caller_hears_of_each_epoch_too_whatever_is_told(splits):
    events = []
    grid = {"learning_rate": [0.001, 0.01], "seed": [1, 2]}
    sweep(splits, BASE, grid=grid, on_epoch=lambda recipes, rows: events.append([row.epoch for row in rows]))
    assert sorted(events) == sorted([[epoch] * 2 for epoch in range(1, 5)] * 2)


@pytest.mark.parametrize("loss", [np.nan, np.inf, 2.5])
def test_a_member_that_has_diverged_is_not_the_best_whatever_its_accuracy(splits, clock, loss):
    """Twice the loss of knowing nothing of three classes is 2.2."""
    progress_line, display, (training,) = begin_watch(splits, [BASE.replace(l2=l2) for l2 in (0, 1)], {"l2": (0, 1)})
    add_row(training, 0, 1, 0.9, loss)
    add_row(training, 1, 1, 0.4)
    progress_line.finish()
    assert display.last.detail.endswith("at epoch 1: l2 1.0")


def test_in_the_middle_of_an_epoch_the_total_is_what_it_was(splits, clock):
    progress_line, display, (training,) = begin_watch(splits, [BASE.replace(l2=l2) for l2 in (0, 1)])
    total = display.last.total
    training.epoch += 1  # as another thread does, before there is a row of it
    progress_line.update([], [])
    assert display.last.total == total


def test_a_sweep_that_is_stopped_does_not_look_finished(splits, clock):
    progress_line, display, (training,) = begin_watch(splits, [BASE.replace(l2=l2) for l2 in (0, 1)])
    training.is_stopped = True
    progress_line.finish()
    assert display.last.done < display.last.total
