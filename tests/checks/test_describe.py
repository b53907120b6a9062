import io
import json
import shutil
import tracemalloc

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from monolayer.checks.dataset import check_rows
from monolayer.checks.describe import describe
from monolayer.data.load import load
from monolayer.errors import BadData, BadInput

RNG = np.random.default_rng(0)


def save(folder, **arrays):
    np.savez(folder / "d.npz", **arrays)
    return folder / "d.npz"


def get_outcomes(found):
    return {finding.code: finding.outcome for finding in found.findings}


def get_evidence(found):
    return {finding.code: finding.evidence for finding in found.findings}


def make_rows(n=60):
    return RNG.standard_normal((n, 5)).astype(np.float32), np.arange(n) % 3


def test_sound_data_passes_every_check(tmp_path):
    X, y = make_rows()
    found = describe(save(tmp_path, X=X, y=y))
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
    found = describe(save(tmp_path, X=X, y=y))
    assert get_outcomes(found) == {
        "ML016": "issue", "ML014": "tip", "ML015": "tip", "ML017": "not applicable", "ML010": "tip",
        "ML020": "not applicable",
    }  # fmt: skip
    by_code = {finding.code: finding.evidence for finding in found.findings}
    assert "in 1 of 60 train rows (7), in 1 of 5 features (3)." in by_code["ML016"]
    assert "0 with another label (train 9 is train 8)." in by_code["ML015"]
    assert "1 of 5 features have the same value in every training row: feature 2." in by_code["ML014"]


@pytest.mark.parametrize(("other", "label", "outcome"), [(0, 1, "issue"), (1, None, "issue"), (0, None, "tip")])
def test_rows_that_stand_twice_weigh_by_where_and_how_they_are_labelled(tmp_path, other, label, outcome):
    """In another part or with another label it is an issue; once more in the same part a tip."""
    X, y = make_rows()
    X_test, y_test = make_rows(12)
    target, labels = ((X, y), (X_test, y_test))[other]
    target[5], labels[5] = X[3], y[3] if label is None else (y[3] + 1) % 3
    found = describe(save(tmp_path, X_train=X, y_train=y, X_test=X_test, y_test=y_test))
    assert get_outcomes(found)["ML015"] == outcome


def save_photos(folder, n):
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for i in range(n):
            Image.fromarray(RNG.integers(0, 255, (4, 5, 3)).astype(np.uint8)).save(folder / name / f"{i:02}.png")


def test_images_that_cannot_be_read_are_listed_and_the_rest_described(tmp_path):
    save_photos(tmp_path / "f", 12)
    bad = tmp_path / "f" / "dog" / "03.png"
    bad.write_bytes(bad.read_bytes()[:60])
    found = describe(tmp_path / "f")
    assert get_outcomes(found)["ML017"] == "issue"
    assert list(found.unreadable) == ["dog/03.png"]
    assert found.count_classes() == {"train": {"cat": 12, "dog": 11}}


def test_images_in_parquet_that_cannot_be_read_are_listed_by_their_row(tmp_path):
    pixels = [Image.fromarray(RNG.integers(0, 255, (4, 5, 3)).astype(np.uint8)) for _ in range(24)]
    contents = []
    for image in pixels:
        file = io.BytesIO()
        image.save(file, "PNG")
        contents.append(file.getvalue())
    contents[7], contents[9] = b"no image", contents[9][:50]
    table = pa.table({"image": [{"bytes": content} for content in contents], "label": [i % 2 for i in range(24)]})
    pq.write_table(table, tmp_path / "d.parquet")
    found = describe(tmp_path / "d.parquet")
    assert list(found.unreadable) == ["row 7", "row 9"]
    assert found.count_classes() == {"train": {"0": 12, "1": 10}}
    assert "2 of 24 images cannot be read: row 7 (it is not one)" in get_evidence(found)["ML017"]
    with pytest.raises(BadData, match=r"d\.parquet: row 7: cannot be read as an image"):
        load(tmp_path / "d.parquet")


def test_copies_are_told_by_the_names_of_their_files(tmp_path):
    save_photos(tmp_path / "f", 3)
    shutil.copy(tmp_path / "f" / "cat" / "01.png", tmp_path / "f" / "dog" / "copy.png")
    evidence = get_evidence(describe(tmp_path / "f"))["ML015"]
    assert "1 with another label (dog/copy.png is cat/01.png)." in evidence


def test_values_that_are_not_finite_are_found_in_every_part(tmp_path):
    X, y = make_rows()
    other = X.copy()
    other[[4, 50], 1] = np.inf
    found = describe(save(tmp_path, X_train=X, y_train=y, X_test=other[:, ::-1], y_test=y))
    assert "in 2 of 60 test rows (4, 50), in 1 of 5 features (3)." in get_evidence(found)["ML016"]
    assert get_evidence(describe(save(tmp_path, X=X, y=y)))["ML016"] == "Every value is finite."


def test_a_description_is_json_whatever_the_values(tmp_path):
    X, y = make_rows()
    X[3, :], X[:, 2] = np.inf, np.nan
    facts = describe(save(tmp_path, X=X, y=y)).to_dict()
    assert facts["values"] == pytest.approx([np.nanmin(np.delete(X, 3, 0)), np.nanmax(np.delete(X, 3, 0))])
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    assert describe(save(tmp_path, X=np.full((60, 2), np.nan), y=y)).to_dict()["values"] is None


@pytest.mark.parametrize(
    ("who", "outcome", "evidence"),
    [
        (("a", "b"), "passed", "Each of 2 groups is in one split."),
        (("a", "a"), "issue", "Groups with rows in two splits: 1 in train and test (a)."),
    ],
)
def test_a_group_in_two_parts_is_an_issue(tmp_path, who, outcome, evidence):
    X, y = make_rows()
    groups = {f"who_{part}": np.full(60, name) for part, name in zip(("train", "test"), who, strict=True)}
    parts = {"X_train": X, "y_train": y, "X_test": X + 1, "y_test": y}
    found = describe(save(tmp_path, **parts, **groups), group_by="who")
    assert (get_outcomes(found)["ML020"], get_evidence(found)["ML020"]) == (outcome, evidence)


def test_copies_in_two_groups_are_an_issue(tmp_path):
    X, y = make_rows()
    X[9] = X[3]
    found = describe(save(tmp_path, X=X, y=y, who=np.arange(60)), group_by="who")
    assert get_outcomes(found)["ML015"] == "issue"
    assert "1 in another group (train 9 is train 3)" in get_evidence(found)["ML015"]


def test_a_dataset_is_described_by_name_too():
    found = describe("digits")
    assert found.to_dict()["image_shape"] == [1, 8, 8]
    assert get_outcomes(found)["ML014"] == "tip"  # the corners are never written on


def test_what_cannot_be_read_at_all_is_refused(tmp_path):
    (tmp_path / "nothing").mkdir()
    with pytest.raises(BadData, match="is an empty folder"):
        describe(tmp_path / "nothing")


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_constant_features_are_named_as_their_columns(tmp_path, suffix):
    columns = {"width": [1.0, 2.0, 3.0], "label": [0, 1, 0], "height": [7.0, 7.0, 7.0]}
    path = tmp_path / f"d.{suffix}"
    if suffix == "csv":
        lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
        path.write_text("\n".join(lines), encoding="utf-8")
    else:
        pq.write_table(pa.table(columns), path)
    assert "row: column 'height'." in get_evidence(describe(path))["ML014"]


def test_looking_for_rows_that_stand_twice_takes_some_bytes_a_row(tmp_path):
    X = np.arange(20_000, dtype=np.float32)[:, None]
    X[10_000:10_010] = X[0]
    dataset = load(save(tmp_path, X=X, y=np.arange(20_000) % 3))
    tracemalloc.start()
    try:
        finding = check_rows({"train": dataset})
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "Of 20,000 rows 10 equal an earlier one" in finding.evidence
    assert "train 10000 is train 0" in finding.evidence
    assert peak < 120 * len(X)


def test_a_dataset_in_memory_and_its_splits_are_described(tmp_path):
    X, y = make_rows(120)
    path = save(tmp_path, X=X, y=y)
    dataset = load(path)
    read, in_memory = describe(path), describe(dataset)
    assert in_memory.findings == read.findings
    assert {**in_memory.to_dict(), "kind": read.kind} == read.to_dict()
    splits = dataset.split(30)
    found = describe(splits)
    assert found.dataset is dataset
    assert splits.openings == []
    assert get_evidence(found)["ML010"] != get_evidence(read)["ML010"]
    with pytest.raises(BadInput, match="options group_by are for"):
        describe(dataset, group_by="who")
