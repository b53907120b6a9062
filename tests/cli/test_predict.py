import csv
import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from monolayer.data.load import load
from monolayer.network import OneLayer
from monolayer.recipe.recipe import Recipe
from monolayer.training.train import train


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    folder = tmp_path_factory.mktemp("net")
    run = train(load("digits").split(), Recipe(epochs=20, learning_rate=0.05))
    run.network.save(folder / "network.safetensors")
    return folder


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    (folder / "deep").mkdir(parents=True)
    digits = load_digits()
    for i in range(20):
        pixels = (digits.images[i] * (255 / 16)).round().astype(np.uint8)
        Image.fromarray(pixels).save(folder / "deep" / f"{i:02d}-is-{digits.target[i]}.png")
    (folder / "notes.txt").write_text("no image")
    return folder


def test_a_folder_of_images_gets_classes_and_probabilities(command, network, images):
    result = command("predict", network, images, "--json")
    assert result.code == 0
    predictions = result.json["predictions"]
    assert len(predictions) == 20
    right = [p["class"] == p["file"][-5] for p in predictions]
    assert np.mean(right) > 0.8  # they are training rows; the point is that pixels arrive in the right order and scale
    for p in predictions:
        assert sum(p["probabilities"].values()) == pytest.approx(1, abs=1e-5)
        assert p["probabilities"][p["class"]] == p["probability"] == max(p["probabilities"].values())


def test_images_of_another_size_are_resized_and_counted(command, network, images, tmp_path):
    assert "resized" not in command("predict", network, images).err
    for name, size in (("a.png", (8, 9)), ("b.png", (30, 20)), ("c.png", (8, 8))):
        Image.new("L", size).save(images / name)
    result = command("predict", network, images, "--out", tmp_path / "answers.csv")
    assert result.code == 0
    assert "2 images were resized to 8 x 8 pixels (height x width)" in result.err
    assert "1 image was resized" in command("predict", network, images / "a.png").err


def test_resizing_is_nothing_to_tell_a_network_that_learned_from_resized_images(command, tmp_path):
    for name, colour in (("dark", 20), ("light", 200)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(10):
            Image.new("RGB", (12, 10), (colour + i, colour, colour)).save(tmp_path / "photos" / name / f"{i}.png")
    words = ("--resize", "4x4", "--epochs", "1", "--batch-size", "4", "--val-size", "4", "--out", tmp_path / "run")
    assert command("train", tmp_path / "photos", *words).code == 0
    result = command("predict", tmp_path / "run", tmp_path / "photos")
    assert (result.code, "resized" in result.err) == (0, False)


def test_image_files_are_refused_where_the_unit_of_the_training_images_is_not_known(command, images, tmp_path):
    digits = load_digits()
    np.savez(tmp_path / "d.npz", X=digits.images[:200].astype(np.float32), y=digits.target[:200])
    words = ("--epochs", "1", "--batch-size", "20", "--out", tmp_path / "run")
    assert command("train", tmp_path / "d.npz", *words).code == 0
    assert command("report", tmp_path / "run").code == 0
    result = command("predict", tmp_path / "run", images)
    assert (result.code, result.out) == (2, "")
    assert "the range of the training images is unknown" in result.err
    np.save(tmp_path / "x.npy", digits.images[:3].reshape(3, -1))
    assert command("predict", tmp_path / "run", tmp_path / "x.npy").code == 0


def test_sixteen_bits_are_read_like_eight(command, network, tmp_path):
    eight = np.linspace(0, 255, 64).astype(np.uint8).reshape(8, 8)
    Image.fromarray(eight).save(tmp_path / "eight.png")
    Image.fromarray(eight.astype(np.uint16) * 257).save(tmp_path / "sixteen.png")
    first, second = (command("predict", network, tmp_path / f"{n}.png", "--json").json for n in ("eight", "sixteen"))
    assert first["predictions"][0]["probabilities"] == second["predictions"][0]["probabilities"]


def test_one_file_is_shown_as_a_table(command, network, images, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")  # the path of a temporary folder is long, and would fold the headers
    file = next(images.rglob("*.png"))
    result = command("predict", network / "network.safetensors", file)
    assert result.code == 0
    assert "softmax probability" in result.out


def cut_short(folder):
    whole = next(folder.rglob("*.png"))
    whole.write_bytes(whole.read_bytes()[:20])
    return whole


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "nowhere", "there is no such file or folder"),
        (lambda folder: folder / "notes.txt", "cannot be read as an image"),
        (cut_short, "cannot be read as an image"),
    ],
)
def test_what_is_no_image_is_refused(command, network, images, make, message):
    result = command("predict", network, make(images))
    assert (result.code, result.out) == (2, "")
    assert message in result.err


def test_a_folder_without_images_is_refused(command, network, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "holds no image; accepted are files ending in .png" in command("predict", network, tmp_path / "empty").err
    network = OneLayer(np.eye(2), np.zeros(2), np.zeros(2), np.ones(2), "cross_entropy", ("a", "b"))
    network.save(tmp_path / "plain.safetensors")
    result = command("predict", tmp_path / "plain.safetensors", tmp_path / "empty")
    assert "holds no file of features; accepted are Parquet files, and .npy files." in result.err


def test_what_is_no_network_is_refused(command, images):
    result = command("predict", images, images)
    assert result.code == 2
    assert "there is no such run or network" in result.err


@pytest.fixture
def rows(tmp_path):
    """1,797 rows of features as the network met them in training."""
    X = load_digits().data.astype(np.uint8)
    np.save(tmp_path / "rows.npy", X)
    return X


def predict_directly(network, X):
    return OneLayer.load(network).compute_probabilities(X)


def test_features_get_what_the_library_gives(command, network, rows, tmp_path):
    result = command("predict", network, tmp_path / "rows.npy", "--json")
    predictions = result.json["predictions"]
    assert [p["row"] for p in predictions] == list(range(len(rows)))
    message = [list(p["probabilities"].values()) for p in predictions]
    np.testing.assert_allclose(message, predict_directly(network, rows), rtol=1e-6)


def test_a_terminal_is_shown_the_first_rows_and_how_many_each_class_has(command, network, rows, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    result = command("predict", network, tmp_path / "rows.npy", "--top", "2")
    assert "Rows: 1,797" in result.out
    assert "The first 20 rows of a file are shown; --out FILE.csv writes all." in result.out
    assert sum("rows.npy" in line for line in result.out.splitlines()) == 20


@pytest.mark.parametrize("top", [None, 3])
def test_answers_in_files_are_the_same_answers(command, network, rows, tmp_path, top):
    P = predict_directly(network, rows)
    words = ["--top", top] if top else []
    for name in ("a.csv", "a.jsonl"):
        result = command("predict", network, tmp_path / "rows.npy", "--out", tmp_path / name, *words, "--json")
        assert result.json["n"] == sum(result.json["classes"].values()) == len(rows)
    lines = list(csv.DictReader((tmp_path / "a.csv").read_text().splitlines()))
    objects = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert [line["class"] for line in lines] == [o["class"] for o in objects] == [str(k) for k in P.argmax(axis=1)]
    np.testing.assert_allclose([float(line["probability"]) for line in lines], P.max(axis=1), rtol=1e-6)
    if top:
        assert [line["class_3"] for line in lines] == [list(o["probabilities"])[2] for o in objects]
        assert all(len(o["probabilities"]) == 3 for o in objects)
    else:
        np.testing.assert_allclose([float(line["probability_7"]) for line in lines], P[:, 7], rtol=1e-6)


def test_npy_holds_every_probability_and_appears_whole(command, network, rows, tmp_path):
    assert (
        command("predict", network, tmp_path / "rows.npy", tmp_path / "rows.npy", "--out", tmp_path / "p.npy").code == 0
    )
    P = predict_directly(network, rows)
    np.testing.assert_array_equal(np.load(tmp_path / "p.npy"), np.concatenate([P, P]))
    bad = rows.astype(float)
    bad[1500, 3] = np.nan
    np.save(tmp_path / "bad.npy", bad)
    for name in ("q.npy", "q.csv", "q.jsonl"):
        result = command("predict", network, tmp_path / "bad.npy", "--out", tmp_path / name)
        assert (result.code, result.out) == (2, "")
        assert "bad.npy: row 1500, feature 3 is nan; accepted are finite numbers." in result.err
    assert not list(tmp_path.glob("q.*"))


def test_features_that_look_scaled_are_doubted_and_answered(command, network, rows, tmp_path):
    np.save(tmp_path / "scaled.npy", rows / 16)
    result = command("predict", network, tmp_path / "scaled.npy", "--json")
    assert result.code == 0
    assert "holds no number above 1, but the network was trained on whole numbers up to 16" in result.err


def test_a_csv_with_labels_names_what_is_ignored(command, network, rows, tmp_path):
    header = ",".join([*(f"pixel {i}" for i in range(64)), "label"])
    text = "\n".join([header, *(",".join([*map(str, row), "cat"]) for row in rows[:3])])
    (tmp_path / "rows.csv").write_text(text)
    assert "such as labels, with --ignore" in command("predict", network, tmp_path / "rows.csv").err
    predictions = command("predict", network, tmp_path / "rows.csv", "--ignore", "label", "--json").json["predictions"]
    np.testing.assert_allclose([p["probability"] for p in predictions], predict_directly(network, rows[:3]).max(axis=1))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["rows.npy", "--out", "exists.csv"], "exists.csv exists; name a new file with --out."),
        (["rows.npy", "--out", "none/a.csv"], "is not a folder, so a.csv cannot be written to it"),
        (
            ["rows.npy", "--out", "a.txt"],
            "has no format of predictions; accepted are names ending in .csv, .jsonl, .npy.",
        ),
        (["rows.npy", "--out", "a.npy", "--top", "2"], ".npy holds the probability of every class"),
        (["rows.npy", "--top", "11"], "--top is 11; accepted are 1 to 10"),
        (["rows.npy", "--strict"], "--strict goes with a stream"),
        (["rows.npy", "--ignore", "label"], "--ignore does not apply to rows.npy; it applies to .csv, .tsv."),
        (["narrow.npy"], "has shape (n, 63); the network takes (n, 64) or (n, 1, 8, 8)."),
        (["huge.npy"], "row 1: is so far outside the training data that its scores overflow."),
        (["-", "--json"], "A stream is the only input"),
        (["-", "rows.npy"], "A stream is the only input"),
        (["-", "--out", "a.csv"], "accepted is a name ending in .jsonl"),
        (["nowhere.jsonl"], "No such file or directory"),
    ],
)
def test_wrong_words_and_wrong_features_get_one_sentence(command, network, rows, tmp_path, monkeypatch, words, message):
    (tmp_path / "exists.csv").write_text("mine")
    np.save(tmp_path / "narrow.npy", rows[:2, :63])
    np.save(tmp_path / "huge.npy", np.stack([np.zeros(64), np.full(64, 1e300)]))
    monkeypatch.chdir(tmp_path)
    before = sorted(os.listdir(tmp_path))
    result = command("predict", network, *words)
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert result.err.count("\n") == 1
    assert sorted(os.listdir(tmp_path)) == before
    assert (tmp_path / "exists.csv").read_text() == "mine"


def test_a_network_of_no_images_refuses_images(command, images, tmp_path):
    network = OneLayer(np.eye(2), np.zeros(2), np.zeros(2), np.ones(2), "cross_entropy", ("a", "b"))
    network.save(tmp_path / "plain.safetensors")
    result = command("predict", tmp_path / "plain.safetensors", images)
    assert result.code == 2
    assert "this network was not trained on images, so it cannot classify image files." in result.err
    network = replace(network, weights=np.full((2, 2), np.nan))
    network.save(tmp_path / "lost.safetensors")
    np.save(tmp_path / "rows.npy", np.zeros((1, 2)))
    result = command("predict", tmp_path / "lost.safetensors", tmp_path / "rows.npy")
    assert (result.code, result.out) == (2, "")
    assert "its training diverged" in result.err


def make_lines(rows, image):
    good = [{"id": f"row {i}", "features": row.tolist()} for i, row in enumerate(rows[:3])]
    return [json.dumps(line) for line in [*good, {"id": [4], "image": str(image)}]]


def test_a_stream_is_answered_line_by_line(command, network, rows, images, tmp_path):
    image = next(images.rglob("*.png"))
    lines = make_lines(rows, image)
    broken = ['{"features": [1]}', "", "{", '{"id": 8, "image": "nowhere.png"}']
    (tmp_path / "a.jsonl").write_text("\n".join([*lines, *broken]) + "\n" + lines[0])
    result = command("predict", network, tmp_path / "a.jsonl", "--top", "1")
    predictions = [json.loads(line) for line in result.out.splitlines()]
    assert [a["line"] for a in predictions] == [1, 2, 3, 4, 5, 7, 8, 9]
    assert [a.get("id") for a in predictions] == ["row 0", "row 1", "row 2", [4], None, None, 8, "row 0"]
    assert [a["class"] for a in predictions[:3]] == [str(k) for k in predict_directly(network, rows[:3]).argmax(axis=1)]
    assert predictions[4]["error"] == "features has 1 numbers; the network takes 64."
    assert result.code == 2
    assert result.err == f"monolayer: {tmp_path / 'a.jsonl'}: 3 bad lines; every other line has a prediction.\n"


def test_strict_stops_at_the_first_bad_line(command, network, rows, images, tmp_path):
    good = make_lines(rows, next(images.rglob("*.png")))
    (tmp_path / "a.jsonl").write_text("\n".join([good[0], "{", *good]))
    result = command("predict", network, tmp_path / "a.jsonl", "--strict")
    assert result.code == 2
    assert len(result.out.splitlines()) == 1
    assert "line 2: The line is not JSON" in result.err
    result = command("predict", network, tmp_path / "a.jsonl", "--strict", "--out", tmp_path / "b.jsonl")
    assert result.code == 2
    assert not (tmp_path / "b.jsonl").exists()
    assert command("predict", network, tmp_path / "a.jsonl", "--out", tmp_path / "b.jsonl").code == 2
    assert len((tmp_path / "b.jsonl").read_text().splitlines()) == 6


def test_an_answer_comes_before_the_next_line_and_a_reader_may_leave(network, rows, tmp_path):
    """Through a pipe, as a program would ask."""
    words = [sys.executable, "-m", "monolayer", "predict", str(network), "-"]
    line = json.dumps({"features": rows[0].tolist()}).encode() + b"\n"
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        for number in (1, 2):
            process.stdin.write(line)
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["line"] == number
        process.stdout.close()
        process.stdin.write(line * 3)
        process.stdin.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


def test_what_is_wrong_with_a_stream_is_not_told_of_its_answers(command, network, tmp_path):
    result = command("predict", network, tmp_path / "missing.jsonl", "--out", tmp_path / "o.jsonl")
    assert result.code == 2
    assert result.err == f"monolayer: {tmp_path / 'missing.jsonl'}: No such file or directory.\n"
    assert not (tmp_path / "o.jsonl").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are bytes on Linux alone")
def test_a_name_that_is_not_utf_8_is_written_in_letters(command, network, rows, tmp_path):
    name = os.fsdecode(b"caf\xe9.npy")
    np.save(tmp_path / name, rows[:2])
    for out in ("a.csv", "a.jsonl"):
        assert command("predict", network, tmp_path / name, "--out", tmp_path / out).code == 0
        assert "caf\\udce9.npy" in (tmp_path / out).read_text(encoding="utf-8")
    for words in ([], ["--json"]):
        result = command("predict", network, tmp_path / name, *words)
        assert (result.code, result.err) == (0, "")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nope", "rows.npy"], "nope: there is no such run or network."),
        (["NETWORK", "garbage.npz"], "garbage.npz: cannot be read as an .npz file (it is not one, or is truncated)."),
        (["NETWORK", "rows.npy", "--features", "X"], "--features does not apply to rows.npy; it applies to .npz, "),
        (["NETWORK", "-", "--features", "X"], "--json, --ignore and --features are not accepted with it."),
    ],
)
def test_what_is_not_there_or_means_nothing_is_named(command, network, rows, tmp_path, monkeypatch, words, message):
    (tmp_path / "garbage.npz").write_text("garbage")
    monkeypatch.chdir(tmp_path)
    result = command("predict", *(network if word == "NETWORK" else word for word in words))
    assert (result.code, result.out) == (2, "")
    assert message in result.err


def test_a_table_in_another_order_gets_the_same_answers(command, rows, tmp_path):
    names, digits = [f"pixel {i}" for i in range(64)], load_digits().target
    for name, order in (("a.csv", range(64)), ("b.csv", range(63, -1, -1))):
        lines = [
            [*(names[i] for i in order), "label"],
            *([*row[order], k] for row, k in zip(rows, digits, strict=True)),
        ]
        (tmp_path / name).write_text("".join(",".join(map(str, line)) + "\n" for line in lines))
    run = tmp_path / "run"
    assert command("train", tmp_path / "a.csv", "--epochs", 1, "--out", run).code == 0
    a, b = (command("predict", run, tmp_path / name, "--json").json["predictions"] for name in ("a.csv", "b.csv"))
    assert [one["probabilities"] for one in a] == [one["probabilities"] for one in b]
    assert a[0]["file"] != b[0]["file"]
