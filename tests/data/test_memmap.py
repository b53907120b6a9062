"""Memory-mapped features: what a pass over them leaves in memory."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from monolayer.data.memmap import LARGE, find_map, give_back, read_rows
from monolayer.engine.select import ENGINES

PASSES = """
import re, sys
from pathlib import Path
import numpy as np
import monolayer as ml
from monolayer.data.dataset import Dataset

def measure_peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])


def train(X):
    splits = Dataset(X, np.arange(len(X)) % 2, ("a", "b")).split(400, seed=0, test=400)
    ml.train(splits, ml.Recipe(epochs=1, batch_size=200, shuffle=sys.argv[2]))
    return measure_peak()


before = train(np.ones((1000, 1024), np.float16))  # the program and what it imports
print((train(np.load(sys.argv[1], mmap_mode="r")) - before) // 1024)
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """320 MiB that take no room on the disk: all zeros."""
    path = tmp_path_factory.mktemp("mapped") / "X.npy"
    np.lib.format.open_memmap(path, "w+", np.float16, (160 * 1024, 1024))[::4096] = 1
    return path


def measure(path, shuffle, engine):
    """MiB that training on a file takes beyond the program: hash, scaler, an epoch and both evaluations."""
    words = [sys.executable, "-c", PASSES, str(path), shuffle]
    environment = {**os.environ, "MONOLAYER_ENGINE": engine}
    return int(subprocess.run(words, env=environment, capture_output=True, text=True, check=True).stdout)


needs_linux = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells a process's own peak")


@needs_linux
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.usefixtures("native")
def test_training_on_a_file_takes_memory_for_its_buffer_and_not_for_the_file(file, engine):
    """A buffer is 8 MiB, the pages of a pass 64."""
    assert measure(file, "block:64:64", engine) < 150


@needs_linux
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.usefixtures("native")
def test_rows_from_anywhere_in_a_file_do_not_bring_all_of_it_to_stay(tmp_path, engine):
    """640 MiB of zeros, of which batches of 200 rows of 32 KiB bring some neighbours."""
    path = tmp_path / "X.npy"
    np.lib.format.open_memmap(path, "w+", np.float16, (20 * 1024, 16 * 1024))[::1024, 0] = 1
    try:
        assert measure(path, "full", engine) < 550
    finally:
        path.unlink()


def test_rows_are_read_as_they_are_and_pages_come_again_when_they_are_asked_for(file):
    X = np.load(file, mmap_mode="r")
    index = np.array([0, 1, 4096, 150_000])
    np.testing.assert_array_equal(read_rows(X, index), X[index])
    give_back(X)
    assert X[4096, 7] == 1
    assert X[5, 7] == 0


def test_the_map_of_a_view_is_its_files(file):
    X = np.load(file, mmap_mode="r")
    assert find_map(X[3:9].view(np.ndarray)) is find_map(X)
    assert len(find_map(X)) > LARGE
    assert find_map(np.zeros(3)) is None


def test_what_may_be_written_is_left_alone(file):
    X = np.load(file, mmap_mode="c")
    X[0, 0] = 5
    give_back(X)
    assert X[0, 0] == 5
