"""Data of one's own: every kind of source is read as it was written, and wrong input gets its one sentence."""

import csv
import io
import json

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

import monolayer as ml
from monolayer.errors import BadData, BadInput

RNG = np.random.default_rng(0)
X = RNG.integers(0, 255, (60, 12)).astype(np.uint8)
Y = np.arange(60) % 3
WORDS = np.array(["ant", "bee", "cow"])[Y]


def assert_is(dataset, features, labels, names):
    np.testing.assert_array_equal(dataset.X, features)
    np.testing.assert_array_equal(dataset.y, labels)
    assert dataset.class_names == names


def write_csv(path, header, rows, delimiter=","):
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(header)
        writer.writerows(rows)


def write_image(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def write_images(folder, suffix="png", n=4, size=(5, 6), colour=True):
    for name in ("dog", "cat"):
        for i in range(n):
            shape = (*size, 3) if colour else size
            write_image(folder / name / f"{i}.{suffix}", RNG.integers(0, 255, shape).astype(np.uint8))


def encode(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def write_parquet(path, columns, class_names=None):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = pa.table(columns)
    if class_names:
        content = {"info": {"features": {"label": {"names": class_names}}}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(content)})
    pq.write_table(table, path)


@pytest.mark.parametrize(
    ("names", "options"),
    [
        (("X", "y"), {}),
        (("features", "labels"), {}),
        (("layer6", "colour"), {"features": "layer6", "label": "colour"}),
    ],
)
def test_a_folder_of_npy_files_is_mapped(tmp_path, names, options):
    np.save(tmp_path / f"{names[0]}.npy", X)
    np.save(tmp_path / f"{names[1]}.npy", WORDS)
    dataset = ml.load(tmp_path, **options)
    assert_is(dataset, X, Y, ("ant", "bee", "cow"))
    assert isinstance(dataset.X, np.memmap)


def test_an_npy_file_has_its_labels_beside_it(tmp_path):
    np.save(tmp_path / "layer6.npy", X.astype(np.float16))
    np.save(tmp_path / "layer6_labels.npy", Y + 10)
    np.save(tmp_path / "labels.npy", Y * 0)
    assert_is(ml.load(tmp_path / "layer6.npy"), X, Y, ("10", "11", "12"))


def test_parts_of_an_npz_file_are_used_as_they_are(tmp_path):
    np.savez(
        tmp_path / "d.npz", x_train=X[:40], y_train=Y[:40], x_test=X[40:50], y_test=Y[40:50], X_val=X[50:], y_val=Y[50:]
    )
    dataset = ml.load(tmp_path / "d.npz")
    splits = dataset.split()
    assert (len(splits.train), len(splits.val), splits.n_test) == (40, 10, 10)
    np.testing.assert_array_equal(dataset.val.X[splits.val.index], X[50:])
    with pytest.raises(BadInput, match=r"val_size is 5, but d\.npz has a validation file"):
        dataset.split(val=5)


@pytest.mark.parametrize(
    ("shape", "image_shape"),
    [((60, 3, 4), (1, 3, 4)), ((60, 2, 2, 3), (3, 2, 2)), ((60, 3, 2, 2), (3, 2, 2))],
)
def test_arrays_of_images_become_rows_channel_by_channel(tmp_path, shape, image_shape):
    images = X.reshape(shape)
    np.savez(tmp_path / "d.npz", images=images, labels=Y)
    dataset = ml.load(tmp_path / "d.npz")
    assert dataset.image_shape == image_shape
    first = images[0].transpose(2, 0, 1) if shape[-1] == 3 and shape[1] != 3 else images[0]
    np.testing.assert_array_equal(dataset.X[0], first.ravel())


def test_safetensors_are_mapped_where_they_lie(tmp_path):
    path = tmp_path / "emb.safetensors"
    save_file({"layer6": X.astype(np.float16), "layer12": X.astype(np.float32) / 3, "labels": Y}, path)
    dataset = ml.load(path, features="layer12")
    assert_is(dataset, X.astype(np.float32) / 3, Y, ("0", "1", "2"))
    assert isinstance(dataset.X, np.memmap)
    assert ml.load(path, features="layer6").X.dtype == np.float16


@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_a_table_has_a_column_of_labels_and_numbers_beside_it(tmp_path, delimiter):
    path = tmp_path / ("t.csv" if delimiter == "," else "t.tsv")
    rows = [[*row, word, f"g{i // 6}"] for i, (row, word) in enumerate(zip(X.tolist(), WORDS, strict=True))]
    write_csv(path, [*(f"p{i}" for i in range(12)), "species", "patient"], rows, delimiter)
    dataset = ml.load(path, label="species", group_by="patient")
    assert_is(dataset, X.astype(np.float32), Y, ("ant", "bee", "cow"))
    assert len(set(dataset.groups)) == 10


def test_labels_that_are_numbers_are_in_the_order_of_numbers(tmp_path):
    write_csv(tmp_path / "t.csv", ["a", "y"], [[i, [2, 10, 9][i % 3]] for i in range(12)])
    assert ml.load(tmp_path / "t.csv").class_names == ("2", "9", "10")


def test_a_column_says_which_part_a_row_belongs_to(tmp_path):
    parts = [["train", "valid", "Test"][i % 3] for i in range(60)]
    write_csv(tmp_path / "t.csv", ["a", "label", "split"], zip(range(60), Y[::-1] // 2, parts, strict=True))
    splits = ml.load(tmp_path / "t.csv", split_by="split").split()
    assert (len(splits.train), len(splits.val), splits.n_test) == (20, 20, 20)
    np.testing.assert_array_equal(splits.val.dataset.X[:, 0], np.arange(1, 60, 3))


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
@pytest.mark.parametrize("colour", [True, False])
def test_a_folder_of_images_has_a_folder_a_class(tmp_path, suffix, colour):
    write_images(tmp_path / "f", suffix, colour=colour)
    dataset = ml.load(tmp_path / "f")
    assert dataset.class_names == ("cat", "dog")
    assert (dataset.X.shape, dataset.X.dtype) == ((8, 30 * (3 if colour or suffix == "webp" else 1)), np.uint8)
    if suffix == "png":
        pixels = np.asarray(Image.open(tmp_path / "f" / "cat" / "2.png"))
        channels = pixels.transpose(2, 0, 1) if colour else pixels
        np.testing.assert_array_equal(dataset.X[2], channels.ravel())


def test_folders_of_parts_hold_folders_of_classes(tmp_path):
    write_images(tmp_path / "f" / "train")
    write_images(tmp_path / "f" / "validation", n=2)
    write_images(tmp_path / "f" / "test", n=3)
    splits = ml.load(tmp_path / "f").split()
    assert (len(splits.train), len(splits.val), splits.n_test) == (8, 4, 6)


def test_images_are_resized_on_request(tmp_path):
    write_images(tmp_path / "f")
    write_image(tmp_path / "f" / "cat" / "wide.png", RNG.integers(0, 255, (4, 20, 3)).astype(np.uint8))
    assert ml.load(tmp_path / "f", resize=(3, 4)).image_shape == (3, 3, 4)


def test_parquet_of_images_as_hugging_face_publishes_it(tmp_path):
    pixels = RNG.integers(0, 255, (6, 4, 5, 3)).astype(np.uint8)
    images = [{"bytes": encode(one), "path": None} for one in pixels]
    write_parquet(tmp_path / "train-00000-of-00002.parquet", {"image": images[:2], "label": [1, 0]}, ["b", "a"])
    write_parquet(tmp_path / "train-00001-of-00002.parquet", {"image": images[2:4], "label": [1, 1]}, ["b", "a"])
    write_parquet(tmp_path / "test-00000-of-00001.parquet", {"image": images[4:], "label": [0, 1]}, ["b", "a"])
    dataset = ml.load(tmp_path)
    assert_is(dataset, pixels[:4].transpose(0, 3, 1, 2).reshape(4, -1), [1, 0, 1, 1], ("b", "a"))
    assert_is(dataset.test, pixels[4:].transpose(0, 3, 1, 2).reshape(2, -1), [0, 1], ("b", "a"))


def test_parquet_of_lists_and_of_plain_columns(tmp_path):
    write_parquet(tmp_path / "lists.parquet", {"emb": X.astype(float).tolist(), "label": WORDS.tolist()})
    assert_is(ml.load(tmp_path / "lists.parquet"), X, Y, ("ant", "bee", "cow"))
    columns = {f"p{i}": X[:, i] for i in range(12)}
    write_parquet(tmp_path / "plain.parquet", {**columns, "y": Y, "who": WORDS.tolist()})
    assert_is(ml.load(tmp_path / "plain.parquet", group_by="who"), X, Y, ("0", "1", "2"))


def test_rows_of_ones_own_are_drawn_by_class_since_files_are_often_sorted(tmp_path):
    order = np.argsort(Y, kind="stable")
    np.savez(tmp_path / "d.npz", X=X[order], y=Y[order])
    splits = ml.load(tmp_path / "d.npz").split(val=0.2, test=0.2)
    assert np.bincount(splits.val.y).tolist() == [4, 4, 4]
    assert splits.fingerprint == ml.load(tmp_path / "d.npz").split(12, test=12, seed=0).fingerprint


def test_what_is_normalised_says_so(tmp_path):
    np.savez(tmp_path / "d.npz", X=X, y=Y)
    dataset = ml.load(tmp_path / "d.npz", normalize="l2")
    np.testing.assert_allclose(dataset.row_scales, 1 / np.linalg.norm(X.astype(float), axis=1), rtol=1e-6)
    assert dataset.reading["normalize"] == "l2"


def save(**arrays):
    return lambda folder: np.savez(folder / "d.npz", **arrays) or folder / "d.npz"


def table(text):
    return lambda folder: (folder / "d.csv").write_text(text) and folder / "d.csv"


def make_cut_image(folder):
    write_images(folder / "f")
    file = folder / "f" / "cat" / "1.png"
    file.write_bytes(file.read_bytes()[:40])
    return folder / "f"


def make_folder(folder):
    (folder / "f").mkdir()
    return folder / "f"


def make_one_class(folder):
    write_image(folder / "f" / "cat" / "a.png", X[:5])
    return folder / "f"


def make_empty_class(folder):
    write_images(folder / "f")
    (folder / "f" / "eel").mkdir()
    return folder / "f"


def make_two_sizes(folder):
    write_images(folder / "f")
    write_image(folder / "f" / "dog" / "z.png", X[:7])
    return folder / "f"


def make_cut_safetensors(folder):
    save_file({"X": X, "y": Y}, folder / "d.safetensors")
    (folder / "d.safetensors").write_bytes((folder / "d.safetensors").read_bytes()[:-8])
    return folder / "d.safetensors"


def make_lonely_npy(folder):
    np.save(folder / "emb.npy", X)
    return folder / "emb.npy"


def make_parquet(**columns):
    return lambda folder: write_parquet(folder / "d.parquet", columns) or folder / "d.parquet"


def make_text(folder):
    (folder / "notes.txt").write_text("hello")
    return folder / "notes.txt"


WRONG = {
    "no labels": (save(X=X), {}, r"d\.npz: has no labels such as y or labels for X; it has X"),
    "no features": (save(A=X, y=Y), {}, "has no features such as X and y"),
    "no such features": (save(X=X, y=Y), {"features": "layer3"}, "has no features named 'layer3'; it has X, y"),
    "lengths": (save(X=X, y=Y[:50]), {}, "has 60 rows of features and 50 labels"),
    "one class": (save(X=X, y=Y * 0), {}, r"holds 1 class only \(0\); accepted are 2 or more"),
    "real labels": (save(X=X, y=Y + 0.5), {}, r"labels are real numbers such as 0\.5"),
    "labels with a hole": (save(X=X, y=np.where(Y == 1, np.nan, Y)), {}, "row 1 has no label"),
    "objects": (save(X=X.astype(object), y=Y), {}, "X cannot be read .it holds Python objects"),
    "complex": (save(X=X * 1j, y=Y), {}, "features are complex128; accepted are uint8, float16, float32, float64"),
    "ragged": (save(X=X.reshape(60, 2, 2, 3, 1), y=Y), {}, r"features have shape \(60, 2, 2, 3, 1\); accepted are"),
    "no split column": (save(X=X, y=Y), {"split_by": "part"}, "has no array 'part', which --split-by names"),
    "wrong part": (save(X=X, y=Y, part=WORDS), {"split_by": "part"}, "the split column holds 'ant'; accepted"),
    "resize": (save(X=X, y=Y), {"resize": (3, 3)}, "--resize does not apply to .*, arrays in an .npz file"),
    "text column": (table("a,b,y\n1,x,0\n2,3,1\n"), {}, "column 'b' holds 'x' in row 0; accepted are numbers"),
    "no label column": (table("a,b\n1,2\n"), {}, r"has no column of labels .* name it \(--label\) of a, b"),
    "no such column": (table("a,y\n1,2\n"), {"group_by": "g"}, "has no column 'g', which --group-by names"),
    "empty field": (table("a,y\n1,0\n,1\n"), {}, "column 'a' holds '' in row 1"),
    "empty label": (table("a,y\n1,u\n2,\n"), {}, "row 1 has no label"),
    "short row": (table("a,b,y\n1,2,0\n1,2\n"), {}, "row 1 has 2 fields, and the first line names 3"),
    "no rows": (table("a,b,y\n"), {}, "holds no rows below the names of its columns"),
    "nothing": (table("\n"), {}, "accepted is a table whose first line names its columns"),
    "column twice": (table("a,a,y\n1,2,0\n"), {}, "names column 'a' twice"),
    "empty folder": (make_folder, {}, "is an empty folder"),
    "cut image": (make_cut_image, {}, r"cat/1\.png: cannot be read as an image"),
    "one folder": (make_one_class, {}, "holds 1 class; accepted are 2 folders of images or more"),
    "empty class": (make_empty_class, {}, "eel: holds no images"),
    "sizes": (make_two_sizes, {}, "7x12 pixels, .* is 5x6; accepted are images of one size, or --resize"),
    "cut safetensors": (make_cut_safetensors, {}, "cannot be read as safetensors"),
    "no labels beside": (make_lonely_npy, {}, "no labels beside it; accepted is a file emb_labels.npy, y.npy or"),
    "no column": (make_parquet(a=[1.0, 2.0], label=[0, 1]), {"features": "emb"}, "no column 'emb'; it has a, label"),
    "no label": (make_parquet(a=[1.0, 2.0]), {}, "has no column of labels"),
    "holes": (make_parquet(a=[1.0, None], label=[0, 1]), {}, "column 'a' has missing values"),
    "label holes": (make_parquet(a=[1.0, 2.0], label=[0, None]), {}, "column 'label' has missing values"),
    "lists": (make_parquet(a=[[1.0], [2.0, 3.0]], label=[0, 1]), {}, "lists of several lengths"),
    "no image": (make_parquet(a=[{"bytes": b"x", "path": ""}], label=[0]), {}, "row 0: cannot be read as an image"),
    "unknown suffix": (make_text, {}, "has no format that can be read"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input_gets_its_one_sentence(name, tmp_path):
    make, options, message = WRONG[name]
    with pytest.raises(BadData if name != "resize" else BadInput, match=message) as caught:
        ml.load(make(tmp_path), **options)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


def test_a_value_that_is_no_number_stops_training_with_its_feature(tmp_path):
    features = X.astype(np.float32)
    features[7, 3] = np.nan
    np.savez(tmp_path / "d.npz", X=features, y=Y)
    with pytest.raises(BadData, match=r"d\.npz: feature 3 of the training rows holds a value that is not finite"):
        ml.train(ml.load(tmp_path / "d.npz").split(test=3), epochs=1, batch_size=10)


def test_options_are_for_data_of_ones_own():
    with pytest.raises(BadInput, match="digits takes no options of reading except normalize"):
        ml.load("digits", label="y")
    with pytest.raises(BadInput, match="'labels' is not an option of reading data; accepted are label, features"):
        ml.load("digits", labels="y")
    assert ml.load("digits", normalize="l2").normalize == "l2"
