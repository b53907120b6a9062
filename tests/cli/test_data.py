import json
import os

import numpy as np
from PIL import Image

from monolayer.runs.folder import load_network
from tests.cli.test_resume import read, stop


def test_describe_says_what_was_understood_and_keeps_a_contact_sheet(command, tmp_path):
    out = tmp_path / "looked"
    result = command("data", "describe", "digits", "--out", out)
    assert result.code == 0
    assert "1,797 training" in result.out
    assert "64 uint8, images of 8 x 8 pixels, grey" in result.out
    assert "ML014 [tip]" in result.out
    assert sorted(os.listdir(out)) == ["description.json", "figures", "report.html"]
    assert sorted(os.listdir(out / "figures")) == ["contact-sheet.csv", "contact-sheet.png"]
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Training images of each class, evenly spaced over its rows." in page
    assert "ML014 Constant features" in page
    assert json.loads((out / "description.json").read_text())["rows"] == {"train": 1797}


def test_what_is_no_image_has_no_contact_sheet(command, tmp_path):
    np.savez(tmp_path / "d.npz", X=np.random.default_rng(0).random((60, 3)), y=np.arange(60) % 2)
    out = tmp_path / "looked"
    assert "no contact sheet" in command("data", "describe", tmp_path / "d.npz", "--out", out).out
    assert sorted(os.listdir(out)) == ["description.json", "report.html"]
    assert "The rows are not images" in (out / "report.html").read_text(encoding="utf-8")


def test_json_is_one_object(command):
    facts = command("data", "describe", "digits", "--json").json
    assert facts["n_features"] == 64
    assert {finding["code"] for finding in facts["findings"]} == {"ML010", "ML014", "ML015", "ML016", "ML017", "ML020"}


def test_bad_input_gets_one_sentence_and_leaves_nothing(command, tmp_path):
    result = command("data", "describe", tmp_path / "nothing", "--out", tmp_path / "looked")
    assert (result.code, result.out) == (2, "")
    assert "is not a dataset: there is no such file or folder; accepted are cifar10, digits and paths" in result.err
    assert not (tmp_path / "looked").exists()


def test_a_copy_of_a_named_dataset_is_described_with_data(command, tmp_path):
    result = command("data", "describe", "cifar10", "--data", tmp_path / "nothing")
    assert result.code == 2
    assert str(tmp_path / "nothing") in result.err


def test_data_of_ones_own_is_trained_on_and_gone_on_with(command, tmp_path):
    """The options of reading are kept with an unfinished run, and the test rows are found again by their path."""
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    part = np.array(["train", "train", "val"])[np.arange(90) // 3 % 3]
    part[-9:] = "test"
    np.savez(tmp_path / "d.npz", layer=rng.random((90, 4)) + y[:, None], word=y, part=part)
    options = ["--features", "layer", "--label", "word", "--split-by", "part", "--epochs", "2", "--batch-size", "10"]
    out = tmp_path / "run"
    result = command("train", tmp_path / "d.npz", *options, "--sealed", "--out", out, "--json")
    assert result.code == 0, result.err
    assert result.json["val"]["n"] == int((part == "val").sum())
    assert command("report", out, "--open-test", "it is chosen").code == 0
    assert json.loads((out / "evaluation.json").read_text())["test"]["n"] == 9
    shares = command("train", tmp_path / "d.npz", *options[:4], "--val-size", "0.2", *options[-4:], "--json").json
    assert shares["val"]["n"] == 18


def write_photos(folder):
    """Two classes of 12 images each; dog/03.png is cut short."""
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for i in range(12):
            Image.fromarray(rng.integers(0, 255, (4, 5, 3)).astype(np.uint8)).save(folder / name / f"{i:02}.png")
    bad = folder / "dog" / "03.png"
    bad.write_bytes(bad.read_bytes()[:60])
    return folder


def test_describe_lists_what_train_stops_at(command, tmp_path):
    photos, out = write_photos(tmp_path / "photos"), tmp_path / "looked"
    result = command("data", "describe", photos, "--out", out)
    assert result.code == 0
    assert "1 of 24 images cannot be read: dog/03.png" in result.out
    assert "Images that cannot be read" in (out / "report.html").read_text(encoding="utf-8")
    refused = command("train", photos, "--out", tmp_path / "run")
    assert (refused.code, refused.out) == (2, "")
    assert "photos/dog/03.png: cannot be read as an image" in refused.err
    assert not (tmp_path / "run").exists()


def test_channels_and_size_are_kept_with_a_run(command, tmp_path):
    photos, out = write_photos(tmp_path / "photos"), tmp_path / "run"
    (photos / "dog" / "03.png").unlink()
    words = ["--resize", "3x2", "--channels", "1", "--epochs", "1", "--batch-size", "5", "--sealed", "--out", out]
    assert command("train", photos, *words).code == 0
    assert load_network(out).image_shape == (1, 3, 2)
    assert command("report", out, "--open-test", "it is chosen").code == 0


def test_what_is_on_this_machine_is_not_fetched(command, tmp_path):
    np.savez(tmp_path / "d.npz", X=np.random.default_rng(0).random((60, 3)), y=np.arange(60) % 2)
    result = command("fetch", tmp_path / "d.npz")
    assert result.code == 2
    assert "is on this machine already" in result.err


def test_a_stopped_run_goes_on_with_the_rows_that_its_options_named(command, tmp_path):
    """From another folder, too: the path and the options of reading are kept with it."""
    rng = np.random.default_rng(0)
    lines = [f"{a:.4f},{b:.4f},{'no' if i % 2 else 'yes'},p{i // 4}" for i, (a, b) in enumerate(rng.random((80, 2)))]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,answer,who", *lines]))
    words = ["train", str(tmp_path / "t.csv"), "--label", "answer", "--group-by", "who", "--val-size", "0.2"]
    words += ["--batch-size", "10", "--epochs", "600"]
    code, _, result = stop(words, tmp_path / "out", "Epoch 3/")
    assert code == 130, result
    assert command("train", "--resume", tmp_path / "out").code == 0
    assert command(*words, "--out", tmp_path / "whole").code == 0
    assert read(tmp_path / "out") == read(tmp_path / "whole")
