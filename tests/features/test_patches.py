import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monolayer.errors import BadInput
from monolayer.features import PatchFeatures, patches
from monolayer.features.patches import compute_whitening, find_places, normalise_contrast
from tests.reference import plain_patches

ACTIVATIONS = {
    "triangle": plain_patches.triangle,
    "soft:0.25": plain_patches.soft,
    "nearest:0.4": plain_patches.nearest,
}


def make_images(n, shape, seed=0, dtype="uint8"):
    """Smooth images, so that patches have directions in which they vary more."""
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 256, (n, shape[0], shape[1] + 2, shape[2] + 2)).astype(float)
    smooth = sum(noise[:, :, i : i + shape[1], j : j + shape[2]] for i in range(3) for j in range(3)) / 9
    return smooth.reshape(n, -1).astype(dtype)


@pytest.mark.parametrize("activation", list(ACTIVATIONS))
@pytest.mark.parametrize(
    ("shape", "size", "stride", "pool"),
    [((1, 7, 7), 3, 1, 2), ((3, 9, 8), 4, 2, 1), ((2, 6, 11), 3, 1, 3), ((3, 5, 5), 5, 1, 1)],
)
@pytest.mark.parametrize("filters", ["kmeans", "random"])
def test_features_are_those_of_the_plain_loops(activation, shape, size, stride, pool, filters):
    X = make_images(70, shape)
    features = PatchFeatures(
        10, patch_size=size, stride=stride, pool=pool, activation=activation, filters=filters, n_patches=400,
        image_shape=shape,
    )  # fmt: skip
    found = features.fit(X).transform(X)
    for row in (0, 69):
        expected = plain_patches.compute_features(
            X[row].reshape(shape), features.mean_, features.whitening_, features.filters_,
            size=size, stride=stride, pool=pool, activation=ACTIVATIONS[activation],
        )  # fmt: skip
        np.testing.assert_allclose(
            found[row], expected.ravel(), atol=1e-3
        )  # a distance of 0 is the root of what rounds off
    assert found.dtype == np.float32
    assert found.shape == (70, features.n_features_out) == (70, len(features.get_feature_names_out()))


def test_filters_of_random_patches_are_patches_and_centres_of_k_means_are_nearer_to_them():
    X = make_images(60, (1, 8, 8))
    at_random, by_means = (
        PatchFeatures(20, patch_size=3, filters=filters, n_patches=3000).fit(X) for filters in ("random", "kmeans")
    )
    places = find_places((1, 8, 8), 3, 1)
    found = normalise_contrast(X.astype(np.float32)[:, places].reshape(-1, 9))
    found = (found - at_random.mean_) @ at_random.whitening_

    def measure(features):
        return np.sqrt(((found[:, None] - features.filters_) ** 2).sum(axis=2)).min(axis=1)

    assert np.isclose(np.sort(measure(at_random))[:20], 0, atol=1e-3).all()
    assert measure(by_means).mean() < measure(at_random).mean()


def test_whitened_patches_have_a_covariance_near_one():
    rng = np.random.default_rng(0)
    drawn = rng.standard_normal((20_000, 5)) @ np.diag([100, 30, 10, 5, 2]) @ np.linalg.qr(rng.random((5, 5)))[0]
    whitening = compute_whitening(drawn.astype(np.float32))
    np.testing.assert_allclose(whitening, whitening.T, atol=1e-6)
    np.testing.assert_allclose(np.cov(drawn @ whitening, rowvar=False), np.eye(5), atol=0.03)


@given(st.integers(1, 3), st.integers(2, 9), st.integers(2, 9), st.integers(1, 4), st.integers(1, 3))
@settings(max_examples=30)
def test_places_are_those_of_the_windows(channels, height, width, size, stride):
    size = min(size, height, width)
    image = np.random.default_rng(0).random((channels, height, width))
    places = find_places(image.shape, size, stride)
    windows = [
        image[:, top : top + size, left : left + size].ravel()
        for top in range(0, height - size + 1, stride)
        for left in range(0, width - size + 1, stride)
    ]
    assert np.array_equal(image.ravel()[places], windows)


def test_brightness_of_an_image_changes_nothing_and_contrast_little():
    X = make_images(50, (1, 8, 8), dtype="float32")
    features = PatchFeatures(8, patch_size=3, n_patches=500).fit(X)
    found = features.transform(X)
    np.testing.assert_allclose(features.transform(X + 20), found, atol=1e-3)
    assert np.corrcoef(features.transform(1.2 * X).ravel(), found.ravel())[0, 1] > 0.99


def test_a_large_image_is_computed_in_pieces(monkeypatch):
    X = make_images(3, (2, 20, 17))
    features = PatchFeatures(6, patch_size=4, n_patches=300, image_shape=(2, 20, 17), pool=3).fit(X)
    whole = features.transform(X)
    for rows in (1, 7, 100):
        monkeypatch.setattr(patches, "ROWS", rows)
        np.testing.assert_allclose(features.transform(X), whole, atol=1e-5)


@pytest.mark.parametrize("activation", list(ACTIVATIONS))
@pytest.mark.parametrize(("shape", "stride", "pool"), [((3, 9, 8), 1, 2), ((1, 12, 31), 1, 3), ((2, 30, 32), 2, 1)])
def test_what_places_add_to_a_weighted_sum_adds_up_to_it(activation, shape, stride, pool):
    X = make_images(13, shape, dtype="float32")
    features = PatchFeatures(
        7, patch_size=3, stride=stride, pool=pool, n_patches=300, activation=activation, image_shape=shape
    ).fit(X)
    weights = np.random.default_rng(1).standard_normal((4, features.n_features_out))
    found = features.locate(X, weights)
    lines, columns = ((side - 3) // stride + 1 for side in shape[1:])
    assert found.shape == (13, 4, lines, columns)
    np.testing.assert_allclose(found.sum(axis=(2, 3)), features.transform(X) @ weights.T, atol=1e-3)


def test_a_filter_that_all_patches_leave_silent_has_a_feature_of_exactly_0():
    X = make_images(40, (3, 12, 12))
    features = PatchFeatures(12, patch_size=3, n_patches=500).fit(X)
    features.filters_[5] += 1000  # farther away from everything than the mean of all
    found = features.transform(X).reshape(40, -1, 12)
    assert (found[..., 5] == 0).all()
    assert (found >= 0).all()
    assert (found[..., 4] > 0).any()


def test_a_place_is_where_its_patch_stands():
    X = np.full((1, 100), 100, np.float32)
    features = PatchFeatures(5, patch_size=3, pool=2, n_patches=300).fit(make_images(30, (1, 10, 10)))
    weights = np.random.default_rng(1).standard_normal((1, 20))
    X_changed = X.copy()
    X_changed[0, 10 * 6 + 2] = 200  # line 6, column 2: in the patches from line 4 to 6 and column 0 to 2
    is_changed = (features.locate(X_changed, weights) != features.locate(X, weights))[0, 0]
    assert sorted(set(np.nonzero(is_changed)[0])) == [4, 5, 6]
    assert sorted(set(np.nonzero(is_changed)[1])) == [0, 1, 2]


def test_weights_and_images_that_do_not_fit_are_refused():
    X = make_images(9, (1, 8, 8))
    features = PatchFeatures(8, patch_size=3, pool=2, n_patches=100).fit(X)
    with pytest.raises(BadInput, match=r"accepted is \(K, 32\)"):
        features.locate(X, np.ones((2, 31)))
    with pytest.raises(BadInput, match="accepted are images of 64 values"):
        features.locate(X[:, :63], np.ones((2, 32)))


def test_few_images_have_few_patches():
    X = make_images(3, (1, 4, 4))
    features = PatchFeatures(12, patch_size=3, pool=2).fit(X)
    assert features.filters_.shape == (12, 9)
    with pytest.raises(BadInput, match="n_filters is 13; accepted are up to 12, the patches of the images"):
        PatchFeatures(13, patch_size=3, pool=2).fit(X)


def test_a_unit_of_pixels_is_a_unit():
    X = make_images(50, (1, 8, 8))
    bytes_, shares = (
        PatchFeatures(8, patch_size=3, n_patches=500, pixel_max=top).fit(X * (top / 255)) for top in (255.0, 1.0)
    )
    np.testing.assert_allclose(bytes_.transform(X), shares.transform(X / 255), atol=1e-3)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_filters": 0}, "n_filters is 0; accepted is a whole number"),
        ({"stride": 0}, "stride is 0; accepted"),
        ({"filters": "best"}, "filters is 'best'; accepted are kmeans and random"),
        ({"patch_size": 9}, "patch_size is 9; accepted is 1 to 8"),
        ({"patch_size": 0}, "patch_size is 0; accepted is a whole number of 1 or above"),
        ({"patch_size": 1}, "patch_size is 1; accepted .* at least two values per patch"),
        ({"pool": 1.5}, "pool is 1.5; accepted is a whole number"),
        ({"stride": True}, "stride is True; accepted"),
        ({"random_state": None}, "random_state is None; accepted is a whole number of 0 or above"),
        ({"pool": 7}, "pool is 7; accepted is up to 6"),
        ({"n_patches": 5}, "n_patches is 5; accepted is at least n_filters, 8"),
        ({"activation": "relu"}, "activation is 'relu'; accepted are triangle, soft:THRESHOLD"),
        ({"activation": "soft:-1"}, "activation is 'soft:-1'"),
        ({"activation": "nearest:1.5"}, "activation is 'nearest:1.5'"),
        ({"activation": "triangle:1"}, "activation is 'triangle:1'"),
    ],
)
def test_what_is_not_accepted_is_told(parameters, message):
    with pytest.raises(BadInput, match=message):
        PatchFeatures(**{"n_filters": 8, "patch_size": 3, "n_patches": 100, **parameters}).fit(
            make_images(9, (1, 8, 8))
        )


@pytest.mark.parametrize(("side", "size"), [(32, 6), (64, 6), (24, 6), (23, 5), (16, 4), (8, 3), (4, 2)])
def test_smaller_images_have_smaller_patches(side, size):
    features = PatchFeatures(2, n_patches=50, pool=1).fit(make_images(9, (1, side, side)))
    assert features._size == size
