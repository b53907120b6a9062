import os

import pytest

from monolayer.errors import BadInput
from monolayer.threads import count_cores


@pytest.fixture
def eight_cores(monkeypatch):
    """A machine of eight cores without limits."""
    monkeypatch.setattr("joblib.cpu_count", lambda: 8)
    for name in ("OMP_NUM_THREADS", "MONOLAYER_THREADS"):
        monkeypatch.delenv(name, raising=False)


def test_there_is_a_core_to_work_on():
    assert count_cores() >= 1


@pytest.mark.parametrize(
    ("variables", "n_cores"),
    [
        ({}, 8),
        ({"OMP_NUM_THREADS": "3"}, 3),
        ({"OMP_NUM_THREADS": "4,2"}, 4),
        ({"OMP_NUM_THREADS": "many"}, 8),
        ({"OMP_NUM_THREADS": "0"}, 8),
        ({"MONOLAYER_THREADS": "5"}, 5),
        ({"MONOLAYER_THREADS": "64"}, 8),
        ({"MONOLAYER_THREADS": "5", "OMP_NUM_THREADS": "2"}, 2),
    ],
)
def test_threads_are_no_more_than_was_asked_for(eight_cores, monkeypatch, variables, n_cores):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert count_cores() == n_cores


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="processes cannot be bound to a core here")
def test_a_process_uses_only_the_cores_that_it_may_run_on(monkeypatch):
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert count_cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5"])
def test_a_number_of_threads_that_is_none_is_refused(eight_cores, monkeypatch, text):
    monkeypatch.setenv("MONOLAYER_THREADS", text)
    with pytest.raises(BadInput, match=f"MONOLAYER_THREADS is '{text}'; accepted is a whole number of 1 or above"):
        count_cores()
