import threading
import time
import weakref

import pytest

from monolayer.engine.numpy import WorkerThread


def test_tasks_run_in_the_other_thread_one_after_the_other():
    seen = []
    with WorkerThread() as worker:
        for i in range(100):
            worker.start(lambda i=i: seen.append((i, threading.current_thread().name)))
            worker.wait()
    assert [i for i, _ in seen] == list(range(100))
    assert {name for _, name in seen} == {"monolayer-worker"}


def test_an_error_over_there_is_raised_here_and_the_thread_goes_on():
    with WorkerThread() as worker:
        worker.start(lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            worker.wait()
        worker.start(lambda: None)
        worker.wait()


def start_and_leave(worker, task, pause):
    with worker:
        worker.start(task)
        time.sleep(pause)
        raise KeyboardInterrupt


@pytest.mark.parametrize("pause", [0, 0.02, 0.1])
def test_leaving_before_during_and_after_a_task_ends_the_thread(pause):
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        start_and_leave(WorkerThread(), lambda: time.sleep(0.05), pause)
    assert threading.active_count() == before


def test_leaving_after_a_task_was_heard_of_ends_the_thread():
    before = threading.active_count()
    with WorkerThread() as worker:
        worker.start(lambda: None)
        worker.wait()
    assert threading.active_count() == before


def test_a_task_is_let_go_of_when_it_is_done():
    class Thing:
        pass

    thing = Thing()
    left = weakref.ref(thing)
    with WorkerThread() as worker:
        worker.start(lambda thing=thing: None)
        worker.wait()
        del thing
        assert left() is None
