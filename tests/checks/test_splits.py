import numpy as np
import pytest

from monolayer.checks.splits import check_classes, check_fitted, check_openings
from monolayer.data.dataset import Dataset, Rows, Splits
from monolayer.data.scaler import Scaler, fit_scaler
from tests.made import make_dataset


@pytest.mark.parametrize(
    ("reasons", "outcome"), [([], "not applicable"), (["final"], "passed"), (["final", "one more look"], "issue")]
)
def test_a_second_opening_is_an_issue(reasons, outcome):
    finding = check_openings(reasons)
    assert (finding.code, finding.outcome) == ("ML008", outcome)
    assert all(reason in finding.evidence for reason in reasons)


def test_rows_in_two_parts_are_an_issue_and_the_test_rows_stay_sealed():
    dataset = make_dataset()
    good = dataset.split(40)
    assert check_fitted(good).outcome == "passed"
    bad = Splits(good.train, Rows(dataset, np.arange(195, 240)), good.open_test("test"))
    assert check_fitted(bad).outcome == "issue"
    assert "5 rows are both training and validation" in check_fitted(bad).evidence
    assert bad.openings == []


def test_a_scaler_of_other_rows_is_an_issue():
    splits = make_dataset().split(40)
    own = fit_scaler(splits.train)
    assert check_fitted(splits, own).outcome == "passed"
    assert check_fitted(splits, Scaler(own.mean * (1 + 1e-7), own.std)).outcome == "passed"
    with_val = fit_scaler(Rows(splits.dataset, np.arange(240)))
    assert check_fitted(splits, with_val).outcome == "issue"


def make_floats(standardise_by):
    rng = np.random.default_rng(0)
    X = rng.normal(5, 2, (300, 6))
    rows = X if standardise_by == "all" else X[:160]
    X = ((X - rows.mean(axis=0)) / rows.std(axis=0)).astype(np.float32)
    y = np.arange(300) % 3
    test = Dataset(X[200:], y[200:], ("a", "b", "c"))
    return Dataset(X[:200], y[:200], ("a", "b", "c"), test=test).split(40)


def test_features_that_were_standardised_with_the_test_rows_are_an_issue():
    assert check_fitted(make_floats("all")).outcome == "issue"
    assert check_fitted(make_floats("training")).outcome == "passed"


@pytest.mark.parametrize(
    ("counts", "val", "outcome"),
    [((50, 40), [0, 1], "passed"), ((500, 40), [0, 1], "tip"), ((40, 5), [0, 1], "tip"), ((50, 40), [0], "tip")],
)
def test_rare_and_missing_classes_are_tips(counts, val, outcome):
    y = np.repeat([0, 1], counts)
    finding = check_classes(y, np.array(val), ("cat", "dog"))
    assert (finding.code, finding.outcome) == ("ML010", outcome)
    assert ("No validation row is dog" in finding.evidence) == (val == [0])


def test_without_validation_rows_the_training_rows_alone_are_counted():
    assert check_classes(np.arange(100) % 2, None, ("cat", "dog")).outcome == "passed"
