"""A summary as Markdown tables, and their place in the documentation."""

from __future__ import annotations

from benchmarks.cases import Promise
from benchmarks.limit import CIFAR10
from benchmarks.scaling import Growth, Shape
from benchmarks.summary import Row, Summary, Verdict

BEGIN, END = "<!-- bench: begin, written by make bench -->", "<!-- bench: end -->"
NOTHING = "–"
PICTURE_LINK = (
    "![Seconds of an epoch against images, dimensions, classes and members, each doubled three times]"
    "(images/scaling.png)"
)


def render(summary: Summary) -> str:
    """Everything that there is: what was measured, the promises, how the time grows, what failed."""
    parts = [_render_head(summary), _render_rows(summary), _render_verdicts(summary.verdicts)]
    parts += [_render_growths(summary.growths)] if summary.growths else []
    parts += [f"**Failed:** {name}: {reason}" for name, reason in summary.failures.items()]
    return "\n\n".join(part for part in parts if part) + "\n"


def insert(page: str, text: str, markers: tuple[str, str] = (BEGIN, END)) -> str:
    """The page with this text between its two markers."""
    begin, end = markers
    before, has_begin, rest = page.partition(begin)
    _, has_end, after = rest.partition(end)
    if not (has_begin and has_end):
        raise ValueError(f"The page must have the lines {begin!r} and {end!r}.")
    return f"{before}{begin}\n{text.strip()}\n{end}{after}"


def _render_head(summary: Summary) -> str:
    rate = "" if summary.gflops is None else f" Its sgemm rate is {summary.gflops:.0f} GFLOP/s."
    rounds = "one round" if summary.rounds == 1 else f"medians of {summary.rounds} rounds"
    work = f"{summary.epochs} epochs on {CIFAR10.train_rows:,} images of {CIFAR10.dimensions:,} values, {rounds}"
    return f"{work}; {', '.join(summary.machine)}.{rate}"


def _render_rows(summary: Summary) -> str:
    lines = [
        "| work | seconds | times the PyTorch loop | times its limit | peak MiB | test accuracy | epochs run |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    missed = {verdict.name for verdict in summary.verdicts if verdict.is_missed}
    lines += [_render_row(row, is_missed=row.name in missed) for row in summary.rows]
    if any(row.is_scaled for row in summary.rows):
        lines += ["", f"\\* Ran fewer epochs; its seconds are scaled to {summary.epochs}, its accuracy is not."]
    if summary.rounds > 1 and any(row.is_once for row in summary.rows):
        lines += ["", "† Measured once, and no median."]
    return "\n".join(lines)


def _render_row(row: Row, *, is_missed: bool) -> str:
    cells = [
        row.name + (" **missed**" if is_missed else ""),
        format_seconds(row.seconds) + ("\\*" if row.is_scaled else "") + ("†" if row.is_once else ""),
        _format(row.times_torch, ".2f"),
        _format(row.times_limit, ".2f"),
        f"{row.mib:,.0f}",
        _format(row.test_accuracy, ".2%"),
        str(row.epochs),
    ]
    return join_cells(cells)


def _render_verdicts(verdicts: tuple[Verdict, ...]) -> str:
    lines = ["| promise | at most | which is, times its limit | measured | |", "|---|---:|---:|---:|---|"]
    return "\n".join(lines + [_render_verdict(verdict) for verdict in verdicts]) if verdicts else ""


def _render_verdict(verdict: Verdict) -> str:
    spec = _choose_spec(verdict.promise)
    cells = [
        f"{verdict.name}: {_describe(verdict.promise)}",
        format(verdict.promise.at_most, spec),
        _format(verdict.times_limit, ".2f"),
        _format(verdict.measured, spec),
        "not measured" if verdict.measured is None else "**missed**" if verdict.is_missed else "kept",
    ]
    return join_cells(cells)


def _choose_spec(promise: Promise) -> str:
    if promise.quantity == "MiB" and promise.against is None:
        return ",.0f"
    return ".3f" if promise.at_most < 1 else ".2f"


def _describe(promise: Promise) -> str:
    what = {"seconds": "seconds", "MiB": "peak MiB"}[promise.quantity]
    return what if promise.against is None else f"{what} / {promise.against}"


def _render_growths(growths: tuple[Growth, ...]) -> str:
    base = Shape()
    lines = [
        f"Seconds of one epoch on made images, each axis doubled three times from a base of {base.images:,} images, "
        f"{base.dimensions:,} dimensions, {base.classes} classes, {base.members} network:",
        "",
        "| axis | from | to | seconds, doubling by doubling | a doubling takes | exponent |",
        "|---|---:|---:|---|---:|---:|",
    ]
    return "\n".join(lines + [_render_growth(growth) for growth in growths])


def _render_growth(growth: Growth) -> str:
    seconds = ", ".join(f"{value:.3g}" for value in growth.seconds)
    ends = [f"{growth.values[0]:,}", f"{growth.values[-1]:,}"]
    return join_cells([growth.axis, *ends, seconds, f"{2**growth.exponent:.2f} times", f"{growth.exponent:.2f}"])


def format_seconds(seconds: float) -> str:
    """Three digits, or as many as tell tenths."""
    return f"{seconds:.1f}" if seconds >= 10 else f"{seconds:.2f}"


def _format(value: float | None, spec: str) -> str:
    return NOTHING if value is None else format(value, spec)


def join_cells(cells: list[str]) -> str:
    """A line of a table."""
    return f"| {' | '.join(cells)} |"
