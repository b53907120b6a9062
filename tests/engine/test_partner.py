import threading

import pytest

from monolayer.engine.partner import Partner


def test_tasks_run_in_the_other_thread_one_after_the_other():
    seen = []
    with Partner() as partner:
        for i in range(100):
            partner.start(lambda i=i: seen.append((i, threading.current_thread().name)))
            partner.wait()
    assert [i for i, _ in seen] == list(range(100))
    assert {name for _, name in seen} == {"monolayer-partner"}


def test_an_error_over_there_is_raised_here_and_the_thread_goes_on():
    with Partner() as partner:
        partner.start(lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            partner.wait()
        partner.start(lambda: None)
        partner.wait()


def leave_in_the_middle(partner):
    with partner:
        partner.start(lambda: None)
        raise KeyboardInterrupt


def test_leaving_in_the_middle_ends_the_thread():
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        leave_in_the_middle(Partner())
    assert threading.active_count() == before
