import itertools
import json
import logging
import math
import os
import sys
import threading
from pathlib import Path

import optuna
import pytest

from monolayer.data.load import load
from monolayer.errors import BadData, BadInput
from monolayer.recipe.grid import Range, make_grid
from monolayer.recipe.recipe import Recipe
from monolayer.runs.folder import JOURNAL, save_sweep
from monolayer.runs.unfinished import UNFINISHED, begin_folder, is_unfinished, resume_folder
from monolayer.training.checkpoints import Checkpoints
from monolayer.training.train import train
from monolayer.tuning import optuna as optuna_module
from monolayer.tuning.optuna import BATCH, NUMBER, SEED, SearchSpace, open_journal, search, silence_optuna
from monolayer.tuning.sweep import rank_run, sweep, train_recipes
from tests.end_to_end.test_kills import CONTEXT, kill_often
from tests.made import make_dataset

BASE = Recipe(epochs=3, batch_size=10)
AXES = {"learning_rate": Range("log", 1e-4, 1), "l2": Range("linear", 0, 1), "batch_size": (10, 20)}
N, N_AT_ONCE = 20, 8
KILLS, KILLED_TRIALS = 12, 24
PRUNED, COMPLETE = optuna.trial.TrialState.PRUNED, optuna.trial.TrialState.COMPLETE


def make_splits():
    return make_dataset().split(60)


def run_search(recipe=BASE, grid=AXES, *, journal=None, n=N, at_once=N_AT_ONCE, **options):
    return search(make_splits(), recipe, grid=grid, n_trials=n, n_at_once=at_once, journal=journal, **options)


def read_trials(journal):
    """All trials in a journal, of all its studies."""
    with silence_optuna():
        storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(journal)))
        return [t for study in storage.get_all_studies() for t in storage.get_all_trials(study._study_id)]


def read_ours(journal, seed=BASE.seed):
    """What a search asked and was told, in the order of its trials; other searches' trials are left out."""
    found = [
        (t.user_attrs, t.params, t.state.name, t.value, t.intermediate_values)
        for t in read_trials(journal)
        if t.user_attrs.get(SEED) == seed
    ]
    return sorted(found, key=lambda trial: trial[0][NUMBER])


def describe(result):
    return [(run.recipe, run.network.weights.tobytes(), run.history, run.evaluation) for run in result.runs]


@pytest.fixture
def batches(monkeypatch):
    """The recipes of each call of train_recipes that a search makes."""
    calls = []

    def record(splits, recipes, axes, **options):
        calls.append(list(recipes))
        return train_recipes(splits, recipes, axes, **options)

    monkeypatch.setattr(optuna_module, "train_recipes", record)
    return calls


def test_what_is_proposed_lies_on_its_axes_and_all_other_fields_are_the_base():
    axes = {
        "learning_rate": Range("log", 1e-4, 1), "l2": Range("linear", 0.25, 0.75), "batch_size": Range("log", 4.5, 90),
        "loss": ("cross_entropy", "multiple_bce"), "schedule": ("step:2:.5", "constant"),
    }  # fmt: skip
    result = run_search(BASE.replace(init_std=0.5), axes, n=40, at_once=16)
    recipes = [run.recipe for run in result.runs]
    assert len(set(recipes)) == 40
    assert all(1e-4 <= r.learning_rate <= 1 and 0.25 <= r.l2 <= 0.75 and 5 <= r.batch_size <= 90 for r in recipes)
    assert {r.schedule for r in recipes} == {"step:2:0.5", "constant"}
    assert {r.loss for r in recipes} == {"cross_entropy", "multiple_bce"}
    assert len({r.batch_size for r in recipes}) > 10
    assert {(r.epochs, r.init_std, r.seed, r.flip) for r in recipes} == {(3, 0.5, 42, 0.0)}
    assert set(result.axes) == set(axes)
    assert result.axes["batch_size"] == tuple(sorted({r.batch_size for r in recipes}))
    assert result.axes["schedule"] == ("step:2:0.5", "constant")


def test_axes_are_optunas_distributions():
    axes = {"learning_rate": Range("log", 1e-4, 1), "epochs": Range("linear", 1.5, 9), "l2": (0, 0.0, 1)}
    made = SearchSpace(BASE, axes).distributions
    assert made == {
        "learning_rate": optuna.distributions.FloatDistribution(1e-4, 1.0, log=True),
        "epochs": optuna.distributions.IntDistribution(2, 9),
        "l2": optuna.distributions.CategoricalDistribution((0.0, 1.0)),
    }


def test_a_batch_of_trials_is_trained_in_one_call(batches):
    result = run_search()
    assert [len(recipes) for recipes in batches] == [8, 8, 4]
    assert {run.recipe for run in result.runs} == set(itertools.chain(*batches))
    assert result.is_complete
    assert result.n_recipes == N
    ranks = [rank_run(run) for run in result.runs]
    assert ranks == sorted(ranks)


def test_every_value_told_is_the_validation_accuracy_of_the_run_alone(tmp_path):
    splits = make_splits()
    run_search(journal=tmp_path / "j")
    trials = read_ours(tmp_path / "j")
    assert [attributes[NUMBER] for attributes, *_ in trials] == list(range(N))
    assert [attributes[BATCH] for attributes, *_ in trials] == [0] * 8 + [1] * 8 + [2] * 4
    for _, params, state, value, _ in trials:
        assert state == "COMPLETE"
        assert value == train(splits, BASE.replace(**params)).evaluation["val"].accuracy


def test_the_best_of_a_search_is_no_worse_than_the_corners_of_its_space():
    splits = make_splits()
    axes = {"learning_rate": Range("log", 1e-6, 1e-1), "l2": Range("log", 1e-6, 10)}
    found = search(splits, BASE, grid=axes, n_trials=24, n_at_once=N_AT_ONCE)
    corners = sweep(splits, BASE, grid={"learning_rate": [1e-6, 1e-1], "l2": [1e-6, 10]})
    assert found.best.evaluation["val"].accuracy >= corners.runs[-1].evaluation["val"].accuracy


def test_later_batches_are_nearer_to_the_best_than_the_first():
    """The first batch is drawn evenly over nine decades; what follows is not."""
    axes = {"learning_rate": Range("log", 1e-8, 10)}
    calls = []
    run_search(BASE, axes, n=48, at_once=12, on_epoch=lambda recipes, rows: calls.append(rows))
    firsts = [rows for rows in calls if rows[0].epoch == 1]
    spreads = [sum(abs(math.log10(row.learning_rate) + 1.5) for row in rows) / len(rows) for rows in firsts]
    assert spreads[-1] < spreads[0]


def test_what_is_proposed_again_is_trained_once_and_told_the_same(tmp_path, batches):
    axes = {"l2": (0.0, 0.5), "learning_rate": (0.001, 0.01)}
    result = run_search(BASE, axes, journal=tmp_path / "j", n=30, at_once=7)
    trained = list(itertools.chain(*batches))
    assert len(trained) == len(set(trained)) == len(result.runs) == 4
    assert set(trained) == set(make_grid(BASE, axes))
    assert (result.is_complete, result.n_recipes) == (True, 4)
    accuracies = {run.recipe: run.evaluation["val"].accuracy for run in result.runs}
    trials = read_ours(tmp_path / "j")
    assert len(trials) == 30
    assert all(value == accuracies[BASE.replace(**params)] for _, params, _, value, _ in trials)


def test_the_same_search_gives_the_same_bytes_with_a_journal_or_none_and_other_seeds_give_others(tmp_path):
    first = run_search()
    assert describe(run_search(journal=tmp_path / "j")) == describe(first)
    other = run_search(BASE.replace(seed=1))
    assert not {run.recipe.learning_rate for run in other.runs} & {run.recipe.learning_rate for run in first.runs}


def test_runs_that_diverge_are_told_as_pruned_without_a_value(tmp_path):
    axes = {"learning_rate": (0.01, 1e30), "l2": Range("log", 1e-3, 1)}
    result = run_search(BASE.replace(epochs=9), axes, journal=tmp_path / "j")
    diverged = {run.recipe for run in result.runs if run.has_diverged}
    assert 0 < len(diverged) < N
    for _, params, state, value, _ in read_ours(tmp_path / "j"):
        assert (state == "PRUNED", value is None) == ((BASE.replace(epochs=9, **params) in diverged),) * 2


def test_those_that_halving_lets_go_are_pruned_where_they_were(tmp_path):
    base = BASE.replace(epochs=16)
    axes = {"learning_rate": Range("log", 1e-5, 1e-2), "batch_size": (10, 20)}
    result = run_search(base, axes, journal=tmp_path / "j", n=32, at_once=16, halving=4)
    by_recipe = {run.recipe: run for run in result.runs}
    states = []
    for _, params, state, value, steps in read_ours(tmp_path / "j"):
        run = by_recipe[base.replace(**params)]
        states.append(state)
        assert value == run.evaluation["val"].accuracy
        assert steps == ({len(run.history): value} if state == "PRUNED" else {})
        assert (state == "COMPLETE") == (len(run.history) == 16)
    assert states.count("COMPLETE") == 2
    assert [(rung.share, rung.n_kept) for rung in result.rungs] == [(1 / 16, 8), (1 / 4, 2)]
    assert result.is_complete


def cut_off(journal, keep, after):
    """A search that is asked to stop after so many epochs of its banks."""
    asked = itertools.count(1)
    checkpointer = Checkpoints(keep, lambda: None)
    return run_search(journal=journal, checkpointer=checkpointer, should_stop=lambda: next(asked) >= after)


@pytest.mark.parametrize("after", [1, 2, 4, 5, 6, 7, 9, 11])
def test_a_search_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path, batches, after):
    whole = run_search(journal=tmp_path / "whole")
    keep = tmp_path / "keep"
    keep.mkdir()
    cut = cut_off(tmp_path / "j", keep, after)
    assert not cut.is_complete
    assert cut.n_recipes == N
    assert 1 <= len(cut.runs) <= N
    assert len(read_ours(tmp_path / "j")) in (8, 16, N)
    result = run_search(journal=tmp_path / "j", checkpointer=Checkpoints(keep, lambda: None))
    assert describe(result) == describe(whole)
    assert read_ours(tmp_path / "j") == read_ours(tmp_path / "whole")
    assert len(read_trials(tmp_path / "j")) == N


def test_banks_that_were_finished_are_not_trained_again(tmp_path):
    cut_off(tmp_path / "j", tmp_path, 6)
    epochs = []
    checkpointer = Checkpoints(tmp_path, lambda: None)
    run_search(journal=tmp_path / "j", checkpointer=checkpointer, on_epoch=lambda recipes, rows: epochs.append(rows))
    whole = []
    run_search(on_epoch=lambda recipes, rows: whole.append(rows))
    assert len(epochs) <= len(whole) - 6


@pytest.mark.parametrize("place", ["add_trial", "tell"])
@pytest.mark.parametrize("after", [0, 3, 8, 13])
def test_a_search_that_dies_while_it_asks_or_tells_goes_on_as_if_it_had_not(tmp_path, monkeypatch, place, after):
    whole = run_search(journal=tmp_path / "whole")
    original, calls = getattr(optuna.study.Study, place), itertools.count()

    def die(self, *args, **kwargs):
        is_in_journal = isinstance(self._storage, optuna.storages.JournalStorage)
        if is_in_journal and next(calls) == after:
            raise RuntimeError("killed")
        return original(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(optuna.study.Study, place, die)
        with pytest.raises(RuntimeError, match="killed"):
            run_search(journal=tmp_path / "j")
    result = run_search(journal=tmp_path / "j")
    assert describe(result) == describe(whole)
    assert read_ours(tmp_path / "j") == read_ours(tmp_path / "whole")


def test_a_finished_search_can_be_asked_for_more_trials(tmp_path):
    run_search(journal=tmp_path / "j", n=8)
    before = read_ours(tmp_path / "j")
    content = (tmp_path / "j").read_bytes()
    run_search(journal=tmp_path / "j", n=8)
    assert (tmp_path / "j").read_bytes() == content
    assert run_search(journal=tmp_path / "j").n_recipes == N
    assert read_ours(tmp_path / "j")[:8] == before
    run_search(journal=tmp_path / "whole")
    assert read_ours(tmp_path / "j") == read_ours(tmp_path / "whole")


def test_searches_with_other_seeds_learn_from_each_other_and_leave_each_other_alone(tmp_path):
    other = BASE.replace(seed=7)
    run_search(journal=tmp_path / "j")
    first = read_ours(tmp_path / "j")
    alone = run_search(other)
    beside = run_search(other, journal=tmp_path / "j")
    assert read_ours(tmp_path / "j") == first
    assert len(read_ours(tmp_path / "j", 7)) == N
    assert {run.recipe.seed for run in beside.runs} == {7}
    assert len(beside.runs) == N
    # Alone, the first batch is drawn at random; beside a finished search it is not.
    assert not {run.recipe for run in alone.runs} & {run.recipe for run in beside.runs}


def test_trials_that_others_have_not_told_yet_stay_as_they_are(tmp_path):
    keep = tmp_path / "keep"
    keep.mkdir()
    cut_off(tmp_path / "j", keep, 1)
    running = read_ours(tmp_path / "j")
    assert {state for *_, state, _, _ in running} == {"RUNNING"}
    run_search(BASE.replace(seed=7), journal=tmp_path / "j")
    assert read_ours(tmp_path / "j") == running


def test_searches_of_something_else_are_other_studies_in_the_same_file(tmp_path):
    run_search(journal=tmp_path / "j", n=8)
    for base, axes, halving in (
        (BASE.replace(epochs=4), AXES, None),
        (BASE, {**AXES, "l2": Range("linear", 0, 2)}, None),
        (BASE, AXES, 2),
    ):
        alone = run_search(base, axes, n=8, halving=halving)
        beside = run_search(base, axes, journal=tmp_path / "j", n=8, halving=halving)
        assert describe(beside) == describe(alone)


def search_shared(journal, seed):
    run_search(BASE.replace(seed=seed), journal=journal)


def test_processes_can_share_a_journal_at_the_same_time(tmp_path):
    children = [CONTEXT.Process(target=search_shared, args=(tmp_path / "j", seed)) for seed in (1, 2, 3)]
    for child in children:
        child.start()
    for child in children:
        child.join(120)
        assert child.exitcode == 0
    trials = read_trials(tmp_path / "j")
    assert len(trials) == 3 * N
    assert {trial.state for trial in trials} <= {COMPLETE, PRUNED}
    assert all([a[NUMBER] for a, *_ in read_ours(tmp_path / "j", seed)] == list(range(N)) for seed in (1, 2, 3))
    assert os.listdir(tmp_path) == ["j"]


def test_two_processes_cannot_be_at_the_same_search(tmp_path):
    asked = threading.Event()
    errors = []

    def start_again():
        if not asked.is_set():
            asked.set()
            with pytest.raises(BadInput, match="Another process is running the same search"):
                run_search(journal=tmp_path / "j")
            errors.append(1)
        return False

    run_search(journal=tmp_path / "j", should_stop=start_again)
    assert errors
    assert os.listdir(tmp_path) == ["j"]


def search_in_folder(folder: Path) -> None:
    """A search in a folder, begun or resumed, with batches of several banks and members that diverge."""
    work = resume_folder(folder, "sweep") if is_unfinished(folder) else begin_folder(folder, "sweep")
    with work as unfinished:
        if not unfinished.request:
            unfinished.describe({"rows": "digits"})
        journal = folder / UNFINISHED / JOURNAL
        axes = {"learning_rate": Range("log", 1e-4, 1e6), "batch_size": (20, 50), "flip": (0.0, 0.5)}
        options = {"journal": journal, "checkpointer": unfinished.checkpoints}
        splits = load("digits").split(200)
        result = search(splits, Recipe(epochs=12), grid=axes, n_trials=KILLED_TRIALS, n_at_once=8, **options)

        def save(draft: Path) -> None:
            save_sweep(result, draft)
            (draft / JOURNAL).write_bytes(journal.read_bytes())

        unfinished.publish(save, is_finished=True)


def test_a_search_that_is_killed_again_and_again_ends_as_one_that_was_not(tmp_path):
    kill_often(search_in_folder, tmp_path, KILLS, 3.0, seed=5)
    whole = read_ours(tmp_path / "whole" / JOURNAL)
    assert len(whole) == KILLED_TRIALS
    assert {state for *_, state, _, _ in whole} == {"COMPLETE", "PRUNED"}
    killed = list(tmp_path.glob("killed-*"))
    assert killed
    assert all(read_ours(folder / JOURNAL) == whole for folder in killed)


@pytest.mark.parametrize("torn", [b'{"op', b'{"op_code":5,"worker', b"\xff"])
def test_a_journal_whose_last_line_is_torn_is_mended(tmp_path, torn):
    whole = run_search()
    run_search(journal=tmp_path / "j", n=8)
    with (tmp_path / "j").open("ab") as file:
        file.write(torn)
    assert describe(run_search(journal=tmp_path / "j")) == describe(whole)
    (tmp_path / "new").write_bytes(b'{"op')
    assert describe(run_search(journal=tmp_path / "new")) == describe(whole)


@pytest.mark.parametrize("content", [b"my notes\n", b"my notes", b'{"op_cold":1}\n', b"\x00\x01", b"{}\n{}\n"])
def test_a_file_of_another_kind_is_no_journal_and_stays_as_it_is(tmp_path, content):
    (tmp_path / "j").write_bytes(content)
    with pytest.raises(BadData, match="is not a journal of Optuna"):
        run_search(journal=tmp_path / "j")
    assert (tmp_path / "j").read_bytes() == content
    assert os.listdir(tmp_path) == ["j"]


@pytest.mark.parametrize("content", [b'{"op_code":4}\n', b'{"op_code":99}\n', b'{"op_code":\n{"op_code":0}\n'])
def test_a_journal_that_makes_no_sense_is_told_in_a_sentence(tmp_path, content):
    (tmp_path / "j").write_bytes(content)
    with pytest.raises(BadData, match="is a journal of Optuna that cannot be read"):
        run_search(journal=tmp_path / "j")


def test_a_journal_that_cannot_be_written_is_told_in_a_sentence(tmp_path):
    with pytest.raises(BadInput, match="is a folder; a journal is a file"):
        run_search(journal=tmp_path)
    with pytest.raises(BadInput, match=r"missing/j: cannot be written \(No such file"):
        run_search(journal=tmp_path / "missing" / "j")
    assert os.listdir(tmp_path) == []


def test_a_disk_that_is_full_is_told_in_a_sentence_and_the_search_can_go_on(tmp_path, monkeypatch):
    whole = run_search()
    original, calls = optuna.storages.journal.JournalFileBackend.append_logs, itertools.count()

    def fail(self, logs):
        if next(calls) == 12:
            with (tmp_path / "j").open("ab") as file:
                file.write(b'{"op_code":4,"wor')
            raise OSError(28, "No space left on device")
        original(self, logs)

    with monkeypatch.context() as patch:
        patch.setattr(optuna.storages.journal.JournalFileBackend, "append_logs", fail)
        with pytest.raises(
            BadInput, match=r"j: cannot be written \(No space left on device\); what was written before is kept"
        ):
            run_search(journal=tmp_path / "j")
    assert describe(run_search(journal=tmp_path / "j")) == describe(whole)


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({}, "needs an axis"),
        ({"momentum": (0.9,)}, "no field 'momentum'"),
        ({"l2": ()}, "axis l2 has no values"),
        ({"l2": (-1,)}, "l2 is -1.0"),
        ({"learning_rate": Range("linear", 0, 1)}, "learning_rate is 0.0; accepted is a number above 0"),
        ({"schedule": Range("linear", 0, 1)}, "takes words"),
        ({"batch_size": Range("linear", 10, 1000)}, "batch_size is 1000"),
        ({"batch_size": Range("linear", 10.2, 10.8)}, "contains no whole number, which batch_size must be"),
        ({"flip": (0.0, 0.5)}, "not images; accepted is 0"),
    ],
)
def test_what_cannot_be_searched_is_refused_before_anything_is_written(tmp_path, axes, message):
    with pytest.raises(BadInput, match=message):
        run_search(BASE, axes, journal=tmp_path / "j")
    assert os.listdir(tmp_path) == []


def test_a_base_that_an_axis_mends_is_accepted():
    result = run_search(Recipe(epochs=1, batch_size=5000), {"batch_size": (10, 20)}, n=2)
    assert {run.recipe.batch_size for run in result.runs} <= {10, 20}


@pytest.mark.parametrize("numbers", [(0, 4), (4, 0)])
def test_numbers_below_one_are_refused(numbers):
    with pytest.raises(BadInput, match="is 0; accepted is a whole number of 1 or above"):
        run_search(n=numbers[0], at_once=numbers[1])


def test_without_validation_rows_there_is_nothing_to_search_by():
    with pytest.raises(BadInput, match="no rows are held out"):
        search(make_dataset().split(), BASE, grid=AXES, n_trials=N)


def test_without_optuna_it_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(BadInput, match=r"not installed; get it with: pip install monolayer\[optuna\]"):
        run_search(journal=tmp_path / "j")
    assert os.listdir(tmp_path) == []


def test_optuna_says_nothing_and_is_left_as_it_was(tmp_path, capfd):
    optuna.logging.set_verbosity(optuna.logging.INFO)
    run_search(journal=tmp_path / "j")
    assert capfd.readouterr() == ("", "")
    assert optuna.logging.get_verbosity() == logging.INFO


class Heard:
    def __init__(self):
        self.steps, self.message = [], []

    def info(self, text):
        self.message.append(text)

    def advance(self, task, done, total, unit="", detail=""):
        self.steps.append((task, done, total, unit, detail))


def test_progress_goes_on_from_batch_to_batch_and_ends_once():
    events = Heard()
    run_search(progress=events)
    tasks, done, totals, units, details = zip(*events.steps, strict=True)
    assert (set(tasks), set(units)) == ({"sweep"}, {"epochs of members"})
    assert list(done) == sorted(done)
    assert done[-1] == totals[-1] == 3 * N
    assert all(d < t for d, t, text in zip(done, totals, details, strict=True) if "batch 3" not in text and text)
    assert events.message == ["20 trials by Optuna, 8 at once."]
    assert details[0] == "batch 1 of 3: 8 of 8 train"
    assert any(text.startswith("batch 2 of 3, best before ") for text in details)
    assert any("batch 3 of 3" in text and "; best " in text for text in details)


def test_the_lock_of_a_process_that_died_is_nobodys(tmp_path):
    (tmp_path / ".j.name.lock").touch()
    with silence_optuna(), open_journal(tmp_path / "j", "name"), open_journal(tmp_path / "j", "other"):
        assert sorted(os.listdir(tmp_path)) == [".j.lock", ".j.name.lock", ".j.other.lock", "j"]
    assert os.listdir(tmp_path) == ["j"]


def test_a_trial_is_one_line_so_that_none_is_there_by_half(tmp_path):
    run_search(journal=tmp_path / "j")
    lines = [json.loads(line) for line in (tmp_path / "j").read_text().splitlines()]
    assert len(lines) == 1 + 2 * N
