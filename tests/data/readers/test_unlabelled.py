import tracemalloc

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pyarrow import parquet
from safetensors.numpy import save_file

from monolayer.data.readers.base import NetworkInput
from monolayer.data.readers.registry import READERS, iterate_features, list_suffixes
from monolayer.errors import BadData, BadInput

FORMATS = ("image_folder", "npy", "npz", "parquet", "safetensors", "table")
EXPECTED = NetworkInput(4, (1, 2, 2))


def read(path, expected=EXPECTED):
    return np.concatenate(list(iterate_features(path, expected)))


def write(path, X):
    """The same rows as a file of any kind."""
    match path.suffix:
        case ".npy":
            np.save(path, X)
        case ".npz":
            np.savez_compressed(path, X=X, y=np.zeros(len(X)))
        case ".safetensors":
            save_file({"features": np.ascontiguousarray(X), "y": np.zeros(3)}, path)
        case ".csv" | ".tsv":
            comma = "," if path.suffix == ".csv" else "\t"
            path.write_text("".join(comma.join(map(repr, row)) + "\n" for row in X.tolist()))
        case ".parquet":
            parquet.write_table(pa.table({name: X[:, i] for i, name in enumerate("abcd")}), path)
    return path


@pytest.mark.parametrize("suffix", list_suffixes().split(", "))
@pytest.mark.parametrize("n", [1, 1024, 2500])
def test_every_kind_of_file_gives_the_rows_in_order(tmp_path, suffix, n):
    X = np.random.default_rng(n).standard_normal((n, 4)).astype(np.float32)
    np.testing.assert_array_equal(read(write(tmp_path / f"a{suffix}", X)), X)


@given(
    X=hnp.arrays(
        np.float64, st.tuples(st.integers(1, 5), st.just(4)), elements=st.floats(allow_nan=False, allow_infinity=False)
    )
)
def test_numbers_of_a_csv_come_back_to_the_last_digit(tmp_path_factory, X):
    path = write(tmp_path_factory.mktemp("csv") / "a.csv", X)
    np.testing.assert_array_equal(read(path), X)


def test_images_are_rows_and_a_long_file_is_never_in_memory(tmp_path):
    images = np.random.default_rng(0).integers(0, 255, (5, 1, 2, 2), dtype=np.uint8)
    np.testing.assert_array_equal(read(write(tmp_path / "a.npy", images)), images.reshape(5, 4))
    big = np.lib.format.open_memmap(tmp_path / "big.npy", "w+", np.float32, (200_000, 100))
    big.flush()
    tracemalloc.start()
    n = sum(len(block) for block in iterate_features(tmp_path / "big.npy", NetworkInput(100)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert n == 200_000
    assert peak < big.nbytes / 20


@pytest.mark.parametrize(
    ("text", "ignored"),
    [
        ("a,b,label,c,d\n1,2,cat,3,4\n", ("label",)),
        ("0,1,2,3,label\n1,2,3,4,dog\n", ("label",)),
        ("0,1,2,3\n1,2,3,4\n", ()),
        ("\ufeffw,x,y,z\n\n1, 2 ,3,4\n", ()),
        ('label,0,1,2,3\n"a, b",1,2,3,4', ("label",)),
        ("1,2,3,4", ()),
    ],
)
def test_a_csv_may_have_names_and_columns_that_are_ignored(tmp_path, text, ignored):
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    np.testing.assert_array_equal(read(tmp_path / "a.csv", NetworkInput(4, ignored=ignored)), [[1, 2, 3, 4]])


@pytest.mark.parametrize(
    ("text", "ignored", "message"),
    [
        ("a,b,c,d,label\n1,2,3,4,0\n", (), r"has 5 columns; the network takes 4 features\. .* with --ignore"),
        ("a,b,c,d\n1,2,3,4\n", ("label",), r"no column 'label' to ignore; its columns begin with a, b, c, d"),
        ("1,2,3,4,5\n", ("label",), "its first row names no columns"),
        ("1,2,,4\n1,2,3,4\n", (), r"line 1: '' is not a number"),
        ("a,b,c,d\n1,2,3,4\n1,2,x,4\n", (), r"line 3: 'x' is not a number"),
        ("1,2,3,4\n1,2,3\n", (), r"line 2: has 3 columns, the first line 4"),
        ("1,2,3,4\n1,2,nan,4\n", (), r"row 1, feature 2 is nan; accepted are finite numbers"),
        ("", (), "holds no row"),
        ("a,b,c,d\n", (), "holds no row"),
        ("\x00\ud8ff", (), "is not a table in UTF-8"),
    ],
)
def test_a_csv_that_is_wrong_is_refused_by_its_line(tmp_path, text, ignored, message):
    (tmp_path / "a.csv").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(BadInput, match=message):
        read(tmp_path / "a.csv", NetworkInput(4, ignored=ignored))


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors"])
@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.zeros((2, 5)), r"shape \(n, 5\); the network takes \(n, 4\) or \(n, 1, 2, 2\)"),
        (np.zeros(4), r"has shape|holds no row"),
        (np.zeros((2, 4), bool), "holds bool; accepted are integers and floats"),
        (np.array([[0, 0, np.inf, 0]]), "row 0, feature 2 is inf"),
        (np.zeros((0, 4)), "holds no row"),
    ],
)
def test_wrong_arrays_are_refused(tmp_path, suffix, X, message):
    with pytest.raises(BadData, match=message):
        read(write(tmp_path / f"a{suffix}", X))


def test_what_is_no_array_is_refused_and_no_pickle_is_run(tmp_path):
    np.save(tmp_path / "pickled.npy", np.array([[object()] * 4]), allow_pickle=True)
    np.savez(tmp_path / "pickled.npz", X=np.array([[print] * 4]))
    np.savez(tmp_path / "other.npz", rows=np.zeros((2, 4)))
    save_file({"weights": np.zeros((2, 4))}, tmp_path / "other.safetensors")
    for name in ("text.npy", "text.npz", "text.safetensors", "text.parquet"):
        (tmp_path / name).write_text("no array")
    (tmp_path / "whole.npz").write_bytes(b"PK\x03\x04 cut short")
    np.savez(tmp_path / "archive.npy.npz", X=np.zeros((2, 4)))
    (tmp_path / "archive.npy.npz").rename(tmp_path / "archive.npy")
    expected = {
        "pickled.npy": r"as an array \(it holds Python objects", "pickled.npz": r"X cannot be read \(it holds Python",
        "text.npy": r"as an array \(it holds Python objects, or is not", "other.npz": "no features .* of rows",
        "other.safetensors": "no features such as .* of weights", "text.npz": r"as an .npz file \(it is not one",
        "text.safetensors": "cannot be read as safetensors", "whole.npz": "as an .npz file",
        "archive.npy": "it to .npz",
        "nowhere.npy": "cannot be read", "text.parquet": "cannot be read as Parquet",
    }  # fmt: skip
    for name, message in expected.items():
        with pytest.raises(BadData, match=message):
            read(tmp_path / name)
    with pytest.raises(BadInput, match=r"is not a file of features; accepted are files ending in \.npy"):
        read(tmp_path / "a.arrow")


def test_a_format_is_one_file_that_the_registry_finds():
    """Each file has one suffix or kind of folder of its own, and what is asked of it are attributes of its reader."""
    modules = {type(reader).__module__ for reader in READERS}
    assert modules == {f"monolayer.data.readers.{name}" for name in FORMATS}
    suffixes = [suffix for reader in READERS for suffix in reader.suffixes]
    assert len(set(suffixes)) == len(suffixes)
    assert [reader.kind for reader in READERS if reader.priority] == [
        "a folder of Parquet files",
        "a folder of .npy files",
    ]
