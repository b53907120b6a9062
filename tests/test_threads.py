import pytest

from monolayer import threads
from monolayer.errors import BadInput
from monolayer.threads import count_cores


@pytest.fixture
def eight_cores(monkeypatch, tmp_path):
    """A machine of eight cores without limits."""
    monkeypatch.setattr(threads.os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    monkeypatch.setattr(threads, "CGROUP", tmp_path)
    for name in ("OMP_NUM_THREADS", "MONOLAYER_THREADS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


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


@pytest.mark.parametrize(("text", "n_cores"), [("max 100000", 8), ("150000 100000", 2), ("50000 100000", 1), ("x", 8)])
def test_a_containers_share_of_time_is_kept_to(eight_cores, text, n_cores):
    (eight_cores / "cpu.max").write_text(text + "\n")
    assert count_cores() == n_cores


@pytest.mark.parametrize(("quota", "n_cores"), [(-1, 8), (300_000, 3), (1, 1)])
def test_an_older_containers_share_too(eight_cores, quota, n_cores):
    (eight_cores / "cpu").mkdir()
    for name, value in (("quota", quota), ("period", 100_000)):
        (eight_cores / "cpu" / f"cpu.cfs_{name}_us").write_text(f"{value}\n")
    assert count_cores() == n_cores


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5"])
def test_a_number_of_threads_that_is_none_is_refused(eight_cores, monkeypatch, text):
    monkeypatch.setenv("MONOLAYER_THREADS", text)
    with pytest.raises(BadInput, match=f"MONOLAYER_THREADS is '{text}'; accepted is a whole number of 1 or above"):
        count_cores()
