"""Filters, evidence, and accuracy against cost."""

import numpy as np
import pytest
from matplotlib.figure import Figure

import monolayer as ml
from monolayer.errors import BadInput
from monolayer.features import PatchFeatures
from monolayer.figures import AccuracyCost, Evidence, Filters
from monolayer.figures.filters import tile, weigh_filters


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    splits = ml.load("digits").split(val=200)
    transformer = PatchFeatures(20, patch_size=3, n_patches=2000, activation="soft:0.1")
    extracted = ml.extract_features(splits, transformer, folder=tmp_path_factory.mktemp("features"))
    return splits, ml.train(extracted.splits, epochs=3, learning_rate=0.05)


def test_filters_are_ordered_by_what_the_weights_give_them():
    weights = np.zeros((2, 12))  # two classes, four regions, three filters
    weights[0, 2], weights[1, 5], weights[1, 0] = -3, 1, 2
    assert weigh_filters(weights, 3).tolist() == [2, 0, 4]


def test_both_features_of_a_filter_count_in_every_region():
    weights = np.zeros((1, 12))  # two regions, of positive sides of three filters and then negative ones
    weights[0, [1, 4, 7, 10]] = 1, 10, 100, 1000
    assert weigh_filters(weights, 3).tolist() == [0, 1111, 0]


def test_rows_of_features_are_no_images(trained, tmp_path):
    splits, run = trained
    transformer = PatchFeatures(16, patch_size=3, n_patches=500, pool=2)  # as many features as pixels
    extracted = ml.extract_features(splits, transformer, folder=tmp_path)
    with pytest.raises(BadInput, match="The rows are features already"):
        Evidence.of(run, extracted.splits.val)


def test_the_filters_of_a_run_are_its_own(trained):
    _, run = trained
    chart = Filters.of(run, most=5)
    order = np.argsort(-weigh_filters(run.network.weights, 20), kind="stable")
    np.testing.assert_array_equal(chart.filters, run.network.transformer.filters_[order[:5]])
    assert chart.shape == (1, 3, 3)


def test_filters_stand_in_lines_in_frames_with_nothing_where_there_is_none():
    sheet = tile(np.ones((3, 2, 2, 3)), (2, 2))
    assert sheet.shape == (7, 7, 4)
    assert (2 * sheet[..., 0] * sheet[..., 3]).astype(int).tolist() == [
        [1, 1, 1, 1, 1, 1, 1], [1, 2, 2, 1, 2, 2, 1], [1, 2, 2, 1, 2, 2, 1], [1, 1, 1, 1, 1, 1, 1],
        [1, 2, 2, 1, 0, 0, 0], [1, 2, 2, 1, 0, 0, 0], [1, 1, 1, 1, 0, 0, 0],
    ]  # fmt: skip


def test_evidence_of_a_run_has_a_map_for_each_class_on_one_scale(trained):
    splits, run = trained
    chart, figure = Evidence.of(run, splits.val), Figure()
    chart.draw(figure)
    images = [ax.images[0] for ax in figure.axes if ax.images and ax.get_label() != "<colorbar>"]
    assert len(images) == chart.n_panels == 10
    largest = np.abs(chart.maps).max()
    assert {image.norm.vmax for image in images} == {largest}
    assert {image.norm.vmin for image in images} == {-largest}
    assert chart.frame()["evidence_3_3"] == chart.maps[3].ravel().tolist()


def test_a_network_on_pixels_has_neither():
    splits = ml.load("digits").split(val=200)
    run = ml.train(splits, epochs=1)
    with pytest.raises(BadInput, match="has no filters to draw"):
        Filters.of(run)
    with pytest.raises(BadInput, match="cannot be divided among places"):
        Evidence.of(run, splits.val)


def make_cost(**other):
    columns = {"names": ("a", "b"), "groups": ("x", "x"), "seconds": [2, 20], "accuracy": [0.4, 0.7]}
    return AccuracyCost(**{**columns, "low": [0.3, 0.65], "high": [0.5, 0.75], **other})


def test_points_stand_where_the_table_says_and_published_levels_are_named_so():
    chart, figure = make_cost(published=(("published: theirs", 0.77),)), Figure()
    chart.draw(figure)
    ax = figure.axes[0]
    (points,) = (line for line in ax.lines if len(line.get_xdata()) == 2 and line.get_marker() == "o")
    assert list(points.get_ydata()) == [0.4, 0.7]
    assert {text.get_text() for text in ax.texts} == {"a", "b"}
    (level,) = (line for line in ax.lines if line.get_label() == "published: theirs")
    assert set(level.get_ydata()) == {0.77}
    assert chart.frame() == {
        "name": ["a", "b", "published: theirs"],
        "group": ["x", "x", "published"],
        "seconds": [2, 20, None],
        "accuracy": [0.4, 0.7, 0.77],
        "low": [0.3, 0.65, None],
        "high": [0.5, 0.75, None],
    }


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"seconds": [0, 1]}, "above 0"),
        ({"low": [0.1]}, "low must have 2 values"),
        ({"groups": ("x",)}, "each with a name and a group"),
    ],
)
def test_what_is_no_such_picture_is_refused(other, message):
    with pytest.raises(BadInput, match=message):
        make_cost(**other)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Filters(np.ones((2, 8)), (2, 2, 2)),
        lambda: Filters(np.ones((2, 8)), (1, 3, 3)),
        lambda: Evidence(np.ones((2, 3, 3)), ("a",)),
    ],
)
def test_shapes_that_do_not_fit_are_refused(make):
    with pytest.raises(BadInput):
        make()
