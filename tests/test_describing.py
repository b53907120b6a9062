import numpy as np
import pytest
from PIL import Image

from monolayer.describing import describe_data
from monolayer.errors import BadData

RNG = np.random.default_rng(0)


def save(folder, **arrays):
    np.savez(folder / "d.npz", **arrays)
    return folder / "d.npz"


def get_outcomes(found):
    return {finding.code: finding.outcome for finding in found.findings}


def make_rows(n=60):
    return RNG.standard_normal((n, 5)).astype(np.float32), np.arange(n) % 3


def test_sound_data_passes_every_check(tmp_path):
    X, y = make_rows()
    found = describe_data(save(tmp_path, X=X, y=y))
    assert get_outcomes(found) == {
        "ML016": "passed", "ML014": "passed", "ML015": "passed", "ML017": "not applicable", "ML010": "passed",
        "ML020": "not applicable",
    }  # fmt: skip
    facts = found.to_dict()
    assert (facts["rows"], facts["n_features"], facts["dtype"]) == ({"train": 60}, 5, "float32")
    assert facts["classes"] == {"train": {"0": 20, "1": 20, "2": 20}}
    assert facts["values"] == pytest.approx([X.min(), X.max()])
    assert facts["sha256"] == found.dataset.sha256


def test_what_is_wrong_is_found(tmp_path):
    X, y = make_rows()
    X[:, 2], X[7, 3], y[:] = 4, np.nan, np.minimum(np.arange(60), 1)
    X[9] = X[8]
    found = describe_data(save(tmp_path, X=X, y=y))
    assert get_outcomes(found) == {
        "ML016": "issue", "ML014": "tip", "ML015": "tip", "ML017": "not applicable", "ML010": "tip",
        "ML020": "not applicable",
    }  # fmt: skip
    by_code = {finding.code: finding.evidence for finding in found.findings}
    assert "in 1 of 60 train rows (7), in 1 of 5 features (3)." in by_code["ML016"]
    assert "0 with another label (train 9 is train 8)." in by_code["ML015"]
    assert "1 of 5 features have one value in every training row: 2." in by_code["ML014"]


@pytest.mark.parametrize(("other", "label", "outcome"), [(0, 1, "issue"), (1, None, "issue"), (0, None, "tip")])
def test_rows_that_stand_twice_weigh_by_where_and_how_they_are_labelled(tmp_path, other, label, outcome):
    """In another part or with another label it is an issue; once more in the same part a tip."""
    X, y = make_rows()
    X_test, y_test = make_rows(12)
    target, labels = ((X, y), (X_test, y_test))[other]
    target[5], labels[5] = X[3], y[3] if label is None else (y[3] + 1) % 3
    found = describe_data(save(tmp_path, X_train=X, y_train=y, X_test=X_test, y_test=y_test))
    assert get_outcomes(found)["ML015"] == outcome


def test_images_that_cannot_be_read_are_listed_and_the_rest_described(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / "f" / name).mkdir(parents=True)
        for i in range(12):
            pixels = RNG.integers(0, 255, (4, 5, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "f" / name / f"{i:02}.png")
    bad = tmp_path / "f" / "dog" / "03.png"
    bad.write_bytes(bad.read_bytes()[:60])
    found = describe_data(tmp_path / "f")
    assert get_outcomes(found)["ML017"] == "issue"
    assert list(found.unreadable) == ["dog/03.png"]
    assert found.count_classes() == {"train": {"cat": 12, "dog": 11}}


def test_a_dataset_is_described_by_name_too():
    found = describe_data("digits")
    assert found.to_dict()["image_shape"] == [1, 8, 8]
    assert get_outcomes(found)["ML014"] == "tip"  # the corners are never written on


def test_what_cannot_be_read_at_all_is_refused(tmp_path):
    (tmp_path / "nothing").mkdir()
    with pytest.raises(BadData, match="is an empty folder"):
        describe_data(tmp_path / "nothing")
