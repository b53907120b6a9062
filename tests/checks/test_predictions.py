import numpy as np
import pytest

from monolayer.checks.predictions import check_above_training, check_calibration, check_majority
from monolayer.evaluate.metrics import Metrics
from monolayer.evaluate.predictions import Predictions


def make_answers(factor=1.0, loss="cross_entropy", n=1000):
    rng = np.random.default_rng(0)
    scores = rng.normal(0, 1.5, (n, 4))
    p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    y = (p.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1).clip(max=3)
    return Predictions(loss, factor * scores, y, np.arange(n))


def measure(accuracy, n):
    return Metrics(1.0, 1.0, accuracy, n)


def test_an_evaluation_far_above_training_is_an_issue():
    findings = check_above_training(
        {"train": measure(0.45, 49_000), "val": measure(0.79, 1000), "test": measure(0.41, 10_000)}
    )
    assert [(f.code, f.outcome) for f in findings] == [("ML003", "issue"), ("ML003", "passed")]
    assert [f.outcome for f in check_above_training({"train": measure(0.45, 100)})] == ["not applicable"]


def test_an_error_beyond_chance_is_an_issue():
    assert check_calibration(make_answers()).outcome == "passed"
    assert check_calibration(make_answers(4.0)).outcome == "issue"


def test_calibration_is_not_asked_of_raw_sigmoids_or_without_answers():
    assert check_calibration(make_answers(loss="multiple_bce")).outcome == "not applicable"
    assert check_calibration(None).outcome == "skipped"
    assert check_calibration(make_answers(np.nan)).outcome == "not applicable"


@pytest.mark.parametrize(("share_right", "outcome"), [(0.9, "passed"), (0.5, "issue"), (0.2, "issue")])
def test_a_network_no_better_than_the_most_frequent_class_is_an_issue(share_right, outcome):
    y = np.repeat([0, 1], 100)
    predicted = np.where(np.random.default_rng(0).permutation(200) < 200 * share_right, y, 1 - y)
    finding = check_majority(Predictions("cross_entropy", np.eye(2)[predicted], y, np.arange(200)), y)
    assert (finding.code, finding.outcome) == ("ML012", outcome)
    assert check_majority(None, y).outcome == "skipped"
