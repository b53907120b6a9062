"""The roofs of this machine, and where the compiled engine's passes stand below them. Prints one JSON object.

All in one process and through the library, on made rows: random bytes take as long as images do. The roofs and the
passes alternate, so that a machine that slows down slows both alike.
"""

from __future__ import annotations

import argparse
import json
import statistics
from dataclasses import asdict
from pathlib import Path

from benchmarks.passes import ONE_THREAD, RUN, WORKS, make_passes, make_profile_passes
from benchmarks.roofline_points import Roofline, Roofs, compute_point, make_profile
from benchmarks.roofs import make_roofs
from benchmarks.traffic import Caches
from monolayer.engine.native import choose_instruction_set, find_native
from monolayer.errors import BadInput
from monolayer.threads import count_cores, limit_blas_threads

CACHE = Path("/sys/devices/system/cpu/cpu0/cache")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--share", type=int, default=1, help="of the rows, one in so many; for a quick look")
    options = parser.parse_args()
    native = find_native()
    if native is None:
        raise BadInput("The roofline is the compiled engine's, which is not there.")
    instruction_set = choose_instruction_set(native)
    caches = Caches(read_cache(1, "Data") or 32 << 10, 4 if instruction_set in ("avx512", "neon") else 2)
    with limit_blas_threads():
        found = measure(options.rounds, options.share)
    roofs = Roofs(**{name: found[name] for name in Roofs.__dataclass_fields__})
    roofline = Roofline(
        instruction_set=instruction_set,
        n_threads=count_cores(),
        caches=caches,
        roofs=roofs,
        points=tuple(compute_point(work, found[work.name], roofs, caches) for work in WORKS),
        phases=make_profile(found[RUN], found),
        one_thread=found[ONE_THREAD],
    )
    print(json.dumps(asdict(roofline)))


def measure(rounds: int, share: int) -> dict[str, float]:
    """The median over the rounds of every measurement."""
    n_threads = count_cores()
    roofs = make_roofs(n_threads, read_cache(2, "Unified") or 512 << 10)
    passes = make_passes(n_threads, share) | make_profile_passes(n_threads, share)
    found: dict[str, list[float]] = {name: [] for name in (*roofs, *passes)}
    for _ in range(rounds):
        for name, measure_roof in roofs.items():
            found[name].append(measure_roof())
        for name, make_pass in passes.items():
            found[name].append(make_pass() * share)
    return {name: statistics.median(values) for name, values in found.items()}


def read_cache(level: int, kind: str) -> int | None:
    """Bytes of a cache of the first core; None where the system does not report it."""
    for index in sorted(CACHE.glob("index*")):
        if (index / "level").read_text().strip() == str(level) and (index / "type").read_text().strip() == kind:
            return int((index / "size").read_text().strip().removesuffix("K")) << 10
    return None


if __name__ == "__main__":
    main()
