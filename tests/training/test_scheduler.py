import itertools
import threading

import numpy as np
import pytest

from monolayer.data.scaler import fit_scaler
from monolayer.engine.bank import make_bank
from monolayer.recipe.recipe import Recipe
from monolayer.training import loop, scheduler
from monolayer.training.loop import BankTraining
from monolayer.training.options import TrainOptions
from monolayer.training.scheduler import Job, evaluate_all, run_jobs
from tests.made import make_dataset

BASE = Recipe(epochs=5, batch_size=10, l2=0.01)
LOST = BASE.replace(learning_rate=1e6, l2=1.0)
BANKS = [
    [BASE, BASE.replace(learning_rate=0.01)],
    [BASE.replace(seed=1), LOST.replace(seed=1), BASE.replace(seed=1, loss="multiple_bce")],
    [BASE.replace(batch_size=25, epochs=3, dtype="float64")],
    [BASE.replace(flip=0.5, epochs=7, learning_rate=rate) for rate in (0.001, 0.002, 0.003)],
    [LOST],
]


@pytest.fixture(scope="module")
def splits():
    """Images of 600 features, which are two slabs of the engine: a bank that has two cores uses them."""
    return make_dataset(80, 600, image_shape=(3, 10, 20)).split(30)


def make_training(splits, recipes, options=None):
    bank = make_bank(recipes, fit_scaler(splits.train), splits.dataset.n_classes)
    return BankTraining(bank, splits, options or TrainOptions())


def make_jobs(splits, banks=BANKS, options=None):
    trainings = [make_training(splits, recipes, options) for recipes in banks]
    return [Job(training, training.epochs) for training in trainings]


def tell(training):
    """Everything that a bank ends with."""
    return (
        training.epoch,
        training.active,
        training.bank.weights.tobytes(),
        training.bank.bias.tobytes(),
        repr(training.histories),
    )


def tell_measured(measured):
    return [(repr(found.metrics), found.val_correct.tobytes()) for found in measured]


@pytest.fixture(scope="module")
def alone(splits):
    """What each bank ends with that is trained alone, in one go; and measured."""
    trainings = [make_training(splits, recipes) for recipes in BANKS]
    for training in trainings:
        training.run()
    return [(tell(training), tell_measured(training.evaluate())) for training in trainings]


def set_turns(monkeypatch, n_cores, time_slice=scheduler.TIME_SLICE_S):
    monkeypatch.setattr(scheduler, "count_cores", lambda: n_cores)
    monkeypatch.setattr(scheduler, "TIME_SLICE_S", time_slice)


@pytest.mark.parametrize("time_slice", [0, 0.002, 0.25])  # an epoch a turn; a few; all of them
@pytest.mark.parametrize("n_cores", [1, 2, 3, 8])
def test_banks_that_take_turns_end_with_the_bytes_of_banks_alone(splits, alone, monkeypatch, n_cores, time_slice):
    set_turns(monkeypatch, n_cores, time_slice)
    jobs = make_jobs(splits)
    run_jobs(jobs)
    assert all(job.is_done for job in jobs)
    assert [tell(job.training) for job in jobs] == [result for result, _ in alone]
    evaluate_all([job.training for job in jobs])
    assert [tell_measured(job.training.evaluate()) for job in jobs] == [measured for _, measured in alone]


@pytest.mark.parametrize("n_cores", [1, 2, 3, 8])
def test_one_bank_for_all_cores_ends_with_the_same_bytes(splits, alone, monkeypatch, n_cores):
    set_turns(monkeypatch, n_cores, 0)
    jobs = make_jobs(splits, BANKS[3:4])
    run_jobs(jobs)
    assert tell(jobs[0].training) == alone[3][0]


def test_banks_that_are_left_at_every_epoch_and_taken_up_again_end_with_the_same_bytes(splits, alone, monkeypatch):
    set_turns(monkeypatch, 2)
    trainings = [job.training for job in make_jobs(splits)]
    for until in range(1, 8):
        run_jobs([Job(training, min(until, training.epochs)) for training in trainings])
        assert all(t.epoch == min(until, t.epochs) or not t.active for t in trainings)
    assert [tell(training) for training in trainings] == [result for result, _ in alone]


def test_a_second_thread_goes_to_a_bank_only_when_no_other_bank_has_a_use_for_the_core(splits, monkeypatch):
    run, given = BankTraining.run, []

    def note(self, until, *, n_threads, **options):
        given.append((self.bank.recipes[0].seed, n_threads))
        run(self, until, n_threads=n_threads, **options)

    monkeypatch.setattr(BankTraining, "run", note)
    set_turns(monkeypatch, 1, 0)
    banks = [[BASE.replace(seed=seed, epochs=2)] for seed in range(3)]
    run_jobs(make_jobs(splits, banks))
    assert {n_threads for _, n_threads in given} == {1}
    given.clear()
    set_turns(monkeypatch, 2, 0)
    run_jobs(make_jobs(splits, banks[:1]))
    assert given == [(0, 2), (0, 2)]
    given.clear()
    set_turns(monkeypatch, 8, 10)
    run_jobs(make_jobs(splits, banks))
    # Two each to begin with; one that begins when others have ended may have more.
    assert sorted(seed for seed, _ in given) == [0, 1, 2]
    assert min(n_threads for _, n_threads in given) == 2


def note_epochs(banks, splits, seen):
    """Jobs that note the name of their bank, a letter each, after every epoch."""
    jobs = []
    for name, recipes in banks.items():
        training = make_training(
            splits, recipes, TrainOptions(on_epoch=lambda recipes, rows, name=name: seen.append(name))
        )
        jobs.append(Job(training, training.epochs))
    return jobs


def test_the_bank_with_most_work_left_goes_first(splits, monkeypatch):
    """Work left: A has 6 epochs of 1 + 4 units, B 3 of 4 + 4, C 4 of 2 + 4; of equals the one that waits longer."""
    set_turns(monkeypatch, 1, 0)
    banks = {
        "A": [BASE.replace(epochs=6)],
        "B": [BASE.replace(epochs=3, init_std=std) for std in (0.1, 0.2, 0.3, 0.4)],
        "C": [BASE.replace(epochs=4, init_std=std) for std in (0.1, 0.2)],
    }
    seen = []
    run_jobs(note_epochs(banks, splits, seen))
    # A 30, A 25, B 24, C 24, A 20, C 18, B 16, A 15, C 12, A 10, B 8, C 6, A 5
    assert "".join(seen) == "AABCACBACABCA"


def test_work_is_counted_for_members_that_still_train(splits, monkeypatch):
    training = make_training(splits, [BASE.replace(init_std=std) for std in (0.1, 0.2, 0.3)])
    assert [Job(training, until).work_left for until in (0, 2, 5)] == [0, 14, 35]
    training.run(2)
    training.retain([1])
    assert [Job(training, until).work_left for until in (2, 5)] == [0, 15]


def test_with_one_worker_it_works_in_the_calling_thread_and_with_more_in_their_own(splits, monkeypatch):
    names = []
    options = TrainOptions(on_epoch=lambda recipes, rows: names.append(threading.current_thread().name))
    for n_cores, n_banks in ((1, 3), (3, 1)):
        set_turns(monkeypatch, n_cores)
        run_jobs(make_jobs(splits, BANKS[:n_banks], options))
        assert set(names) == {threading.current_thread().name}
    names.clear()
    set_turns(monkeypatch, 2)
    run_jobs(make_jobs(splits, BANKS[:3], options))
    assert all(name.startswith("monolayer-bank") for name in names)


def test_as_many_banks_train_at_once_as_there_are_cores(splits, monkeypatch):
    """Each of three banks waits in its first epoch for the two others: on fewer threads it would wait for ever."""
    set_turns(monkeypatch, 3, 0)
    meeting = threading.Barrier(3)
    options = TrainOptions(on_epoch=lambda recipes, rows: meeting.wait(30) if rows[0].epoch == 1 else None)
    jobs = make_jobs(splits, BANKS[:3], options)
    run_jobs(jobs)
    assert all(job.training.epoch == job.until for job in jobs)


def test_no_more_banks_train_at_once_than_there_are_cores(splits, monkeypatch):
    set_turns(monkeypatch, 2, 0)
    running, most, lock = [0], [0], threading.Lock()
    run = BankTraining.run

    def count(self, until, **options):
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        run(self, until, **options)
        with lock:
            running[0] -= 1

    monkeypatch.setattr(BankTraining, "run", count)
    run_jobs(make_jobs(splits))
    assert 1 <= most[0] <= 2


LONG = 20_000  # epochs: some seconds a bank, if nothing stops it


def make_long_banks(n):
    return [[BASE.replace(epochs=LONG, batch_size=50, seed=seed)] for seed in range(n)]


@pytest.mark.parametrize("time_slice", [0, 0.25])
@pytest.mark.parametrize("n_cores", [1, 2, 3, 8])
def test_an_error_in_one_bank_comes_out_and_the_others_stop(splits, monkeypatch, n_cores, time_slice):
    set_turns(monkeypatch, n_cores, time_slice)

    def fail(recipes, rows):
        if rows[0].epoch == 2:
            raise ZeroDivisionError("in bank 1")

    jobs = make_jobs(splits, make_long_banks(4))
    failing = make_training(splits, jobs[1].training.bank.recipes, TrainOptions(on_epoch=fail))
    jobs[1] = Job(failing, LONG)
    with pytest.raises(ZeroDivisionError, match="in bank 1"):
        run_jobs(jobs)
    assert failing.epoch == 2
    assert all(job.training.epoch < LONG for job in jobs)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("monolayer")]


@pytest.mark.parametrize("time_slice", [0, 0.25])
@pytest.mark.parametrize("n_cores", [1, 2, 3, 8])
def test_the_wish_to_stop_stops_each_bank_within_an_epoch(splits, monkeypatch, n_cores, time_slice):
    set_turns(monkeypatch, n_cores, time_slice)
    wish, after = threading.Event(), []

    def watch(seed, rows):
        if wish.is_set():
            after.append(seed)
        elif seed == 0 and rows[0].epoch == 3:
            wish.set()

    jobs = []
    for (recipe,) in make_long_banks(4):
        options = TrainOptions(
            on_epoch=lambda recipes, rows, seed=recipe.seed: watch(seed, rows), should_stop=wish.is_set
        )
        jobs.append(Job(make_training(splits, [recipe], options), LONG))
    run_jobs(jobs)
    assert jobs[0].training.epoch == 3
    assert jobs[0].training.is_stopped
    assert 0 not in after
    assert len(after) == len(set(after))  # one epoch each, the one that they were in
    assert all(job.training.epoch < LONG for job in jobs)
    at_work = [job for job in jobs if job.training.is_stopped]
    assert len(at_work) <= n_cores  # a bank that waited then gets no other turn
    before = [tell(job.training) for job in jobs]
    run_jobs(at_work)
    assert [tell(job.training) for job in jobs] == before


def test_a_wish_to_stop_that_only_one_bank_hears_is_for_all(splits, monkeypatch):
    """Such as a signal that was asked about and forgotten: the others end their turn and get no other."""
    set_turns(monkeypatch, 2, 0)
    asked = itertools.count()
    jobs = make_jobs(splits, make_long_banks(3), TrainOptions(should_stop=lambda: next(asked) == 4))
    run_jobs(jobs)
    assert [job.training.is_stopped for job in jobs].count(True) == 1
    assert sum(job.training.epoch for job in jobs) < LONG  # five when it was heard; without it, twice LONG and more


@pytest.mark.parametrize("n_cores", [1, 2, 8])
def test_jobs_that_are_done_are_not_touched(splits, monkeypatch, n_cores):
    set_turns(monkeypatch, n_cores, 0)
    arrived, stopped, lost = (make_training(splits, recipes) for recipes in (BANKS[0], BANKS[3], [LOST]))
    arrived.run(2)
    stopped.run(1)
    stopped.is_stopped = True
    lost.run()
    assert not lost.active
    assert lost.epoch < lost.epochs
    done = [Job(arrived, 2), Job(arrived, 1), Job(stopped, 7), Job(lost, 5)]
    before, run = [tell(job.training) for job in done], BankTraining.run

    def note(self, *arguments, **options):
        assert self not in (arrived, stopped, lost)
        run(self, *arguments, **options)

    monkeypatch.setattr(BankTraining, "run", note)
    run_jobs(done)
    other = make_training(splits, BANKS[2])
    run_jobs([*done, Job(other, 3)])
    assert other.epoch == 3
    assert [tell(job.training) for job in done] == before


def test_nothing_to_do_is_done_at_once(splits):
    run_jobs([])
    evaluate_all([])


@pytest.mark.parametrize("n_cores", [1, 2, 8])
def test_measuring_all_is_measuring_each_wherever_it_stands(splits, monkeypatch, n_cores):
    """Training rows are due after the last epoch only, so that there is something left to measure."""
    set_turns(monkeypatch, n_cores)
    together, apart = (
        [job.training for job in make_jobs(splits, options=TrainOptions(train_every=0))] for _ in range(2)
    )
    for training in (*together, *apart):
        training.run(2)
    for training in (together[3], apart[3]):
        training.retain([1])
    evaluate_all(together)
    monkeypatch.setattr(loop, "open_engine", None)  # from here on nothing can be evaluated
    result = [tell_measured(training.evaluate()) for training in together]
    monkeypatch.undo()
    assert result == [tell_measured(training.evaluate()) for training in apart]
    assert {name for training in together for found in training.evaluate() for name in found.metrics} == {
        "train",
        "val",
    }
    assert any(not np.isfinite(found.metrics["val"].loss) for found in together[1].evaluate())


def test_an_error_in_measuring_comes_out(splits):
    def fail(n_threads):
        raise ZeroDivisionError

    trainings = [job.training for job in make_jobs(splits)]
    trainings[2].evaluate = fail
    with pytest.raises(ZeroDivisionError):
        evaluate_all(trainings)
