import pytest
from benchmarks.cases import GRID, TORCH, Case, Promise
from benchmarks.measuring import Sample
from benchmarks.rendering import BEGIN, END, format_seconds, insert, render
from benchmarks.scaling import list_values, name_job
from benchmarks.summary import summarise

from tests.benchmarks.made import (
    AGAINST_LIMIT,
    AGAINST_TORCH,
    MEMORY,
    SITTING,
    make_cases,
    make_measured,
    summarise_made,
)


def find_line(text, start):
    return next(line for line in text.splitlines() if line.startswith(start))


def test_the_table_has_seconds_ratios_memory_accuracy_and_epochs():
    line = find_line(render(summarise_made()), f"| {TORCH}")
    assert line == f"| {TORCH} | 25.0 | 1.00 | 10.38 | 1,030 | 40.00% | 40 |"


def test_scaled_seconds_bear_a_star_that_is_explained():
    text = render(summarise_made())
    assert "| 100.0\\* |" in find_line(text, "| slow peer")
    assert "scaled to 40" in text


def test_a_promise_is_shown_with_what_was_measured():
    text = render(summarise_made(grid=(AGAINST_TORCH, MEMORY)))
    assert find_line(text, f"| {GRID}: seconds") == f"| {GRID}: seconds / {TORCH} | 4.00 | 1.09 | 4.00 | kept |"
    assert find_line(text, f"| {GRID}: peak") == f"| {GRID}: peak MiB | 700 | – | 340 | kept |"
    assert "missed" not in text


def test_a_missed_promise_stands_out_in_both_tables():
    text = render(summarise_made(grid=(Promise("seconds", 3, TORCH),)))
    assert find_line(text, f"| {GRID}:").endswith("| 3.00 | 0.82 | 4.00 | **missed** |")
    assert find_line(text, f"| {GRID} ").startswith(f"| {GRID} **missed** |")


def test_what_could_not_be_measured_is_said():
    measured = make_measured()
    measured.failures[GRID] = "it ended with 2"
    text = render(summarise_made(measured, grid=(AGAINST_LIMIT,)))
    assert find_line(text, f"| {GRID}:").endswith("| 2.00 | – | – | not measured |")
    assert f"**Failed:** {GRID}: it ended with 2" in text


def test_a_promise_below_one_has_a_third_decimal_as_an_eighth_needs():
    text = render(summarise_made(grid=(Promise("seconds", 1 / 8, TORCH),)))
    assert find_line(text, f"| {GRID}: seconds") == f"| {GRID}: seconds / {TORCH} | 0.125 | 0.03 | 4.000 | **missed** |"


@pytest.mark.parametrize(("seconds", "shown"), [(1.234, "1.23"), (9.994, "9.99"), (12.34, "12.3"), (140.0, "140.0")])
def test_seconds_have_three_digits(seconds, shown):
    assert format_seconds(seconds) == shown


def test_what_was_measured_once_bears_a_dagger_that_is_explained():
    measured = make_measured()
    measured.samples["report"] = [Sample(140.0, 600.0)]
    case = Case("report", (), 40, task=None, is_once=True)
    text = render(summarise(SITTING, [*make_cases(), case], measured))
    assert find_line(text, "| report") == "| report | 140.0† | – | – | 600 | – | 40 |"
    assert find_line(text, "†") == "† Measured once, and no median."
    assert "†" not in render(summarise_made())


def test_growth_is_a_table():
    measured = make_measured()
    for value in list_values("members"):
        measured.samples[name_job("members", value)] = [Sample(value / 80, 90.0)]
    line = find_line(render(summarise_made(measured)), "| members")
    assert line == "| members | 8 | 64 | 0.1, 0.2, 0.4, 0.8 | 2.00 times | 1.00 |"


def test_rows_of_a_table_have_as_many_cells_as_its_head():
    text = render(summarise_made(grid=(AGAINST_TORCH, AGAINST_LIMIT, MEMORY)))
    for table in (part for part in text.split("\n\n") if part.startswith("|")):
        assert len({line.count("|") for line in table.splitlines()}) == 1


def test_text_goes_between_the_markers_and_takes_the_place_of_what_was_there():
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert insert(page, "new\n") == f"before\n{BEGIN}\nnew\n{END}\nafter\n"
    assert insert(insert(page, "new"), "new") == insert(page, "new")


@pytest.mark.parametrize("page", ["no markers", BEGIN, END])
def test_a_page_without_the_markers_is_left_alone(page):
    with pytest.raises(ValueError, match="must have the lines"):
        insert(page, "new")
