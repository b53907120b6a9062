from monolayer.findings import Check, Finding

CHECK = Check("ML001", "Learning rate too high", "run", "the training cost")


def test_a_check_makes_findings_with_its_code_and_title():
    finding = CHECK.make_finding("passed", "The cost falls.")
    assert finding == Finding("ML001", "passed", "Learning rate too high", "The cost falls.", "Nothing to do.")
    assert CHECK.make_finding("tip", "seen", "do").advice == "do"
    assert CHECK.page == "findings/ML001.md"


def test_issues_and_tips_are_news():
    outcomes = ("issue", "tip", "passed", "not applicable", "skipped", "muted")
    assert [CHECK.make_finding(outcome, "").is_news for outcome in outcomes] == [True, True, False, False, False, False]
