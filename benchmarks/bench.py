"""Side by side in one sitting: the peers, monolayer, the machine's sgemm rate, and how the time grows.

Writes bench.json, bench.md and scaling.png into benchmarks/results, prints the tables, and exits with 1 when a promise
is missed or a command failed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.cases import SGEMM, Case, make_cases
from benchmarks.machine import describe_machine
from benchmarks.measuring import Measured, measure_rounds
from benchmarks.rendering import PICTURE_LINK, insert, render
from benchmarks.results_file import read_results, write_results
from benchmarks.scaling import make_jobs
from benchmarks.summary import Sitting, Summary, summarise

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
JSON, MARKDOWN, PICTURE = (RESULTS / name for name in ("bench.json", "bench.md", "scaling.png"))
DOCS_PAGE, DOCS_PICTURE = ROOT / "docs" / "performance.md", ROOT / "docs" / "images" / "scaling.png"


def main() -> None:
    options = _read_options()
    os.chdir(ROOT)  # the commands find the package benchmarks there
    sitting, measured = read_results(JSON) if options.reuse else _measure(options)
    summary = summarise(sitting, make_cases(sitting.epochs), measured)
    if not options.only:  # a part would take the place of a whole sitting
        _write(summary, measured)
    if options.docs:
        _write_docs(summary)
    print(render(summary))
    sys.exit(summary.exit_code)


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=40, help="of a full run; slow peers run a part of it")
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is measured")
    parser.add_argument(
        "--only", action="append", default=[], metavar="TEXT", help="what has this in its name; writes no files"
    )
    parser.add_argument("--docs", action="store_true", help="write tables and picture into docs/ too")
    parser.add_argument("--reuse", action="store_true", help="measure nothing: take the last results/bench.json")
    options = parser.parse_args()
    if min(options.epochs, options.rounds) < 1:
        parser.error("--epochs and --rounds are 1 or more.")
    if options.only and (options.docs or options.reuse):
        parser.error("--docs and --reuse are for whole sittings; leave --only out.")
    return options


def _measure(options: argparse.Namespace) -> tuple[Sitting, Measured]:
    jobs = _collect_jobs(make_cases(options.epochs), options.only)
    if not jobs:
        sys.exit(f"Nothing has {' or '.join(map(repr, options.only))} in its name.")
    sitting = Sitting(options.epochs, options.rounds, describe_machine())
    return sitting, measure_rounds(jobs, options.rounds, _say)


def _collect_jobs(cases: list[Case], only: list[str]) -> dict[str, tuple[str, ...]]:
    """Commands by name, in the order in which a round runs them."""
    sgemm = (sys.executable, "-m", "benchmarks.sgemm")
    jobs = {SGEMM: sgemm, **{case.name: case.command for case in cases}, **make_jobs()}
    return {name: command for name, command in jobs.items() if not only or any(text in name for text in only)}


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _write(summary: Summary, measured: Measured) -> None:
    RESULTS.mkdir(exist_ok=True)
    write_results(JSON, summary, measured)
    MARKDOWN.write_text(render(summary))
    if summary.growths:
        subprocess.run([sys.executable, "-m", "benchmarks.picture", str(JSON), str(PICTURE)], check=True)


def _write_docs(summary: Summary) -> None:
    text = render(summary)
    if summary.growths:
        shutil.copyfile(PICTURE, DOCS_PICTURE)
        text += f"\n{PICTURE_LINK}\n"
    DOCS_PAGE.write_text(insert(DOCS_PAGE.read_text(), text))


if __name__ == "__main__":
    main()
