"""--features: what is made of images, from training to the answer to a new image."""

import json

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from monolayer.network import OneLayer
from monolayer.runs.folder import load_network, load_predictions

WORDS = ["--features", "patches:30,size=3", "--epochs", "5", "--learning-rate", "0.05", "--val-size", "200"]


@pytest.fixture(autouse=True)
def _cache(monkeypatch, tmp_path_factory):
    """One for all tests here, so that the features are made once."""
    monkeypatch.setenv("MONOLAYER_CACHE", str(tmp_path_factory.getbasetemp() / "features-of-digits"))


def test_a_run_learns_from_them_and_its_network_answers_for_images(command, tmp_path):
    assert command("train", "digits", *WORDS, "--flip", "0.2", "--out", tmp_path / "run").code == 0
    network, test = load_network(tmp_path / "run"), load_predictions(tmp_path / "run")["test"]
    assert network.weights.shape == (10, 270)
    images = load_digits().data.astype(np.uint8)
    np.testing.assert_allclose(network.compute_scores(images[test.index]), test.scores, atol=2e-3)
    assert test.correct.mean() > 0.8
    np.save(tmp_path / "x.npy", images[test.index])
    answered = command("predict", tmp_path / "run", tmp_path / "x.npy", "--json").json["predictions"]
    predicted = [int(row["class"]) for row in answered]
    assert np.mean(np.array(predicted) == test.predicted) > 0.99
    page = (tmp_path / "run" / "report.html").read_text()
    assert "PatchFeatures(n_filters=30, patch_size=3, pixel_max=16)" in page
    assert not (tmp_path / "run" / "figures" / "templates.png").exists()
    card = json.loads((tmp_path / "run" / "model-card.json").read_text())
    assert card["input"]["image_shape"] == [1, 8, 8]
    assert card["input"]["n_features"] == 64


def test_a_mistyped_kind_is_answered_with_the_kinds_where_only_images_can_be_meant(command, tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        Image.new("RGB", (4, 4)).save(tmp_path / "photos" / name / "1.png")
    np.savez(tmp_path / "a.npz", X=np.zeros((4, 3), np.float32), y=[0, 1, 0, 1])
    (tmp_path / "t.csv").write_text("w,label\n1,a\n2,b\n")
    for data, message in (
        ("photos", "--features 'patchs:9' is not a kind of features; accepted are hog"),
        ("a.npz", "has no features named 'patchs:9'; it has X, y"),
        ("t.csv", "--features does not apply to"),
    ):
        result = command("train", tmp_path / data, "--features", "patchs:9")
        assert (result.code, result.out) == (2, "")
        assert message in result.err


def test_test_rows_are_opened_later_by_the_images(command, tmp_path):
    words = ["train", "digits", *WORDS]
    now = command(*words, "--json").json["test"]["accuracy"]
    assert command(*words, "--sealed", "--out", tmp_path / "run").code == 0
    assert command("report", tmp_path / "run", "--open-test", "done").code == 0
    later = json.loads((tmp_path / "run" / "evaluation.json").read_text())["test"]["accuracy"]
    assert later == pytest.approx(now, abs=0.003)


def test_a_sweep_has_them_and_is_gone_on_with(command, tmp_path):
    words = ["sweep", "digits", *WORDS, "--grid", "l2=0,0.001"]
    assert command(*words, "--out", tmp_path / "grid").code == 0
    assert load_network(tmp_path / "grid").transformer.n_filters == 30
    plan = command(*words, "--dry-run", "--json").json
    assert plan["n_recipes"] == 2


def test_runs_on_pixels_and_on_features_are_compared_on_the_same_rows(command, tmp_path):
    assert command("train", "digits", *WORDS, "--out", tmp_path / "a").code == 0
    assert command("train", "digits", *WORDS[2:], "--out", tmp_path / "b").code == 0
    assert command("compare", tmp_path / "a", tmp_path / "b").code == 0


def test_formats_that_would_not_make_them_are_refused(command, tmp_path):
    assert command("train", "digits", *WORDS, "--out", tmp_path / "run").code == 0
    result = command("export", tmp_path / "run", "--to", "json", "--out", tmp_path / "n.json")
    assert (result.code, result.out) == (2, "")
    assert "takes features of images, by PatchFeatures(n_filters=30" in result.err
    again = command("export", tmp_path / "run", "--to", "safetensors", "--out", tmp_path / "n.safetensors")
    assert again.code == 0
    assert (
        OneLayer.load(tmp_path / "n.safetensors").transformer.sha256
        == load_network(tmp_path / "run").transformer.sha256
    )


@pytest.mark.parametrize(
    ("dataset", "features", "message"),
    [
        ("digits", "patches:x", "filters is 'x'; accepted is a whole number"),
        ("digits", "patches:9,size=9", "patch_size is 9; accepted is 1 to 8"),
        ("table.csv", "hog", "does not hold images"),
    ],
)
def test_what_is_not_accepted_is_told(command, tmp_path, dataset, features, message):
    if dataset == "table.csv":
        dataset = tmp_path / dataset
        dataset.write_text("a,b,label\n" + "1,2,x\n3,4,y\n" * 20)
    result = command("train", dataset, "--features", features, "--epochs", "1")
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert "Traceback" not in result.err
