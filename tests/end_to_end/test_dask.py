"""Sweeps on a real Dask cluster: a scheduler and two workers, each a process of its own, on loopback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from distributed import Client

from monolayer.errors import BadInput, MonolayerError
from monolayer.progress import SILENCE
from monolayer.recipe.grid import make_grid
from monolayer.recipe.recipe import Recipe
from monolayer.tuning.dask import open_cluster
from monolayer.tuning.sweep import Sweep, train_recipes
from tests.made import make_dataset

GRID = ["--grid", "learning-rate=0.001,0.1", "--grid", "batch-size=20,50", "--grid", "flip=0,0.5"]
SAME = ("network.safetensors", "sweep.csv", "histories.csv", "history.csv", "answers.safetensors")


@dataclass
class Machines:
    """Two workers and the scheduler that they answer to."""

    address: str
    workers: list[subprocess.Popen[bytes]]


@contextmanager
def start(*words: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, "-m", "dask", *words], stdout=output, stderr=output)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def wait_for(holds: Callable[[], bool], what: str) -> None:
    for _ in range(600):
        if holds():
            return
        time.sleep(0.1)
    pytest.fail(f"a minute has passed without {what}")


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[str]:
    file = tmp_path / "scheduler.json"
    words = ["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)]
    with start(*words, log=tmp_path / "scheduler.log"):
        wait_for(lambda: file.is_file() and file.stat().st_size > 0, "a scheduler")  # it is there before it is written
        yield json.loads(file.read_text())["address"]


@pytest.fixture
def machines(tmp_path: Path, scheduler: str) -> Iterator[Machines]:
    with ExitStack() as stack:
        workers = []
        for number in (1, 2):
            words = ["worker", scheduler, "--nthreads", "1", "--no-nanny", "--no-dashboard"]
            words += ["--local-directory", str(tmp_path / f"worker-{number}")]
            workers.append(stack.enter_context(start(*words, log=tmp_path / f"worker-{number}.log")))
        with Client(scheduler) as client:
            wait_for(lambda: len(client.scheduler_info()["workers"]) == 2, "two workers")
        yield Machines(scheduler, workers)


def find_holders(client: Client) -> list[str]:
    """The workers that have the rows."""
    return [worker for key, found in client.who_has().items() if key.startswith("Splits") for worker in found]


def collect(result: Sweep) -> list[Any]:
    return [
        (run.recipe, run.network.weights.tobytes(), run.network.bias.tobytes(), repr(run.history),
         repr(run.evaluation), run.val_correct.tobytes(), run.ends_early)
        for run in result.runs
    ]  # fmt: skip


def read(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in SAME}


def test_a_sweep_on_two_workers_gives_the_same_bytes_as_here(command, tmp_path, machines):
    words = ["sweep", "digits", *GRID, "--epochs", "20", "--val-size", "200", "--halving"]
    assert command(*words, "--out", tmp_path / "here").code == 0
    there = command(*words, "--out", tmp_path / "there", "--dask", machines.address)
    assert there.code == 0
    assert "2 Dask workers at tcp://127.0.0.1:" in there.err
    assert read(tmp_path / "there") == read(tmp_path / "here")


def test_a_worker_that_is_killed_costs_the_attempt_at_its_bank_and_nothing_else(machines):
    splits = make_dataset(600, 20).split(100)
    axes = {"batch_size": (10, 12, 15, 20), "learning_rate": (0.001, 0.01), "l2": (0.0, 0.1)}
    recipes = make_grid(Recipe(epochs=80), axes)
    here = train_recipes(splits, recipes, axes)
    arrivals = []

    def kill_one(recipes, rows):
        arrivals.append(len(rows))
        if len(arrivals) == 1:
            machines.workers[0].send_signal(signal.SIGKILL)

    with open_cluster(machines.address, SILENCE) as cluster:
        there = train_recipes(splits, recipes, axes, on_epoch=kill_one, runner=cluster)
    assert machines.workers[0].wait(10) == -signal.SIGKILL
    assert arrivals == [4] * 320  # every epoch of four banks, whoever trained them
    assert collect(there) == collect(here)


def test_rows_that_are_lost_with_the_only_worker_that_had_them_are_sent_again(machines):
    splits = make_dataset(600, 20).split(100)
    recipes = [Recipe(epochs=80)]
    here = train_recipes(splits, recipes, {})
    killed = []

    def kill_their_holder(recipes, rows):
        if not killed:
            with Client(machines.address) as client:
                client.amm.run_once()  # Dask's own: a copy that no task waits for is dropped, every two seconds
                wait_for(lambda: len(find_holders(client)) == 1, "one worker with the rows")
                killed.extend(find_holders(client))
                ports = client.run(os.getpid)
            os.kill(ports[killed[0]], signal.SIGKILL)

    with open_cluster(machines.address, SILENCE) as cluster:
        there = train_recipes(splits, recipes, {}, on_epoch=kill_their_holder, runner=cluster)
    assert len(killed) == 1
    assert collect(there) == collect(here)


def test_a_cluster_whose_workers_are_all_gone_is_one_sentence(machines, monkeypatch):
    monkeypatch.setattr("monolayer.tuning.dask.CONNECT_S", 1)

    def kill_all(recipes, rows):
        for worker in machines.workers:
            worker.send_signal(signal.SIGKILL)

    with open_cluster(machines.address, SILENCE) as cluster:
        options = {"on_epoch": kill_all, "runner": cluster}
        with pytest.raises(MonolayerError, match=r"^No Dask worker accepted the rows; with --out"):
            train_recipes(make_dataset(600, 20).split(100), [Recipe(epochs=80)], {}, **options)


def test_a_scheduler_that_is_lost_on_the_way_is_one_sentence(machines, monkeypatch):
    monkeypatch.setattr("monolayer.tuning.dask.CONNECT_S", 1)

    with Client(machines.address) as client:
        pid = client.run_on_scheduler(os.getpid)

    def kill_scheduler(recipes, rows):
        with suppress(ProcessLookupError):  # called for each epoch that comes back
            os.kill(pid, signal.SIGKILL)

    with open_cluster(machines.address, SILENCE) as cluster:
        options = {"on_epoch": kill_scheduler, "runner": cluster}
        with pytest.raises(MonolayerError, match=r"^The Dask scheduler was lost; with --out"):
            train_recipes(make_dataset(600, 20).split(100), [Recipe(epochs=80)], {}, **options)


def test_a_client_that_is_killed_is_taken_up_again_with_the_workers_or_without(command, tmp_path, machines):
    words = ["sweep", "digits", *GRID, "--epochs", "150", "--val-size", "200"]
    assert command(*words, "--out", tmp_path / "here").code == 0
    for number, beside in enumerate((["--dask", machines.address], [])):
        out = tmp_path / f"there-{number}"
        process = subprocess.Popen(
            [sys.executable, "-m", "monolayer", *words, "--out", str(out), "--dask", machines.address],
            stderr=subprocess.DEVNULL,
        )
        wait_for(lambda out=out: any(out.glob("unfinished/bank-*.safetensors")), "a bank")
        process.kill()
        process.wait()
        assert "unfinished" in os.listdir(out)
        assert command("sweep", "--resume", out, *beside).code == 0
        assert read(out) == read(tmp_path / "here")


def test_ctrl_c_comes_back_at_once_and_keeps_what_has_arrived(tmp_path, machines):
    splits = make_dataset(600, 20).split(100)
    axes = {"batch_size": (10, 12, 15, 20)}
    asked = []

    def should_stop():
        return bool(asked)

    with open_cluster(machines.address, SILENCE) as cluster:
        options = {"on_epoch": lambda recipes, rows: asked.append(rows), "should_stop": should_stop}
        recipes = make_grid(Recipe(epochs=80), axes)
        result = train_recipes(splits, recipes, axes, runner=cluster, **options)
    assert not result.is_complete
    epochs = [len(run.history) for run in result.runs]
    assert 8 <= max(epochs) < 80  # a tenth, and little more


def test_a_scheduler_that_nobody_answers_for_is_one_sentence(command, tmp_path, monkeypatch):
    monkeypatch.setattr("monolayer.tuning.dask.CONNECT_S", 1)
    result = command("sweep", "digits", *GRID, "--dask", "tcp://127.0.0.1:9", "--out", tmp_path / "out")
    assert (result.code, result.out) == (2, "")
    assert "No Dask scheduler answers at tcp://127.0.0.1:9; accepted is one such as tcp://HOST:8786." in result.err
    assert os.listdir(tmp_path) == ["place"]


def test_a_scheduler_without_workers_is_one_sentence(scheduler):
    with pytest.raises(BadInput, match="has no workers; start one: dask worker tcp://"):
        open_cluster(scheduler, SILENCE).__enter__()


def test_workers_with_other_versions_are_refused(machines, monkeypatch):
    monkeypatch.setattr("monolayer.tuning.dask.version", lambda package: "1.0")  # in this process, not in theirs
    with pytest.raises(BadInput, match=r"has monolayer \S+, this process 1\.0; accepted is the same\."):
        open_cluster(machines.address, SILENCE).__enter__()


def test_without_dask_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(BadInput, match=r"pip install 'monolayer\[dask\]'"):
        open_cluster("tcp://127.0.0.1:9", SILENCE).__enter__()
