import numpy as np
import pytest

from monolayer.data.dataset import Dataset
from monolayer.duplicates.search import Duplicate
from monolayer.errors import BadInput
from monolayer.figures import DuplicatePairs, render_svg
from tests.made import make_dataset

PAIRS = [Duplicate(3, 1, 1.0, False, (0, 0)), Duplicate(5, 2, 0.71, True, (0, 1)), Duplicate(6, 0, 0.6, False, (2, 2))]


@pytest.mark.parametrize("shape", [(3, 4, 4), (1, 4, 4)])
def test_a_sheet_names_rows_labels_and_similarity(shape):
    dataset = make_dataset(20, int(np.prod(shape)), image_shape=shape)
    chart = DuplicatePairs.of(PAIRS, dataset, dataset.test)
    svg = render_svg(chart, "pairs")
    for text in ("train 5, test 2", "class 0 / class 1", "0.71, mirrored", "1.00"):
        assert text in svg
    table = chart.frame()
    assert table["first_train"] == [3, 5, 6]
    assert table["mirrored"] == [False, True, False]
    assert table["second_label"] == ["class 0", "class 1", "class 2"]


def test_pairs_within_one_split_name_it_twice():
    dataset = make_dataset(20, 48, image_shape=(3, 4, 4))
    assert "train 3, train 1" in render_svg(DuplicatePairs.of(PAIRS, dataset), "pairs")


def test_drawing_changes_no_data():
    dataset = make_dataset(20, 48, image_shape=(3, 4, 4))
    chart = DuplicatePairs.of(PAIRS, dataset, dataset.test)
    before = chart.first.copy(), chart.second.copy()
    assert render_svg(chart, "a") == render_svg(chart, "a")
    assert np.array_equal(chart.first, before[0])
    assert np.array_equal(chart.second, before[1])


def test_bad_shapes_are_refused():
    dataset = make_dataset(20, 48, image_shape=(3, 4, 4))
    with pytest.raises(BadInput, match="at least one row"):
        DuplicatePairs.of([], dataset)
    with pytest.raises(BadInput, match="1 or 3 channels"):
        DuplicatePairs(dataset.X[:3], dataset.X[:3], tuple(PAIRS), dataset.class_names, (2, 4, 6))
    with pytest.raises(BadInput, match="not images"):
        DuplicatePairs.of(PAIRS, make_dataset(20, 48))


def test_pairs_of_an_unknown_unit_are_drawn_from_dark_to_bright():
    X = np.linspace(-3, 5, 48, dtype=np.float32).reshape(4, 12)
    dataset = Dataset(X, np.arange(4) % 2, ("a", "b"), image_shape=(3, 2, 2), pixel_max=None)
    pairs = DuplicatePairs.of([Duplicate(0, 3, 1.0, False, (0, 1))], dataset)
    assert (pairs.first.min(), pairs.second.max(), pairs.pixel_max) == (0, 1, 1)
