import sys
import time

import pytest
from benchmarks.wall import time_command


def python(code):
    return [sys.executable, "-c", code]


def test_a_line_on_stderr_ends_the_time_and_not_the_command(tmp_path):
    code = f"""
import sys, time
print("Epoch 1/1", file=sys.stderr, flush=True)
time.sleep(0.5)
open({str(tmp_path / "done")!r}, "w").close()
"""
    start = time.perf_counter()
    seconds = time_command(python(code), "Epoch 1/1")
    assert 0 < seconds <= time.perf_counter() - start - 0.5
    assert (tmp_path / "done").exists()


def test_without_a_line_the_end_is_waited_for():
    assert time_command(python("import time; time.sleep(0.3)"), None) >= 0.3


def test_a_command_that_fails_is_quoted():
    with pytest.raises(SystemExit, match="ended with 3 and printed: no such thing"):
        time_command(python("import sys; print('no such thing', file=sys.stderr); sys.exit(3)"), None)


def test_a_line_that_never_comes_is_an_error():
    with pytest.raises(SystemExit, match="wrote no line with 'Epoch 1/1'; its last was: Epoch 2/2"):
        time_command(python("import sys; print('Epoch 2/2', file=sys.stderr)"), "Epoch 1/1")
