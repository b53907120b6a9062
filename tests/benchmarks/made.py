"""A made session: three cases with round numbers, and samples for them."""

from benchmarks.cases import GRID, LIMIT, SGEMM, TORCH, Case, Promise
from benchmarks.limit import SGEMM_SIZE
from benchmarks.measuring import Measured, Sample
from benchmarks.summary import Session, summarise

GFLOPS = 100.0
SGEMM_S = 2 * SGEMM_SIZE**3 / (GFLOPS * 1e9)
SITTING = Session(epochs=40, rounds=3, machine=("a machine with 2 cores", "Python 3.11"))


def make_cases(**promises):
    """PyTorch, a slow peer that runs a tenth, and the grid; promises by the case's first word."""
    return [
        Case(TORCH, ("torch",), 40, promises=promises.get("torch", ())),
        Case("slow peer", ("slow",), 4, is_scaled=True, promises=promises.get("slow", ())),
        Case(GRID, ("grid",), 40, (10, 1), promises.get("grid", ())),
    ]


def make_measured(torch=(20.0, 30.0, 25.0), slow=(10.0, 10.0, 10.0), grid=(100.0, 90.0, 400.0)):
    return Measured(
        {
            SGEMM: [Sample(SGEMM_S, 80.0)] * 3,
            TORCH: [Sample(s, 1000.0 + s, 40, 0.4) for s in torch],
            "slow peer": [Sample(s, 500.0, 4, 0.35) for s in slow],
            GRID: [Sample(s, 340.0, 36 * 40) for s in grid],
        }
    )


def summarise_made(measured=None, **promises):
    return summarise(SITTING, make_cases(**promises), measured or make_measured())


AGAINST_TORCH = Promise("seconds", 4.0, TORCH)
AGAINST_LIMIT = Promise("seconds", 2.0, LIMIT)
MEMORY = Promise("MiB", 700)
