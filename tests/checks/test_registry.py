import pytest

from monolayer.checks.registry import CHECKS, mute, validate_codes
from monolayer.errors import BadInput


def test_the_registry_is_in_the_order_of_the_codes():
    assert list(CHECKS) == sorted(CHECKS)


def test_a_muted_finding_keeps_its_evidence():
    found = [CHECKS["ML001"].make_finding("issue", "seen", "do"), CHECKS["ML006"].make_finding("tip", "slope", "more")]
    kept, muted = mute(found, ["ML006"])
    assert kept == found[0]
    assert (muted.code, muted.outcome, muted.evidence, muted.advice) == ("ML006", "muted", "slope", "more")


def test_an_unknown_code_is_refused_with_the_list():
    with pytest.raises(BadInput, match=r"'ML999' is not a finding's code; accepted are ML001, .*, ML012"):
        validate_codes(["ML001", "ML999"])
    with pytest.raises(BadInput, match="is not a finding's code"):
        mute([], ["X"])
