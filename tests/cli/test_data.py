import json
import os

import numpy as np


def test_describe_says_what_was_understood_and_keeps_a_contact_sheet(command, tmp_path):
    out = tmp_path / "looked"
    result = command("data", "describe", "digits", "--out", out)
    assert result.code == 0
    assert "1,797 training" in result.out
    assert "64 uint8, images of 8 x 8 pixels, grey" in result.out
    assert "ML014 [tip]" in result.out
    assert sorted(os.listdir(out)) == ["description.json", "figures", "report.html"]
    assert json.loads((out / "description.json").read_text())["rows"] == {"train": 1797}


def test_what_is_no_image_has_no_contact_sheet(command, tmp_path):
    np.savez(tmp_path / "d.npz", X=np.random.default_rng(0).random((60, 3)), y=np.arange(60) % 2)
    out = tmp_path / "looked"
    assert "no contact sheet" in command("data", "describe", tmp_path / "d.npz", "--out", out).out
    assert sorted(os.listdir(out)) == ["description.json", "report.html"]


def test_json_is_one_object(command):
    facts = command("data", "describe", "digits", "--json").json
    assert facts["n_features"] == 64
    assert {finding["code"] for finding in facts["findings"]} == {"ML010", "ML014", "ML015", "ML016", "ML017", "ML020"}


def test_bad_input_gets_one_sentence_and_leaves_nothing(command, tmp_path):
    result = command("data", "describe", tmp_path / "nothing", "--out", tmp_path / "looked")
    assert (result.code, result.out) == (2, "")
    assert "is not a dataset; accepted are cifar10, digits and paths" in result.err
    assert not (tmp_path / "looked").exists()


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
