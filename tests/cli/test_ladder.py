import json
import os
import re

import numpy as np
from PIL import Image

QUICK = ["--epochs", "2", "--val-size", "300"]


def test_the_ladder_of_digits_is_climbed_shown_and_kept(command, tmp_path, monkeypatch):
    monkeypatch.setenv("MONOLAYER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "80")
    out = tmp_path / "ladder"
    words = ["ladder", "digits", "--features", "pixels", "--features", "patches:20", *QUICK, "--out", out]
    result = command(*words)
    assert result.code == 0
    assert re.search(r"patches:20 .* BCE .*\d\d\.\d\d .*\[\d\d\.\d\d, \d+\.\d\d\]", result.out)
    assert "The best step by validation, patches:20 with" in result.out
    assert f"the report is {out / 'report.html'}" in result.out
    page = (out / "report.html").read_bytes()
    assert command("report", out).code == 0
    assert (out / "report.html").read_bytes() == page
    network = out / "networks" / "2-patches-20-cross-entropy.safetensors"
    np.save("images.npy", np.zeros((2, 64), np.uint8))
    assert command("predict", network, "images.npy").code == 0
    for taking in (["predict", out, "images.npy"], ["calibrate", out], ["compare", out, out]):
        result = command(*taking)
        assert (result.code, result.out) == (2, "")
        assert (
            "holds several networks and no run; accepted are a run's folder, and for predict and export one of"
            in result.err
        )
    assert "is a file; accepted is the folder of a run" in command("calibrate", network).err
    assert "name a new or empty folder with --out, or replace it with --overwrite." in command(*words).err
    assert command(*words, "--overwrite").code == 0
    assert command("train", "digits", "--epochs", "1", "--out", tmp_path / "run").code == 0
    trained = sorted(os.listdir(tmp_path / "run"))
    result = command(*words[:-1], tmp_path / "run", "--overwrite")
    assert (result.code, result.out) == (2, "")
    assert "which is not part of a ladder, so it is not replaced" in result.err
    assert sorted(os.listdir(tmp_path / "run")) == trained


def test_json_has_the_steps_and_nothing_else_is_printed(command, tmp_path, monkeypatch):
    monkeypatch.setenv("MONOLAYER_CACHE", str(tmp_path / "cache"))
    found = command("ladder", "digits", "--features", "pixels", *QUICK, "--json").json
    assert [step["recipe"]["loss"] for step in found["steps"]] == ["cross_entropy", "multiple_bce"]
    assert found["plan"]["flip"] == 0
    assert len(found["test_openings"]) == 1


def test_a_folder_of_images_has_a_ladder_too(command, tmp_path, monkeypatch):
    monkeypatch.setenv("MONOLAYER_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    for name, step in (("fine", 2), ("coarse", 5)):
        os.makedirs(f"photos/{name}")
        for i in range(40):
            lines = (np.arange(16) + rng.integers(9)) // step % 2 * 180
            picture = np.clip(lines[:, None, None] + rng.integers(0, 60, (16, 16, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(picture if i % 2 else picture.transpose(1, 0, 2).copy()).save(f"photos/{name}/{i}.png")
    rungs = ["--features", "pixels", "--features", "hog", "--features", "patches:12"]
    result = command("ladder", "photos", *rungs, "--epochs", "3", "--out", "ladder", "--json")
    assert result.code == 0
    assert [step["n_features"] for step in result.json["steps"][::2]] == [768, 1956, 108]
    assert "evidence" in (tmp_path / "place" / "ladder" / "report.html").read_text()


def test_what_is_wrong_is_one_sentence_and_leaves_nothing(command, tmp_path):
    for words, message in (
        (["digits", "--features", "photos"], "not a kind of features"),
        (["nowhere", "--features", "photos"], "not a kind of features"),  # before anything is read
        (
            ["digits", "--features", "patches", "--features", "patches:1600"],
            "patches and patches:1600 are the same features",
        ),
        (
            ["digits", "--features", "pixels", "--features", "patches:4000", "--train-size", "100"],
            "accepted are up to 3600",
        ),
        (["digits", "--features", "patches:20,size=9"], "patch_size is 9; accepted is 1 to 8"),
        (["digits", "--val-size", "0"], "no rows are held out"),
        (["digits", "--epochs", "0"], "epochs"),
    ):
        result = command("ladder", *words, "--out", tmp_path / "out")
        assert (result.code, result.out) == (2, "")
        assert message in result.err
        assert len(result.err.strip().splitlines()) == 1
        assert not (tmp_path / "out").exists()


def test_the_report_has_a_section_of_a_ladder_of_the_same_images(command, tmp_path, monkeypatch):
    monkeypatch.setenv("MONOLAYER_CACHE", str(tmp_path / "cache"))
    assert command("ladder", "digits", "--features", "pixels", *QUICK, "--out", "ladder").code == 0
    words = ["reproduce", "digits", "--epochs", "1", "--seeds", "2", "--overwrite", "--out", "report"]
    assert command(*words).code == 0
    page = (tmp_path / "place" / "report" / "report.html").read_text()
    assert "Not measured for this page" in page
    assert command(*words, "--ladder", "ladder").code == 0
    page = (tmp_path / "place" / "report" / "report.html").read_text()
    assert "Not measured for this page" not in page
    assert "One layer of weights on pixels with cross-entropy classifies" in page
    results = json.loads((tmp_path / "place" / "report" / "results.json").read_text())
    assert [step["features"] for step in results["ladder"]] == ["pixels", "pixels"]
    assert "has no ladder" in command(*words, "--ladder", "report").err
