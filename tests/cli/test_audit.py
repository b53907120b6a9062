import csv
import os

import numpy as np
import pytest

from monolayer.data.dataset import Dataset
from monolayer.runs.folder import load_predictions

NAMES = ("a", "b")


def make_images(n, seed):
    """Rough random pictures, 3 x 32 x 32: blurred noise, so that they have edges to align."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 255, (n, 3, 8, 8)).astype(np.uint8)
    return coarse.repeat(4, axis=2).repeat(4, axis=3).reshape(n, -1)


@pytest.fixture
def planted(monkeypatch):
    """Forty training and ten test images; test image 3 is training image 7, test image 5 training image 9 mirrored."""
    X, T = make_images(40, 0), make_images(10, 1)
    T[3] = X[7]
    T[5] = X[9].reshape(3, 32, 32)[:, :, ::-1].reshape(-1)
    options = {"class_names": NAMES, "image_shape": (3, 32, 32), "name": "planted"}
    test = Dataset(T, np.arange(10) % 2, **options)
    dataset = Dataset(X, np.arange(40) % 2, test=test, **options)
    monkeypatch.setattr("monolayer.data.load.load_cifar10", lambda *_, **__: dataset)


@pytest.mark.usefixtures("planted")
def test_planted_duplicates_are_found_and_written_down(command, tmp_path):
    out = tmp_path / "audit"
    result = command("audit", "cifar10", "--out", out, "--json")
    assert result.code == 0
    pairs = {(d["train"], d["test"]): d for d in result.json["duplicates"]}
    assert {(7, 3), (9, 5)} <= set(pairs)
    assert pairs[7, 3]["similarity"] == 1
    assert (pairs[7, 3]["mirrored"], pairs[9, 5]["mirrored"]) == (False, True)
    assert pairs[7, 3]["labels"] == [1, 1]
    finding = result.json["findings"][0]
    assert set(finding) == {"code", "outcome", "title", "evidence", "advice"}
    assert (finding["code"], finding["outcome"]) == ("ML002", "issue")
    assert sorted(os.listdir(out)) == ["duplicates.csv", "figures", "report.html"]
    assert "evenly spaced from the most to the least similar" in (out / "report.html").read_text()
    with (out / "duplicates.csv").open(encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == len(pairs)


def test_digits_have_no_test_file_and_are_searched_within(command):
    result = command("audit", "digits", "--json")
    assert result.code == 0
    assert all(d["splits"] == ["train", "train"] for d in result.json["duplicates"])


def test_claims_that_no_fair_evaluation_gives_are_told_from_those_that_it_may(command):
    words = ["audit", "--train", "45.18", "--val", "79.00:1000", "--test", "51.87:10000", "--json"]
    assert [f["outcome"] for f in command(*words).json["findings"]] == ["issue", "issue"]
    words = ["audit", "--train", "44.45", "--val", "45.50:1000", "--test", "41.20:10000", "--json"]
    assert [f["outcome"] for f in command(*words).json["findings"]] == ["passed", "passed"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "Name a dataset to search, or claims to check"),
        (["--train", "45.18"], "Name a dataset to search, or claims to check"),
        (["--train", "45.18", "--val", "79"], "--val '79' is not PERCENT:ROWS"),
        (["--train", "high", "--val", "79:1000"], "--train 'high' is not an accuracy"),
        (["--train", "450", "--val", "79:1000"], "--train '450' is not between 0 and 100"),
        (["--train", "45", "--val", "790:1000"], "is not PERCENT:ROWS"),
        (
            ["--train", "45.18", "--val", "79:1000", "--out", "au"],
            "--out keeps what a search finds, so it needs a dataset",
        ),
        (["mnist"], "'mnist' is not a dataset"),
    ],
)
def test_what_cannot_be_audited_is_refused(command, words, message):
    result = command("audit", *words)
    assert (result.code, result.out) == (2, "")
    assert message in result.err


@pytest.mark.usefixtures("planted")
def test_a_runs_accuracy_is_told_without_the_leaked_rows(command, tmp_path):
    out = tmp_path / "run"
    command("train", "cifar10", "--epochs", "1", "--val-size", "5", "--batch-size", "5", "--out", out)
    weighed = command("audit", "cifar10", "--run", out, "--json").json["run"]
    with (out / "predictions.csv").open(encoding="utf-8") as file:
        correct = {int(row["row"]): row["label"] == row["predicted"] for row in csv.DictReader(file)}
    kept = [right for row, right in correct.items() if row not in (3, 5)]
    assert (weighed["n"], weighed["n_leaked"]) == (10, 2)
    assert weighed["accuracy_without"] == pytest.approx(np.mean(kept))
    assert weighed["change"] == pytest.approx(np.mean(kept) - np.mean(list(correct.values())))
    result = command("audit", "cifar10", "--run", out).out
    assert "without the 2 leaked rows" in result


@pytest.mark.usefixtures("planted")
def test_a_run_that_cannot_be_weighed_is_refused_before_the_search(command, tmp_path, monkeypatch):
    def search(*_, **__):
        pytest.fail("searched for duplicates")

    monkeypatch.setattr("monolayer.runs.audit.find_duplicates", search)
    sealed, other = tmp_path / "sealed", tmp_path / "other"
    words = ("--epochs", "1", "--val-size", "5", "--batch-size", "5")
    command("train", "cifar10", *words, "--sealed", "--out", sealed)
    command("train", "digits", *words, "--out", other)
    for run, message in (
        (sealed, "no predictions for test rows"),
        (other, "trained on other data"),
        (tmp_path, "cannot be read"),
    ):
        result = command("audit", "cifar10", "--run", run)
        assert result.code == 2
        assert message in result.err
    assert "needs the dataset" in command("audit", "--run", sealed).err


@pytest.mark.parametrize("suffix", ["npz", "folder"])
def test_data_of_ones_own_is_searched_in_its_validation_rows_too(command, tmp_path, suffix):
    X, V = make_images(30, 0), make_images(8, 1)
    V[2] = X[4]
    arrays = {"train_X": X, "train_y": np.arange(30) % 2, "val_X": V, "val_y": np.arange(8) % 2}
    arrays = {name: a.reshape(-1, 3, 32, 32) if name.endswith("X") else a for name, a in arrays.items()}
    path = tmp_path / "d.npz"
    if suffix == "folder":
        path = tmp_path / "d"
        path.mkdir()
        for name, array in arrays.items():
            np.save(path / f"{name}.npy", array)
    else:
        np.savez(path, **arrays)
    result = command("audit", path, "--out", tmp_path / "out", "--json").json
    assert [pair["rows"][1] for pair in result["duplicates"] if pair["splits"] == ["train", "val"]] == [2]
    (finding,) = result["findings"]
    assert "1 of 8 validation rows (12.5%) have a duplicate among the training rows" in finding["evidence"]
    assert "8 validation rows were searched" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_test_rows_that_were_drawn_are_weighed_by_what_the_run_was_trained_on(command, tmp_path):
    rng = np.random.default_rng(0)
    y = np.arange(100) % 2
    X = (rng.random((100, 3)) + y[:, None]).astype(np.float32)
    X[50:] = X[:50]  # every row stands twice
    np.savez(tmp_path / "d.npz", X=X, y=y)
    command(
        "train", tmp_path / "d.npz", "--epochs", "1", "--val-size", "0", "--batch-size", "10", "--out", tmp_path / "a"
    )
    weighed = command("audit", tmp_path / "d.npz", "--run", tmp_path / "a", "--json").json["run"]
    tested = set(load_predictions(tmp_path / "a")["test"].index.tolist())
    leaked = [row for row in tested if (row + 50) % 100 not in tested]
    assert 0 < len(leaked) < len(tested) == weighed["n"]
    assert weighed["n_leaked"] == len(leaked)


def save_twice(path, **more):
    """A file with half of the training rows in pairs of two labels."""
    rng = np.random.default_rng(0)
    y = np.arange(100) % 2
    X = (rng.random((100, 3)) + y[:, None]).astype(np.float32)
    X[51:76] = X[:25]
    np.savez(path, X=X, y=y, **more)


def test_drawn_test_rows_are_weighed_where_the_source_has_validation_rows_only(command, tmp_path):
    save_twice(tmp_path / "d.npz", val_X=np.zeros((4, 3), np.float32), val_y=np.arange(4) % 2)
    words = ("--epochs", "1", "--batch-size", "10")
    command("train", tmp_path / "d.npz", *words, "--out", tmp_path / "a")
    weighed = command("audit", tmp_path / "d.npz", "--run", tmp_path / "a", "--json").json["run"]
    assert weighed["n_leaked"] > 0


def test_what_was_searched_and_found_is_said_in_a_line(command, tmp_path):
    save_twice(tmp_path / "d.npz")
    line = "Searched 100 rows, with no test rows apart, against each other: 25 pairs, 25 with different labels"
    assert command("audit", tmp_path / "d.npz").out.startswith(line)
    test = {"test_X": np.zeros((4, 3), np.float32), "test_y": np.arange(4) % 2}
    save_twice(tmp_path / "e.npz", **test)
    line = "Searched 4 test rows against 100 training rows: no duplicates."
    assert command("audit", tmp_path / "e.npz").out.startswith(line)
    line = "no duplicates; 100 training rows against each other: 25 pairs"
    assert line in command("audit", tmp_path / "e.npz", "--within").out


def test_a_run_whose_test_rows_are_all_leaked_has_no_accuracy_without_them(command, tmp_path):
    X, y = np.arange(8, dtype=np.float32).reshape(4, 2), np.arange(4) % 2
    np.savez(tmp_path / "d.npz", X=X, y=y, test_X=X, test_y=y)
    words = ("--epochs", "1", "--batch-size", "2", "--val-size", "0")
    command("train", tmp_path / "d.npz", *words, "--out", tmp_path / "a")
    result = command("audit", tmp_path / "d.npz", "--run", tmp_path / "a")
    assert result.code == 2
    assert "each of its 4 test rows has a duplicate among the training rows" in result.err
