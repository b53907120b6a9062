"""The roofline as Markdown tables."""

from __future__ import annotations

from benchmarks.rendering import join_cells
from benchmarks.roofline_points import Phase, Roofline, RooflinePoint

MARKERS = "<!-- roofline: begin, written by make bench -->", "<!-- roofline: end -->"
PICTURE_LINK = (
    "![Operations a byte against GFLOP/s: the roofs of memory, second cache and sgemm, and six passes below them]"
    "(images/roofline.png)"
)


def render_roofline(roofline: Roofline) -> str:
    """Tables of the roofs, of the passes below them, and of the parts of a run's time."""
    return "\n\n".join((_render_roofs(roofline), _render_points(roofline), _render_profile(roofline))) + "\n"


def _render_roofs(roofline: Roofline) -> str:
    roofs = roofline.roofs
    lines = [
        f"Instruction set {roofline.instruction_set}, {roofline.n_threads} threads; a core's first cache has "
        f"{roofline.caches.first >> 10} KiB.",
        "",
        "| roof | all cores | one core |",
        "|---|---:|---:|",
        _render_roof("reading memory, GB/s", roofs.read, roofs.one_read),
        _render_roof("STREAM's triad in memory, GB/s", roofs.triad, roofs.one_triad),
        _render_roof("reading the second cache, GB/s", roofs.cache, roofs.one_cache),
        _render_roof("sgemm, GFLOP/s", roofs.sgemm, roofs.one_sgemm),
    ]
    return "\n".join(lines)


def _render_roof(name: str, rate: float, of_one: float) -> str:
    return join_cells([name, f"{rate:.0f}", f"{of_one:.0f}"])


def _render_points(roofline: Roofline) -> str:
    lines = [
        "| one pass over the rows | seconds | operations a byte from memory | a byte from the second cache | "
        "lowest roof, GFLOP/s | reached, GFLOP/s | of that roof | of sgemm |",
        "|---|---:|---:|---:|---|---:|---:|---:|",
    ]
    return "\n".join(lines + [_render_point(point, roofline.roofs.sgemm) for point in roofline.points])


def _render_point(point: RooflinePoint, sgemm: float) -> str:
    cells = [
        point.name,
        f"{point.seconds:.3g}",
        f"{point.per_memory_byte:,.0f}",
        f"{point.per_cache_byte:.1f}",
        f"{point.roof:.0f} ({point.roof_name})",
        f"{point.gflops:.0f}",
        f"{point.gflops / point.roof:.0%}",
        f"{point.gflops / sgemm:.0%}",
    ]
    return join_cells(cells)


def _render_profile(roofline: Roofline) -> str:
    total = sum(phase.seconds for phase in roofline.phases)
    ratio = roofline.one_thread / total
    lines = [
        f"| what an epoch of one run goes into, {roofline.n_threads} threads | milliseconds | share |",
        "|---|---:|---:|",
        *(_render_phase(phase, total) for phase in roofline.phases),
        _render_phase(Phase("all of it", total), total),
    ]
    if roofline.n_threads > 1:
        lines += [
            "",
            f"The same epoch on one thread takes {1e3 * roofline.one_thread:.1f} ms, {ratio:.2f} times as long.",
        ]
    return "\n".join(lines)


def _render_phase(phase: Phase, total: float) -> str:
    return join_cells([phase.name, f"{1e3 * phase.seconds:.1f}", f"{phase.seconds / total:.0%}"])
