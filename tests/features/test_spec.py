import pytest
from hypothesis import given
from hypothesis import strategies as st

from monolayer.errors import BadInput
from monolayer.features.registry import KINDS, is_spec, parse_features


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pixels", "PixelFeatures()"),
        ("hog", "HOGFeatures()"),
        ("hog:4", "HOGFeatures(cell=4)"),
        ("patches", "PatchFeatures()"),
        ("patches:200", "PatchFeatures(n_filters=200)"),
        ("patches:20,by=random,pool=2", "PatchFeatures(filters='random', n_filters=20, pool=2)"),
        ("patches:activation=soft:0.25, seed=7", "PatchFeatures(activation='soft:0.25', random_state=7)"),
    ],
)
def test_a_text_names_a_transformer(text, message):
    assert is_spec(text)
    assert parse_features(text).describe() == message


@given(
    st.integers(1, 10**6),
    st.integers(1, 50),
    st.integers(1, 9),
    st.sampled_from(["random", "kmeans"]),
    st.integers(1, 9),
)
def test_every_word_is_a_parameter(n_filters, size, stride, by, pool):
    text = f"patches:filters={n_filters},size={size},stride={stride},by={by},pool={pool}"
    found = parse_features(text)
    assert (found.n_filters, found.patch_size, found.stride, found.filters, found.pool) == (
        n_filters, size, stride, by, pool,
    )  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_words_are_parameters_of_the_class(name):
    parameters = {parameter for parameter, _ in KINDS[name].words.values()}
    assert parameters <= set(parse_features(name).get_params())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("layer6", "'layer6' is not a kind of features; accepted are hog"),
        ("patches:many", "filters is 'many'; accepted is a whole number"),
        ("patches:10,sise=3", "has no word 'sise'; patches takes filters, size, stride"),
        ("patches:10,20", "has no word '20'"),
        ("pixels:3", "has no word '3'; pixels takes none"),
    ],
)
def test_what_is_not_accepted_is_told(text, message):
    with pytest.raises(BadInput, match=message):
        parse_features(text)


def test_names_of_arrays_are_none():
    assert not any(map(is_spec, ("layer6", "X", "train_X", "hogs", "")))
