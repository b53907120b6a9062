"""Compute medians, ratios and promises from samples, without measuring, so that a session can be summarised again."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.cases import LIMIT, PEERS, SGEMM, Case, Promise
from benchmarks.limit import Extraction, Task, compute_gflops, count_operations
from benchmarks.measuring import Measured, Sample
from benchmarks.scaling import STARTS, Growth, compute_growth, list_values, name_job


@dataclass(frozen=True)
class Row:
    """One case, measured.

    Args:
        seconds: median over the rounds, as of a run of all epochs where the case is scaled.
        all_seconds: of each round, as they were taken.
        epochs: how many it ran.
        is_once: whether that is one round.
        times_torch: seconds, divided by the PyTorch loop's on the same task; None where it was not measured or ran
            other epochs.
        times_limit: seconds, divided by what its operations take at the measured sgemm rate; None for a whole process.
        mib: the highest peak memory.
    """

    name: str
    seconds: float
    all_seconds: tuple[float, ...]
    epochs: int
    is_scaled: bool
    is_once: bool
    times_torch: float | None
    times_limit: float | None
    mib: float
    test_accuracy: float | None


@dataclass(frozen=True)
class Verdict:
    """A promise with what was measured.

    Args:
        name: of the case.
        promise: what is promised.
        measured: None where the case, or what it is compared with, was not measured.
        times_limit: the promised seconds, divided by the case's limit, if it is compared with another case: below 1 the
            promise cannot be kept on this machine.
    """

    name: str
    promise: Promise
    measured: float | None
    times_limit: float | None = None

    @property
    def is_missed(self) -> bool:
        return self.measured is not None and self.measured > self.promise.at_most


@dataclass(frozen=True)
class Summary:
    """A session: what was done where, the rows, the promises, and how the time grows."""

    epochs: int
    rounds: int
    machine: tuple[str, ...]
    gflops: float | None
    rows: tuple[Row, ...]
    verdicts: tuple[Verdict, ...]
    growths: tuple[Growth, ...]
    failures: Mapping[str, str]

    @property
    def exit_code(self) -> int:
        """1 if a promise is missed, or a command failed, which could have hidden that."""
        return int(bool(self.failures) or any(verdict.is_missed for verdict in self.verdicts))


@dataclass(frozen=True)
class Session:
    """The settings and the machine of a session."""

    epochs: int
    rounds: int
    machine: tuple[str, ...]


@dataclass(frozen=True)
class Yardstick:
    """What seconds are compared with: the PyTorch loop's seconds and epochs by task, and the machine's rate, if known.

    Args:
        epochs: of a full run; what is scaled is scaled to them.
        torch: (epochs, seconds) of the loop that does the task.
        gflops: rate of matrix products.
    """

    epochs: int
    torch: Mapping[Task | Extraction, tuple[int, float]]
    gflops: float | None


def summarise(session: Session, cases: Sequence[Case], measured: Measured) -> Summary:
    """The medians of what was measured; cases without a sample are left out, their promises are not."""
    pairs = _pair(cases, measured)
    yardstick = Yardstick(session.epochs, _time_peers(pairs, session.epochs), _compute_rate(measured))
    rows = tuple(_make_row(case, samples, yardstick) for case, samples in pairs)
    return Summary(
        epochs=session.epochs,
        rounds=session.rounds,
        machine=session.machine,
        gflops=yardstick.gflops,
        rows=rows,
        verdicts=check_promises(cases, rows),
        growths=_compute_growths(measured),
        failures=measured.failures,
    )


def _time_peers(pairs: Sequence[tuple[Case, list[Sample]]], epochs: int) -> dict[Task | Extraction, tuple[int, float]]:
    return {
        case.task: (case.epochs, _scale(case, samples, epochs))
        for case, samples in pairs
        if case.task is not None and case.name == PEERS.get(case.task)
    }


def check_promises(cases: Sequence[Case], rows: Sequence[Row]) -> tuple[Verdict, ...]:
    """Every promise of every case, in their order."""
    found = {row.name: row for row in rows}
    return tuple(
        Verdict(case.name, promise, _divide(found, case.name, promise), _convert(found, case.name, promise))
        for case in cases
        for promise in case.promises
    )


def _convert(rows: Mapping[str, Row], name: str, promise: Promise) -> float | None:
    row, ratio = rows.get(name), _divide(rows, name, promise)
    if promise.against in {None, LIMIT} or promise.quantity != "seconds" or row is None or ratio is None:
        return None
    return None if row.times_limit is None else promise.at_most * row.times_limit / ratio


def _divide(rows: Mapping[str, Row], name: str, promise: Promise) -> float | None:
    row = rows.get(name)
    if row is None:
        return None
    if promise.against == LIMIT:
        return row.times_limit
    value = _get_quantity(row, promise.quantity)
    if promise.against is None:
        return value
    other = rows.get(promise.against)
    return None if other is None else value / _get_quantity(other, promise.quantity)


def _get_quantity(row: Row, quantity: str) -> float:
    return {"seconds": row.seconds, "MiB": row.mib}[quantity]


def _pair(cases: Sequence[Case], measured: Measured) -> list[tuple[Case, list[Sample]]]:
    """Cases that ran in every round; one that failed in a later round has no median."""
    return [
        (case, samples)
        for case in cases
        if (samples := measured.samples.get(case.name)) and case.name not in measured.failures
    ]


def _compute_rate(measured: Measured) -> float | None:
    samples = measured.samples.get(SGEMM)
    return compute_gflops(statistics.median(sample.seconds for sample in samples)) if samples else None


def _scale(case: Case, samples: Sequence[Sample], epochs: int) -> float:
    seconds = statistics.median(sample.seconds for sample in samples)
    return seconds * epochs / case.epochs if case.is_scaled else seconds


def _make_row(case: Case, samples: Sequence[Sample], yardstick: Yardstick) -> Row:
    return Row(
        name=case.name,
        seconds=_scale(case, samples, yardstick.epochs),
        all_seconds=tuple(sample.seconds for sample in samples),
        epochs=case.epochs,
        is_scaled=case.is_scaled,
        is_once=case.is_once,
        times_torch=_compute_times_torch(case, samples, yardstick),
        times_limit=_compute_times_limit(case, samples, yardstick.gflops),
        mib=max(sample.mib for sample in samples),
        test_accuracy=samples[-1].test_accuracy,
    )


def _compute_times_torch(case: Case, samples: Sequence[Sample], yardstick: Yardstick) -> float | None:
    if case.task not in yardstick.torch:
        return None
    epochs, seconds = yardstick.torch[case.task]
    if not case.is_scaled and case.epochs != epochs:
        return None
    return _scale(case, samples, yardstick.epochs) / seconds


def _compute_times_limit(case: Case, samples: Sequence[Sample], gflops: float | None) -> float | None:
    """Of what each round really ran, by its own count of epochs, so that nothing scaled is in it."""
    task = case.task
    if gflops is None or task is None:
        return None
    return statistics.median(sample.seconds * gflops * 1e9 / _count(case, task, sample) for sample in samples)


def _count(case: Case, task: Task | Extraction, sample: Sample) -> float:
    member_epochs = case.epochs if sample.member_epochs is None else sample.member_epochs
    return count_operations(task, member_epochs, *case.evaluates)


def _compute_growths(measured: Measured) -> tuple[Growth, ...]:
    growths = []
    for axis in STARTS:
        points = [measured.samples.get(name_job(axis, value)) for value in list_values(axis)]
        if all(points):
            medians = tuple(statistics.median(sample.seconds for sample in point or ()) for point in points)
            growths.append(compute_growth(axis, medians))
    return tuple(growths)
