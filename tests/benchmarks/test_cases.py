import pytest
from benchmarks.bench import _collect_jobs
from benchmarks.cases import LIMIT, PEERS, RUN, make_cases
from benchmarks.limit import Extraction, Task
from benchmarks.scaling import make_jobs


@pytest.mark.parametrize("epochs", [1, 7, 40])
def test_every_promise_is_held_against_something_that_is_measured(epochs):
    cases = make_cases(epochs)
    names = {case.name for case in cases}
    assert len(names) == len(cases)
    for case in cases:
        for promise in case.promises:
            assert promise.against in {None, LIMIT, *names}
            assert promise.quantity in {"seconds", "MiB"}


@pytest.mark.parametrize("epochs", [1, 7, 40])
def test_a_command_is_told_the_epochs_that_the_case_says(epochs):
    for case in make_cases(epochs):
        if isinstance(case.task, Extraction):
            continue
        assert case.command[case.command.index("--epochs") + 1] == str(case.epochs)
        assert 1 <= case.epochs <= epochs


def test_what_runs_all_its_epochs_is_not_scaled():
    assert all(case.epochs < 40 for case in make_cases(40) if case.is_scaled)
    assert not any(case.is_scaled for case in make_cases(1))


def test_every_task_has_a_peer_that_does_it():
    tasks = {case.name: case.task for case in make_cases(40)}
    assert all(tasks[peer] == task for task, peer in PEERS.items())
    assert {task for task in tasks.values() if isinstance(task, Task)} == set(PEERS)


def test_the_numpy_engine_is_given_to_do_the_same_as_the_compiled_one():
    commands = {case.name: list(case.command) for case in make_cases(4)}
    assert commands["NumPy engine, one run"] == [*commands[RUN], "--engine", "numpy"]


def test_a_round_can_be_cut_down_to_some_names():
    everything = _collect_jobs(make_cases(1), [])
    assert len(everything) == 1 + len(make_cases(1)) + len(make_jobs())
    assert list(_collect_jobs(make_cases(1), ["whole report"])) == ["monolayer, the whole report"]
    assert list(_collect_jobs(make_cases(1), ["start to"])) == ["monolayer, from start to the end of epoch 1"]
    assert _collect_jobs(make_cases(1), ["roofline"]) == {}
    assert list(_collect_jobs(make_cases(1), ["sgemm", "flips"])) == [
        "sgemm, one product",
        "monolayer, one run with flips",
    ]
