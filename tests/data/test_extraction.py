"""Features of a dataset's images: made once, from training images alone, and met like any others."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import monolayer as ml
from monolayer.data.dataset import Dataset, Rows
from monolayer.data.extraction import extract_features
from monolayer.errors import BadData, BadInput
from monolayer.evaluate.predictions import predict_rows
from monolayer.features import HOGFeatures, PatchFeatures, PixelFeatures
from monolayer.tuning.few_shot import divide, draw_rows
from tests.features.test_patches import make_images
from tests.made import make_dataset

SHAPE = (3, 8, 8)
FEATURES = PatchFeatures(6, patch_size=3, n_patches=200)


def make_pictures(pixel_max=255.0, **changes):
    kind = {"class_names": ("a", "b", "c"), "image_shape": SHAPE, "pixel_max": pixel_max}
    test = Dataset(make_images(40, SHAPE, seed=1), np.arange(40) % 3, **kind)
    return replace(Dataset(make_images(120, SHAPE), np.arange(120) % 3, test=test, **kind), **changes)


def read(extracted):
    return {path.name: path.read_bytes() for path in extracted.folder.iterdir() if path.suffix != ".json"}


@pytest.mark.parametrize("seed", [None, 3])
def test_no_label_no_test_row_and_no_validation_row_is_learnt_from(tmp_path, seed):
    images = make_pictures()
    drawn = images.split(21, seed=seed)

    def make(images):
        """Features of these images, divided as the first ones."""
        parts = {"train": Rows(images, drawn.train.index), "val": Rows(images, drawn.val.index)}
        splits = replace(drawn, **parts, _test=Rows(images.test, drawn._test.index))
        return extract_features(splits, FEATURES, folder=tmp_path)

    def turn(rows):
        X = images.X.copy()
        X[rows.index] = 255 - X[rows.index]
        return replace(images, X=X)

    first = make(images)
    labels = make(replace(images, y=(images.y + 1) % 3))
    test = make(replace(images, test=replace(images.test, X=255 - images.test.X)))
    val, train = make(turn(first.splits.val)), make(turn(first.splits.train))
    assert len({extracted.folder for extracted in (first, labels, test, val, train)}) == 5
    assert read(labels) == read(first)
    assert {name for name in read(first) if read(test)[name] != read(first)[name]} == {"test.npy"}
    assert read(val)["transformer.safetensors"] == read(first)["transformer.safetensors"]
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
    assert again.splits.identity == first.splits.identity
    assert again.transformer.sha256 == first.transformer.sha256


def test_what_takes_much_of_the_disk_is_told_when_it_is_made(tmp_path, monkeypatch):
    result = []
    progress = SimpleNamespace(info=result.append, advance=lambda *words: None)
    splits = make_pictures().split(20)
    extract_features(splits, PixelFeatures(), folder=tmp_path, progress=progress)
    assert result == []
    monkeypatch.setattr("monolayer.data.extraction.REPORTED", 1)
    extract_features(splits, PixelFeatures(), folder=tmp_path, progress=progress)  # which is there already
    assert result == []
    extract_features(splits, HOGFeatures(cell=4), folder=tmp_path, progress=progress)
    assert result == [f"0.0 GB of features are kept in {tmp_path}"]


def test_what_was_made_with_flips_serves_one_without_them_and_not_the_other_way_round(tmp_path):
    splits, recipe = make_pictures().split(20), ml.Recipe(epochs=2, batch_size=10)
    flipped = extract_features(splits, FEATURES, flips=True, folder=tmp_path / "a")
    served = extract_features(splits, FEATURES, folder=tmp_path / "a")
    alone = extract_features(splits, FEATURES, folder=tmp_path / "b")
    assert served.folder == flipped.folder
    weights = [ml.train(one.splits, recipe).network.weights for one in (served, alone)]
    np.testing.assert_array_equal(*weights)
    assert extract_features(splits, FEATURES, flips=True, folder=tmp_path / "b").folder != alone.folder


OTHERS = ({"pool": 1}, {"activation": "soft:1"}, {"random_state": 1}, {"filters": "random"}, {"stride": 2})


@pytest.mark.parametrize(
    "other",
    [*(PatchFeatures(6, patch_size=3, n_patches=200, **words) for words in OTHERS), PixelFeatures()],
    ids=lambda one: one.describe(),
)
def test_other_features_have_a_folder_of_their_own_and_another_identity(tmp_path, other):
    splits = make_pictures().split(20)
    first, second = (extract_features(splits, features, folder=tmp_path) for features in (FEATURES, other))
    assert first.folder != second.folder
    assert first.splits.identity != second.splits.identity
    assert first.splits.fingerprint == second.splits.fingerprint == splits.fingerprint


def test_what_learns_has_a_folder_for_each_division_and_what_does_not_has_one(tmp_path):
    splits = [make_pictures().split(n) for n in (20, 30)]
    folders = [
        [extract_features(one, features, folder=tmp_path).folder for one in splits]
        for features in (FEATURES, PixelFeatures())
    ]
    assert folders[0][0] != folders[0][1]
    assert folders[1][0] == folders[1][1]


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
    with pytest.raises(BadInput, match=r"flip is 0\.5, but the rows of data are not images"):
        ml.train(plain.splits, recipe)


def test_few_shots_have_both_ways_too(tmp_path):
    splits = extract_features(make_pictures().split(20), PixelFeatures(), flips=True, folder=tmp_path).splits
    drawn = divide(splits, draw_rows(splits.train, 2, 0, 0)).dataset
    n = len(drawn.X)
    assert n == 6
    assert np.array_equal(drawn.both_ways[:n], drawn.X)
    assert np.array_equal(drawn.both_ways[n:].reshape(n, 3, 8, 8), drawn.X.reshape(n, 3, 8, 8)[..., ::-1])


def test_what_is_no_set_of_images_is_told(tmp_path):
    with pytest.raises(BadInput, match="made: does not hold images"):
        extract_features(make_dataset().split(20), FEATURES, folder=tmp_path)
    with pytest.raises(BadInput, match="known value of a lit pixel"):
        extract_features(make_pictures(pixel_max=None, test=None).split(20, test=20), FEATURES, folder=tmp_path)


def test_images_that_are_normalised_or_divided_among_datasets_are_told(tmp_path):
    with pytest.raises(BadInput, match="has normalize l2; features need images without it"):
        extract_features(make_pictures(normalize="l2", test=None).split(20, test=20), FEATURES, folder=tmp_path)
    splits = make_pictures().split(20)
    with pytest.raises(BadInput, match="belong to several datasets"):
        extract_features(replace(splits, val=make_pictures().split(20).val), FEATURES, folder=tmp_path)


def test_a_feature_too_large_for_half_precision_is_told(tmp_path):
    images = make_pictures(pixel_max=1e-3)
    with pytest.raises(BadInput, match=r"A feature is .*; accepted are finite ones up to 65504, in float16"):
        extract_features(images.split(20), PixelFeatures(), folder=tmp_path / "kept")
    assert not list((tmp_path / "kept").iterdir())


def test_a_full_disk_is_told_before_anything_is_made(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda place: type("Usage", (), {"free": 10}))
    with pytest.raises(BadInput, match=r"0\.0 GB of features do not fit there, where 0\.0 GB are free"):
        extract_features(make_pictures().split(20), FEATURES, folder=tmp_path / "kept")
    assert not list((tmp_path / "kept").iterdir())


@pytest.mark.parametrize("left", [b"", b"[]", -3])
@pytest.mark.parametrize("name", ["train.npy", "test.npy", "content.json", "transformer.safetensors"])
def test_damage_is_told(tmp_path, name, left):
    splits = make_pictures().split(20)
    place = extract_features(splits, FEATURES, folder=tmp_path).folder
    (place / name).write_bytes(left if isinstance(left, bytes) else (place / name).read_bytes()[:left])
    with pytest.raises(BadData, match="damaged features"):
        extract_features(splits, FEATURES, folder=tmp_path)


def test_stopping_leaves_nothing_behind(tmp_path, monkeypatch):
    def stop(self, images):
        raise KeyboardInterrupt

    monkeypatch.setattr(PatchFeatures, "_compute", stop)
    with pytest.raises(KeyboardInterrupt):
        extract_features(make_pictures().split(20), FEATURES, folder=tmp_path / "kept")
    assert not list((tmp_path / "kept").iterdir())


def test_rows_of_features_are_answered_for_as_features_even_where_these_are_as_many_as_pixels(tmp_path):
    splits = ml.load("digits").split(val=300)  # a lit pixel is 16 there, and 255 among the features
    extracted = extract_features(splits, PixelFeatures(), folder=tmp_path)
    run = ml.train(extracted.splits, epochs=2)
    for rows in (extracted.splits.val, splits.val):
        assert (predict_rows(run.network, rows).correct == run.val_correct).mean() > 0.99
