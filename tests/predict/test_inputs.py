import csv
import io
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet
from safetensors.numpy import save_file

from monolayer.data.load import load
from monolayer.errors import BadData, BadInput
from monolayer.network import OneLayer
from monolayer.predict.inputs import find_files, iterate_rows
from monolayer.recipe.recipe import Recipe
from monolayer.training.train import train

N = 12
y = np.arange(N) % 2
rng = np.random.default_rng(0)
ROWS = rng.standard_normal((N, 4)).astype(np.float32)
GREY = rng.integers(0, 256, (N, 8, 8), dtype=np.uint8)
COLOUR = rng.integers(0, 256, (N, 8, 8, 3), dtype=np.uint8)
NAMES = ("400", "410", "420", "height, in m")


def learn(source, **options):
    """(network, what it learned from) of data of one's own."""
    dataset = load(source, **options)
    return train(dataset.split(), Recipe(epochs=1, batch_size=4)).network, dataset


def read(network, *paths, **chosen):
    return np.concatenate([rows.X for rows in iterate_rows(network, find_files(paths, network), **chosen)])


def write_table(path, names, columns):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",")
        writer.writerows([names, *zip(*columns, strict=True)])
    return path


def write_plain(path, order=range(4), *, with_label=True):
    """ROWS as a table or as plain columns of Parquet, in any order of columns, and others between them."""
    columns = {"patient": [f"p{i}" for i in range(N)]}
    columns |= {NAMES[i]: ROWS[:, i].tolist() for i in order}
    columns |= {"label": y.tolist()} if with_label else {}
    if path.suffix == ".parquet":
        parquet.write_table(pa.table(columns), path)
        return path
    return write_table(path, columns, columns.values())


def encode(image):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "png")
    return {"bytes": buffer.getvalue(), "path": None}


def write_array_folder(folder):
    folder.mkdir()
    np.save(folder / "X.npy", ROWS)
    np.save(folder / "y.npy", y)


def write_shards(folder):
    folder.mkdir()
    parquet.write_table(pa.table({"image": [encode(image) for image in COLOUR], "label": y}), folder / "0.parquet")


SOURCES = {
    "layers.safetensors": (lambda path: save_file({"layer3": ROWS + 1, "layer12": ROWS, "y": y}, path), "layer12"),
    "embeddings.npz": (lambda path: np.savez(path, embeddings=ROWS, y=y), None),
    "grey.npz": (lambda path: np.savez(path, images=GREY, y=y), None),
    "colour.npz": (lambda path: np.savez_compressed(path, images=COLOUR, labels=y), None),
    "folder": (write_array_folder, None),
    "lists.parquet": (lambda path: parquet.write_table(pa.table({"vector": list(ROWS), "label": y}), path), None),
    "two.parquet": (
        lambda path: parquet.write_table(pa.table({"a": list(ROWS + 1), "b": list(ROWS), "label": y}), path), "b"
    ),
    "images.parquet": (
        lambda path: parquet.write_table(pa.table({"image": [encode(one) for one in GREY], "label": y}), path), None
    ),
    "shards": (write_shards, None),
}  # fmt: skip


@pytest.mark.parametrize("name", SOURCES)
def test_what_a_network_learned_from_is_read_as_it_was_then(tmp_path, name):
    write, features = SOURCES[name]
    write(tmp_path / name)
    network, dataset = learn(tmp_path / name, features=features)
    np.testing.assert_array_equal(read(network, tmp_path / name), dataset.X)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_columns_are_found_by_their_names(tmp_path, suffix):
    options = {"group_by": "patient"} if suffix != ".parquet" else {}
    network, dataset = learn(write_plain(tmp_path / f"learned{suffix}"), **options)
    np.testing.assert_array_equal(dataset.X, ROWS)
    network.save(tmp_path / "network.safetensors")
    network = OneLayer.load(tmp_path / "network.safetensors")
    for other in (".csv", ".tsv", ".parquet"):
        turned = write_plain(tmp_path / f"turned{other}", (2, 0, 3, 1), with_label=False)
        np.testing.assert_array_equal(read(network, turned).astype(np.float32), ROWS)
        lacking = write_plain(tmp_path / f"lacking{other}", (2, 0, 3))
        with pytest.raises(BadData, match=r"has no column '410', which the network takes; .*patient, 420, 400, height"):
            read(network, lacking)


def test_without_names_a_table_of_numbers_is_refused_and_an_array_is_not(tmp_path):
    network, _ = learn(write_plain(tmp_path / "learned.csv"), group_by="patient")
    (tmp_path / "bare.csv").write_text("1,2,3,4\n")
    with pytest.raises(BadData, match=r"has no column '400', .* its first line has 1, 2, 3, 4\."):
        read(network, tmp_path / "bare.csv")
    write_table(tmp_path / "twice.csv", [*NAMES, "410"], np.ones((5, 2)))
    with pytest.raises(BadData, match="names column '410' twice"):
        read(network, tmp_path / "twice.csv")
    np.save(tmp_path / "rows.npy", ROWS)
    np.testing.assert_array_equal(read(network, tmp_path / "rows.npy"), ROWS)
    earlier = replace(network, metadata={})
    np.testing.assert_array_equal(read(earlier, tmp_path / "bare.csv"), [[1, 2, 3, 4]])


def test_what_a_network_knows_of_its_data_is_not_where_it_lies(tmp_path):
    network, _ = learn(write_plain(tmp_path / "learned.csv"), group_by="patient")
    assert network.metadata["columns"] == '["400", "410", "420", "height, in m"]'
    assert network.metadata["reading"] == '{"group_by": "patient"}'
    assert str(tmp_path) not in str(network.metadata)


@pytest.mark.parametrize(
    ("ignored", "message"),
    [
        ("400", "column '400' cannot be ignored, since the network takes it"),
        ("other", "there is no column of that name"),
    ],
)
def test_only_a_column_beside_the_features_can_be_ignored(tmp_path, ignored, message):
    path = write_plain(tmp_path / "learned.csv")
    network, _ = learn(path, group_by="patient")
    assert len(read(network, path, ignored=("label",))) == N
    with pytest.raises(BadInput, match=message):
        read(network, path, ignored=(ignored,))


def test_of_several_parts_one_is_named(tmp_path):
    np.savez(tmp_path / "a.npz", train_X=ROWS, train_y=y, test_X=ROWS[:3], test_y=y[:3])
    network, _ = learn(tmp_path / "a.npz")
    with pytest.raises(BadInput, match=r"several parts, train_X, test_X; name one with --features"):
        read(network, tmp_path / "a.npz")
    np.testing.assert_array_equal(read(network, tmp_path / "a.npz", features="test_X"), ROWS[:3])
    np.save(tmp_path / "rows.npy", ROWS)
    with pytest.raises(BadInput, match=r"--features does not apply to .*rows\.npy; it applies to \.npz"):
        read(network, tmp_path / "rows.npy", features="test_X")


@pytest.mark.parametrize("written", ["1_0", "１０", "0x10", "ten"])  # digits of another alphabet
def test_a_cell_is_read_as_in_training(tmp_path, written):
    network, _ = learn(write_plain(tmp_path / "learned.csv"), group_by="patient")
    write_table(tmp_path / "odd.csv", NAMES, [[1], [2], [written], [4]])
    with pytest.raises(BadData, match=f"line 2: '{written}' is not a number"):
        read(network, tmp_path / "odd.csv")
    write_table(tmp_path / "odd.csv", [*NAMES, "label"], [[1] * 2, [2] * 2, [3, written], [4] * 2, [0, 1]])
    with pytest.raises(BadData, match="holds"):
        load(tmp_path / "odd.csv")


def test_a_column_of_parquet_that_holds_no_numbers_is_named(tmp_path):
    network, _ = learn(write_plain(tmp_path / "learned.parquet"))
    columns = {name: ROWS[:, i].tolist() for i, name in enumerate(NAMES)} | {"420": ["tall"] * N}
    parquet.write_table(pa.table(columns), tmp_path / "odd.parquet")
    with pytest.raises(BadData, match="column '420' holds string; accepted are numbers"):
        read(network, tmp_path / "odd.parquet")


def test_what_is_hidden_in_a_folder_is_no_input(tmp_path):
    np.savez(tmp_path / "a.npz", images=GREY, y=y)
    network, _ = learn(tmp_path / "a.npz")
    for name in (".ipynb_checkpoints/a.png", "deep/b.png", "._b.png"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(GREY[0]).save(tmp_path / "photos" / name)
    assert find_files([tmp_path / "photos"], network) == [tmp_path / "photos/deep/b.png"]
    with pytest.raises(BadInput, match=r"--ignore does not apply to .*b\.png; it applies to \.csv, \.tsv"):
        read(network, tmp_path / "photos", ignored=("nonsense",))


def test_encoded_images_and_other_files_are_no_rows_of_a_network_of_tables(tmp_path):
    network, _ = learn(write_plain(tmp_path / "learned.csv"), group_by="patient")
    network = replace(network, metadata={})
    SOURCES["images.parquet"][0](tmp_path / "images.parquet")
    with pytest.raises(BadInput, match="holds images, and this network was not trained on images"):
        read(network, tmp_path / "images.parquet")
    (tmp_path / "notes.txt").write_text("no rows")
    with pytest.raises(BadInput, match=r"notes\.txt: is not a file of features; accepted are files ending in \.npy"):
        read(network, tmp_path / "notes.txt")


def test_images_of_another_shape_are_refused_and_encoded_ones_resized(tmp_path):
    np.savez(tmp_path / "a.npz", images=GREY, y=y)
    network, _ = learn(tmp_path / "a.npz")
    np.save(tmp_path / "wide.npy", np.zeros((2, 4, 16)))  # as many pixels
    with pytest.raises(BadData, match=r"has shape \(n, 4, 16\); the network takes \(n, 64\) or \(n, 1, 8, 8\)"):
        read(network, tmp_path / "wide.npy")
    large = GREY[0].repeat(2, axis=0).repeat(2, axis=1)
    parquet.write_table(pa.table({"image": [encode(large)]}), tmp_path / "large.parquet")
    Image.fromarray(large).save(tmp_path / "large.png")
    rows = read(network, tmp_path / "large.parquet", tmp_path / "large.png")
    np.testing.assert_array_equal(rows[0], rows[1])
