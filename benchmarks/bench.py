"""Side by side with the plain PyTorch loop, in one sitting: medians over rounds, ratios, peak memory.

Exits with 1 when a promised ratio or peak is missed. Each measurement is a process of its own, and the rounds take
turns, so that a machine that slows down for a while slows all of them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
DATA = ["cifar10", "--val-size", "1000", "--json"]
GRID = ["--grid", "learning-rate=0.001,0.005,0.01", "--grid", "l2=0,0.001,0.1,1", "--grid", "batch-size=50,100,200"]
MONOLAYER = [sys.executable, "-m", "monolayer"]


@dataclass
class Case:
    """One piece of work: its command, and what it promises against PyTorch's seconds and in MiB."""

    name: str
    command: list[str]
    max_ratio: float | None = None
    max_mib: float | None = None
    seconds: list[float] = field(default_factory=list)
    mib: list[float] = field(default_factory=list)
    test_accuracy: float | None = None


def make_cases(epochs: int) -> list[Case]:
    e = ["--epochs", str(epochs)]
    return [
        Case("PyTorch loop, one run", [sys.executable, "-m", "benchmarks.peers.torch_loop", *e]),
        Case("monolayer, one run", [*MONOLAYER, "train", *DATA, *e, "--evaluate-every", "0"], 0.5, 700),
        Case("monolayer, one run, evaluated each epoch", [*MONOLAYER, "train", *DATA, *e]),
        Case("monolayer, flips", [*MONOLAYER, "train", *DATA, *e, "--evaluate-every", "0", "--flip", "0.5"]),
        Case("monolayer, 36-recipe grid, validated each epoch", [*MONOLAYER, "sweep", *DATA, *e, *GRID], 6.0, 1024),
    ]


def measure(case: Case) -> None:
    """Run the command once; note its own count of seconds and the peak memory of its process."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as out:
        pid = os.posix_spawn(
            case.command[0],
            case.command,
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, out.fileno(), 1)],
        )
        _, status, usage = os.wait4(pid, 0)
        if status:
            sys.exit(f"{' '.join(case.command)} failed with status {os.waitstatus_to_exitcode(status)}")
        out.seek(0)
        result = json.load(out)
    case.seconds.append(result["seconds"])
    case.mib.append(usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10))  # bytes there, KiB here
    case.test_accuracy = result.get("test_accuracy") or (result.get("test") or {}).get("accuracy")


def summarise(cases: list[Case], epochs: int, rounds: int) -> dict[str, object]:
    base = statistics.median(cases[0].seconds)
    rows = []
    for case in cases:
        seconds, mib = statistics.median(case.seconds), max(case.mib)
        ratio = seconds / base
        kept = (case.max_ratio is None or ratio <= case.max_ratio) and (case.max_mib is None or mib <= case.max_mib)
        rows.append(
            {
                "name": case.name,
                "seconds": seconds,
                "all_seconds": case.seconds,
                "ratio": ratio,
                "max_ratio": case.max_ratio,
                "peak_mib": mib,
                "max_mib": case.max_mib,
                "test_accuracy": case.test_accuracy,
                "kept": kept,
            }
        )
    return {"epochs": epochs, "rounds": rounds, "cpus": os.cpu_count(), "cases": rows}


def render(summary: dict) -> str:
    lines = [
        f"{summary['epochs']} epochs, 49,000 images, medians of {summary['rounds']} rounds, {summary['cpus']} cores.",
        "",
        "| work | seconds | times PyTorch | promised | peak MiB | promised | test accuracy |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for row in summary["cases"]:
        promised = ["" if row[key] is None else f"{row[key]:g}" for key in ("max_ratio", "max_mib")]
        accuracy = "" if row["test_accuracy"] is None else f"{row['test_accuracy']:.2%}"
        missed = "" if row["kept"] else " **missed**"
        lines.append(
            f"| {row['name']}{missed} | {row['seconds']:.1f} | {row['ratio']:.2f} | {promised[0]} "
            f"| {row['peak_mib']:.0f} | {promised[1]} | {accuracy} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    cases = make_cases(arguments.epochs)
    for number in range(arguments.rounds):
        for case in cases:
            measure(case)
            print(f"round {number + 1}: {case.name}: {case.seconds[-1]:.1f} s", file=sys.stderr, flush=True)
    summary = summarise(cases, arguments.epochs, arguments.rounds)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "bench.json").write_text(json.dumps(summary, indent=2) + "\n")
    (RESULTS / "bench.md").write_text(render(summary) + "\n")
    print(render(summary))
    sys.exit(0 if all(row["kept"] for row in summary["cases"]) else 1)


if __name__ == "__main__":
    main()
