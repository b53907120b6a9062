"""What careless sources would lose without a word: it is kept apart, or refused with one sentence."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import monolayer as ml
from monolayer.data.readers.table import convert_labels
from monolayer.errors import BadData

X = np.arange(24, dtype=np.float32).reshape(6, 4)
Y = np.arange(6) % 2


def write_shards(folder, *names):
    for name in names:
        pq.write_table(pa.table({"a": X[:, 0], "b": X[:, 1], "label": Y}), folder / name)
    return folder


def write_classes(folder, *names):
    for name in names:
        (folder / name).mkdir(parents=True)
        Image.fromarray(np.full((4, 4), 200, np.uint8)).save(folder / name / "1.png")
    return folder


def write_npz(folder, **arrays):
    np.savez(folder / "d.npz", **arrays)
    return folder / "d.npz"


def write_table(folder, text):
    (folder / "d.csv").write_text(text, encoding="utf-8")
    return folder / "d.csv"


@pytest.mark.parametrize(
    ("train", "test"), [("cifar_train", "cifar_test"), ("a.training-0", "test_b"), ("train", "x-test")]
)
def test_a_part_may_stand_anywhere_in_the_name_of_a_parquet_file(tmp_path, train, test):
    dataset = ml.load(write_shards(tmp_path, f"{train}.parquet", f"{test}.parquet"))
    assert (len(dataset.X), len(dataset.test.X)) == (6, 6)


def test_parquet_files_of_no_part_beside_one_of_a_part_are_refused(tmp_path):
    with pytest.raises(BadData, match=r"a_test\.parquet name a part and a_more\.parquet none; accepted are"):
        ml.load(write_shards(tmp_path, "a_more.parquet", "a_test.parquet"))
    with pytest.raises(BadData, match="names two parts, train and test"):
        ml.load(write_shards(tmp_path, "x_train_test.parquet"))


def test_folders_of_images_beside_the_parts_are_not_dropped(tmp_path):
    root = write_classes(tmp_path / "d", "train/cat", "train/dog", "evaluation/cat", "holdout/cat")
    with pytest.raises(BadData, match="evaluation, holdout beside train hold images and are no parts; accepted names"):
        ml.load(root)
    assert len(ml.load(write_classes(tmp_path / "e", "train/cat", "train/dog", "test/cat")).test.X) == 1


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["9", "10", "1.0", "1"], [9, 10, 1, 1]),
        (["1_0", "1_1", "10"], ["1_0", "1_1", "10"]),
        (["007", "7", "08"], ["007", "7", "08"]),
        (["9223372036854775808", "9223372036854775807"], ["9223372036854775808", "9223372036854775807"]),
        (["9007199254740993", "9007199254740992"], [9007199254740993, 9007199254740992]),
        (["1e3", "1000"], ["1e3", "1000"]),
    ],
)
def test_labels_that_are_written_as_different_names_are_never_one(texts, expected):
    assert convert_labels(np.array(texts)).tolist() == expected


@pytest.mark.parametrize(
    ("column", "message"), [("0.5,1", "real numbers such as 0.5; accepted"), ("nan,1", "no label")]
)
def test_real_numbers_and_holes_in_a_table_are_no_classes(tmp_path, column, message):
    with pytest.raises(BadData, match=message):
        ml.load(write_table(tmp_path, "y,a\n" + "".join(f"{label},1\n" for label in column.split(","))))


def test_floats_and_integers_that_cannot_be_told_apart_are_no_labels(tmp_path):
    for labels in (np.array([2.0**53, 1, 0, 1, 0, 1]), np.array([2**63, 1, 0, 1, 0, 1], np.uint64)):
        with pytest.raises(BadData, match=r"has a label 9\d+; accepted are numbers below 2"):
            ml.load(write_npz(tmp_path, X=X, y=labels))


def test_parts_whose_labels_are_of_different_integers_have_the_names_of_integers(tmp_path):
    path = write_npz(tmp_path, train_X=X, train_y=Y.astype(np.uint64), test_X=X, test_y=Y)
    assert ml.load(path).class_names == ("0", "1")
