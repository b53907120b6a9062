"""The roofline model: a pass below the limits of the machine, and the parts of a run's time, from measured seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.traffic import Caches, Work, count_cache_bytes, count_memory_bytes, count_operations

# The sizes of the banks to which a profile fits a line.
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
class RooflinePoint:
    """A pass in the roofline model.

    Args:
        name: the work.
        seconds: of the pass.
        gflops: the rate that it reached, GFLOP/s.
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
    """The results of one call of benchmarks.roofline.

    Args:
        instruction_set: of the engine.
        n_threads: of the engine.
        caches: the cache sizes that the counts assume.
        roofs: the limits of the machine.
        points: one per pass.
        phases: of an epoch of one run.
        one_thread: seconds of that epoch on one thread.
    """

    instruction_set: str
    n_threads: int
    caches: Caches
    roofs: Roofs
    points: tuple[RooflinePoint, ...]
    phases: tuple[Phase, ...]
    one_thread: float

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Roofline:
        """The inverse of ``asdict``."""
        parts = {
            "caches": Caches(**content["caches"]),
            "roofs": Roofs(**content["roofs"]),
            "points": tuple(RooflinePoint(**point) for point in content["points"]),
            "phases": tuple(Phase(**phase) for phase in content["phases"]),
        }
        return cls(**{**content, **parts})


def compute_point(work: Work, seconds: float, roofs: Roofs, caches: Caches) -> RooflinePoint:
    """The point of a pass over all its rows that takes so many seconds."""
    operations = count_operations(work)
    by_memory, by_cache = operations / count_memory_bytes(work), operations / count_cache_bytes(work, caches)
    limits = {"memory": by_memory * roofs.read, "second cache": by_cache * roofs.cache, "sgemm": roofs.sgemm}
    lowest = min(limits, key=limits.__getitem__)
    return RooflinePoint(work.name, seconds, operations / seconds / 1e9, by_memory, by_cache, limits[lowest], lowest)


def name_profile(kind: str, members: int) -> str:
    """The name of a pass of so many networks over cached rows; the kind is ``train`` or ``evaluate``."""
    return f"{kind}, {members} from the caches"


def make_profile(run: float, found: Mapping[str, float]) -> tuple[Phase, ...]:
    """The parts of a run's seconds; their sum is the whole.

    The seconds of passes of one, two and four networks over cached rows lie on a line: its slope is the cost of a
    network, and its intercept the cost of the batch alone. An evaluation has the conversion and the scores of an epoch.
    The rest of the run's seconds is the transfer from memory.

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
        Phase("barriers, waiting, and Python before and after", train[0] - evaluate[0]),
        Phase("rows that come from memory and not from a cache", run - sum(train)),
    )


def _fit_line(x: Sequence[float], y: Sequence[float]) -> tuple[float, float]:
    """(intercept, slope) of the least-squares line."""
    middle_x, middle_y = sum(x) / len(x), sum(y) / len(y)
    products = sum((a - middle_x) * (b - middle_y) for a, b in zip(x, y, strict=True))
    slope = products / sum((a - middle_x) ** 2 for a in x)
    return middle_y - slope * middle_x, slope
