"""Side by side in one session: the peers, monolayer, the machine's sgemm rate, how the time grows, and the roofline.

Writes tables, their numbers and the pictures into benchmarks/results, prints the tables, and exits with 1 when a
promise is missed or a command failed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.cases import ROOFLINE, SGEMM, Case, make_cases
from benchmarks.machine import describe_machine
from benchmarks.measuring import Measured, MeasurementFailed, measure_rounds, run_command
from benchmarks.rendering import PICTURE_LINK, insert, render
from benchmarks.results_file import read_results, read_roofline, write_results, write_roofline
from benchmarks.roofline_points import Roofline
from benchmarks.roofline_tables import MARKERS, render_roofline
from benchmarks.roofline_tables import PICTURE_LINK as ROOFLINE_LINK
from benchmarks.scaling import make_jobs
from benchmarks.summary import Session, Summary, summarise

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
JSON, MARKDOWN, PICTURE = (RESULTS / name for name in ("bench.json", "bench.md", "scaling.png"))
ROOFLINE_JSON, ROOFLINE_PICTURE = (RESULTS / name for name in ("roofline.json", "roofline.png"))
DOCS_PAGE, DOCS_IMAGES = ROOT / "docs" / "performance.md", ROOT / "docs" / "images"


def main() -> None:
    options = _read_options()
    os.chdir(ROOT)  # the commands find the package benchmarks there
    if options.reuse:
        (session, measured), roofline = read_results(JSON), read_roofline(ROOFLINE_JSON)
    else:
        session, measured, roofline = _measure(options)
    summary = summarise(session, make_cases(session.epochs), measured)
    if not options.only:  # a part would take the place of a whole session
        _write(summary, measured, roofline)
    if options.docs:
        _write_docs(summary, roofline)
    print(_render_all(summary, roofline))
    sys.exit(summary.exit_code)


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=40, help="of a full run; slow peers run a part of it")
    parser.add_argument("--rounds", type=int, default=5, help="how often everything is measured")
    parser.add_argument(
        "--only", action="append", default=[], metavar="TEXT", help="what has this in its name; writes no files"
    )
    parser.add_argument("--docs", action="store_true", help="write tables and pictures into docs/ too")
    parser.add_argument("--reuse", action="store_true", help="measure nothing: take what the last session has written")
    options = parser.parse_args()
    if min(options.epochs, options.rounds) < 1:
        parser.error("--epochs and --rounds are 1 or more.")
    if options.only and (options.docs or options.reuse):
        parser.error("--docs and --reuse are for whole sessions; leave --only out.")
    return options


def _measure(options: argparse.Namespace) -> tuple[Session, Measured, Roofline | None]:
    cases = make_cases(options.epochs)
    jobs, has_roofline = _collect_jobs(cases, options.only), _is_asked(ROOFLINE, options.only)
    if not jobs and not has_roofline:
        sys.exit(f"Nothing has {' or '.join(map(repr, options.only))} in its name.")
    session = Session(options.epochs, options.rounds, describe_machine())
    # First, since its failure would be known half an hour earlier.
    found = _measure_roofline(options.rounds) if has_roofline else None
    measured = measure_rounds(jobs, options.rounds, _say, {case.name for case in cases if case.is_once})
    if isinstance(found, MeasurementFailed):
        measured.failures[ROOFLINE] = str(found)
        found = None
    return session, measured, found


def _measure_roofline(rounds: int) -> Roofline | MeasurementFailed:
    _say(f"{ROOFLINE}: the machine's roofs, and the compiled engine's passes below them")
    try:
        output, _ = run_command((sys.executable, "-m", "benchmarks.roofline", "--rounds", str(rounds)))
    except MeasurementFailed as failure:
        _say(f"{ROOFLINE}: FAILED: {failure}")
        return failure
    return Roofline.from_dict(json.loads(output))


def _collect_jobs(cases: list[Case], only: list[str]) -> dict[str, tuple[str, ...]]:
    """Commands by name, in the order in which a round runs them."""
    sgemm = (sys.executable, "-m", "benchmarks.sgemm")
    jobs = {SGEMM: sgemm, **{case.name: case.command for case in cases}, **make_jobs()}
    return {name: command for name, command in jobs.items() if _is_asked(name, only)}


def _is_asked(name: str, only: list[str]) -> bool:
    return not only or any(text in name for text in only)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _render_all(summary: Summary, roofline: Roofline | None) -> str:
    return render(summary) + ("\n" + render_roofline(roofline) if roofline else "")


def _write(summary: Summary, measured: Measured, roofline: Roofline | None) -> None:
    RESULTS.mkdir(exist_ok=True)
    write_results(JSON, summary, measured)
    MARKDOWN.write_text(_render_all(summary, roofline))
    if summary.growths:
        _draw("picture", JSON, PICTURE)
    ROOFLINE_JSON.unlink(missing_ok=True)  # an older session's
    if roofline:
        write_roofline(ROOFLINE_JSON, roofline)
        _draw("roofline_picture", ROOFLINE_JSON, ROOFLINE_PICTURE)


def _draw(module: str, source: Path, target: Path) -> None:
    subprocess.run([sys.executable, "-m", f"benchmarks.{module}", str(source), str(target)], check=True)


def _write_docs(summary: Summary, roofline: Roofline | None) -> None:
    text = render(summary)
    if summary.growths:
        shutil.copyfile(PICTURE, DOCS_IMAGES / PICTURE.name)
        text += f"\n{PICTURE_LINK}\n"
    page = insert(DOCS_PAGE.read_text(), text)
    if roofline:
        shutil.copyfile(ROOFLINE_PICTURE, DOCS_IMAGES / ROOFLINE_PICTURE.name)
        page = insert(page, f"{render_roofline(roofline)}\n{ROOFLINE_LINK}\n", MARKERS)
    DOCS_PAGE.write_text(page)


if __name__ == "__main__":
    main()
