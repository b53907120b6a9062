import threading
import time
import weakref

import pytest

from monolayer.engine.numpy import Partner


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


def start_and_leave(partner, task, pause):
    with partner:
        partner.start(task)
        time.sleep(pause)
        raise KeyboardInterrupt


@pytest.mark.parametrize("pause", [0, 0.02, 0.1])
def test_leaving_before_during_and_after_a_task_ends_the_thread(pause):
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        start_and_leave(Partner(), lambda: time.sleep(0.05), pause)
    assert threading.active_count() == before


def test_leaving_after_a_task_was_heard_of_ends_the_thread():
    before = threading.active_count()
    with Partner() as partner:
        partner.start(lambda: None)
        partner.wait()
    assert threading.active_count() == before


def test_a_task_is_let_go_of_when_it_is_done():
    class Thing:
        pass

    thing = Thing()
    left = weakref.ref(thing)
    with Partner() as partner:
        partner.start(lambda thing=thing: None)
        partner.wait()
        del thing
        assert left() is None
