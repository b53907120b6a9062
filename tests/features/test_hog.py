import importlib.metadata
import sys
from dataclasses import replace

import numpy as np
import pytest

from monolayer.data.dataset import Dataset
from monolayer.data.extraction import extract_features
from monolayer.errors import BadInput, MissingPackage
from monolayer.features import HOGFeatures
from monolayer.network import OneLayer


def test_an_edge_speaks_in_its_own_direction():
    """A vertical edge has a horizontal gradient: 0 degrees, the first of nine directions."""
    image = np.zeros((1, 8, 8), np.uint8)
    image[:, :, 4:] = 255
    features = HOGFeatures(4, colour=False).fit(image.reshape(1, -1))
    histograms = features.transform(image.reshape(1, -1)).reshape(2, 2, 9)
    assert (histograms.argmax(axis=2) == 0).all()
    lying = features.transform(image.transpose(0, 2, 1).reshape(1, -1)).reshape(2, 2, 9)
    assert (lying.argmax(axis=2) == 4).all()


def test_colours_are_means_of_cells():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (1, 3, 8, 8)).astype(np.uint8)
    features = HOGFeatures(4).fit(image.reshape(1, -1)).transform(image.reshape(1, -1))
    expected = [image[0, c, i : i + 4, j : j + 4].mean() / 255 for c in range(3) for i in (0, 4) for j in (0, 4)]
    np.testing.assert_allclose(features[0, -12:], expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"cell": 0}, "cell is 0; accepted is a whole number"),
        ({"cell": 5}, "cell is 5; accepted is 1 to 4"),
        ({"orientations": 0}, "orientations is 0; accepted"),
    ],
)
def test_what_is_not_accepted_is_told(parameters, message):
    with pytest.raises(BadInput, match=message):
        HOGFeatures(**parameters).fit(np.zeros((1, 64)))


def test_without_scikit_image_the_extra_is_named(monkeypatch):
    """A network that learned from them can be loaded and described without it; only its features cannot be computed."""
    X = np.zeros((1, 64), np.uint8)
    features = HOGFeatures().fit(X)
    monkeypatch.setitem(sys.modules, "skimage.feature", None)
    with pytest.raises(BadInput, match=r"need scikit-image: pip install 'monolayer\[hog\]'"):
        features.transform(X)
    monkeypatch.setattr("importlib.metadata.version", raise_not_found)
    assert features.describe() == "HOGFeatures()"
    with pytest.raises(BadInput, match=r"need scikit-image: pip install 'monolayer\[hog\]'"):
        _ = features.version


def raise_not_found(name):
    raise importlib.metadata.PackageNotFoundError(name)


def test_without_scikit_image_no_file_is_called_damaged(monkeypatch, tmp_path):
    """The package that is missing is named, whether features or a network are read."""
    images = Dataset(np.zeros((6, 64), np.uint8), np.arange(6) % 2, ("a", "b"), image_shape=(1, 8, 8))
    splits = images.split(2)
    made = extract_features(splits, HOGFeatures(), folder=tmp_path)
    n_features = made.transformer.n_features_out
    zeros = np.zeros((2, n_features), np.float32)
    network = OneLayer(zeros, zeros[:, 0], np.zeros(n_features), np.ones(n_features), "cross_entropy", ("a", "b"))
    replace(network, transformer=made.transformer).save(tmp_path / "network")
    monkeypatch.setitem(sys.modules, "skimage.feature", None)
    for read in (
        lambda: extract_features(splits, HOGFeatures(), folder=tmp_path),
        lambda: OneLayer.load(tmp_path / "network"),
    ):
        with pytest.raises(MissingPackage, match=r"^Histograms of oriented gradients need scikit-image"):
            read()
