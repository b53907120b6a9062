import math

import numpy as np
import pytest

from monolayer.checks.learning_rate import check_descending, check_diverged, check_rate, check_vanished
from monolayer.recipe.recipe import Recipe

START = math.log(10)
SMOOTH = [*(1.6 + 0.7 * np.exp(-np.arange(40) / 4.0))]


def zigzag(size):
    return [value + size * (-1) ** i for i, value in enumerate(SMOOTH)]


def check(costs, losses=None):
    return check_rate(Recipe(), losses or costs, costs, START)


@pytest.mark.parametrize("losses", [[2.0, math.nan], [2.0, math.inf], [2.0, 2.1 * START]])
def test_a_diverged_run_is_an_issue_whatever_is_known_of_its_epochs(losses):
    assert check_rate(Recipe(), losses, [None, None], START).outcome == "issue"
    assert [f.code for f in check_diverged(Recipe(), losses, START)] == ["ML001"]


def test_a_zigzag_is_a_tip_and_a_smooth_descent_passes():
    assert check(zigzag(0.05)).outcome == "tip"
    assert "cost rises in" in check(zigzag(0.05)).evidence
    assert check(SMOOTH).outcome == "passed"
    assert check(zigzag(0.001)).outcome == "passed"
    assert check_diverged(Recipe(), SMOOTH, START) == []


def test_epochs_that_were_not_evaluated_cannot_be_judged():
    assert check_rate(Recipe(), [1.6], [None] * 39 + [1.6], START).outcome == "skipped"
    assert check(SMOOTH[:5]).outcome == "skipped"


def test_a_rate_that_vanished_far_from_the_optimum_is_an_issue():
    rates = [1e-3] * 10 + [1e-4] * 10 + [1e-5] * 10
    assert check_vanished(rates, 0.1).outcome == "issue"
    assert check_vanished(rates, 0.005).outcome == "passed"
    assert check_vanished(rates, None).outcome == "skipped"
    assert check_vanished(rates[:20], 0.1).outcome == "not applicable"


def test_a_descent_that_was_cut_off_is_a_tip():
    constant = [1e-3] * 40
    assert check_descending(constant, list(np.linspace(2.3, 1.6, 40)), START).outcome == "tip"
    assert check_descending(constant, SMOOTH, START).outcome == "passed"
    noisy = np.linspace(1.62, 1.6, 40) + 0.02 * np.random.default_rng(0).standard_normal(40)
    assert check_descending(constant, [2.2, *noisy[1:]], START).outcome == "passed"
    assert check_descending([*constant[:39], 1e-6], SMOOTH, START).outcome == "not applicable"
    assert check_descending(constant, [None] * 40, START).outcome == "skipped"


def test_a_loss_beyond_all_measure_is_a_divergence_though_the_rows_come_out_right_in_the_end():
    wild = check_rate(Recipe(), [1e30, 0.0], [1e30, 0.0], 2.3)
    assert (wild.code, wild.outcome) == ("ML001", "issue")
    assert "was 1e+30 after an epoch" in wild.evidence
    assert check_rate(Recipe(), [100.0, 0.0], [100.0, 0.0], 2.3).outcome == "skipped"
