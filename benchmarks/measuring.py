"""Run commands alternately, each in its own process, so that a machine that slows down slows all of them alike.

Keep this process small. On Linux a new process inherits the peak memory of the one that started it, so no numpy here:
what needs it runs in a process too.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import IO, Any

MIB = 2**20 if sys.platform == "darwin" else 2**10  # ru_maxrss is bytes there, KiB here


class MeasurementFailed(Exception):
    """A command that ended with an error, or printed no result."""


@dataclass(frozen=True)
class Sample:
    """One run of a command.

    Args:
        seconds: as it counts them itself.
        mib: peak memory of its process.
        member_epochs: epochs that it ran according to its output, summed over its networks.
        test_accuracy: a fraction, where it has opened the test rows.
    """

    seconds: float
    mib: float
    member_epochs: int | None = None
    test_accuracy: float | None = None


@dataclass
class Measured:
    """Samples by name of the job, one per round, and the reasons of those that failed."""

    samples: dict[str, list[Sample]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


def measure_rounds(
    jobs: Mapping[str, tuple[str, ...]],
    rounds: int,
    say: Callable[[str], None],
    once: Collection[str] = (),
) -> Measured:
    """Run every job once per round, those in ``once`` in the first round only; one that failed is not run again."""
    measured, start = Measured({name: [] for name in jobs}), time.monotonic()
    for number in range(1, rounds + 1):
        for place, (name, command) in enumerate(jobs.items(), 1):
            if name in measured.failures or (name in once and number > 1):
                continue
            result = _run_once(measured, name, command)
            minutes = (time.monotonic() - start) / 60
            done = (number - 1) * len(jobs) + place
            left = f", about {minutes / done * (rounds * len(jobs) - done):.0f} to go" if number > 1 else ""
            say(f"round {number} of {rounds}, {place} of {len(jobs)}: {name}: {result} ({minutes:.1f} min{left})")
    return measured


def _run_once(measured: Measured, name: str, command: tuple[str, ...]) -> str:
    try:
        sample = measure(command)
    except MeasurementFailed as failure:
        measured.failures[name] = str(failure)
        return f"FAILED: {failure}"
    measured.samples[name].append(sample)
    return f"{sample.seconds:.3g} s, {sample.mib:.0f} MiB"


def measure(command: tuple[str, ...]) -> Sample:
    """Run the command once: its own count of seconds, and the peak memory of its process."""
    output, mib = run_command(command)
    try:
        return read_sample(json.loads(output), mib)
    except (ValueError, KeyError) as error:
        raise MeasurementFailed(f"it printed no JSON object with seconds: {output[:200]!r}") from error


def run_command(command: tuple[str, ...]) -> tuple[str, float]:
    """What the command prints, and the peak memory of its process in MiB."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as out, tempfile.TemporaryFile("w+", encoding="utf-8") as err:
        status, mib = _run(command, out, err)
        if status:
            raise MeasurementFailed(f"it ended with {status} and printed: {_find_last_line(_read(err))}")
        return _read(out), mib


def read_sample(result: dict[str, Any], mib: float) -> Sample:
    """What a peer, ``monolayer train --json`` or ``monolayer sweep --json`` has printed."""
    if "runs" in result:
        member_epochs = sum(run["epochs_done"] for run in result["runs"])
    else:
        member_epochs = result.get("epochs_done", result.get("epochs"))
    accuracy = result.get("test_accuracy", (result.get("test") or {}).get("accuracy"))
    return Sample(result["seconds"], mib, member_epochs, accuracy)


def _run(command: tuple[str, ...], out: IO[str], err: IO[str]) -> tuple[int, float]:
    redirections = [(os.POSIX_SPAWN_DUP2, out.fileno(), 1), (os.POSIX_SPAWN_DUP2, err.fileno(), 2)]
    pid = os.posix_spawn(command[0], command, os.environ, file_actions=redirections)
    _, status, usage = os.wait4(pid, 0)
    return os.waitstatus_to_exitcode(status), usage.ru_maxrss / MIB


def _find_last_line(text: str) -> str:
    """The last line with words in it: the error's own, below a traceback or within a frame."""
    lines = [line.strip(" \u2502") for line in text.splitlines()]
    return next((line for line in reversed(lines) if any(map(str.isalnum, line))), "nothing")


def _read(file: IO[str]) -> str:
    file.seek(0)
    return file.read()
