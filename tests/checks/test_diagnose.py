"""Every check on real runs: what fires on digits split honestly must be true of them."""

import pytest

from monolayer.checks.certificate import certify
from monolayer.checks.diagnose import diagnose_run, diagnose_sweep, summarise_findings
from monolayer.checks.registry import CHECKS
from monolayer.data.dataset import choose_val_size
from monolayer.data.load import load_digits
from monolayer.errors import BadInput
from monolayer.evaluate.predictions import predict_rows
from monolayer.recipe.recipe import Recipe
from monolayer.training.run import add_test_metrics, evaluate_test
from monolayer.training.train import train
from monolayer.tuning.sweep import sweep


@pytest.fixture(scope="module")
def splits():
    dataset = load_digits()
    return dataset.split(choose_val_size(dataset), seed=0)


@pytest.fixture(scope="module")
def run(splits):
    run = train(splits, Recipe(learning_rate=0.1, l2=0.01, batch_size=50, epochs=40))
    predictions = {
        "val": predict_rows(run.network, splits.val),
        "test": predict_rows(run.network, splits.open_test("final evaluation")),
    }
    return diagnose_run(
        add_test_metrics(run, predictions["test"]), splits, predictions, certificate=certify(run, splits)
    )


def test_each_check_has_one_outcome_and_none_fires_wrongly_on_digits(run, splits):
    """Digits are easy: with a good rate nothing is wrong but that probabilities are too modest, which l2 makes them."""
    outcomes = {finding.code: finding.outcome for finding in run.findings}
    assert {code for code, outcome in outcomes.items() if outcome == "issue"} <= {"ML011"}
    assert outcomes["ML003"] == outcomes["ML008"] == outcomes["ML009"] == outcomes["ML012"] == "passed"
    assert outcomes["ML001"] == "passed"
    subjects = {code: check.subject for code, check in CHECKS.items() if check.subject != "installation"}
    assert {code for code, subject in subjects.items() if subject in ("run", "rows")} == set(outcomes) & set(subjects)


def test_a_sweep_is_checked_as_a_whole(splits):
    result = diagnose_sweep(
        sweep(splits, Recipe(epochs=5, batch_size=50), grid={"learning_rate": [1e-5, 0.01, 0.1], "l2": [0.0, 0.001]}),
        splits,
    )
    outcomes = {(f.code, f.outcome) for f in result.findings}
    assert ("ML004", "issue") in outcomes  # the largest rate is far better than the next
    assert ("ML007", "tip") in outcomes  # the two l2 are not significantly different
    assert result.to_dict()["findings"][0]["code"] == "ML004"


def test_a_step_schedule_that_stops_short_is_told_from_an_arrival(splits):
    short = train(splits, Recipe(learning_rate=0.001, batch_size=50, epochs=9, schedule="step:3:0.1"))
    findings = diagnose_run(short, splits, certificate=certify(short, splits)).findings
    assert next(f for f in findings if f.code == "ML005").outcome == "issue"


def test_a_second_opening_shows(splits):
    dataset = load_digits()
    splits = dataset.split(choose_val_size(dataset))
    run = evaluate_test(train(splits, epochs=1), splits)
    run = evaluate_test(run, splits, "one more look", again=True)
    assert ("ML008", "issue") in {(f.code, f.outcome) for f in diagnose_run(run, splits).findings}


def test_validation_rows_are_asked_where_no_answers_are_given(splits):
    run = train(splits, epochs=1)
    message = diagnose_run(run, splits, {"val": predict_rows(run.network, splits.val)}).findings
    assert diagnose_run(run, splits).findings == message
    outcomes = {finding.code: finding.outcome for finding in diagnose_run(run, splits, {}).findings}
    assert outcomes["ML011"] == outcomes["ML012"] == "skipped" not in {f.outcome for f in message if f.code > "ML010"}


def test_what_is_muted_is_told_as_muted(run, splits):
    again = diagnose_run(run, splits, muted=["ML002"])
    assert next(f for f in again.findings if f.code == "ML002").outcome == "muted"
    with pytest.raises(BadInput, match="not a finding's code"):
        diagnose_run(run, splits, muted=["ML02"])


def test_the_summary_counts_outcomes():
    findings = [CHECKS["ML001"].make_finding(outcome, "") for outcome in ("issue", "issue", "passed", "skipped")]
    assert summarise_findings(findings) == "4 checks: 2 issues, 1 passed, 1 skipped"
