import numpy as np
import pytest

import monolayer as ml
from monolayer.errors import BadInput
from monolayer.evaluate.evidence import compute_evidence
from monolayer.features import PatchFeatures


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    splits = ml.load("digits").split(val=200)
    folder = tmp_path_factory.mktemp("features")
    extracted = ml.extract_features(splits, PatchFeatures(20, patch_size=3, n_patches=2000), folder=folder)
    return ml.train(extracted.splits, epochs=3, learning_rate=0.05)


def test_a_map_adds_up_to_the_difference_of_mean_scores(run):
    digits = ml.load("digits")
    X, y = digits.X[:300], digits.y[:300]
    maps = compute_evidence(run.network, X, y)
    assert maps.shape == (10, 6, 6)
    scores = run.network.compute_scores(X)
    for k in range(10):
        expected = scores[y == k, k].mean() - scores[y != k, k].mean()
        assert maps[k].sum() == pytest.approx(expected, abs=0.02)  # training rounds features to half precision


def test_a_class_without_images_has_no_map_and_the_others_do(run):
    digits = ml.load("digits")
    kept = digits.y[:300] != 4
    maps = compute_evidence(run.network, digits.X[:300][kept], digits.y[:300][kept])
    assert np.isnan(maps[4]).all()
    assert np.isfinite(np.delete(maps, 4, axis=0)).all()


def test_a_network_on_pixels_is_refused():
    digits = ml.load("digits")
    run = ml.train(digits.split(), epochs=1)
    with pytest.raises(BadInput, match="has no patch features"):
        compute_evidence(run.network, digits.X, digits.y)
