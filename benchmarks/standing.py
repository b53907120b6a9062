"""Where a pass stands below the roofs, and what a run's time goes into: from measured seconds. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.traffic import Caches, Work, count_cache_bytes, count_memory_bytes, count_operations

# The banks through which a profile lays a line.
PROFILE_MEMBERS = (1, 2, 4)


@dataclass(frozen=True)
class Roofs:
    """Rates on all cores and on one: GB/s of reading memory, of the triad, of the second cache; GFLOP/s of sgemm."""

    read: float
    one_read: float
    triad: float
    one_triad: float
    cache: float
    one_cache: float
    sgemm: float
    one_sgemm: float


@dataclass(frozen=True)
class Standing:
    """A pass below the roofs.

    Args:
        name: the work.
        seconds: of the pass.
        gflops: what it reached.
        per_memory_byte: operations for each byte from memory.
        per_cache_byte: operations for each byte between second and first cache.
        roof: the lowest of the three there, GFLOP/s.
        roof_name: ``memory``, ``second cache`` or ``sgemm``.
    """

    name: str
    seconds: float
    gflops: float
    per_memory_byte: float
    per_cache_byte: float
    roof: float
    roof_name: str


@dataclass(frozen=True)
class Phase:
    """A part of an epoch's seconds."""

    name: str
    seconds: float


@dataclass(frozen=True)
class Roofline:
    """Everything that one call of benchmarks.roofline found.

    Args:
        instruction_set: that the engine computed with.
        n_threads: on which it did so.
        caches: what the counts were made for.
        roofs: of the machine.
        standings: a pass each.
        phases: of an epoch of one run.
        one_thread: seconds of that epoch on one thread.
    """

    instruction_set: str
    n_threads: int
    caches: Caches
    roofs: Roofs
    standings: tuple[Standing, ...]
    phases: tuple[Phase, ...]
    one_thread: float

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Roofline:
        """What ``asdict`` made of one, as JSON has it."""
        parts = {
            "caches": Caches(**content["caches"]),
            "roofs": Roofs(**content["roofs"]),
            "standings": tuple(Standing(**standing) for standing in content["standings"]),
            "phases": tuple(Phase(**phase) for phase in content["phases"]),
        }
        return cls(**{**content, **parts})


def find_standing(work: Work, seconds: float, roofs: Roofs, caches: Caches) -> Standing:
    """Where a pass over all its rows stands that takes so many seconds."""
    operations = count_operations(work)
    by_memory, by_cache = operations / count_memory_bytes(work), operations / count_cache_bytes(work, caches)
    over_it = {"memory": by_memory * roofs.read, "second cache": by_cache * roofs.cache, "sgemm": roofs.sgemm}
    lowest = min(over_it, key=over_it.__getitem__)
    return Standing(work.name, seconds, operations / seconds / 1e9, by_memory, by_cache, over_it[lowest], lowest)


def name_profile(kind: str, members: int) -> str:
    """The pass of so many networks over rows that stay in the caches; the kind is ``train`` or ``evaluate``."""
    return f"{kind}, {members} from the caches"


def make_profile(run: float, found: Mapping[str, float]) -> tuple[Phase, ...]:
    """What a run's seconds go into; the phases add up to them.

    Passes of one, two and four networks over rows that stay in the caches lie on a line: its slope is what a network
    costs, and where it begins, at no network, is what is done for the batch alone. An evaluation has the conversion
    and the scores of an epoch. What is left to the run itself is the way from memory.

    Args:
        run: seconds of an epoch of one network on all rows.
        found: seconds by :func:`name_profile`.
    """
    train, evaluate = (
        _fit_line(PROFILE_MEMBERS, [found[name_profile(kind, members)] for members in PROFILE_MEMBERS])
        for kind in ("train", "evaluate")
    )
    return (
        Phase("pixels to floats", evaluate[0]),
        Phase("scores", evaluate[1]),
        Phase("softmax, gradient and step", train[1] - evaluate[1]),
        Phase("meetings, waiting, and Python before and after", train[0] - evaluate[0]),
        Phase("rows that come from memory and not from a cache", run - sum(train)),
    )


def _fit_line(x: Sequence[float], y: Sequence[float]) -> tuple[float, float]:
    """(where it begins, slope) of the line with the least squares."""
    middle_x, middle_y = sum(x) / len(x), sum(y) / len(y)
    products = sum((a - middle_x) * (b - middle_y) for a, b in zip(x, y, strict=True))
    slope = products / sum((a - middle_x) ** 2 for a in x)
    return middle_y - slope * middle_x, slope
