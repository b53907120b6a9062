"""How the time of one epoch grows when images, dimensions, classes or members are doubled, three times each."""

from __future__ import annotations

import math
import sys
from dataclasses import asdict, dataclass, replace

DOUBLINGS = 3


@dataclass(frozen=True)
class Shape:
    """The size of a problem; the fields' names are the axes."""

    images: int = 12_000
    dimensions: int = 3_072
    classes: int = 10
    members: int = 1


STARTS = {"images": 12_000, "dimensions": 768, "classes": 5, "members": 8}


@dataclass(frozen=True)
class Growth:
    """One axis: its values, the seconds of an epoch at each, and the exponent p of time ~ value ** p."""

    axis: str
    values: tuple[int, ...]
    seconds: tuple[float, ...]
    exponent: float


def list_values(axis: str) -> tuple[int, ...]:
    """The axis's start, doubled DOUBLINGS times."""
    return tuple(STARTS[axis] * 2**i for i in range(DOUBLINGS + 1))


def name_job(axis: str, value: int) -> str:
    return f"scaling: {value:,} {axis}"


def make_jobs() -> dict[str, tuple[str, ...]]:
    """A command for every value of every axis, the other axes at their base."""
    points = [(axis, value) for axis in STARTS for value in list_values(axis)]
    return {name_job(axis, value): _make_command(replace(Shape(), **{axis: value})) for axis, value in points}


def _make_command(shape: Shape) -> tuple[str, ...]:
    sizes = [word for name, value in asdict(shape).items() for word in (f"--{name}", str(value))]
    return (sys.executable, "-m", "benchmarks.scaling_point", *sizes)


def compute_growth(axis: str, seconds: tuple[float, ...]) -> Growth:
    """The least-squares slope of log2(seconds) against the number of doublings."""
    return Growth(axis, list_values(axis), seconds, compute_exponent(seconds))


def compute_exponent(seconds: tuple[float, ...]) -> float:
    middle = (len(seconds) - 1) / 2
    steps = [i - middle for i in range(len(seconds))]
    return sum(x * math.log2(s) for x, s in zip(steps, seconds, strict=True)) / sum(x * x for x in steps)
