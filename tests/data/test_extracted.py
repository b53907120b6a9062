"""Features of a dataset's images: made once, from training images alone, and met like any others."""

from dataclasses import replace

import numpy as np
import pytest

import monolayer as ml
from monolayer.data.dataset import Dataset
from monolayer.data.extracted import extract_features
from monolayer.errors import BadData, BadInput
from monolayer.features import PatchFeatures, PixelFeatures
from monolayer.few_shot import divide, draw_rows
from tests.features.test_patches import make_images
from tests.made import make_dataset

SHAPE = (3, 8, 8)
FEATURES = PatchFeatures(6, patch_size=3, n_patches=200)


def make_pictures(**changes):
    test = Dataset(make_images(40, SHAPE, seed=1), np.arange(40) % 3, ("a", "b", "c"), image_shape=SHAPE)
    images = Dataset(make_images(120, SHAPE), np.arange(120) % 3, ("a", "b", "c"), image_shape=SHAPE, test=test)
    return replace(images, **changes)


def read(extracted):
    return {path.name: path.read_bytes() for path in extracted.folder.iterdir() if path.suffix != ".json"}


def test_no_label_no_test_row_and_no_validation_row_is_learnt_from(tmp_path):
    images, rng = make_pictures(), np.random.default_rng(0)
    first = extract_features(images.split(20), FEATURES, folder=tmp_path)
    labels = extract_features(replace(images, y=rng.permutation(images.y)).split(20), FEATURES, folder=tmp_path)
    others = replace(images.test, X=255 - images.test.X)
    test = extract_features(replace(images, test=others).split(20), FEATURES, folder=tmp_path)
    held = images.X.copy()
    held[100:] = 255 - held[100:]
    val = extract_features(replace(images, X=held).split(20), FEATURES, folder=tmp_path)
    assert len({extracted.folder for extracted in (first, labels, test, val)}) == 4
    assert read(labels) == read(first)
    assert {name for name in read(first) if read(test)[name] != read(first)[name]} == {"test.npy"}
    assert read(val)["transformer.safetensors"] == read(first)["transformer.safetensors"]
    seen = images.X.copy()
    seen[:100] = 255 - seen[:100]
    train = extract_features(replace(images, X=seen).split(20), FEATURES, folder=tmp_path)
    assert read(train)["transformer.safetensors"] != read(first)["transformer.safetensors"]


def test_features_are_those_of_the_transformer_and_rows_stay_where_they_are(tmp_path):
    splits = make_pictures().split(20, seed=3)
    extracted = extract_features(splits, FEATURES, folder=tmp_path)
    found, images = extracted.splits.dataset, splits.dataset
    assert extracted.splits.divides_like(splits)
    assert isinstance(found.X, np.memmap)
    for part, rows in ((found, images), (found.test, images.test)):
        assert np.array_equal(part.X, extracted.transformer.transform(rows.X).astype(np.float16))
        assert np.array_equal(part.y, rows.y)
    assert extracted.splits.openings is splits.openings
    assert not hasattr(FEATURES, "filters_")


def test_what_was_made_is_found_again_and_anything_else_is_made(tmp_path, monkeypatch):
    splits = make_pictures().split(20)
    first = extract_features(splits, FEATURES, folder=tmp_path)
    made = []
    monkeypatch.setattr(PatchFeatures, "_learn", lambda self, X: made.append(self))
    again = extract_features(make_pictures().split(20), FEATURES, folder=tmp_path)
    assert again.folder == first.folder
    assert not made
    assert again.splits.fingerprint == first.splits.fingerprint
    assert again.transformer.sha256 == first.transformer.sha256


@pytest.mark.parametrize("engine", ["native", "numpy"])
@pytest.mark.parametrize("shuffle", ["full", "block:8:4"])
def test_flips_choose_between_the_features_of_both(tmp_path, monkeypatch, engine, shuffle, request):
    """Pixels as features: the same run as flips of the images themselves, but for float16."""
    if engine == "native":
        request.getfixturevalue("native")
    monkeypatch.setenv("MONOLAYER_ENGINE", engine)
    images = make_pictures()
    splits = replace(images, X=images.X // 2, test=replace(images.test, X=images.test.X // 2)).split(20)
    extracted = extract_features(splits, PixelFeatures(), flips=True, folder=tmp_path)
    recipe = ml.Recipe(epochs=3, learning_rate=0.01, batch_size=16, flip=0.5, shuffle=shuffle)
    ours, theirs = ml.train(extracted.splits, recipe), ml.train(splits, recipe)
    np.testing.assert_allclose(ours.network.weights, theirs.network.weights, atol=1e-5)
    plain = extract_features(splits, PixelFeatures(), folder=tmp_path)
    with pytest.raises(BadInput, match=r"flip is 0\.5, but the rows of data are no images"):
        ml.train(plain.splits, recipe)


def test_few_shots_have_both_ways_too(tmp_path):
    splits = extract_features(make_pictures().split(20), PixelFeatures(), flips=True, folder=tmp_path).splits
    drawn = divide(splits, draw_rows(splits.train, 2, 0, 0)).dataset
    n = len(drawn.X)
    assert n == 6
    assert np.array_equal(drawn.both_ways[:n], drawn.X)
    assert np.array_equal(drawn.both_ways[n:].reshape(n, 3, 8, 8), drawn.X.reshape(n, 3, 8, 8)[..., ::-1])


def test_what_is_no_set_of_images_is_told(tmp_path):
    with pytest.raises(BadInput, match="made: is no set of images"):
        extract_features(make_dataset().split(20), FEATURES, folder=tmp_path)
    with pytest.raises(BadInput, match="lit pixels have a known value"):
        extract_features(make_pictures(pixel_max=None, test=None).split(20, test=20), FEATURES, folder=tmp_path)


def test_a_full_disk_is_told_before_anything_is_made(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda place: type("Usage", (), {"free": 10}))
    with pytest.raises(BadInput, match=r"0\.0 GB of features are to be kept there, and 0\.0 GB are free"):
        extract_features(make_pictures().split(20), FEATURES, folder=tmp_path / "kept")
    assert not list((tmp_path / "kept").iterdir())


@pytest.mark.parametrize("name", ["train.npy", "test.npy", "content.json", "transformer.safetensors"])
def test_damage_is_told(tmp_path, name):
    splits = make_pictures().split(20)
    place = extract_features(splits, FEATURES, folder=tmp_path).folder
    (place / name).write_bytes((place / name).read_bytes()[:-3])
    with pytest.raises(BadData, match="damaged features"):
        extract_features(splits, FEATURES, folder=tmp_path)


def test_stopping_leaves_nothing_behind(tmp_path, monkeypatch):
    def stop(self, images):
        raise KeyboardInterrupt

    monkeypatch.setattr(PatchFeatures, "_compute", stop)
    with pytest.raises(KeyboardInterrupt):
        extract_features(make_pictures().split(20), FEATURES, folder=tmp_path / "kept")
    assert not list((tmp_path / "kept").iterdir())
