from dataclasses import replace

import pytest
from benchmarks.cases import GRID, SGEMM, TORCH, TORCH_EMBEDDINGS, Case, Promise
from benchmarks.limit import CIFAR10, EMBEDDINGS, count_operations
from benchmarks.measuring import Sample
from benchmarks.summary import summarise

from tests.benchmarks.made import (
    AGAINST_LIMIT,
    AGAINST_TORCH,
    GFLOPS,
    MEMORY,
    SITTING,
    make_cases,
    make_measured,
    summarise_made,
)


def find(summary, name):
    return next(row for row in summary.rows if row.name == name)


def test_seconds_are_medians_and_memory_is_the_highest():
    row = find(summarise_made(), TORCH)
    assert (row.seconds, row.mib, row.all_seconds) == (25.0, 1030.0, (20.0, 30.0, 25.0))


def test_ratios_are_of_medians():
    assert find(summarise_made(), GRID).times_torch == 4.0
    assert find(summarise_made(), TORCH).times_torch == 1.0


def test_a_part_of_the_epochs_is_scaled_against_pytorch_but_not_against_its_limit():
    row = find(summarise_made(), "slow peer")
    assert (row.seconds, row.times_torch, row.epochs) == (100.0, 4.0, 4)
    assert row.times_limit == pytest.approx(10.0 * GFLOPS * 1e9 / count_operations(CIFAR10, 4, 0, 0))


def test_the_limit_counts_the_epochs_that_networks_really_ran():
    measured = make_measured()
    whole = find(summarise_made(measured), GRID).times_limit
    assert whole == pytest.approx(100.0 * GFLOPS * 1e9 / count_operations(CIFAR10, 36 * 40, 10, 1))
    measured.samples[GRID] = [replace(s, member_epochs=s.member_epochs // 2) for s in measured.samples[GRID]]
    assert find(summarise_made(measured), GRID).times_limit == pytest.approx(2 * whole)


def test_without_the_rate_there_is_no_limit():
    measured = make_measured()
    del measured.samples[SGEMM]
    summary = summarise_made(measured, grid=(AGAINST_LIMIT,))
    assert summary.gflops is None
    assert summary.verdicts[0].measured is None


@pytest.mark.parametrize(
    ("promise", "measured"),
    [
        (AGAINST_TORCH, 4.0),
        (MEMORY, 340.0),
        (Promise("MiB", 1.0, TORCH), 340.0 / 1030.0),
        (Promise("seconds", 2.0, "slow peer"), 1.0),
    ],
)
def test_a_promise_is_measured_in_its_own_terms(promise, measured):
    (verdict,) = summarise_made(grid=(promise,)).verdicts
    assert verdict.measured == pytest.approx(measured)
    assert not verdict.is_missed


def test_a_promise_against_another_case_is_said_in_limits_too():
    summary = summarise_made(grid=(Promise("seconds", 2.0, TORCH), AGAINST_LIMIT, MEMORY))
    against_torch, against_limit, memory = summary.verdicts
    # Half of what it takes, so half as many limits as it takes.
    assert against_torch.times_limit == pytest.approx(find(summary, GRID).times_limit / 2)
    assert (against_limit.times_limit, memory.times_limit) == (None, None)


def test_at_most_means_that_the_limit_itself_keeps_the_promise():
    assert not summarise_made(grid=(Promise("seconds", 4.0, TORCH),)).exit_code
    assert summarise_made(grid=(Promise("seconds", 3.999, TORCH),)).exit_code == 1


def test_one_missed_promise_of_many_is_the_exit_code():
    summary = summarise_made(grid=(AGAINST_TORCH, Promise("MiB", 339)), torch=(Promise("MiB", 2000),))
    assert [verdict.is_missed for verdict in summary.verdicts] == [False, False, True]
    assert summary.exit_code == 1


def test_what_was_not_asked_for_is_neither_kept_nor_missed():
    measured = make_measured()
    del measured.samples[TORCH]
    summary = summarise_made(measured, grid=(AGAINST_TORCH,))
    assert summary.verdicts[0].measured is None
    assert summary.exit_code == 0


def test_a_failure_is_the_exit_code_and_its_earlier_rounds_are_not_shown():
    measured = make_measured()
    measured.failures[GRID] = "it ended with 2"
    summary = summarise_made(measured, grid=(AGAINST_TORCH,))
    assert [row.name for row in summary.rows] == [TORCH, "slow peer"]
    assert summary.exit_code == 1


def test_a_run_of_fewer_epochs_that_is_not_scaled_has_no_ratio_to_pytorch():
    cases = make_cases()
    cases[1] = replace(cases[1], is_scaled=False)
    row = find(summarise(SITTING, cases, make_measured()), "slow peer")
    assert (row.seconds, row.times_torch) == (10.0, None)


def test_embeddings_are_held_against_the_loop_that_learns_them_too():
    measured = make_measured()
    measured.samples |= {TORCH_EMBEDDINGS: [Sample(6.0, 800.0)], "embedded": [Sample(1.5, 400.0)]}
    peer, own = (Case(name, (), 5, task=EMBEDDINGS) for name in (TORCH_EMBEDDINGS, "embedded"))
    row = find(summarise(SITTING, [*make_cases(), peer, own], measured), "embedded")
    assert row.times_torch == 0.25
    assert row.times_limit == pytest.approx(1.5 * GFLOPS * 1e9 / count_operations(EMBEDDINGS, 5, 0, 0))


def test_a_whole_process_has_seconds_and_promises_but_no_ratios():
    measured = make_measured()
    measured.samples["report"] = [Sample(140.0, 600.0)]
    case = Case("report", (), 40, promises=(Promise("seconds", 150.0),), task=None, is_once=True)
    summary = summarise(SITTING, [*make_cases(), case], measured)
    row = find(summary, "report")
    assert (row.times_torch, row.times_limit, row.is_once) == (None, None, True)
    assert summary.verdicts[-1].measured == 140.0
