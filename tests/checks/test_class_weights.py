"""ML013: fires, stays silent, does not apply."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monolayer.checks.class_weights import check_weights

NAMES = np.array(["ant", "bee"])
Y = np.repeat([0, 1], [90, 10])


def check(sample_weight=None, by_class=(1.0, 1.0)):
    weights = np.ones(100) if sample_weight is None else np.asarray(sample_weight, float)
    return check_weights(Y, weights, weights * np.asarray(by_class)[Y], NAMES)


def test_class_weights_that_shift_the_shares_are_an_issue():
    finding = check(by_class=(1.0, 9.0))
    assert (finding.code, finding.outcome) == ("ML013", "issue")
    assert "class ant is 50.0% of the rows, without them 90.0%; in all, 40.0% of the rows' weight" in finding.evidence
    assert "CalibratedClassifierCV" in finding.advice


def test_sample_weights_that_do_so_are_a_tip():
    assert check(sample_weight=np.array([1.0, 9.0])[Y]).outcome == "tip"
    # A class weight on top of them is the caller's wish about classes.
    assert check(sample_weight=np.array([1.0, 9.0])[Y], by_class=(1.0, 2.0)).outcome == "issue"


def test_weights_that_leave_the_shares_pass():
    assert check(sample_weight=1 + np.arange(100) % 10).outcome == "passed"
    assert check(by_class=(1.0, 1.01)).outcome == "passed"


@pytest.mark.parametrize("weight", [1.0, 7.0, 1 / 3])
def test_to_rows_of_one_weight_it_does_not_apply(weight):
    assert check(sample_weight=np.full(100, weight)).outcome == "not applicable"
    assert check(by_class=(weight, weight)).outcome == "not applicable"


def test_rows_that_are_not_there_have_no_share():
    weights = (Y == 0).astype(float)
    weights[-1] = 1  # 90 rows of the one class and 1 of the other, each of them once
    assert check(sample_weight=weights).outcome == "not applicable"
    finding = check(sample_weight=weights, by_class=(1.0, 90.0))
    assert finding.outcome == "issue"
    assert "without them 98.9%" in finding.evidence


@given(first=st.floats(1e-3, 1e3), second=st.floats(1e-3, 1e3), factor=st.sampled_from([0.5, 8.0]))
def test_a_common_factor_changes_no_outcome(first, second, factor):
    plain, scaled = check(by_class=(first, second)), check(by_class=(factor * first, factor * second))
    assert plain.outcome == scaled.outcome
    moved = abs(0.9 * first / (0.9 * first + 0.1 * second) - 0.9)
    if abs(moved - 0.02) > 1e-9 and first != second:
        assert plain.outcome == ("issue" if moved > 0.02 else "passed")
