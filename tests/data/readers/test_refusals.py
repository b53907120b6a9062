"""What careless sources would lose without a word: it is kept apart, or refused with one sentence."""

import os
import struct
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import EpsImagePlugin, Image

import monolayer as ml
from monolayer.data.images import FORMATS, read_image
from monolayer.data.readers.table import convert_labels
from monolayer.errors import BadData, BadInput

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
    with pytest.raises(BadData, match=r"a_test\.parquet name a part and a_more\.parquet do not; accepted are"):
        ml.load(write_shards(tmp_path, "a_more.parquet", "a_test.parquet"))
    with pytest.raises(BadData, match="names two parts, train and test"):
        ml.load(write_shards(tmp_path, "x_train_test.parquet"))


def test_folders_of_images_beside_the_parts_are_not_dropped(tmp_path):
    root = write_classes(tmp_path / "d", "train/cat", "train/dog", "evaluation/cat", "holdout/cat")
    with pytest.raises(BadData, match="evaluation, holdout beside train hold images and are not parts; accepted names"):
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


@pytest.mark.parametrize(
    "error", [TypeError("bad operand type for abs(): 'str'"), struct.error("unpack requires 4 bytes")]
)
def test_damaged_exif_data_are_said_in_one_sentence(tmp_path, monkeypatch, error):
    def fail(*_):
        raise error

    folder = write_classes(tmp_path / "d", "cat", "dog")
    monkeypatch.setattr("monolayer.data.images.ImageOps.exif_transpose", fail)
    with pytest.raises(BadData, match=r"1\.png: cannot be read as an image \((bad operand|unpack)"):
        ml.load(folder)
    with pytest.raises(BadData, match=r"1\.png: cannot be read as an image \((bad operand|unpack)"):
        read_image(folder / "cat" / "1.png", (1, 4, 4))


@pytest.mark.parametrize("kind", ["DDS", "EPS", "ICO", "PCX", "SGI", "TGA"])
def test_formats_that_are_not_accepted_are_not_opened_whatever_their_name(tmp_path, monkeypatch, kind):
    """Pillow would start Ghostscript for PostScript, and other decoders are little tested."""
    folder = write_classes(tmp_path / "d", "a", "b")
    hidden = folder / "a" / "photo.png"
    Image.new("RGB", (16, 16), "red").save(hidden, kind)
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", raise_memory_error)
    with Image.open(hidden) as image:
        assert image.format not in FORMATS
    with pytest.raises(BadData, match=r"photo\.png: cannot be read as an image"):
        ml.load(folder)
    with pytest.raises(BadData, match=r"photo\.png: cannot be read as an image"):
        read_image(hidden, (3, 4, 4))


def test_a_column_beside_the_rows_may_be_n_by_1_and_no_other_shape(tmp_path):
    parts = np.array([["train"]] * 4 + [["test"]] * 2)
    path = write_npz(tmp_path, X=X, y=Y, part=parts, who=np.arange(6)[:, None])
    dataset = ml.load(path, split_by="part", group_by="who")
    assert (len(dataset.X), len(dataset.test.X), dataset.groups.tolist()) == (4, 2, [0, 1, 2, 3])
    for array, message in (
        (np.array("train"), "are a single value"),
        (parts.reshape(6, 1, 1), r"must have shape \(n,\)"),
    ):
        for option in ("split_by", "group_by"):
            with pytest.raises(BadData, match=message):
                ml.load(write_npz(tmp_path, X=X, y=Y, part=array), **{option: "part"})


def test_a_parquet_file_with_a_column_twice_or_a_name_of_no_text_is_refused(tmp_path):
    table = pa.table([X[:, 0], X[:, 1], Y], names=["a", "a", "label"])
    pq.write_table(table, tmp_path / "d.parquet")
    with pytest.raises(BadData, match="has column 'a' more than once"):
        ml.load(tmp_path / "d.parquet")
    pq.write_table(table.rename_columns(["zzzz", "b", "label"]), tmp_path / "d.parquet", store_schema=False)
    content = (tmp_path / "d.parquet").read_bytes()
    (tmp_path / "d.parquet").write_bytes(content.replace(b"zzzz", b"\xff\xfe\xff\xfe"))
    with pytest.raises(BadData, match="cannot be read as Parquet"):
        ml.load(tmp_path / "d.parquet")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names themselves")
def test_a_class_whose_name_is_no_text_is_refused(tmp_path):
    folder = write_classes(tmp_path / "d", "cat", "dog")
    os.rename(os.fsencode(folder / "cat"), os.fsencode(folder) + b"/caf\xe9")
    with pytest.raises(BadData, match=r"the name of its folder caf\\udce9 is not UTF-8"):
        ml.load(folder)


@pytest.mark.parametrize("side", [99999, 10**10])
def test_a_size_that_no_memory_holds_is_refused_with_what_it_would_take(tmp_path, monkeypatch, side):
    folder = write_classes(tmp_path / "d", "cat", "dog")
    if side == 99999:
        monkeypatch.setattr("monolayer.data.readers.decoding.np.empty", raise_memory_error)
    with pytest.raises(BadInput, match=r"2 images of \d+x\d+ pixels in 1 channels take [\d,]+ GiB of memory"):
        ml.load(folder, resize=(side, side))


def raise_memory_error(*_):
    raise MemoryError


def test_an_archive_under_the_name_of_an_array_is_refused(tmp_path):
    write_npz(tmp_path, X=X).rename(tmp_path / "X.npy")
    np.save(tmp_path / "y.npy", Y)
    for path in (tmp_path, tmp_path / "X.npy"):
        with pytest.raises(BadData, match=r"X\.npy: is not an .npy file but an archive of several; rename it to \.npz"):
            ml.load(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0,0,1\n1,2,0\n", "the first line must hold names, and holds values such as '0'; accepted is a table whose"),
        ("a;b;label\n1;2;0\n", r"a semicolon separates the names of its columns; accepted is a comma in a \.csv file"),
        ("a\tb\tlabel\n1\t2\t0\n", "a tab separates the names"),
    ],
)
def test_a_table_without_names_or_commas_is_told_so(tmp_path, text, message):
    with pytest.raises(BadData, match=message):
        ml.load(write_table(tmp_path, text))


@pytest.mark.parametrize("label", [None, "Iris-setosa"])
def test_a_first_line_of_values_is_never_taken_for_names(tmp_path, label):
    rows = [
        "5.1,3.5,1.4,Iris-setosa",
        *(f"{i}.5,{9 - i},1.{i},{('Iris-setosa', 'Iris-virginica')[i % 2]}" for i in range(9)),
    ]
    path = write_table(tmp_path, "\n".join(rows))
    with pytest.raises(BadData, match="the first line must hold names, and holds values such as "):
        ml.load(path, label=label)


@pytest.mark.parametrize("names", ["0,1,2,label", "400.5,401,402.5,species", "2019,2020,x,kind"])
def test_numbers_in_order_may_be_names(tmp_path, names):
    path = write_table(tmp_path, "\n".join([names, "1,2,3,a", "4,1,2,b", "1,0,1,a"]))
    assert ml.load(path, label=names.split(",")[-1]).columns == tuple(names.split(",")[:-1])


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("name", ["Id", "index", "Unnamed: 0", "Unnamed: 0.1", "level_0", "target", "Class"])
def test_columns_whose_names_are_of_row_numbers_or_labels_are_left_out_and_named(tmp_path, kind, name):
    table = pd.DataFrame({name: range(6), "x": [0.5, 1, 2, 3, 4, 5], "y": 1.0, "label": list("ababab")})
    path = tmp_path / f"d.{kind}"
    table.to_csv(path, index=False) if kind == "csv" else table.to_parquet(path)
    said = []
    progress = SimpleNamespace(info=said.append, advance=lambda *_: None)
    assert ml.load(path, progress=progress).columns == ("x", "y")
    assert any(name in text and "left out" in text for text in said)


def test_a_column_of_texts_is_left_out_and_a_text_in_a_column_of_numbers_is_not(tmp_path):
    said = []
    progress = SimpleNamespace(info=said.append, advance=lambda *_: None)
    path = write_table(tmp_path, "file,x,label\na.png,1,a\nb.png,2,b\nc.png,3,a\n")
    assert ml.load(path, progress=progress).columns == ("x",)
    assert any("columns that are not numbers are left out: file" in text for text in said)
    for hole in ("NA", "oops", ""):
        path = write_table(tmp_path, f"z,x,label\n{hole},1,a\n2,2,b\n3,3,a\n")
        with pytest.raises(BadData, match="column 'z' holds"):
            ml.load(path)
    with pytest.raises(BadData, match="column 'z' holds 'NA' in row 0"):
        ml.load(write_table(tmp_path, "z,x,label\nNA,1,a\nNA,2,b\n"))


def test_a_byte_that_is_no_utf8_beyond_the_first_buffer_gets_one_sentence(tmp_path):
    path = tmp_path / "d.csv"
    path.write_bytes(b"file,x,label\n" + (b"n" * 400 + b",1,a\n") * 60 + b"\xff,2,b\n")
    with pytest.raises(BadData, match="cannot be read as a table"):
        ml.load(path)


def test_metadata_of_a_safetensors_file_may_be_null(tmp_path):
    header = b'{"__metadata__":null,"X":{"dtype":"U8","shape":[4,1],"data_offsets":[0,4]},' + (
        b'"y":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}}'
    )
    path = tmp_path / "d.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes([1, 2, 3, 4, 0, 1, 0, 1]))
    assert ml.load(path).X.tolist() == [[1], [2], [3], [4]]


def test_labels_are_not_offered_as_features(tmp_path):
    with pytest.raises(BadData, match=r"name one \(--features\) of layer1\.$"):
        ml.load(write_npz(tmp_path, layer1=X, labels=Y, class_names=np.array(["a", "b"])))


@pytest.mark.parametrize(
    ("name", "message"), [("./nope.npz", True), ("nope.npz", True), ("nope/photos", True), ("mnist", False)]
)
def test_a_path_that_is_not_there_is_said_to_be_missing(name, message):
    with pytest.raises(BadInput, match="is not a dataset") as caught:
        ml.load(name)
    assert ("there is no such file or folder" in str(caught.value)) == message
