import json
from dataclasses import asdict, replace

import pytest
from benchmarks.rendering import insert
from benchmarks.roofline_picture import draw_roofline
from benchmarks.roofline_points import (
    PROFILE_MEMBERS,
    Phase,
    Roofline,
    Roofs,
    compute_point,
    make_profile,
    name_profile,
)
from benchmarks.roofline_tables import MARKERS, render_roofline
from benchmarks.traffic import Caches, Work, count_cache_bytes, count_operations

CACHES = Caches(first=32 << 10, width=4)
ROOFS = Roofs(30.0, 20.0, 24.0, 16.0, 160.0, 80.0, 200.0, 100.0)
WORKS = (Work("one run"), Work("bank of 12", members=12))


def make_roofline():
    points = tuple(compute_point(work, 0.05, ROOFS, CACHES) for work in WORKS)
    phases = (Phase("scores", 0.03), Phase("step", 0.02))
    return Roofline("avx2", 2, CACHES, ROOFS, points, phases, one_thread=0.09)


def test_a_pass_reaches_its_operations_divided_by_its_seconds():
    point = compute_point(WORKS[0], 0.1, ROOFS, CACHES)
    assert point.gflops == pytest.approx(count_operations(WORKS[0]) / 0.1 / 1e9)
    assert point.per_memory_byte == pytest.approx(4 * 3_072 * 10 / (3_072 + 16))
    assert point.per_cache_byte == pytest.approx(count_operations(WORKS[0]) / count_cache_bytes(WORKS[0], CACHES))


@pytest.mark.parametrize(
    ("change", "name"),
    [({}, "sgemm"), ({"read": 1.0}, "memory"), ({"cache": 50.0}, "second cache")],
)
def test_the_lowest_roof_is_the_one_that_is_named(change, name):
    point = compute_point(WORKS[0], 0.1, replace(ROOFS, **change), CACHES)
    roofs = {
        "sgemm": 200.0,
        "memory": point.per_memory_byte * change.get("read", 30.0),
        "second cache": point.per_cache_byte * change.get("cache", 160.0),
    }
    assert (point.roof_name, point.roof) == (name, pytest.approx(min(roofs.values())))


def test_the_phases_are_found_again_and_add_up():
    found = {}
    for m in PROFILE_MEMBERS:
        found[name_profile("evaluate", m)] = 0.010 + 0.008 * m
        found[name_profile("train", m)] = 0.010 + 0.004 + 0.020 * m
    phases = make_profile(0.040, found)
    assert [phase.seconds for phase in phases] == pytest.approx([0.010, 0.008, 0.012, 0.004, 0.006])
    assert sum(phase.seconds for phase in phases) == pytest.approx(0.040)


def test_a_roofline_survives_its_file():
    roofline = make_roofline()
    assert Roofline.from_dict(json.loads(json.dumps(asdict(roofline)))) == roofline


def test_the_tables_say_where_a_pass_stands():
    lines = render_roofline(make_roofline()).splitlines()
    gflops = count_operations(WORKS[0]) / 0.05 / 1e9
    start = f"| one run | 0.05 | 40 | 1.8 | 200 (sgemm) | {gflops:.0f} | {gflops / 200:.0%} |"
    assert any(line.startswith(start) for line in lines)
    assert "| scores | 30.0 | 60% |" in lines
    assert "| all of it | 50.0 | 100% |" in lines
    assert "The same epoch on one thread takes 90.0 ms, 1.80 times as long." in lines


def test_rows_of_a_table_have_as_many_cells_as_its_head():
    for table in (part for part in render_roofline(make_roofline()).split("\n\n") if part.startswith("|")):
        assert len({line.count("|") for line in table.splitlines()}) == 1


def test_its_tables_have_a_place_of_their_own_on_the_page():
    page = f"{MARKERS[0]}\nold\n{MARKERS[1]}\n"
    assert insert(page, "new", MARKERS) == f"{MARKERS[0]}\nnew\n{MARKERS[1]}\n"
    with pytest.raises(ValueError, match="roofline"):
        insert("", "new", MARKERS)


def test_every_pass_is_a_point_in_both_plots():
    roofline = make_roofline()
    for plot, axis in zip(draw_roofline(roofline).axes, ("per_memory_byte", "per_cache_byte"), strict=True):
        points = [line.get_xydata()[0].tolist() for line in plot.lines if len(line.get_xdata()) == 1]
        assert points == [[getattr(s, axis), s.gflops] for s in roofline.points]
        assert plot.get_legend_handles_labels()[1] == [work.name for work in WORKS]
