import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits


@pytest.fixture
def network(command, tmp_path):
    words = ["train", "digits", "--epochs", "20", "--val-size", "0", "--learning-rate", "0.05"]
    assert command(*words, "--out", tmp_path / "net").code == 0
    return tmp_path / "net"


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


def test_what_is_no_network_is_refused(command, images):
    result = command("predict", images, images)
    assert result.code == 2
    assert "cannot be read as a network" in result.err
