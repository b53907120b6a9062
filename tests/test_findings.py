import pytest

from monolayer.errors import BadInput
from monolayer.findings import CODES, Finding, check_codes, mute, report


def test_a_muted_finding_keeps_its_evidence():
    found = [report("ML001", "issue", "seen", "do"), report("ML006", "tip", "slope", "more")]
    muted = mute(found, ["ML006"])
    assert muted == (found[0], Finding("ML006", "muted", CODES["ML006"], "slope", "more"))
    assert [f.is_news for f in muted] == [True, False]


def test_an_unknown_code_is_refused_with_the_list():
    with pytest.raises(BadInput, match=r"'ML999' is no finding's code; accepted are ML001, .*, ML012"):
        check_codes(["ML001", "ML999"])
    with pytest.raises(BadInput, match="is no finding's code"):
        mute([], ["X"])
