"""Sources as other programs and careless hands write them: read as they were meant, or refused with one sentence."""

import io
import json
from itertools import product

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.numpy import save_file

import monolayer as ml
from monolayer.data.memmap import find_map
from monolayer.data.readers import decoding
from monolayer.errors import BadData, BadInput

RNG = np.random.default_rng(1)
X = RNG.integers(0, 255, (30, 12)).astype(np.uint8)
Y = np.arange(30) % 3
WORDS = np.array(["ant", "bee", "cow"])[Y]
PIXELS = RNG.integers(0, 255, (6, 4, 5, 3)).astype(np.uint8)


def encode(pixels, kind="PNG", **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def write_images(folder, suffix="png", n=3, **options):
    """Two classes, cat and dog, of n images each, 4 x 5."""
    for name, i in product(("cat", "dog"), range(n)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(PIXELS[i]).save(folder / name / f"{i}.{suffix}", **options)
    return folder


def write_parquet(folder, name="d.parquet", **columns):
    pq.write_table(pa.table(columns), folder / name)
    return folder / name


def write_npz(folder, **arrays):
    np.savez(folder / "d.npz", **arrays)
    return folder / "d.npz"


def write_header(folder, header, n=48):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    (folder / "d.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + bytes(n))
    return folder / "d.safetensors"


def lay_out(pixels):
    return pixels.transpose(0, 3, 1, 2).reshape(len(pixels), -1)


# Images


@pytest.mark.parametrize("suffix", ["jpg", "webp"])
def test_a_photograph_on_its_side_is_turned_upright_and_never_squeezed(tmp_path, suffix):
    folder = write_images(tmp_path / "f", suffix)
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(PIXELS[0].transpose(1, 0, 2)).save(folder / "cat" / "z.jpg", exif=turned)
    assert ml.load(folder).image_shape == (3, 4, 5)
    Image.fromarray(PIXELS[0]).save(folder / "cat" / "zz.jpg", exif=turned)
    with pytest.raises(BadData, match=r"zz\.jpg: is 5x4 pixels, .*0\.\w+ is 4x5; accepted are images of one size"):
        ml.load(folder)


def test_grey_and_colour_together_are_colour_and_the_option_decides_otherwise(tmp_path):
    folder = write_images(tmp_path / "f")
    Image.fromarray(PIXELS[0][..., 0]).save(folder / "cat" / "0.png")
    dataset = ml.load(folder)
    assert dataset.image_shape == (3, 4, 5)
    np.testing.assert_array_equal(dataset.X[0].reshape(3, 4, 5), np.stack([PIXELS[0][..., 0]] * 3))
    assert ml.load(folder, channels=1).image_shape == (1, 4, 5)
    with pytest.raises(BadInput, match=r"channels is 4; accepted are 1 \(grey\) and 3"):
        ml.load(folder, channels=4)
    assert ml.load(folder, resize=[3, 2]).image_shape == (3, 3, 2)
    for wrong in (24, (24,), "24x24", (0, 3), (4.0, 5.0)):
        with pytest.raises(BadInput, match=r"^resize is .*; accepted is \(height, width\), such as \(32, 32\)\.$"):
            ml.load(folder, resize=wrong)


def test_palettes_with_transparency_and_sixteen_bits_are_read_without_a_warning(tmp_path):
    folder = write_images(tmp_path / "f")
    clear = Image.fromarray(np.dstack([PIXELS[1], np.full((4, 5), 90, np.uint8)])).convert("P")
    clear.save(folder / "cat" / "1.png", transparency=b"\x00\x80")
    Image.fromarray(PIXELS[2][..., 0].astype(np.uint16) * 257).save(folder / "cat" / "2.png")
    dataset = ml.load(folder)
    np.testing.assert_array_equal(dataset.X[2].reshape(3, 4, 5)[0], PIXELS[2][..., 0])


def test_many_images_are_decoded_a_lot_at_a_time_in_their_order(tmp_path, monkeypatch):
    monkeypatch.setattr(decoding, "AT_ONCE", 4)
    folder = tmp_path / "f"
    for name, i in product(("cat", "dog"), range(11)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((2, 2), 10 * i + (name == "dog"), np.uint8)).save(folder / name / f"{i:02}.png")
    assert ml.load(folder).X[:, 0].tolist() == [10 * i + k for k in range(2) for i in range(11)]


def test_a_class_that_is_missing_in_a_part_keeps_its_place(tmp_path):
    """The order of the classes is that of all parts together, not of the rows that are there."""
    write_images(tmp_path / "f" / "train")
    write_images(tmp_path / "f" / "test")
    for file in (tmp_path / "f" / "test" / "cat").iterdir():
        file.unlink()
    (tmp_path / "f" / "test" / "cat").rmdir()
    dataset = ml.load(tmp_path / "f")
    assert dataset.test.class_names == ("cat", "dog")
    assert set(dataset.test.y.tolist()) == {1}


# Parquet


def test_polars_lists_bytes_of_images_and_pandas_index_are_known(tmp_path):
    lists = pa.array(X.astype(np.float32).tolist(), pa.large_list(pa.float32()))
    np.testing.assert_array_equal(ml.load(write_parquet(tmp_path, emb=lists, label=Y)).X, X)
    images = ml.load(write_parquet(tmp_path, image=[encode(one) for one in PIXELS], label=Y[:6]))
    np.testing.assert_array_equal(images.X, lay_out(PIXELS))
    indexed = write_parquet(tmp_path, a=X[:, 0], b=X[:, 1], label=Y, __index_level_0__=np.arange(30))
    np.testing.assert_array_equal(ml.load(indexed).X, X[:, :2])


def test_lists_of_lists_are_images_and_half_floats_stay_half(tmp_path):
    dataset = ml.load(write_parquet(tmp_path, image=X.reshape(30, 3, 4).tolist(), label=Y))
    assert dataset.image_shape == (1, 3, 4)
    np.testing.assert_array_equal(dataset.X, X)
    halves = pa.FixedSizeListArray.from_arrays(pa.array(X.astype(np.float16).ravel()), 12)
    assert ml.load(write_parquet(tmp_path, emb=halves, label=Y)).X.dtype == np.float16


def test_columns_are_found_whatever_their_order_in_the_file(tmp_path):
    path = write_parquet(tmp_path, who=WORDS.tolist(), b=X[:, 1], label=Y, a=X[:, 0])
    np.testing.assert_array_equal(ml.load(path, group_by="who").X, X[:, [1, 0]])
    assert ml.load(path, group_by="who").groups.tolist() == WORDS.tolist()


def test_shards_are_read_in_order_and_in_batches(tmp_path, monkeypatch):
    monkeypatch.setattr("monolayer.data.readers.parquet.ROWS_AT_ONCE", 7)
    for i in range(3):
        rows = slice(10 * i, 10 * i + 10)
        write_parquet(tmp_path, f"train-{i}.parquet", emb=X[rows].astype(float).tolist(), label=WORDS[rows].tolist())
    dataset = ml.load(tmp_path)
    np.testing.assert_array_equal(dataset.X, X)
    np.testing.assert_array_equal(dataset.y, Y)


# Arrays


def test_labels_as_keras_writes_them_and_texts_in_the_order_of_their_names(tmp_path):
    assert ml.load(write_npz(tmp_path, x_train=X, y_train=Y[:, None], x_test=X, y_test=Y[:, None])).test is not None
    dataset = ml.load(write_npz(tmp_path, X=X, y=WORDS, class_names=np.array(["cow", "bee", "ant", "dog"])))
    assert dataset.class_names == ("cow", "bee", "ant", "dog")
    np.testing.assert_array_equal(dataset.y, 2 - Y)
    assert ml.load(write_npz(tmp_path, X=X, y=WORDS.astype("S"))).class_names == ("ant", "bee", "cow")


def test_arrays_that_nobody_asks_for_are_not_opened(tmp_path):
    path = write_npz(tmp_path, X=X, y=Y, files=np.array([None, "a"], object))
    np.testing.assert_array_equal(ml.load(path).X, X)


@pytest.mark.parametrize("names", [("train_X", "train_y"), ("X_train", "y_train"), ("emb", "emb_labels")])
def test_an_npy_file_finds_the_labels_of_its_part(tmp_path, names):
    for name, array in zip(names, (X, Y), strict=True):
        np.save(tmp_path / f"{name}.npy", array)
    np.save(tmp_path / "labels.npy", Y[:5])
    np.testing.assert_array_equal(ml.load(tmp_path / f"{names[0]}.npy").y, Y)


def test_a_mapped_file_that_a_column_divides_into_stretches_is_not_copied(tmp_path):
    for name, array in (("X", X), ("y", Y), ("part", np.repeat(["train", "val", "test"], 10))):
        np.save(tmp_path / f"{name}.npy", array)
    dataset = ml.load(tmp_path, split_by="part")
    assert all(find_map(part.X) is not None for part in (dataset, dataset.val, dataset.test))
    np.testing.assert_array_equal(dataset.val.X, X[10:20])


def test_groups_may_be_an_array_a_part(tmp_path):
    parts = {"train": slice(0, 20), "test": slice(20, 30)}
    arrays = {
        f"{part}_{name}": array[rows]
        for part, rows in parts.items()
        for name, array in (("X", X), ("y", Y), ("who", WORDS))
    }
    dataset = ml.load(write_npz(tmp_path, **arrays), group_by="who")
    assert (len(dataset.groups), len(dataset.test.groups)) == (20, 10)


@pytest.mark.parametrize(
    ("low", "top", "kind", "expected"),
    [
        (0, 1, "float32", 1.0),
        (0, 0.4, "float32", None),
        (-1, 1, "float32", None),
        (-2.5, 3.1, "float64", None),
        (0, 200, "float32", None),
        (0, np.inf, "float32", None),
        (0, 255, "uint8", 255.0),
        (0, 16, "uint8", None),
    ],
)
def test_a_fully_lit_pixel_is_known_where_it_is_evident_and_the_same_for_all_parts(tmp_path, low, top, kind, expected):
    images = np.linspace(low, min(top, 1e9), 60).astype(kind).reshape(5, 3, 4)
    images[-1, -1, -1] = top
    path = write_npz(tmp_path, train_X=images, train_y=Y[:5], test_X=images[::-1], test_y=Y[:5])
    assert ml.load(path).pixel_max == ml.load(path).test.pixel_max == expected


def test_the_brightest_pixel_of_a_mapped_file_is_found_without_keeping_its_pages(tmp_path, monkeypatch):
    given_back = []
    monkeypatch.setattr("monolayer.data.readers.assembly.give_back", given_back.append)
    monkeypatch.setattr("monolayer.data.readers.assembly.count_rows", lambda X: 2)
    np.save(tmp_path / "X.npy", PIXELS.transpose(0, 3, 1, 2))
    np.save(tmp_path / "y.npy", Y[:6])
    assert ml.load(tmp_path / "X.npy").pixel_max == 255
    assert len(given_back) == 3


def test_dark_image_files_are_of_bytes_all_the_same(tmp_path):
    folder = write_images(tmp_path / "d")
    for file in folder.rglob("*.png"):
        Image.fromarray(PIXELS[0] // 20).save(file)
    assert ml.load(folder).pixel_max == 255


def test_arrays_of_texts_or_dates_are_no_features(tmp_path):
    for array in (np.full((30, 8, 8), "a"), np.zeros((30, 8, 8), "datetime64[s]")):
        with pytest.raises(BadData, match=r"features are .*; accepted are uint8, float16, float32, float64"):
            ml.load(write_npz(tmp_path, X=array, y=Y))


# Tables


def test_a_table_as_pandas_writes_it(tmp_path):
    text = ",a,b,label\n" + "".join(f"{i},{i * 2},{i * 3},{float(i % 11)}\n" for i in range(33))
    (tmp_path / "t.csv").write_text(text)
    dataset = ml.load(tmp_path / "t.csv")
    np.testing.assert_array_equal(dataset.X, np.outer(np.arange(33), [2, 3]))
    assert dataset.class_names == tuple(map(str, range(11)))


def test_a_table_with_quotes_and_columns_of_labels_in_the_middle(tmp_path):
    rows = "".join(f'{i},"cat, or\ndog {i % 2}",{i + 1}\n' for i in range(8))
    (tmp_path / "t.csv").write_text(f'"a\nb",label,c\n{rows}', encoding="utf-8-sig")
    dataset = ml.load(tmp_path / "t.csv")
    np.testing.assert_array_equal(dataset.X, np.stack([np.arange(8), np.arange(1, 9)], axis=1))
    assert dataset.class_names == ("cat, or\ndog 0", "cat, or\ndog 1")


@given(st.data())
@settings(max_examples=40)
def test_any_table_comes_back_as_it_was_written(tmp_path_factory, data):
    n, width = data.draw(st.integers(2, 12)), data.draw(st.integers(1, 5))
    values = data.draw(st.lists(st.floats(-1e6, 1e6, width=32), min_size=n * width, max_size=n * width))
    words = data.draw(st.lists(st.text('ab ,"é#0', min_size=1, max_size=4), min_size=n, max_size=n))
    place = data.draw(st.integers(0, width))
    texts = [word if word.strip() else f"x{word}" for word in words]
    quoted = ['"' + text.replace('"', '""') + '"' for text in texts]
    names = [f"f{i}" for i in range(width)]
    lines = [[*map(repr, row)] for row in np.reshape(values, (n, width)).tolist()]
    written = [",".join([*line[:place], cell, *line[place:]]) for line, cell in zip(lines, quoted, strict=True)]
    path = tmp_path_factory.mktemp("t") / "t.csv"
    path.write_text("\n".join([",".join([*names[:place], "label", *names[place:]]), *written]), encoding="utf-8")
    if len(set(texts)) == 1:
        with pytest.raises(BadData, match=r"holds 1 class only|has no label"):
            ml.load(path)
        return
    dataset = ml.load(path)
    np.testing.assert_array_equal(dataset.X, np.reshape(values, (n, width)).astype(np.float32))
    if not all(set(text) <= set("0 ") for text in texts):  # else they are numbers, and their order is that of numbers
        assert [dataset.class_names[k] for k in dataset.y] == texts


# Refusals


def make_both_names(folder):
    write_images(folder / "f" / "train")
    write_images(folder / "f" / "val")
    write_images(folder / "f" / "validation")
    return folder / "f"


def make_flat(folder):
    Image.fromarray(PIXELS[0]).save(folder / "a.png")
    return folder


def make_wrong_kind(folder, name, text="hello"):
    (folder / name).write_text(text)
    np.save(folder / "y.npy", Y)
    return folder if name.endswith(".npy") else folder / name


def make_columns_differ(folder):
    write_parquet(folder, "train-0.parquet", a=X[:, 0], label=Y)
    write_parquet(folder, "train-1.parquet", b=X[:, 0], label=Y)
    return folder


def make_bf16(folder):
    entries = {"X": ("BF16", [6, 2], [0, 24]), "y": ("I32", [6], [24, 48])}
    return write_header(
        folder,
        {name: dict(zip(("dtype", "shape", "data_offsets"), entry, strict=True)) for name, entry in entries.items()},
    )


def of_tensor(**entry):
    y = {"dtype": "I32", "shape": [6], "data_offsets": [24, 48]}
    return lambda folder: write_header(folder, {"X": entry, "y": y})


WRONG = {
    "sizes in a batch": (
        lambda d: write_parquet(d, image=[encode(PIXELS[0]), encode(PIXELS[0][:3])], label=[0, 1]),
        {}, r"row 1: is 3x5 pixels, .*row 0 is 4x5; accepted are images of one size",
    ),
    "two columns": (
        lambda d: write_parquet(d, a=X.tolist(), b=X.tolist(), label=Y), {}, r"a, b may each be .* \(--features\)"),
    "a row without a list": (
        lambda d: write_parquet(d, a=[None, *X[1:].tolist()], label=Y), {}, "column 'a' has missing values"),
    "a hole in a list": (
        lambda d: write_parquet(d, a=[[None, 1.0], [1.0, 2.0]], label=[0, 1]), {}, "column 'a' has missing values"),
    "lists of texts": (
        lambda d: write_parquet(d, a=[["u", "v"], ["u", "v"]], label=[0, 1]), {}, "lists of string; accepted are"),
    "labels that are lists": (
        lambda d: write_parquet(d, a=[1.0, 2.0], label=[[1], [1, 2]]), {}, "column 'label' holds list"),
    "shards of two kinds": (make_columns_differ, {}, "its columns are not those of"),
    "a cut Parquet file": (lambda d: make_wrong_kind(d, "d.parquet"), {}, "cannot be read as Parquet"),
    "channels anywhere": (
        lambda d: write_npz(d, X=np.zeros((30, 3, 5, 3), np.uint8), y=Y), {}, "channels may come first or last"),
    "resized arrays": (lambda d: write_npz(d, X=X.reshape(30, 3, 4), y=Y), {"resize": (2, 2)}, "--resize does not"),
    "lists are not resized": (
        lambda d: write_parquet(d, a=X.tolist(), label=Y), {"resize": (2, 2)}, "--resize applies to encoded images"),
    "a label for folders": (lambda d: write_images(d / "f"), {"label": "y"}, "folder of images; accepted are --resize"),
    "labels of two kinds": (
        lambda d: write_npz(d, train_X=X, train_y=Y, test_X=X, test_y=WORDS), {}, "texts in one part and numbers in"),
    "a label without a name": (
        lambda d: write_npz(d, X=X, y=Y - 1, class_names=np.array(["a", "b", "c"])),
        {}, "row 0 has label -1; accepted are 0 to 2, the indices of its class names",
    ),
    "a word without a name": (
        lambda d: write_npz(d, X=X, y=WORDS, class_names=np.array(["ant", "bee"])),
        {}, "row 2 has label 'cow'; accepted are its class names",
    ),
    "bytes that are no text": (lambda d: write_npz(d, X=X, y=np.array([b"\xff", b"a"] * 15)), {}, "not UTF-8"),
    "one value": (lambda d: write_npz(d, X=np.float32(3), y=Y), {}, "features are a single value"),
    "no rows": (lambda d: write_npz(d, X=X[:0], y=Y[:0]), {}, "has no train rows"),
    "too few groups": (
        lambda d: write_npz(d, X=X, y=Y, who=WORDS[:9]), {"group_by": "who"}, "30 rows of features and 9 groups"),
    "an .npz that is none": (lambda d: make_wrong_kind(d, "d.npz"), {}, "it is not one, or is truncated"),
    "an .npy that is none": (lambda d: make_wrong_kind(d, "X.npy"), {}, "holds Python objects, or is not an .npy file"),
    "two folders of a part": (make_both_names, {}, "has folders val and validation; accepted is one of val rows"),
    "images without folders": (make_flat, {}, "holds images, but no folders"),
    "a shape that lies": (of_tensor(dtype="F32", shape=[60, 2], data_offsets=[0, 24]), {}, "cannot be read as saf"),
    "a tensor without dtype": (of_tensor(shape=[6, 2], data_offsets=[0, 24]), {}, "cannot be read as saf"),
    "bfloat16": (make_bf16, {}, r"X is BF16; accepted are .* \(tensor\.float\(\) before it is saved\)"),
    "no header": (lambda d: write_header(d, [1]), {}, "cannot be read as saf"),
    "a size of no memory": (of_tensor(dtype="F32", shape=[2**70, 0], data_offsets=[0, 0]), {}, "cannot be read as saf"),
    "a dtype of no text": (of_tensor(dtype=["F32"], shape=[6, 1], data_offsets=[0, 24]), {}, "cannot be read as saf"),
    "rows of a fraction": (of_tensor(dtype="F32", shape=[6.5, 1], data_offsets=[0, 24]), {}, "cannot be read as saf"),
    "70 dimensions": (of_tensor(dtype="F32", shape=[1] * 70, data_offsets=[0, 4]), {}, "as safetensors|NumPy does not"),
    "names in a text": (
        lambda d: write_header(d, {
            "__metadata__": {"class_names": '"ab"'}, "X": {"dtype": "F32", "shape": [6, 1], "data_offsets": [0, 24]},
            "y": {"dtype": "I32", "shape": [6], "data_offsets": [24, 48]},
        }), {}, "class_names is '\"ab\"'; accepted is a JSON list",
    ),
    "names that are none": (
        lambda d: write_header(d, {
            "__metadata__": {"class_names": "a,b"}, "X": {"dtype": "F32", "shape": [6, 1], "data_offsets": [0, 24]},
            "y": {"dtype": "I32", "shape": [6], "data_offsets": [24, 48]},
        }), {}, "class_names is 'a,b'; accepted is a JSON list",
    ),
    "a long row": (lambda d: make_wrong_kind(d, "d.csv", "a,y\n1,0\n1,1,2\n"), {}, "row 1 has 3 fields, and the first"),
    "no UTF-8": (
        lambda d: (d / "d.csv").write_bytes(b"a,y\n1,caf\xe9\n") and d / "d.csv", {}, "cannot be read as a table"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_meant_is_refused_with_one_sentence(name, tmp_path):
    make, options, message = WRONG[name]
    with pytest.raises(BadInput, match=message) as caught:
        ml.load(make(tmp_path), **options)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")
    assert "allow_pickle" not in str(caught.value)


@given(header=st.binary(max_size=60) | st.recursive(
    st.none() | st.integers(-9, 99) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["X", "y", "dtype", "shape", "data_offsets", "__metadata__", "class_names"]), inner),
    max_leaves=8,
))  # fmt: skip
@settings(max_examples=60)
def test_a_damaged_header_is_never_a_traceback(tmp_path_factory, header):
    with pytest.raises(BadInput):
        ml.load(write_header(tmp_path_factory.mktemp("h"), header))


@given(cut=st.integers(1, 400), flip=st.integers(0, 10_000))
@settings(max_examples=60)
def test_a_damaged_file_is_read_or_refused_and_never_a_traceback(tmp_path_factory, cut, flip):
    folder = tmp_path_factory.mktemp("damaged")
    save_file({"X": X, "y": Y}, folder / "d.safetensors")
    for path in (write_parquet(folder, a=X.tolist(), label=Y), write_npz(folder, X=X, y=Y), folder / "d.safetensors"):
        whole = path.read_bytes()
        damaged = bytearray(whole)
        damaged[flip % len(whole)] ^= 1 + cut % 255
        for content in (whole[: -(cut % len(whole)) or None], bytes(damaged)):
            path.write_bytes(content)
            try:
                ml.load(path)
            except BadInput as error:
                assert str(error).startswith(str(path)) or "d." in str(error)  # noqa: PT017
