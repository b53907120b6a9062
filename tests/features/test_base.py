"""What holds for all transformers."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from monolayer.errors import BadData, BadInput
from monolayer.features import HOGFeatures, PatchFeatures, PixelFeatures, base, patches
from monolayer.features.registry import load_transformer, save_transformer
from monolayer.sklearn import OneLayerClassifier
from tests.features.test_patches import make_images

KINDS = [
    PatchFeatures(8, patch_size=3, n_patches=300, image_shape=(3, 12, 10)),
    HOGFeatures(4, image_shape=(3, 12, 10)),
    PatchFeatures(np.int64(8), patch_size=3, n_patches=300, activation="nearest:0.3", filters="random"),
    PixelFeatures((3, 12, 10)),
]


@pytest.fixture(params=KINDS, ids=lambda kind: type(kind).__name__)
def transformer(request):
    return clone(request.param)


@pytest.fixture
def X(transformer):  # noqa: N802 - the matrix
    return make_images(150, transformer.image_shape or (3, 10, 10))


def test_an_image_has_the_same_features_whatever_stands_beside_it(transformer, X, monkeypatch):
    features = transformer.fit(X).transform(X)
    # What rounds off may take a filter from the nearest: one patch of a region of 16.
    tolerance = 0.07 if getattr(transformer, "activation", "") == "nearest:0.3" else 1e-4
    np.testing.assert_allclose(transformer.transform(X[70:71])[0], features[70], atol=tolerance)
    monkeypatch.setenv("MONOLAYER_THREADS", "1")
    assert np.array_equal(transformer.transform(X), features)
    monkeypatch.setattr(base, "BLOCK", 7)
    monkeypatch.setattr(patches, "ROWS", 30)
    np.testing.assert_allclose(transformer.transform(X), features, atol=tolerance)


def test_mirrored_images_have_the_features_of_mirrored_images(transformer, X):
    transformer.fit(X)
    mirrored = X.reshape(-1, *transformer.image_shape_)[..., ::-1].reshape(X.shape)
    assert np.array_equal(np.concatenate(list(transformer.iterate(X, mirrored=True))), transformer.transform(mirrored))


def test_labels_change_nothing(transformer, X):
    first = clone(transformer).fit(X).sha256
    assert clone(transformer).fit(X, np.arange(len(X))).sha256 == first


def test_learning_twice_learns_the_same_and_other_parameters_are_another(transformer, X):
    first = clone(transformer).fit(X)
    assert clone(transformer).fit(X).sha256 == first.sha256
    other = clone(transformer).set_params(pixel_max=100.0).fit(X)
    assert other.sha256 != first.sha256


def test_what_is_saved_and_loaded_computes_the_same_bytes(transformer, X, tmp_path):
    transformer.fit(X)
    save_transformer(transformer, tmp_path / "a.safetensors")
    loaded = load_transformer(tmp_path / "a.safetensors")
    assert loaded.sha256 == transformer.sha256
    assert np.array_equal(loaded.transform(X), transformer.transform(X))


def test_a_damaged_file_is_told(tmp_path):
    path, X = tmp_path / "a.safetensors", make_images(150, (3, 12, 10))
    with pytest.raises(BadData, match=r"a\.safetensors: cannot be read as a transformer"):
        load_transformer(path)
    save_transformer(clone(KINDS[0]).fit(X), path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    with pytest.raises(BadData, match=r"a\.safetensors: is not a transformer saved by monolayer"):
        load_transformer(path)
    path.write_bytes(whole.replace(b'n_filters\\": 8', b'n_filters\\": 9'))
    with pytest.raises(BadData, match="is not a transformer saved by monolayer"):
        load_transformer(path)


def test_it_stands_in_a_pipeline(transformer, X):
    y = np.arange(len(X)) % 3
    X = np.clip(X + 60.0 * y[:, None] * (np.arange(X.shape[1]) % 3 == 0), 0, 255).astype(np.uint8)
    pipeline = make_pipeline(transformer, OneLayerClassifier(epochs=30))
    assert pipeline.fit(X, y).score(X, y) > 0.6


@pytest.mark.parametrize(
    ("shape", "columns", "found"), [(None, 64, (1, 8, 8)), (None, 192, (3, 8, 8)), ((2, 4, 3), 24, (2, 4, 3))]
)
def test_the_shape_is_the_one_named_or_a_square(shape, columns, found):
    assert PixelFeatures(shape).fit(np.zeros((2, columns))).image_shape_ == found


@pytest.mark.parametrize(
    ("shape", "columns", "message"),
    [
        (None, 10, "Rows of 10 values are not square images; set image_shape"),
        ((1, 3, 3), 10, r"image_shape is \(1, 3, 3\), which has 9 values; the rows have 10"),
    ],
)
def test_rows_of_another_shape_are_told(shape, columns, message):
    with pytest.raises(BadInput, match=message):
        PixelFeatures(shape).fit(np.zeros((2, columns)))
    with pytest.raises(BadInput, match="accepted are images of 9 values"):
        PixelFeatures().fit(np.zeros((2, 9))).transform(np.zeros((2, 10)))


@pytest.mark.parametrize("pixel_max", [0, -1, float("nan"), "255", None])
def test_a_unit_that_is_none_is_told(pixel_max):
    with pytest.raises(BadInput, match=r"pixel_max is .*; accepted is a number above 0"):
        PixelFeatures(pixel_max=pixel_max).fit(np.zeros((2, 9)))


def test_a_kind_that_no_file_could_bring_back_is_told(tmp_path):
    class Own(PixelFeatures):
        pass

    with pytest.raises(BadInput, match=r"Own cannot be saved; accepted are HOGFeatures, PatchFeatures, PixelFeatures"):
        save_transformer(Own().fit(np.zeros((2, 9))), tmp_path / "own.safetensors")
    assert not list(tmp_path.glob("*.safetensors"))


def test_blocks_are_told_as_they_come():
    X = make_images(150, (3, 12, 10))

    class Listener:
        result = ()

        def info(self, text):
            raise AssertionError(text)

        def advance(self, task, done, total, unit="", detail=""):
            self.result = (*self.result, (task, done, total, unit))

    listener = Listener()
    list(PixelFeatures((3, 12, 10)).fit(X).iterate(X, progress=listener))
    assert listener.result == tuple(("features", done, 150, "images") for done in (0, 64, 128, 150))
