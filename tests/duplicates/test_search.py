import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from monolayer.data.dataset import Dataset
from monolayer.data.load import load_digits
from monolayer.duplicates.search import find_duplicates, name_obstacle
from monolayer.errors import BadInput

SHAPE = (3, 32, 32)


def make_photographs(n, seed, side=48):
    """(n, 3, side, side) float64 in 0..255: noise at all scales with the spectrum of photographs, and tints."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side))
    spectrum = np.fft.rfft2(rng.standard_normal((n, 3, side, side))) / (frequency + 0.02) ** 1.2
    fields = np.fft.irfft2(spectrum, (side, side))
    fields = 0.8 * fields.mean(axis=1, keepdims=True) + 0.4 * fields
    fields /= fields.std(axis=(1, 2, 3), keepdims=True)
    return np.clip(120 + 50 * fields, 0, 255)


def crop(pictures, top=8, left=8):
    return pictures[..., top : top + 32, left : left + 32]


def zoom(picture, by):
    """The middle 32 x 32 of one photograph, seen ``by`` times as large."""
    at = (np.arange(32) - 15.5) / by + 23.5
    rows, columns = np.meshgrid(at, at, indexing="ij")
    return np.stack([ndimage.map_coordinates(channel, [rows, columns], order=1) for channel in picture])


def compress(picture):
    buffer = io.BytesIO()
    Image.fromarray(picture.transpose(1, 2, 0).round().astype(np.uint8)).save(buffer, "jpeg", quality=75)
    return np.asarray(Image.open(buffer), dtype=float).transpose(2, 0, 1)


def add_noise(picture):
    return picture + np.random.default_rng(5).normal(0, 6, picture.shape)


# What becomes of a photograph of 48 x 48, of which the first dataset holds the middle 32 x 32.
CHANGES = {
    "same": crop,
    "mirrored": lambda p: crop(p)[..., ::-1],
    "brighter": lambda p: crop(p) * 0.8 + 45,
    "less contrast": lambda p: (crop(p) - 120) * 0.5 + 120,
    "tinted": lambda p: crop(p) * np.array([1.0, 0.75, 0.6])[:, None, None] + np.array([0, 15, 40])[:, None, None],
    "shifted by one": lambda p: crop(p, 8, 9),
    "shifted by two": lambda p: crop(p, 10, 6),
    "larger": lambda p: zoom(p, 1.1),
    "smaller": lambda p: zoom(p, 0.95),
    "as JPEG": lambda p: compress(crop(p)),
    "noisy": lambda p: add_noise(crop(p)),
    "mirrored, tinted and shifted": lambda p: 0.9 * crop(p, 9, 7)[..., ::-1] + np.array([0, 20, 5])[:, None, None],
}


def make_dataset(pictures, y=None, **options):
    X = np.clip(np.round(pictures), 0, 255).astype(np.uint8).reshape(len(pictures), -1)
    y = np.zeros(len(X), dtype=np.int64) if y is None else y
    return Dataset(X, y, ("a", "b"), image_shape=pictures.shape[1:], **options)


@pytest.fixture(scope="module")
def planted():
    """(first, second, {row of the first: row of the second}): each change once, among strangers."""
    ours, strangers = make_photographs(150, seed=0), make_photographs(40, seed=1)
    rows = {10 * k + 3: 3 * k + 2 for k in range(len(CHANGES))}
    others = crop(strangers)
    for (i, j), change in zip(rows.items(), CHANGES.values(), strict=True):
        others[j] = change(ours[i])
    return make_dataset(crop(ours)), make_dataset(others, np.ones(40, dtype=np.int64)), rows


@pytest.fixture(scope="module")
def found(planted):
    return find_duplicates(planted[0], planted[1])


def test_planted_duplicates_are_found_and_nothing_else(planted, found):
    assert {(pair.first, pair.second) for pair in found} == set(planted[2].items())


def test_mirrored_labels_and_order_are_told(planted, found):
    by_row = {pair.first: pair for pair in found}
    mirrored = {name: by_row[i].mirrored for i, name in zip(planted[2], CHANGES, strict=True)}
    assert {name for name, flag in mirrored.items() if flag} == {"mirrored", "mirrored, tinted and shifted"}
    assert {pair.labels for pair in found} == {(0, 1)}
    assert by_row[3].similarity == 1.0
    assert [pair.similarity for pair in found] == sorted((pair.similarity for pair in found), reverse=True)


def test_one_split_names_each_pair_once_in_order(planted):
    first, second, rows = planted
    both = replace(first, X=np.concatenate([first.X, second.X]), y=np.concatenate([first.y, second.y]))
    found = {(pair.first, pair.second) for pair in find_duplicates(both)}
    assert found == {(i, 150 + j) for i, j in rows.items()}


@pytest.mark.parametrize("block", [1, 7, 64, 10_000])
def test_blocks_do_not_change_the_result(planted, found, block):
    assert find_duplicates(planted[0], planted[1], block=block) == found


def test_strangers_of_another_seed_are_no_duplicates(planted):
    assert find_duplicates(planted[0], make_dataset(crop(make_photographs(60, seed=9)))) == []


def test_blank_and_nearly_blank_pictures_do_not_resemble_each_other():
    rng = np.random.default_rng(0)
    skies = np.linspace(150, 190, 32)[:, None] + rng.normal(0, 2, (30, 3, 32, 32))
    blank = np.full((30, 3, 32, 32), 7.0) + np.arange(30)[:, None, None, None]
    specks = skies.copy()
    specks[:, :, 14:18, 13:19] = 60
    rest = crop(make_photographs(60, seed=2))
    first = make_dataset(np.concatenate([rest, skies[:15], blank[:15], specks[:15]]))
    assert find_duplicates(first, make_dataset(np.concatenate([skies[15:], blank[15:], specks[15:]]))) == []


def test_bytes_and_floats_give_the_same_pairs(planted, found):
    as_floats = [replace(data, X=(data.X / 255).astype(np.float32)) for data in planted[:2]]
    pairs = find_duplicates(*as_floats)
    assert [(p.first, p.second, p.mirrored) for p in pairs] == [(p.first, p.second, p.mirrored) for p in found]


def test_other_sizes_and_grey_images():
    pictures = crop(make_photographs(60, seed=3)).mean(axis=1, keepdims=True)
    first = make_dataset(pictures[..., 2:30, :])
    second = make_dataset(pictures[40:, :, 2:30, ::-1] * 0.8 + 20)
    assert {(p.first, p.second, p.mirrored) for p in find_duplicates(first, second)} == {
        (40 + k, k, True) for k in range(20)
    }


def test_rows_that_are_no_images_are_compared_byte_for_byte():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 5)).astype(np.float32)
    X[[7, 20]] = X[2]
    first = Dataset(X, np.zeros(30, dtype=int), ("a",))
    assert "not images" in name_obstacle(first)
    assert [(p.first, p.second, p.similarity) for p in find_duplicates(first)] == [(2, 7, 1.0), (2, 20, 1.0)]
    second = Dataset(np.concatenate([X[4:5], X[20:21], -X[:1]]), np.zeros(3, dtype=int), ("a",))
    assert [(p.first, p.second) for p in find_duplicates(first, second)] == [(2, 1), (4, 0)]


def test_digits_are_too_small_to_tell_and_say_so():
    digits = load_digits()
    message = []

    class Listener:
        def info(self, text):
            message.append(text)

        def advance(self, *_):
            pass

    assert find_duplicates(digits, progress=Listener()) == []
    assert len(message) == 1
    assert "8 x 8" in message[0]


def test_progress_reaches_every_total(planted):
    events = {}

    class Listener:
        def info(self, text):
            pass

        def advance(self, task, done, total, unit=""):
            events[task] = (done, total)

    find_duplicates(planted[0], planted[1], progress=Listener())
    assert {"whitening", "fingerprints", "learning the threshold", "comparing", "aligning"} == set(events)
    assert all(done == total for done, total in events.values())


@settings(max_examples=15)
@given(st.lists(st.integers(0, 2), min_size=1, max_size=12), st.lists(st.integers(0, 2), min_size=1, max_size=12))
def test_equal_rows_are_those_of_a_slow_loop(ours, theirs):
    first, second = (
        Dataset(np.array(v, dtype=np.uint8)[:, None], np.zeros(len(v), int), ("a",)) for v in (ours, theirs)
    )
    pairs = {(p.first, p.second) for p in find_duplicates(first, second)}
    assert pairs == {(ours.index(value), j) for j, value in enumerate(theirs) if value in ours}


@pytest.mark.parametrize(
    ("options", "text"),
    [({"threshold": 0.0}, "threshold is 0.0"), ({"threshold": 1.5}, "1.5"), ({"block": 0}, "block")],
)
def test_options_out_of_range_are_named(planted, options, text):
    with pytest.raises(BadInput, match=text):
        find_duplicates(planted[0], planted[1], **options)


def test_rows_of_different_shapes_are_refused(planted):
    with pytest.raises(BadInput, match="one shape"):
        find_duplicates(planted[0], load_digits())


# (training row, test row, mirrored) of pairs found by a search of the whole and looked at: the same photographs.
SAME_PHOTOGRAPH = {
    (35349, 5111, False),
    (18487, 5368, False),
    (15592, 9408, False),
    (30108, 149, False),
    (43978, 4043, False),
    (25768, 159, False),
    (21311, 3007, False),
    (4372, 2114, False),  # recoloured
    (14138, 4510, True),
    (9219, 4119, True),
    (4044, 7776, True),  # retouched too
    (29110, 1276, True),
}


@pytest.mark.cifar10
def test_cifar10_duplicates_are_found_among_others(cifar10):
    rows = np.union1d(np.arange(0, 50_000, 40), [i for i, _, _ in SAME_PHOTOGRAPH])
    others = np.union1d(np.arange(0, 10_000, 25), [j for _, j, _ in SAME_PHOTOGRAPH])
    first = replace(cifar10, X=cifar10.X[rows], y=cifar10.y[rows], test=None)
    second = replace(cifar10.test, X=cifar10.test.X[others], y=cifar10.test.y[others])
    pairs = find_duplicates(first, second)
    assert {(int(rows[p.first]), int(others[p.second]), p.mirrored) for p in pairs} >= SAME_PHOTOGRAPH
    assert sum(p.labels[0] != p.labels[1] for p in pairs) <= 1
