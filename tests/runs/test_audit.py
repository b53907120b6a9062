import numpy as np
import pytest

import monolayer as ml
from monolayer.data.dataset import Dataset
from monolayer.errors import BadInput

CLAIMS = {"train": 0.4518, "val": (0.79, 1000), "test": (0.5187, 10_000)}


def make_dataset():
    """Forty training rows, of which 3 and 8 are equal, and ten test rows, of which 2 is training row 7."""
    rng = np.random.default_rng(0)
    X, T = rng.random((40, 5)).astype(np.float32), rng.random((10, 5)).astype(np.float32)
    X[8], T[2] = X[3], X[7]
    test = Dataset(T, np.arange(10) % 2, ("a", "b"))
    return Dataset(X, np.arange(40) % 2, ("a", "b"), test=test)


def test_a_dataset_in_memory_is_searched():
    found = ml.audit(make_dataset())
    assert [(pair.first, pair.second) for pair in found.across] == [(7, 2)]
    assert (found.inside, found.run) == ([], {})
    assert [(finding.code, finding.outcome) for finding in found.findings] == [("ML002", "issue")]
    within = ml.audit(make_dataset(), within=True)
    assert [(pair.first, pair.second) for pair in within.inside] == [(3, 8)]
    assert within.describe_search() == (
        "Searched 10 test rows against 40 training rows: 1 pair, 1 with different labels; "
        "40 training rows against each other: 1 pair, 1 with different labels."
    )


def test_the_result_is_json_as_the_command_prints_it(command, tmp_path):
    dataset = make_dataset()
    arrays = {"X": dataset.X, "y": dataset.y, "test_X": dataset.test.X, "test_y": dataset.test.y}
    np.savez(tmp_path / "d.npz", **arrays)
    found = ml.audit(tmp_path / "d.npz", claims={"train": 0.45, "val": (0.79, 1000)}, muted=["ML002"])
    words = ("audit", tmp_path / "d.npz", "--train", "45", "--val", "79:1000", "--mute", "ML002", "--json")
    assert command(*words).json == found.to_dict()
    assert [finding.outcome for finding in found.findings] == ["issue", "muted"]


def test_claims_are_checked_without_a_dataset():
    found = ml.audit(claims=CLAIMS)
    assert [(finding.code, finding.outcome) for finding in found.findings] == [("ML003", "issue"), ("ML003", "issue")]
    assert found.findings[0].evidence.startswith("Validation accuracy 79.00% on 1,000 rows")
    assert (found.describe_search(), found.describe_run()) == ("", "")
    assert found.to_dict()["duplicates"] == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "nothing to audit"),
        ({"run": "somewhere"}, "needs the dataset"),
        ({"claims": {"train": 0.5}}, r"accepted is an accuracy for train, and \(accuracy, rows\)"),
        ({"claims": {"val": (0.5, 10)}}, "accepted is an accuracy for train"),
        ({"claims": {**CLAIMS, "holdout": (0.5, 10)}}, "accepted is an accuracy for train"),
        ({"claims": {"train": 0.5, "val": 0.5}}, "The claim for val is 0.5"),
        ({"claims": {"train": 0.5, "val": (79.0, 10)}}, "fraction from 0 to 1"),
        ({"claims": CLAIMS, "muted": ["ML3"]}, "is not a finding's code"),
    ],
)
def test_what_cannot_be_audited_is_refused(options, message):
    with pytest.raises(BadInput, match=message):
        ml.audit(**options)
